"""Predictions and ensembles as bars, each with a sentence and a table that say the same."""

from collections.abc import Iterable, Sequence

from imgrec.charts.bars import LINE_LETTERS, labeled_bars
from imgrec.charts.colors import Swatch, swatch_of, swatches_of
from imgrec.charts.theme import Rows, Spec, marked, told_apart
from imgrec.formatting import percent
from imgrec.predictions.combination_rules import RULES
from imgrec.predictions.ensembles import Ensemble, contributions
from imgrec.predictions.prediction import DEFAULT_TOP_K, Classification, Prediction
from imgrec.reports.sentences import label_of, title_of

# Contributions to an improbable class are not drawn large: the axis reaches to 1 % at least.
LEAST_AXIS_END = 0.01

# Bars below it are rows of "<0.1 %": only the table has them, unless there are few classes in all.
LEAST_DRAWN = 0.001
FEW_CLASSES = 4

# Parts the members in a stacked bar by showing what is behind; a fraction of the axis.
_GAP = 0.004


def top_k_bars(
    prediction: Prediction, k: int = DEFAULT_TOP_K, *, among: Iterable[str] = (), pinned: int | None = None
) -> Spec:
    """Return horizontal bars of the `k` most probable classes on an axis from 0 to 100 %, the same for every model.

    `among` are the models that the page shows, see `swatches_of`. The class `pinned` is marked; where it is none of
    the `k`, it is the last line.
    """
    drawn = _drawn(prediction, k, pinned)
    bars: Rows = [
        {
            "line": line,
            "start": 0.0,
            "end": found.probability,
            "Model": title_of(prediction),
            "Class": label_of(prediction.label_space, found.index),
            "Probability": percent(found.probability),
            "Rank": rank,
            **({"WordNet id": found.synset or "none"} if any(prediction.label_space.synsets) else {}),
        }
        for line, (rank, found) in enumerate(drawn)
    ]
    return labeled_bars(bars, _texts(prediction, drawn, pinned), swatches=swatch_of(prediction.model, among))


def top_k_rows(prediction: Prediction, k: int = DEFAULT_TOP_K, *, pinned: int | None = None) -> Rows:
    """Return `top_k_bars` as a table for people; files have full precision."""
    return [
        {
            "Rank": rank,
            "Class": label_of(prediction.label_space, found.index),
            "WordNet id": found.synset or "none",
            "Probability": percent(found.probability),
        }
        for rank, found in _listed(prediction, k, pinned)
    ]


def describe_top_k(prediction: Prediction, k: int = DEFAULT_TOP_K, *, pinned: int | None = None) -> str:
    """Return `top_k_bars` in a sentence: "MobileNet: 1. tabby 62.3 %, 2. tiger cat 20.1 %."."""
    rows = top_k_rows(prediction, k, pinned=pinned)
    found = ", ".join(f"{row['Rank']}. {row['Class']} {row['Probability']}" for row in rows)
    return f"{title_of(prediction)}: {found}."


def ensemble_bars(
    ensemble: Ensemble,
    k: int = DEFAULT_TOP_K,
    *,
    among: Iterable[str] = (),
    legend: bool = True,
    pinned: int | None = None,
) -> Spec:
    """Return `top_k_bars` of the ensemble, each bar made up of what its members contribute, in their colors.

    For a rule that knows no shares (the geometric mean), and for one member, the bars are whole. `legend` names
    the colors; beside the members' own charts it is not needed.
    """
    if RULES[ensemble.rule].evidence is None or len(ensemble.members) == 1:
        return top_k_bars(ensemble.prediction, k, pinned=pinned)
    bars: Rows = []
    drawn = _drawn(ensemble.prediction, k, pinned)
    for line, (_, found) in enumerate(drawn):
        start = 0.0
        for member, part in zip(ensemble.members, contributions(ensemble, found.index), strict=True):
            bars.append(
                {
                    "line": line,
                    "start": start,
                    "end": start + max(part - _GAP, part / 2),
                    "Model": title_of(member),
                    "Class": label_of(ensemble.prediction.label_space, found.index),
                    "Contribution": percent(part),
                    "Own probability": percent(float(member.probabilities[found.index])),
                }
            )
            start += part
    texts = _texts(ensemble.prediction, drawn, pinned)
    return labeled_bars(bars, texts, swatches=_swatches(ensemble, among), legend=legend)


def ensemble_rows(ensemble: Ensemble, k: int = DEFAULT_TOP_K, *, pinned: int | None = None) -> Rows:
    """Return `ensemble_bars` as a table: `top_k_rows`, and what each member contributes under its title."""
    titles = [title_of(member) for member in ensemble.members]
    rows, listed = top_k_rows(ensemble.prediction, k, pinned=pinned), _listed(ensemble.prediction, k, pinned)
    return [
        row | dict(zip(titles, map(_signed, contributions(ensemble, found.index)), strict=True))
        for row, (_, found) in zip(rows, listed, strict=True)
    ]


