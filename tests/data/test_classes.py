"""The classes of a dataset and of a model: recognized by name or WordNet id, and matched."""

import numpy as np
import pytest

from imgrec.data.classes import check_groups, recognize, scoring
from imgrec.errors import InputError, LabelSpaceError
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.labels import CATS_AND_DOGS, CIFAR_10, LabelSpace, get_label_space


@pytest.mark.parametrize(
    ("names", "space"),
    [
        pytest.param(["Cats", "dog"], "cats_and_dogs", id="plural and case"),
        pytest.param(["plane", "car", "ship"], "cifar_10", id="other words for some of ten"),
        pytest.param(["n02123045", "n02088364"], "imagenet_1k", id="WordNet ids"),
        pytest.param(["rose", "tulip"], "rose_tulip", id="classes of one's own"),
    ],
)
def test_recognizes(names: list[str], space: str) -> None:
    assert recognize(names).name == space


def test_imagenet_rolls_up_and_sums_stay() -> None:
    found = scoring(get_label_space("imagenet_1k"), CIFAR_10)
    assert found is not None
    assert found.target.labels[:10] == CIFAR_10.labels
    assert len(found.target.labels) == 11
    assert found.unreachable == ("deer",)
    assert found.apply(np.full((1, 1000), 1e-3)).sum() == pytest.approx(1)


def test_the_same_classes_in_another_order_are_matched_by_name() -> None:
    mine = LabelSpace("mine", ("dog", "cat"), (None, None))
    found = scoring(mine, CATS_AND_DOGS)
    assert found is not None
    assert found.apply(np.array([0.9, 0.1])).tolist() == [0.1, 0.9]
    assert scoring(CIFAR_10, CIFAR_10) is None


def test_classes_that_do_not_fit_are_named() -> None:
    flowers = LabelSpace("flowers", ("rose", "tulip"), (None, None))
    with pytest.raises(LabelSpaceError, match=r"Received: 2 classes\. Not among them: rose, tulip\."):
        scoring(get_label_space("imagenet_1k"), flowers)
    with pytest.raises(LabelSpaceError, match=r"airplane, automobile, bird, cat and 6 more"):
        scoring(CIFAR_10, flowers)


def test_a_misspelt_class_is_named() -> None:
    labels = tuple(sorted({*CIFAR_10.labels[:9], "frgo"} - {"frog"}))
    with pytest.raises(LabelSpaceError, match=r"Received: 9 classes\. Not among them: frgo\."):
        scoring(CIFAR_10, LabelSpace("misspelt", labels, (None,) * len(labels)))


def test_classes_are_the_same_in_another_number_and_order() -> None:
    mine = LabelSpace("mine", ("dogs", "Cats"), (None, None))
    theirs = LabelSpace("theirs", ("cat", "dog"), (None, None))
    found = scoring(mine, theirs)
    assert found is not None
    assert found.apply(np.array([[0.9, 0.1]], np.float32)).tolist() == [[pytest.approx(0.1), pytest.approx(0.9)]]


def test_groups_say_what_classes_mean() -> None:
    theirs = LabelSpace("theirs", ("Vehicles", "pets"), (None, None))
    groups = ClassGroups.parse("pet:dog,domestic cat;vehicle;food:n07555863")
    check_groups(theirs.labels, groups)
    found = scoring(get_label_space("imagenet_1k"), theirs, groups)
    assert found is not None
    assert found.target.labels == ("Vehicles", "pets", "something else")
    labels = get_label_space("imagenet_1k").labels
    assert [int(found.index[labels.index(label)]) for label in ("minivan", "tabby", "cucumber", "lion")] == [0, 1, 2, 2]


def test_groups_that_overlap_cannot_be_measured() -> None:
    theirs = LabelSpace("theirs", ("animal", "dog"), (None, None))
    with pytest.raises(LabelSpaceError, match=r"Received: Chihuahua in animal and dog\."):
        scoring(get_label_space("imagenet_1k"), theirs, ClassGroups.parse("animal;dog"))


def test_a_class_without_a_group_is_named() -> None:
    with pytest.raises(InputError, match=r"Received: cat; without birds\."):
        check_groups(("cats", "birds"), ClassGroups.parse("cat"))


def test_a_model_without_a_class_of_any_group_is_refused() -> None:
    theirs = LabelSpace("theirs", ("deer",), (None,))
    with pytest.raises(LabelSpaceError, match=r"Expected a model that knows a class of deer\. Received: imagenet_1k\."):
        scoring(get_label_space("imagenet_1k"), theirs, ClassGroups.parse("deer"))
