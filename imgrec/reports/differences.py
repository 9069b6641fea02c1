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
    changes = {index: _change(before, after, index) for index in indices}
    rows = tuple(
        {
            "Class": label_of(space, index),
            "First": _figure(before, index),
            "Second": _figure(after, index),
            "Change": ABSENT if changes[index] is None else change(0, changes[index] or 0.0),
        }
        for index in indices
    )
    return Difference(title, rows, _sentence(title, before, after, changes, indices))


def _change(before: Prediction | None, after: Prediction | None, index: int) -> float | None:
    if before is None or after is None:
        return None
    return float(after.probabilities[index]) - float(before.probabilities[index])


def _figure(prediction: Prediction | None, index: int) -> str:
    return ABSENT if prediction is None else percent(float(prediction.probabilities[index]))


def _sentence(
    title: str,
    before: Prediction | None,
    after: Prediction | None,
    changes: dict[int, float | None],
    indices: Sequence[int],
) -> str:
    if before is None or after is None:
        return f"{title} answered only in the {'second' if before is None else 'first'}."
    space = before.label_space
    old, new = label_of(space, before.first.index), label_of(space, after.first.index)
    largest = max(indices, key=lambda index: abs(changes[index] or 0.0))
    if not changes[largest]:
        return f"{title}: no difference."
    said = f"{title}: {old} in both" if old == new else f"{title}: {old} became {new}"
    return f"{said}; largest change {label_of(space, largest)}, {change(0, changes[largest] or 0.0)} points."
