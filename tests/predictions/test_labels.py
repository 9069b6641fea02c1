"""Label spaces: identity by synset, WordNet paths, roll-ups that keep probability."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imgrec.errors import LabelSpaceError, UnknownNameError
from imgrec.predictions.labels import (
    CATS_AND_DOGS,
    CIFAR_10,
    LABEL_SPACES,
    NO_TARGET,
    LabelMap,
    LabelSpace,
    get_label_map,
    get_label_space,
    roll_up,
)

ENTITY = "n00001740"
CAT, DOG, CANINE = "n02121620", "n02084071", "n02083346"

IMAGENET = get_label_space("imagenet_1k")


def index_of(synset: str) -> int:
    return IMAGENET.synsets.index(synset)


# ── spaces ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_every_label_space_loads_and_is_called_what_its_entry_says(name: str) -> None:
    space = get_label_space(name)
    assert space.name == name
    assert space is get_label_space(name)
    assert all(space.labels)


def test_an_unknown_label_space_names_the_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"imagenet_1k.*Received: 'imagenet1k'"):
        get_label_space("imagenet1k")


@pytest.mark.parametrize(
    ("labels", "synsets", "message"),
    [
        pytest.param(("a", "b"), (None,), "2 labels and 1 synsets", id="counts differ"),
        pytest.param(("a", "b"), (CAT, CAT), "one of them twice", id="synset twice"),
    ],
)
def test_a_label_space_refuses(labels: tuple[str, ...], synsets: tuple[str | None, ...], message: str) -> None:
    with pytest.raises(LabelSpaceError, match=message):
        LabelSpace("bad", labels, synsets)


# ── ImageNet ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_imagenet_is_a_thousand_classes_in_the_order_of_their_ids() -> None:
    assert len(IMAGENET.synsets) == 1000
    assert list(IMAGENET.synsets) == sorted(IMAGENET.synsets)


@pytest.mark.parametrize(
    ("index", "synset", "label"),
    [
        (0, "n01440764", "tench"),
        (134, "n02012849", "crane"),
        (264, "n02113186", "Cardigan"),
        (281, "n02123045", "tabby"),
        (285, "n02124075", "Egyptian cat"),
        (474, "n02963159", "cardigan"),
        (517, "n03126707", "crane"),
        (638, "n03710637", "maillot"),
        (639, "n03710721", "maillot"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_known_classes_stand_at_their_index(index: int, synset: str, label: str) -> None:
    assert (IMAGENET.synsets[index], IMAGENET.labels[index]) == (synset, label)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("n02012849", "n03126707", id="crane"),
        pytest.param("n03710637", "n03710721", id="maillot"),
        pytest.param("n02963159", "n02113186", id="cardigan"),
    ],
)
def test_classes_of_one_name_do_not_collide(one: str, other: str) -> None:
    assert IMAGENET.labels[index_of(one)].lower() == IMAGENET.labels[index_of(other)].lower()
    target = LabelSpace("pair", ("one", "other"), (one, other))
    mapped = roll_up(IMAGENET, target)
    assert mapped.index[index_of(one)] == 0
    assert mapped.index[index_of(other)] == 1
    assert np.count_nonzero(mapped.index != NO_TARGET) == 2


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["imagenet_sample_even", "imagenet_val_a"])
def test_images_labeled_by_others_agree(test_data: Path, folder: str) -> None:
    with (test_data / folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 500
    for row in rows:
        index = int(row["index"])
        assert IMAGENET.synsets[index] == row["wnid"]
        assert IMAGENET.labels[index] == row["name"].split(", ")[0]


@pytest.mark.slow
def test_keras_class_index_agrees(keras_home: Path) -> None:
    keras = json.loads((keras_home / "models" / "imagenet_class_index.json").read_text())
    ours = [[synset, label.replace(" ", "_")] for synset, label in zip(IMAGENET.synsets, IMAGENET.labels, strict=True)]
    assert ours == [keras[str(i)] for i in range(1000)]


# ── maps ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("synset", "target"),
    [
        pytest.param("n02690373", "airplane", id="airliner"),
        pytest.param("n04552348", "airplane", id="warplane"),
        pytest.param("n04285008", "automobile", id="sports car"),
        pytest.param("n03770679", "automobile", id="minivan, a car and a van: the nearer wins"),
        pytest.param("n02012849", "bird", id="crane, the bird"),
        pytest.param("n03126707", None, id="crane, the machine"),
        pytest.param("n02123045", "cat", id="tabby"),
        pytest.param("n02129165", None, id="lion"),
        pytest.param("n02113186", "dog", id="Cardigan"),
        pytest.param("n02114367", None, id="timber wolf"),
        pytest.param("n01641577", "frog", id="bullfrog"),
        pytest.param("n02389026", "horse", id="sorrel"),
        pytest.param("n02391049", None, id="zebra"),
        pytest.param("n04273569", "ship", id="speedboat"),
        pytest.param("n03095699", "ship", id="container ship"),
        pytest.param("n04467665", "truck", id="trailer truck"),
        pytest.param("n03930630", None, id="pickup"),
        pytest.param("n04146614", None, id="school bus"),
    ],
)
def test_imagenet_to_cifar_10(synset: str, target: str | None) -> None:
    mapped = int(get_label_map("imagenet_1k", "cifar_10").index[index_of(synset)])
    assert (CIFAR_10.labels[mapped] if mapped != NO_TARGET else None) == target


def test_imagenet_has_no_deer_and_the_map_says_so() -> None:
    assert get_label_map("imagenet_1k", "cifar_10").unreachable == ("deer",)
    assert get_label_map("imagenet_1k", "cats_and_dogs").unreachable == ()


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_a_space_maps_to_itself_class_by_class(name: str) -> None:
    space = get_label_space(name)
    assert roll_up(space, space).index.tolist() == list(range(len(space.labels)))


def test_small_spaces_map_to_each_other() -> None:
    mapped = get_label_map("cifar_10", "cats_and_dogs")
    assert [CIFAR_10.labels[i] for i in range(10) if mapped.index[i] != NO_TARGET] == ["cat", "dog"]


def test_a_class_without_synset_has_no_target() -> None:
    source = LabelSpace("mine", ("my cat", "my dog"), (None, DOG))
    assert roll_up(source, CATS_AND_DOGS).index.tolist() == [NO_TARGET, 1]


def test_apply_adds_up_by_target() -> None:
    source = LabelSpace("four", ("a", "b", "c", "d"), (None,) * 4)
    target = LabelSpace("two", ("x", "y"), (None, None))
    mapped = LabelMap(source, target, np.array([0, 1, 0, NO_TARGET]))
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0]])
    np.testing.assert_allclose(mapped.apply(probabilities), [[0.4, 0.2], [0.0, 0.0]])
    total = mapped.with_rest("other")
    assert total.target.labels == ("x", "y", "other")
    np.testing.assert_allclose(total.apply(probabilities), [[0.4, 0.2, 0.4], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    "index",
    [
        pytest.param([0, 1], id="too few"),
        pytest.param([0, 1, 2], id="beyond the target"),
        pytest.param([0, 1, -2], id="below none"),
    ],
)
def test_a_map_refuses_an_index_that_does_not_fit(index: list[int]) -> None:
    source = LabelSpace("three", ("a", "b", "c"), (None,) * 3)
    with pytest.raises(LabelSpaceError, match="Expected 3 positions from -1 to 1"):
        LabelMap(source, LabelSpace("two", ("x", "y"), (None, None)), np.array(index))


def test_apply_refuses_another_space() -> None:
    with pytest.raises(LabelSpaceError, match=r"Expected probabilities of shape \(…, 1000\).*Received: \(10,\)"):
        get_label_map("imagenet_1k", "cifar_10").apply(np.full(10, 0.1))


def test_an_index_cannot_be_changed_from_outside() -> None:
    given_index = np.array([0, 1])
    mapped = LabelMap(CATS_AND_DOGS, CATS_AND_DOGS, given_index)
    given_index[0] = 1
    assert mapped.index.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        mapped.index[0] = 1


@given(
    logits=hnp.arrays(np.float64, st.tuples(st.integers(1, 3), st.just(1000)), elements=st.floats(-20, 20)),
    target=st.sampled_from(["cifar_10", "cats_and_dogs", "imagenet_1k"]),
)
def test_roll_ups_keep_probability(logits: np.ndarray, target: str) -> None:
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    mapped = get_label_map("imagenet_1k", target)
    rolled = mapped.apply(probabilities)
    assert rolled.shape == (len(logits), len(mapped.target.labels))
    np.testing.assert_allclose(rolled.sum(axis=-1), probabilities[:, mapped.index != NO_TARGET].sum(axis=-1), rtol=1e-9)
    np.testing.assert_allclose(mapped.with_rest().apply(probabilities).sum(axis=-1), 1, rtol=1e-9)
    np.testing.assert_allclose(mapped.with_rest().apply(probabilities)[:, :-1], rolled)


@given(st.data())
def test_any_map_keeps_what_it_maps(data: st.DataObject) -> None:
    sources, targets = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5))
    index = data.draw(hnp.arrays(np.int64, sources, elements=st.integers(NO_TARGET, targets - 1)))
    values = data.draw(hnp.arrays(np.float64, (2, 3, sources), elements=st.floats(0, 1)))
    mapped = LabelMap(
        LabelSpace("source", ("s",) * sources, (None,) * sources),
        LabelSpace("target", ("t",) * targets, (None,) * targets),
        index,
    )
    rolled = mapped.apply(values)
    for i in range(targets):
        np.testing.assert_allclose(rolled[..., i], values[..., index == i].sum(axis=-1), rtol=1e-9, atol=1e-12)
