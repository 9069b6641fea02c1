"""Two results side by side: the top classes of each model in both, and how far the probabilities are apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgrec.formatting import change, percent
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import DEFAULT_TOP_K, Prediction
from imgrec.reports.result import Result
from imgrec.reports.sentences import label_of, title_of

# In a cell of a model that answered only once.
ABSENT = "–"

COLUMNS = ("Class", "First", "Second", "Change")


@dataclass(frozen=True, slots=True)
class Difference:
    """One model, or the ensemble, in two results; `rows` have the columns `COLUMNS`, `sentence` says the largest."""

    title: str
    rows: tuple[dict[str, str], ...]
    sentence: str


def differences(first: Result, second: Result, k: int = DEFAULT_TOP_K) -> list[Difference]:
    """Return the ensemble, then the models of `first`, then those of `second` alone; failures are left out."""
    pairs: dict[tuple[str, str], list[Prediction | None]] = {}
    for place, result in enumerate((first, second)):
        for found in _predictions(result):
            key = found.model, found.label_space.name
            pairs.setdefault(key, [None, None])[place] = found
    return [_difference(before, after, k) for before, after in pairs.values()]


def _predictions(result: Result) -> list[Prediction]:
    is_several = isinstance(result.ensemble, Ensemble) and len(result.ensemble.members) > 1
    combined = [result.ensemble.prediction] if is_several and isinstance(result.ensemble, Ensemble) else []
    return [*combined, *result.predictions]


def _difference(before: Prediction | None, after: Prediction | None, k: int) -> Difference:
    """Return the classes that either has among its first `k`, in the order of the first one."""
    given = [prediction for prediction in (before, after) if prediction is not None]
    space, title = given[0].label_space, title_of(given[0])
    indices = list(dict.fromkeys(found.index for prediction in given for found in prediction.top_k(k)))
    rows = []
    for index in indices:
        old, new = (None if p is None else float(p.probabilities[index]) for p in (before, after))
        figures = [ABSENT if share is None else percent(share) for share in (old, new)]
        cells = (*figures, ABSENT if old is None or new is None else change(old, new))
        rows.append(dict(zip(COLUMNS, (label_of(space, index), *cells), strict=True)))
    return Difference(title, tuple(rows), _sentence(title, before, after, indices))


def _sentence(title: str, before: Prediction | None, after: Prediction | None, indices: Sequence[int]) -> str:
    if before is None or after is None:
        return f"{title} answered only in the {'second' if before is None else 'first'}."
    space = before.label_space
    changes = {index: (float(before.probabilities[index]), float(after.probabilities[index])) for index in indices}
    largest = max(indices, key=lambda index: abs(changes[index][1] - changes[index][0]))
    if changes[largest][0] == changes[largest][1]:
        return f"{title}: no difference."
    old, new = label_of(space, before.first.index), label_of(space, after.first.index)
    said = f"{title}: {old} in both" if old == new else f"{title}: {old} became {new}"
    return f"{said}; largest change {label_of(space, largest)}, {change(*changes[largest])} points."
