"""True classes as folders name them: matched as in an evaluation, counted in their own terms, or refused."""

from dataclasses import replace

import numpy as np
import pytest

from imgrec.errors import LabelSpaceError
from imgrec.evaluation.true_classes import match_classes
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.labels import LABEL_SPACES, LabelSpace, get_label_space
from imgrec.predictions.prediction import Prediction
from tests.fakes import fake_spec

IMAGENET = BUILT_IN.get_spec("mobilenet")
CIFAR = next(spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10")


def one_hot(spec: ModelSpec, index: int) -> Prediction:
    space = spec.get_label_space()
    return Prediction(spec.name, space, np.eye(len(space.labels), dtype=np.float32)[index])


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model of just cats and dogs."""
    monkeypatch.setitem(LABEL_SPACES, "pets", lambda: LabelSpace("pets", ("dogs", "cats"), (None, None)))
    return fake_spec("pets", label_space="pets")


@pytest.mark.parametrize(("index", "expected"), [(281, "cat"), (207, "dog"), (504, "something else")])
def test_breeds_count_as_cats_and_dogs(index: int, expected: str) -> None:
    truth = match_classes({0: "cats", 1: "dogs"}, [IMAGENET])
    counted = truth.count(one_hot(IMAGENET, index))
    assert counted.first.label == expected
    assert counted.first.probability == 1
    assert counted.own is not None
    assert [truth.label_space.labels[i] for i in truth.targets.values()] == ["cat", "dog"]


def test_models_of_several_label_spaces_are_counted_in_one(own: ModelSpec) -> None:
    truth = match_classes({0: "cats", 3: "dogs"}, [IMAGENET, CIFAR, own])
    counted = [truth.count(one_hot(IMAGENET, 281)), truth.count(one_hot(CIFAR, 3)), truth.count(one_hot(own, 1))]
    assert [prediction.first.label for prediction in counted] == ["cat"] * 3
    assert {prediction.first.index for prediction in counted} == {truth.targets[0]}
    assert len({prediction.label_space.name for prediction in counted}) == 1
    assert truth.targets.keys() == {0, 3}


def test_folders_may_be_named_after_a_visitors_classes() -> None:
    groups = ClassGroups.parse("feline;canine;food:n07555863")
    truth = match_classes({0: "felines", 1: "canines"}, [IMAGENET], groups)
    found = [truth.count(one_hot(IMAGENET, index)).first.label for index in (281, 269, 291, 404)]
    assert found == ["felines", "canines", "felines", "something else"]  # tabby, timber wolf, lion, airliner
    assert [truth.label_space.labels[i] for i in truth.targets.values()] == ["felines", "canines"]


def test_classes_of_a_visitor_that_name_no_folder_change_nothing() -> None:
    truth = match_classes({0: "cats", 1: "dogs"}, [IMAGENET], ClassGroups.parse("cat;vehicle"))
    assert truth.label_space.labels == ("cat", "dog", "something else")


def test_wordnet_ids_are_classes_of_imagenet() -> None:
    truth = match_classes({0: "n02123045", 1: "n07920052"}, [IMAGENET])
    assert dict(truth.targets) == {0: 281, 1: 967}
    assert truth.count(one_hot(IMAGENET, 967)).first.index == 967


def test_names_of_some_classes_of_the_models_do_as_well() -> None:
    truth = match_classes({0: "Tabby", 1: "espresso"}, [IMAGENET, replace(IMAGENET, name="other")])
    assert dict(truth.targets) == {0: 281, 1: 967}
    assert truth.label_space is get_label_space("imagenet_1k")


def test_kinds_and_classes_go_together_and_other_words_have_no_truth() -> None:
    words = {0: "cats", 1: "espresso", 2: "misc", 3: "dog"}
    truth = match_classes(words, [IMAGENET])
    assert {place: truth.label_space.labels[target] for place, target in truth.targets.items()} == {
        0: "cats",
        1: "espresso",
        3: "dog",
    }
    found = [truth.count(one_hot(IMAGENET, index)).first.label for index in (281, 967, 176, 404)]
    assert found == ["cats", "espresso", "dog", "something else"]


@pytest.mark.parametrize(
    ("words", "specs"),
    [
        pytest.param({0: "cat", 1: "animal", 2: "misc"}, [IMAGENET], id="one is part of the other"),
        pytest.param({0: "holiday", 1: "work"}, [IMAGENET], id="no classes"),
        pytest.param({0: "tabby", 1: "holiday"}, [IMAGENET], id="one of them no class"),
        pytest.param({0: "crane", 1: "tabby"}, [IMAGENET], id="two classes of ImageNet are called crane"),
        pytest.param({0: "tabby", 1: "espresso"}, [IMAGENET, CIFAR], id="classes of one model only"),
    ],
)
def test_other_words_are_refused(words: dict[int, str], specs: list[ModelSpec]) -> None:
    with pytest.raises(LabelSpaceError):
        match_classes(words, specs)
