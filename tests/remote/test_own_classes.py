"""Labels of a service as cat or dog, and what is right of them."""

import pytest

from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.prediction import Prediction
from imgrec.remote.classifier import to_prediction
from imgrec.remote.own_classes import ScoredImage, roll_up, score, score_classes

GROUPS = ClassGroups.parse("cat;dog")


def labels(**scores: float) -> Prediction:
    return to_prediction("service", "Service", {name.replace("_", " "): value for name, value in scores.items()}, 1.0)


def test_a_class_has_the_confidence_of_its_surest_label() -> None:
    found = roll_up(labels(Whiskers=0.99, Tabby=0.7, Cat=0.9, Dog=0.2), GROUPS)
    assert found.label_space.labels == ("cat", "dog")
    assert found.probabilities == pytest.approx([0.9, 0.2])
    assert score("a.jpg", "cat", found) == ScoredImage("a.jpg", "cat", "cat", pytest.approx(0.9))


def test_without_a_label_that_counts_there_is_no_answer() -> None:
    found = score("a.jpg", "cat", roll_up(labels(Whiskers=0.99, Tail=0.5), GROUPS))
    assert (found.answer, found.confidence, found.is_right) == (None, None, False)


def test_each_class_has_its_share_and_the_range_of_confidences() -> None:
    rows = [
        ScoredImage("1", "cat", "cat", 0.97),
        ScoredImage("2", "cat", "cat", 0.99),
        ScoredImage("3", "dog", "cat", 0.6),
        ScoredImage("4", "dog", "dog", 0.9),
        ScoredImage("5", None, "dog", 0.9),
    ]
    cats, dogs = score_classes(rows)
    assert (cats.name, cats.images, cats.right, cats.least, cats.most) == ("cat", 2, 2, 0.97, 0.99)
    assert (dogs.name, dogs.images, dogs.right, dogs.least) == ("dog", 2, 1, 0.9)
    assert 0.09 < dogs.interval.low < 0.5 < dogs.interval.high < 0.91
