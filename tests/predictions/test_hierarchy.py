"""The tree above the classes of a label space: chains, sums, the common node, levels."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imgrec.errors import UnknownNameError
from imgrec.predictions import wordnet
from imgrec.predictions.hierarchy import DEFAULT_LEVEL, LEVELS, Node, hierarchy_of, map_to_level, roll_up
from imgrec.predictions.labels import CIFAR_10, LABEL_SPACES, LabelSpace, get_label_space
from imgrec.predictions.prediction import Prediction
from imgrec.settings import ASSETS

IMAGENET = get_label_space("imagenet_1k")
TREE = hierarchy_of(IMAGENET)
FILE = ASSETS / "labels" / "levels.json"


def index_of(label: str) -> int:
    return IMAGENET.labels.index(label)


def names(label: str) -> list[str]:
    return [node.label for node in TREE.chain(index_of(label))]


def place(label: str) -> int:
    return [node.label for node in TREE.nodes].index(label)


@pytest.mark.parametrize(
    ("label", "above"),
    [
        pytest.param("Saluki", ["animal", "mammal", "dog", "hunting dog", "hound"], id="dog"),
        pytest.param("tabby", ["animal", "mammal", "cat", "domestic cat"], id="cat"),
        pytest.param("prairie chicken", ["animal", "bird", "game bird", "grouse"], id="a bird by its second hypernym"),
        pytest.param("minivan", ["vehicle", "wheeled vehicle", "motor vehicle", "car"], id="a car and a van"),
        pytest.param("pizza", ["food", "dish"], id="nutrient"),
        pytest.param("cucumber", ["food", "produce", "vegetable"], id="solid food"),
        pytest.param("sandal", ["clothing", "shoe"], id="footwear"),
        pytest.param("comic book", [], id="nothing that is said"),
    ],
)
def test_the_chain_of_a_class_goes_from_general_to_special(label: str, above: list[str]) -> None:
    assert names(label) == [*above, label]


def test_the_last_of_a_chain_is_the_class_itself() -> None:
    assert TREE.chain(281)[-1] == Node("n02123045", "tabby") == TREE.leaf(281)


def test_what_says_nothing_is_no_node() -> None:
    found = {node.label for node in TREE.nodes}
    assert not found & {"entity", "physical entity", "object", "whole", "artifact", "instrumentality", "living thing"}


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_each_class_stands_below_the_nodes_of_its_chain_and_no_others(name: str) -> None:
    tree = hierarchy_of(get_label_space(name))
    for index, chain in enumerate(tree.chains):
        assert np.flatnonzero(tree.membership[:, index]).tolist() == sorted(chain)


def test_nodes_are_wordnets_and_lie_above_their_classes() -> None:
    for node, entry in enumerate(TREE.nodes):
        synsets = json.loads(FILE.read_text(encoding="utf-8"))
        meant = next(
            level[entry.label] for level in synsets.values() if isinstance(level, dict) and entry.label in level
        )
        assert all(map(wordnet.is_known, meant))
        for index in TREE.classes_below(node).tolist():
            assert set(wordnet.ancestors(str(IMAGENET.synsets[index]))) & set(meant)


def test_the_file_names_each_node_and_each_synset_once() -> None:
    table = json.loads(FILE.read_text(encoding="utf-8"))
    entries = [(name, ids) for level in table.values() if isinstance(level, dict) for name, ids in level.items()]
    assert max(Counter(name for name, _ in entries).values()) == 1
    assert max(Counter(synset for _, ids in entries for synset in ids).values()) == 1
    used = {node.label for node in TREE.nodes}
    assert {name for name, _ in entries} == used, "each node has a class below it"


def test_parents_are_above_their_children_in_the_list() -> None:
    assert all(list(chain) == sorted(chain) for chain in TREE.chains)


def test_a_node_has_the_sum_of_its_children() -> None:
    probabilities = np.random.default_rng(0).random((2, 1000))
    sums = TREE.sums(probabilities)
    assert sums.shape == (2, len(TREE.nodes))
    for node in range(len(TREE.nodes)):
        children = {chain[chain.index(node) + 1] for chain in TREE.chains if node in chain[:-1]}
        leaves = [index for index, chain in enumerate(TREE.chains) if chain[-1:] == (node,)]
        expected = sums[:, list(children)].sum(axis=1) + probabilities[:, leaves].sum(axis=1)
        np.testing.assert_allclose(sums[:, node], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(["Saluki", "borzoi"], "hound", id="two hounds"),
        pytest.param(["Saluki", "Rhodesian ridgeback"], "hunting dog", id="two hunting dogs"),
        pytest.param(["Saluki", "Pomeranian"], "dog", id="two dogs"),
        pytest.param(["Saluki", "tabby"], "mammal", id="dog and cat"),
        pytest.param(["Saluki", "goldfish"], "animal", id="dog and fish"),
        pytest.param(["Saluki", "minivan"], None, id="nothing"),
        pytest.param(["comic book", "comic book"], None, id="nothing above"),
        pytest.param(["Saluki"], "hound", id="one class"),
    ],
)
def test_the_common_node_is_the_deepest(labels: list[str], expected: str | None) -> None:
    found = TREE.common([index_of(label) for label in labels])
    assert (None if found is None else TREE.nodes[found].label) == expected


def test_a_class_without_synset_has_nothing_above() -> None:
    tree = hierarchy_of(LabelSpace("mine", ("my cat", "tabby"), (None, "n02123045")))
    assert tree.chain(0) == (Node(None, "my cat"),)
    assert tree.common([0, 1]) is None


def test_a_class_may_be_a_node_itself() -> None:
    tree = hierarchy_of(CIFAR_10)
    assert [node.label for node in tree.chain(3)] == ["animal", "mammal", "cat"]
    assert [node.label for node in tree.chain(4)] == ["animal", "mammal", "hoofed animal", "deer"]


# ── levels ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("label", "kind", "category"),
    [
        pytest.param("Saluki", "dog", "animal", id="dog"),
        pytest.param("lion", "big cat", "animal", id="big cat"),
        pytest.param("hyena", "hyena", "animal", id="no kind"),
        pytest.param("acoustic guitar", "guitar", "musical instrument", id="the nearest kind"),
        pytest.param("barbershop", "barbershop", "shop", id="the nearest category"),
        pytest.param("comic book", "comic book", "comic book", id="neither"),
    ],
)
def test_what_a_class_is_at_each_level(label: str, kind: str, category: str) -> None:
    for level, expected in (("kind", kind), ("category", category)):
        mapped = map_to_level(IMAGENET, level)
        assert mapped is not None
        assert mapped.target.labels[mapped.index[index_of(label)]] == expected


@pytest.mark.parametrize("space", LABEL_SPACES)
@pytest.mark.parametrize("level", [level for level in LEVELS if level != DEFAULT_LEVEL])
def test_levels_have_each_name_once_and_leave_nothing_out(space: str, level: str) -> None:
    mapped = map_to_level(get_label_space(space), level)
    assert mapped is not None
    repeated = {label for label, count in Counter(mapped.target.labels).items() if count > 1}
    assert repeated <= {"crane", "maillot"}, "only those of ImageNet's own"
    assert mapped.index.min() == 0
    assert not mapped.unreachable


def test_the_level_of_the_classes_changes_nothing() -> None:
    assert map_to_level(IMAGENET, DEFAULT_LEVEL) is None


def test_another_level_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match=r"Expected the name of a level, such as kind\."):
        map_to_level(IMAGENET, "kinds")


def test_classes_of_one_node_become_one() -> None:
    space = LabelSpace("mixed", ("my dog", "Saluki"), ("n02084071", "n02091831"))
    mapped = map_to_level(space, "kind")
    assert mapped is not None
    assert mapped.target.labels == ("dog",)


@given(hnp.arrays(np.float32, 1000, elements=st.floats(0, 1, width=32)), st.sampled_from(list(LEVELS)))
def test_a_rolled_up_prediction_still_sums_to_1(values: np.ndarray, level: str) -> None:
    values = values + np.float32(1e-3)
    given_one = Prediction("a", IMAGENET, values / values.sum(), milliseconds=3.0, title="A")
    found = roll_up(given_one, level)
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert (found.model, found.title, found.milliseconds) == ("a", "A", 3.0)
