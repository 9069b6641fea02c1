"""Labels against models: the lines and columns of the agreement matrix, and groups of classes that are opened.

A line is a class of what is shown, or below an opened group what `hierarchy` has there, down to single classes.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imgrec.predictions.ensembles import ENSEMBLE, Ensemble
from imgrec.predictions.hierarchy import Hierarchy, Node, hierarchy_of, map_to_level
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.reports.sentences import label_of, title_of

# Lines on which every model has less would be rows of "<0.1 %".
LEAST_SHARE = 0.001

# Lines of a matrix of ten models that fits a screen of 1440 × 900.
MAX_LINES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A model of the matrix; `prediction` is None until there is one, `remark` stands below the column.

    `classes` is the prediction of the model's own classes, where `prediction` is rolled up.
    """

    model: str
    title: str
    remark: str = ""
    prediction: Prediction | None = None
    classes: Prediction | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the matrix: a label with the probability in each column, None where there is no prediction.

    `ranks` are the places of a class among all of a prediction's, 1 for the first choice. `space` and `index` are
    None where the line is no class of the page. `group` is the name of what can be opened below the line, which
    `is_open` then says; `depth` counts the opened groups above it.
    """

    label: str
    synset: str | None
    probabilities: tuple[float | None, ...]
    ranks: tuple[int | None, ...]
    space: str | None = None
    index: int | None = None
    group: str | None = None
    is_open: bool = False
    depth: int = 0


def columns_of(ensemble: Ensemble | None, models: Sequence[Column], classes: Prediction | None = None) -> list[Column]:
    """Return the columns of a matrix: the ensemble where it has several members, then the models.

    `classes` is the ensemble's prediction of the models' own classes, where `ensemble` is rolled up.
    """
    if ensemble is None or len(ensemble.members) < 2:
        return list(models)
    members = len(ensemble.members)
    remark = f"{members} models" if members == len(models) else f"{members} of {len(models)}"
    return [Column(ENSEMBLE, title_of(ENSEMBLE), remark, ensemble.prediction, classes), *models]


def lines_of(columns: Sequence[Column], k: int, pinned: int | None = None) -> list[Line]:
    """Return the union of the columns' `k` most probable classes, by the probability of the first column.

    Classes below 0.1 % are left out, except first choices and the class `pinned`.
    """
    predictions = [column.prediction for column in columns if column.prediction is not None]
    if not predictions:
        return []
    orders = [prediction.order for prediction in predictions]
    found = {pinned} if pinned is not None else set()
    for prediction, order in zip(predictions, orders, strict=True):
        likely = (int(i) for i in order[1:k] if prediction.probabilities[i] >= LEAST_SHARE)
        found |= {int(order[0]), *likely}
    # The order of the ensemble, ties included; without one, that of the mean.
    mean = np.mean([prediction.probabilities for prediction in predictions], axis=0)
    has_ensemble = predictions[0].model == ENSEMBLE
    place = _places(orders[0] if has_ensemble else np.argsort(-mean, kind="stable"))
    space = predictions[0].label_space
    given = [column.prediction for column in columns]
    ranks = iter([_places(order) for order in orders])
    all_ranks = [None if prediction is None else next(ranks) for prediction in given]
    return [_class_line(i, space, given, all_ranks) for i in sorted(found, key=lambda index: int(place[index]))]


def shown_lines(lines: Sequence[Line], most: int = MAX_LINES, pinned: int | None = None) -> list[Line]:
    """Return at most `most` lines in their order: first choices and the pinned one before others."""
    # Stable: the others by their probability.
    ranked = sorted(lines, key=lambda line: not (1 in line.ranks or line.index == pinned))
    kept = ranked[:most]
    return [line for line in lines if line in kept]


def open_groups(
    lines: Sequence[Line],
    columns: Sequence[Column],
    opened: Collection[str],
    k: int,
    level: str,
    pinned: int | None = None,
) -> list[Line]:
    """Return `lines`, which are rolled up to `level`, with what is below the groups `opened`, by their names.

    Below a group stand its `k` most probable parts, the one with the class `pinned`, and the others as one line. Only
    columns with `classes` count.
    """
    space = next((column.classes.label_space for column in columns if column.classes is not None), None)
    mapped = map_to_level(space, level) if space is not None else None
    if space is None or mapped is None:
        return list(lines)
    tree = _Tree(hierarchy_of(space), columns, opened, k, pinned)
    below = [[] if line.index is None else np.flatnonzero(mapped.index == line.index).tolist() for line in lines]
    return [one for line, classes in zip(lines, below, strict=True) for one in tree.with_parts(line, classes)]


def group_names(space: LabelSpace) -> list[str]:
    """Return the names of the groups of classes of `space` that can be opened: those with several classes."""
    tree = hierarchy_of(space)
    return [node.label for node, below in zip(tree.nodes, tree.membership.sum(axis=1), strict=True) if below > 1]


class _Tree:
    """The probabilities of the nodes of a hierarchy in each column."""

    def __init__(
        self,
        hierarchy: Hierarchy,
        columns: Sequence[Column],
        opened: Collection[str],
        k: int,
        pinned: int | None,
    ) -> None:
        self._hierarchy, self._opened, self._k, self._pinned = hierarchy, opened, k, pinned
        self._classes = [column.classes for column in columns]
        self._ranks = [None if one is None else _places(one.order) for one in self._classes]
        self._place = {node: place for place, node in enumerate(hierarchy.nodes)}

    def with_parts(self, line: Line, classes: Sequence[int]) -> Iterator[Line]:
        """Yield a line that stands for `classes`, and where it is an open group, its parts."""
        node = self._place.get(Node(line.synset, line.label))
        if node is None or len(classes) < 2:
            yield line
            return
        is_open = line.label in self._opened
        yield replace(line, group=line.label, is_open=is_open)
        if not is_open:
            return
        groups: dict[int, list[int]] = {}
        for index in classes:
            chain = self._hierarchy.chains[index]
            # A class that stands directly below the node has a key of its own.
            after = chain[chain.index(node) + 1 :] if node in chain else ()
            groups.setdefault(after[0] if after else -1 - index, []).append(index)
        parts = sorted(((self._line(group), group) for group in groups.values()), key=lambda part: -_first(part[0]))
        # No model has a tenth of a percent of the parts after them.
        count = max((place for place, (part, _) in enumerate(parts, start=1) if _most(part) >= LEAST_SHARE), default=1)
        others = []
        for place, (part, group) in enumerate(parts):
            if place < min(count, self._k) or self._pinned in group:
                yield from self.with_parts(replace(part, depth=line.depth + 1), group)
            elif place < count:
                others.append(part)
        if others:
            sums = [
                None if one is None else sum(part.probabilities[place] or 0.0 for part in others)
                for place, one in enumerate(self._classes)
            ]
            label = f"{len(others)} others" if len(others) > 1 else others[0].label
            yield Line(label, None, tuple(sums), (None,) * len(sums), depth=line.depth + 1)

    def _line(self, classes: list[int]) -> Line:
        """Return the line of the deepest node above all of `classes`, or that of the only one."""
        if len(classes) == 1:
            return _class_line(classes[0], self._hierarchy.space, self._classes, self._ranks)
        place = self._hierarchy.common(classes)
        # They have been found below one.
        node = self._hierarchy.nodes[place if place is not None else 0]
        shares = [None if one is None else min(float(one.probabilities[classes].sum()), 1.0) for one in self._classes]
        return Line(node.label, node.synset, tuple(shares), (None,) * len(shares))


def _class_line(
    index: int,
    space: LabelSpace,
    predictions: Sequence[Prediction | None],
    ranks: Sequence[np.ndarray | None],
) -> Line:
    return Line(
        label_of(space, index),
        space.synsets[index],
        tuple(None if one is None else float(one.probabilities[index]) for one in predictions),
        tuple(None if one is None else int(one[index]) for one in ranks),
        space.name,
        index,
    )


def _first(line: Line) -> float:
    """Return the probability of the first column with one: the ensemble's where there is one."""
    return next((share for share in line.probabilities if share is not None), 0.0)


def _most(line: Line) -> float:
    return max((share for share in line.probabilities if share is not None), default=0.0)


def _places(order: np.ndarray) -> np.ndarray:
    """Return the place of each class (C,), from 1, in an order of their indices (C,)."""
    places = np.empty_like(order)
    places[order] = np.arange(1, len(order) + 1)
    return places
