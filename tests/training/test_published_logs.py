"""Printed epochs: the times that follow from them, and which printed time contradicts its log."""

from imgrec.evaluation.reference_tables import read_published as read_tables
from imgrec.training.published_logs import read_published

LOGS = {one.log.title: one for one in read_published()}


def test_times_follow_from_the_epochs() -> None:
    resnet, vgg = LOGS["ResNet50, transfer"], LOGS["VGG16, transfer"]
    assert resnet.log.training_seconds == 5 * 562
    assert resnet.derived_time == "46 min 50 s (5 × 562 s)"
    assert vgg.log.training_seconds == 5 * 1851
    assert vgg.derived_time == "2 h 34 min (5 × 1,851 s)"
    assert LOGS["CNN on cats and dogs"].derived_time == "16 h 40 min (25 × 2,400 s)"


def test_a_printed_time_that_contradicts_its_log_is_named() -> None:
    resnet = LOGS["ResNet50, transfer"]
    assert resnet.contradicts
    assert "prints 2.5 h" in resnet.comparison
    assert "3.2 times less" in resnet.comparison
    assert not any(one.comparison for one in LOGS.values() if one is not resnet)


def test_epochs_are_those_printed() -> None:
    assert LOGS["ResNet50, transfer"].log.epochs["val_accuracy"].tolist() == [0.7620, 0.8567, 0.9014, 0.9190, 0.9297]
    assert LOGS["VGG16, transfer"].log.epochs["val_accuracy"].tolist() == [0.3552, 0.4726, 0.4940, 0.5474, 0.5505]
    augmented = LOGS["InceptionV3, augmented"].log
    assert augmented.epochs["val_accuracy"].tolist() == [0.1000, 0.1000, 0.0927, 0.1051, 0.0978]
    assert (augmented.epochs["accuracy"][0], augmented.last("accuracy")) == (0.1440, 0.5096)


def test_each_log_of_a_table_belongs_to_one_of_its_rows() -> None:
    rows = {table.title: {row[0]: row for row in table.rows} for table in read_tables()[0]}
    columns = {table.title: table.columns for table in read_tables()[0]}
    for title, one in LOGS.items():
        if one.table is not None:
            row = rows[one.table][title]
            assert row[columns[one.table].index("Training time")] == one.printed_time
            assert row[columns[one.table].index("Accuracy")] == one.printed_accuracy