def describe_ensemble(ensemble: Ensemble, k: int = DEFAULT_TOP_K, *, pinned: int | None = None) -> str:
    """Return `ensemble_bars` in sentences: the rule, its members, the classes, the largest share of the first."""
    titles = [title_of(member) for member in ensemble.members]
    found = describe_top_k(ensemble.prediction, k, pinned=pinned)
    sentence = f"{RULES[ensemble.rule].title} of {', '.join(titles)}. {found}"
    if RULES[ensemble.rule].evidence is None:
        return sentence
    parts = contributions(ensemble, ensemble.prediction.top_k(1)[0].index)
    most = max(parts)
    return f"{sentence} {titles[parts.index(most)]} gives most to the first: {percent(most)}."


def contribution_bars(ensemble: Ensemble, index: int, *, among: Iterable[str] = ()) -> Spec:
    """Return one bar a member: what it adds to the ensemble's probability of class `index`; see `contributions`.

    The axis ends at that probability, or at the largest contribution, and begins below 0 where the probability would
    be higher without a member. `among` as in `top_k_bars`.
    """
    parts = contributions(ensemble, index)
    rows = contribution_rows(ensemble, index)
    bars: Rows = [
        {"line": line, "start": 0.0, "end": part} | row
        for line, (row, part) in enumerate(zip(rows, parts, strict=True))
    ]
    names = told_apart([row["Model"] for row in rows], LINE_LETTERS)
    return labeled_bars(
        bars,
        list(zip(names, [row["Contribution"] for row in rows], strict=True)),
        swatches=_swatches(ensemble, among),
        domain=(min(0.0, *parts), max(float(ensemble.prediction.probabilities[index]), *parts, LEAST_AXIS_END)),
    )


def contribution_rows(ensemble: Ensemble, index: int) -> Rows:
    """Return `contribution_bars` as a table."""
    return [
        {
            "Model": title_of(member),
            "Weight": percent(weight),
            "Own probability": percent(float(member.probabilities[index])),
            "Contribution": _signed(part),
        }
        for member, weight, part in zip(ensemble.members, ensemble.weights, contributions(ensemble, index), strict=True)
    ]


def describe_contributions(ensemble: Ensemble, index: int) -> str:
    """Return `contribution_bars` in a sentence: "Contributions to tabby 62.3 %: VGG16 42.3 %, ResNet50 20.0 %."."""
    label = label_of(ensemble.prediction.label_space, index)
    whole = percent(float(ensemble.prediction.probabilities[index]))
    parts = ", ".join(f"{row['Model']} {row['Contribution']}" for row in contribution_rows(ensemble, index))
    return f"Contributions to {label} {whole}: {parts}."


def _listed(prediction: Prediction, k: int, pinned: int | None) -> list[tuple[int, Classification]]:
    """Return the top `k` with their ranks, and after them the class `pinned` where it is none of them."""
    found = list(enumerate(prediction.top_k(k), start=1))
    if pinned is not None and all(one.index != pinned for _, one in found):
        found.append((prediction.rank(pinned), prediction.at(pinned)))
    return found


def _drawn(prediction: Prediction, k: int, pinned: int | None = None) -> list[tuple[int, Classification]]:
    """Return those of `_listed` that have a bar to see, what rounds to 0.1 % or more; the first and the pinned one.

    Of few classes all: the same lines in each chart.
    """
    are_few = len(prediction.label_space.labels) <= min(k, FEW_CLASSES)
    return [
        (rank, found)
        for rank, found in _listed(prediction, k, pinned)
        if are_few or rank == 1 or found.index == pinned or found.probability >= LEAST_DRAWN
    ]


def _texts(
    prediction: Prediction, drawn: Sequence[tuple[int, Classification]], pinned: int | None
) -> list[tuple[str, str]]:
    """Return label and probability of the classes `drawn`."""
    return [
        (marked(label_of(prediction.label_space, found.index), found.index == pinned), percent(found.probability))
        for _, found in drawn
    ]


def _signed(part: float) -> str:
    """Return a contribution; only the differences of the geometric mean can be negative."""
    if part >= 0:
        return percent(part)
    figure = percent(-part)
    return f">−{figure[1:]}" if figure.startswith("<") else f"−{figure}"


def _swatches(ensemble: Ensemble, among: Iterable[str]) -> dict[str, Swatch]:
    """Return the swatch of each member in the selection `among`, by its title."""
    found = swatches_of((member.model for member in ensemble.members), among)
    return {title_of(member): found[member.model] for member in ensemble.members}
