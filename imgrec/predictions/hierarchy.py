"""The classes of a label space as a tree: animal → mammal → dog → hound → Saluki.

Its inner nodes are the synsets of WordNet that people say, chosen in `assets/labels/levels.json`: no entity, object,
whole or artifact. Each node, and each class, stands below the most special of the nodes that WordNet puts above it; of
several, below the nearest along main hypernyms (a minivan is a car and a van). A class has one place, so that the
probabilities of the children of a node add up to that of the node.

`LEVELS` are cuts through the tree at which results can be shown.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from imgrec.errors import UnknownNameError
from imgrec.predictions import wordnet
from imgrec.predictions.labels import LabelMap, LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.settings import ASSETS

# The levels by name, from special to general, with what they show.
DEFAULT_LEVEL = "class"
LEVELS = {
    DEFAULT_LEVEL: "The classes of each model: Saluki, tabby, beer bottle.",
    "kind": "What most people call it: dog, cat, bottle.",
    "category": "In general: animal, vehicle, food, container.",
}


class Node(NamedTuple):
    """A node or a class of the tree; two nodes are the same where `synset` and `label` are."""

    synset: str | None
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Hierarchy:
    """The tree above the classes of `space`.

    `nodes` are the inner nodes that have a class below, general ones before special ones; `chains` has for each class
    the positions of the nodes above it, root first. `membership` is float64 (N, C): 1 where a class is below a node.
    """

    space: LabelSpace
    nodes: tuple[Node, ...]
    chains: tuple[tuple[int, ...], ...]
    membership: np.ndarray

    def chain(self, index: int) -> tuple[Node, ...]:
        """Return the path to the class `index`: the nodes above it from the root on, and the class itself as last."""
        return (*(self.nodes[place] for place in self.chains[index]), self.leaf(index))

    def path(self, node: int) -> tuple[Node, ...]:
        """Return the nodes from the root to `nodes[node]`."""
        chain = self.chains[int(self.classes_below(node)[0])]
        return tuple(self.nodes[place] for place in chain[: chain.index(node) + 1])

    def leaf(self, index: int) -> Node:
        """Return the class `index` as a node."""
        return Node(self.space.synsets[index], self.space.labels[index])

    def sums(self, probabilities: np.ndarray) -> np.ndarray:
        """Add the probabilities of the classes below each node.

        Args:
            probabilities: float (…, C) in [0, 1].

        Returns:
            float64 (…, N) in the order of `nodes`.
        """
        sums: np.ndarray = np.asarray(probabilities, dtype=np.float64) @ self.membership.T
        return sums

    def classes_below(self, node: int) -> np.ndarray:
        """Return the indices of the classes below `nodes[node]`."""
        return np.flatnonzero(self.membership[node])

    def common(self, indices: Sequence[int]) -> int | None:
        """Return the deepest node above all classes `indices`, as a position in `nodes`; None where there is none."""
        shared = [level[0] for level in zip(*(self.chains[i] for i in indices), strict=False) if len(set(level)) == 1]
        return shared[-1] if shared else None


@lru_cache(maxsize=32)
def hierarchy_of(space: LabelSpace) -> Hierarchy:
    """Return the tree above the classes of `space`; a class without a synset has nothing above it."""
    paths = [_path(synset) if synset else () for synset in space.synsets]
    used = dict.fromkeys(name for path in paths for name in path)
    ordered = sorted(used, key=lambda name: len(_path(_nodes()[name].synsets[0])))
    place = {name: i for i, name in enumerate(ordered)}
    chains = tuple(tuple(place[name] for name in path) for path in paths)
    membership = np.zeros((len(ordered), len(paths)))
    for index, chain in enumerate(chains):
        membership[list(chain), index] = 1
    membership.flags.writeable = False
    return Hierarchy(space, tuple(Node(_nodes()[name].synsets[0], name) for name in ordered), chains, membership)


@lru_cache(maxsize=32)
def map_to_level(space: LabelSpace, level: str) -> LabelMap | None:
    """Return the map from classes to what they are at `level`; None for the classes themselves.

    A class with nothing at that level above it stays a class of its own. Raises `UnknownNameError` for another level.
    """
    if level not in LEVELS:
        raise UnknownNameError.of("level", level, list(LEVELS))
    if level == DEFAULT_LEVEL:
        return None
    tree = hierarchy_of(space)
    at_level = [_at(level, tree, index) for index in range(len(space.labels))]
    found = list(dict.fromkeys(at_level))
    # A label space has each synset once, and nodes of one synset are one.
    target = LabelSpace(
        f"{space.name}_{level}",
        tuple(node.label for node in found),
        tuple(node.synset for node in found),
        space.exclusive,
    )
    return LabelMap(space, target, np.array([found.index(node) for node in at_level]))


def roll_up(prediction: Prediction, level: str) -> Prediction:
    """Return `prediction` at `level`: the probabilities of the classes below each node added up."""
    mapped = map_to_level(prediction.label_space, level)
    if mapped is None:
        return prediction
    probabilities = np.clip(mapped.apply(prediction.probabilities), 0, 1)
    return replace(prediction, label_space=mapped.target, probabilities=probabilities, tie_breaker=None)


def _at(level: str, tree: Hierarchy, index: int) -> Node:
    """Return the nearest node at `level` that the class `index` is or stands below; the class itself without one."""
    leaf = tree.leaf(index)
    names = [tree.nodes[place].label for place in tree.chains[index]]
    own = _node_of().get(leaf.synset or "")
    for name in reversed([*names, own] if own else names):
        if _nodes()[name].level == level:
            return Node(_nodes()[name].synsets[0], name)
    return leaf


class _Entry(NamedTuple):
    """A node of the file: its level and its synsets, the first of which stands for it."""

    level: str
    synsets: tuple[str, ...]


@cache
def _nodes() -> dict[str, _Entry]:
    """Return the nodes by name."""
    table = json.loads((ASSETS / "labels" / "levels.json").read_text(encoding="utf-8"))
    levels = [level for level, entries in table.items() if isinstance(entries, dict)]
    return {name: _Entry(level, tuple(ids)) for level in levels for name, ids in table[level].items()}


@cache
def _node_of() -> dict[str, str]:
    """Return the name of the node that a synset stands for."""
    return {synset: name for name, entry in _nodes().items() for synset in entry.synsets}


@cache
def _path(synset: str) -> tuple[str, ...]:
    """Return the names of the nodes above `synset`, root first."""
    above = [_node_of()[one] for one in wordnet.ancestors(synset)[1:] if one in _node_of()]
    own = _node_of().get(synset)
    above = [name for name in dict.fromkeys(above) if name != own]
    # The most special ones: above no other of them. The first is the nearest.
    general = {name for one in above for name in _path(_nodes()[one].synsets[0])}
    parent = next((name for name in above if name not in general), None)
    return () if parent is None else (*_path(_nodes()[parent].synsets[0]), parent)
