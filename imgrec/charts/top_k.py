"""Predictions and ensembles → Vega-Lite charts, with a sentence and a table that say the same, and models' colors.

A chart is a Vega-Lite 6 specification as a plain `dict`, for any renderer; in Streamlit
`st.vega_lite_chart(chart, theme=None, alt=describe_…(…))`. Without Streamlit's theme, labels have the page's own text
color: 14:1 on both pages, and with it 3.6:1 on the light one. There is no Altair here, which takes 45 ms a chart to
check what never changes; the tests have it check each kind of chart once.
"""

import json
from collections.abc import Iterable

from imgrec.charts.theme import (
    AXIS_PX,
    BAR_PX,
    FONT_PX,
    NEUTRAL,
    NO_TOOLTIP,
    TRACK_OPACITY,
    Rows,
    Spec,
    Swatch,
    bar_layer,
    labeled_bars,
    layered,
    tooltip,
    x_axis,
)
from imgrec.formatting import percent, size
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.combination_rules import RULES
from imgrec.predictions.ensembles import ENSEMBLE, Ensemble, contributions
from imgrec.predictions.prediction import DEFAULT_TOP_K, Classification, Prediction
from imgrec.reports.sentences import label_of, title_of
from imgrec.settings import MIB

# Four hues, each in a lighter and a darker shade: the list for which a search found the largest distance between
# the two most similar, as seen with normal sight, protanopia and deuteranopia (Machado et al. 2009), among colors
# of moderate chroma with 3:1 or more of contrast to a white and to a dark page. (Okabe and Ito's orange, yellow and
# sky fade on white.) Neighbours in the list differ most: they stand side by side.
COLORS = (
    "#2864c8",  # blue
    "#dc6e00",  # orange
    "#1e7850",  # forest
    "#c86ebe",  # orchid
    "#0a96f0",  # sky
    "#b43c0a",  # rust
    "#5aa064",  # leaf
    "#8c508c",  # plum
)

IMAGENET = "imagenet_1k"

# The ensemble is no model, and its gray is none of their colors.
ENSEMBLE_COLOR = NEUTRAL

# What does not fit the memory budget; the words beside the bar say it too.
OVER_BUDGET_COLOR = "#d23237"

# The models that most often stand side by side: each has the color at its place, and the others come after them.
USUAL_MODELS = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenet",
    "mobilenet_v2",
    "resnet50",
    "vgg16",
    "inception_v3",
)

# A class that is not the highlighted one steps back.
_FADED = 0.35

# Contributions to an improbable class are not drawn large: the axis reaches to 1 % at least.
LEAST_AXIS_END = 0.01

# Bars below it are rows of "<0.1 %": only the table has them.
LEAST_DRAWN = 0.001

# Parts the members in a stacked bar by showing what is behind; a fraction of the axis.
_GAP = 0.004


def color_of(model: str) -> str:
    """Return the color of one model by itself; beside others, see `swatches_of`."""
    return ENSEMBLE_COLOR if model == ENSEMBLE else COLORS[_preferred(model)]


def swatches_of(models: Iterable[str]) -> dict[str, Swatch]:
    """Return a swatch for each model of a selection, no two of them the same up to three models a color.

    Each has its own color where that is free. Of two with the same, the usual one keeps it, then the first of the
    catalog, and the other takes the next free color. From the ninth model on, colors come again with another fill.
    """
    found: dict[str, Swatch] = {}
    for count, model in enumerate(sorted(dict.fromkeys(models), key=_rank)):
        turn = count // len(COLORS)
        taken = {swatch.color for swatch in found.values() if swatch.turn == turn}
        places = ((_preferred(model) + step) % len(COLORS) for step in range(len(COLORS)))
        found[model] = Swatch(next(COLORS[place] for place in places if COLORS[place] not in taken), turn)
    return found


def swatch_of(model: str, among: Iterable[str] = ()) -> Swatch:
    """Return the swatch of `model` in the selection `among` that a page shows."""
    return Swatch(ENSEMBLE_COLOR) if model == ENSEMBLE else swatches_of([*among, model])[model]


def _preferred(model: str) -> int:
    """The place in `COLORS`, which does not depend on the selection.

    Models of other classes than ImageNet's count backwards, so that the bundled ones differ from the usual models. A
    model that is not in the catalog has a place by its name.
    """
    if model in USUAL_MODELS:
        return USUAL_MODELS.index(model) % len(COLORS)
    spec = BUILT_IN.get(model)
    if spec is None:
        return sum(model.encode()) % len(COLORS)
    is_other = spec.label_space != IMAGENET
    alike = [name for name, row in BUILT_IN.items() if (row.label_space != IMAGENET) == is_other]
    place = [name for name in alike if name not in USUAL_MODELS].index(model)
    return (-1 - place if is_other else place) % len(COLORS)


def _rank(model: str) -> tuple[int, int]:
    """Which of two models keeps the color that both prefer: the usual ones, then those of the catalog, then others."""
    if model in USUAL_MODELS:
        return 0, USUAL_MODELS.index(model)
    names = list(BUILT_IN)
    return (1, names.index(model)) if model in BUILT_IN else (2, 0)


def top_k_bars(
    prediction: Prediction,
    k: int = DEFAULT_TOP_K,
    *,
    highlight: int | None = None,
    among: Iterable[str] = (),
    pick: str | None = None,
) -> Spec:
    """Horizontal bars of the `k` most probable classes on an axis from 0 to 100 %, the same for every model.

    `highlight` is the index of a class that stands out, added below when it is not in the top `k`; `among` are the
    models that the page shows, see `swatches_of`; `pick` names a selection in which a click puts the `index` of its
    row.
    """
    lines = _drawn(prediction, k, highlight)
    swatch = swatch_of(prediction.model, among)
    has_ids = any(prediction.label_space.synsets)
    bars: Rows = [
        {
            "line": line,
            "start": 0.0,
            "end": found.probability,
            "index": found.index,
            "opacity": _opacity(found, highlight),
            "Model": title_of(prediction),
            "Class": label_of(prediction.label_space, found.index),
            "Probability": percent(found.probability),
            "Rank": rank,
            **({"WordNet id": found.synset or "none"} if has_ids else {}),
        }
        for line, (rank, found) in enumerate(lines)
    ]
    labels, figures = _labels_and_figures(prediction, lines, highlight)
    return labeled_bars(bars, labels, figures, color=swatch.color, turn=swatch.turn, pick=pick)


def top_k_rows(prediction: Prediction, k: int = DEFAULT_TOP_K, highlight: int | None = None) -> Rows:
    """The table twin of `top_k_bars`, for people; files have full precision."""
    return [
        {
            "Rank": rank,
            "Class": label_of(prediction.label_space, found.index),
            "WordNet id": found.synset or "none",
            "Probability": percent(found.probability),
        }
        for rank, found in _lines(prediction, k, highlight)
    ]


def describe_top_k(prediction: Prediction, k: int = DEFAULT_TOP_K) -> str:
    """`top_k_bars` in a sentence: "MobileNet: 1. tabby 62.3 %, 2. tiger cat 20.1 %."."""
    found = ", ".join(f"{row['Rank']}. {row['Class']} {row['Probability']}" for row in top_k_rows(prediction, k))
    return f"{title_of(prediction)}: {found}."


def ensemble_bars(
    ensemble: Ensemble,
    k: int = DEFAULT_TOP_K,
    *,
    highlight: int | None = None,
    among: Iterable[str] = (),
    pick: str | None = None,
    legend: bool = True,
) -> Spec:
    """`top_k_bars` of the ensemble, each bar made up of what its members contribute, in their colors.

    For a rule that knows no shares (the geometric mean), and for one member, the bars are whole. `legend` names
    the colors; beside the members' own charts it can be spared.
    """
    if RULES[ensemble.rule].evidence is None or len(ensemble.members) == 1:
        return top_k_bars(ensemble.prediction, k, highlight=highlight, pick=pick)
    lines = _drawn(ensemble.prediction, k, highlight)
    bars: Rows = []
    for line, (_, found) in enumerate(lines):
        start = 0.0
        for member, part in zip(ensemble.members, contributions(ensemble, found.index), strict=True):
            bars.append(
                {
                    "line": line,
                    "start": start,
                    "end": start + max(part - _GAP, part / 2),
                    "index": found.index,
                    "opacity": _opacity(found, highlight),
                    "Model": title_of(member),
                    "Class": label_of(ensemble.prediction.label_space, found.index),
                    "Contribution": percent(part),
                    "Own probability": percent(float(member.probabilities[found.index])),
                }
            )
            start += part
    labels, figures = _labels_and_figures(ensemble.prediction, lines, highlight)
    return labeled_bars(bars, labels, figures, swatches=_swatches(ensemble, among), legend=legend, pick=pick)


def ensemble_rows(ensemble: Ensemble, k: int = DEFAULT_TOP_K) -> Rows:
    """The table twin of `ensemble_bars`: `top_k_rows`, and what each member contributes under its title."""
    titles = [title_of(member) for member in ensemble.members]
    return [
        row | dict(zip(titles, map(_signed, contributions(ensemble, found.index)), strict=True))
        for row, found in zip(top_k_rows(ensemble.prediction, k), ensemble.prediction.top_k(k), strict=True)
    ]


def describe_ensemble(ensemble: Ensemble, k: int = DEFAULT_TOP_K) -> str:
    """`ensemble_bars` in sentences: the rule, the members, the classes, and who gives most to the first."""
    titles = [title_of(member) for member in ensemble.members]
    sentence = f"{RULES[ensemble.rule].title} of {', '.join(titles)}. {describe_top_k(ensemble.prediction, k)}"
    if RULES[ensemble.rule].evidence is None:
        return sentence
    parts = contributions(ensemble, ensemble.prediction.top_k(1)[0].index)
    most = max(parts)
    return f"{sentence} {titles[parts.index(most)]} gives most to the first: {percent(most)}."


def contribution_bars(ensemble: Ensemble, index: int, *, among: Iterable[str] = ()) -> Spec:
    """One bar a member: what it adds to the ensemble's probability of class `index`; see `contributions`.

    The axis ends at that probability, or at the largest contribution, and begins below 0 where the probability would
    be higher without a member. `among` as in `top_k_bars`.
    """
    parts = contributions(ensemble, index)
    bars: Rows = [
        {
            "line": line,
            "start": 0.0,
            "end": part,
            "opacity": 1.0,
            "Model": title_of(member),
            "Contribution": _signed(part),
            "Own probability": percent(float(member.probabilities[index])),
            "Weight": percent(weight),
        }
        for line, (member, weight, part) in enumerate(zip(ensemble.members, ensemble.weights, parts, strict=True))
    ]
    return labeled_bars(
        bars,
        [title_of(member) for member in ensemble.members],
        [_signed(part) for part in parts],
        swatches=_swatches(ensemble, among),
        domain=(min(0.0, *parts), max(float(ensemble.prediction.probabilities[index]), *parts, LEAST_AXIS_END)),
    )


def contribution_rows(ensemble: Ensemble, index: int) -> Rows:
    """The table twin of `contribution_bars`."""
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
    """`contribution_bars` in a sentence: "Contributions to tabby 62.3 %: VGG16 20.0 %, ResNet50 12.3 %."."""
    label = label_of(ensemble.prediction.label_space, index)
    whole = percent(float(ensemble.prediction.probabilities[index]))
    parts = ", ".join(f"{row['Model']} {row['Contribution']}" for row in contribution_rows(ensemble, index))
    return f"Contributions to {label} {whole}: {parts}."


def memory_bar(used_bytes: int, planned_bytes: int, budget_bytes: int) -> Spec:
    """One bar: memory of the loaded models, of those to be loaded, and the budget that should hold both."""
    needed = used_bytes + planned_bytes
    planned_color = OVER_BUDGET_COLOR if needed > budget_bytes else COLORS[4]
    bars = [
        {"start": 0.0, "end": used_bytes / MIB, "color": COLORS[0], "Models": "loaded", "Memory": size(used_bytes)},
        {
            "start": used_bytes / MIB,
            "end": needed / MIB,
            "color": planned_color,
            "Models": "to be loaded",
            "Memory": size(planned_bytes),
        },
    ]
    track = [{"start": 0.0, "end": budget_bytes / MIB}]
    axis = {
        "title": None,
        "values": [0, budget_bytes / MIB],
        "labelExpr": f"datum.value > 0 ? {json.dumps(f'budget {size(budget_bytes)}')} : '0'",
        "grid": False,
        "ticks": False,
        "domain": False,
        "labelFontSize": FONT_PX,
        "labelPadding": 8,
        "labelOverlap": False,
    }
    x = x_axis((0.0, max(needed, budget_bytes) / MIB), axis)
    layers = [
        bar_layer(track, {"color": ENSEMBLE_COLOR, "opacity": TRACK_OPACITY}, {"x": x, "x2": {"field": "end"}}),
        bar_layer(
            bars,
            {},
            {
                "x": x,
                "x2": {"field": "end"},
                "color": {"field": "color", "type": "nominal", "scale": None},
                "tooltip": tooltip(bars[0]),
            },
        ),
        {
            "data": {"values": track},
            "mark": {"type": "tick", "color": ENSEMBLE_COLOR, "thickness": 2, "size": BAR_PX + 6} | NO_TOOLTIP,
            "encoding": {"x": x | {"field": "end"}},
        },
    ]
    return layered(layers, BAR_PX + AXIS_PX + 8)


def memory_rows(used_bytes: int, planned_bytes: int, budget_bytes: int) -> Rows:
    """The table twin of `memory_bar`."""
    left = budget_bytes - used_bytes - planned_bytes
    return [
        {"Memory": "loaded models", "Size": size(used_bytes)},
        {"Memory": "models to be loaded", "Size": size(planned_bytes)},
        {"Memory": "free" if left >= 0 else "missing", "Size": size(abs(left))},
        {"Memory": "budget", "Size": size(budget_bytes)},
    ]


def describe_memory(used_bytes: int, planned_bytes: int, budget_bytes: int) -> str:
    """`memory_bar` in a sentence, to be read before anything is loaded."""
    loaded = f"Loaded models use {size(used_bytes)} of {size(budget_bytes)}"
    left = budget_bytes - used_bytes - planned_bytes
    if not planned_bytes:
        return f"{loaded}."
    if left < 0:
        return f"{loaded}; those to be loaded need {size(planned_bytes)}, {size(-left)} more than is free."
    return f"{loaded}; those to be loaded need {size(planned_bytes)} and leave {size(left)}."


def _drawn(prediction: Prediction, k: int, highlight: int | None) -> list[tuple[int, Classification]]:
    """Those of `_lines` that have a bar to see: the first, the highlighted one, and what rounds to 0.1 % or more."""
    return [
        (rank, found)
        for rank, found in _lines(prediction, k, highlight)
        if rank == 1 or found.index == highlight or found.probability >= LEAST_DRAWN
    ]


def _lines(prediction: Prediction, k: int, highlight: int | None) -> list[tuple[int, Classification]]:
    """Classes with their ranks from 1: the top `k`, then the highlighted one if it is not among them."""
    ranked = list(enumerate(prediction.top_k(k if highlight is None else len(prediction.probabilities)), start=1))
    return ranked[:k] + [(rank, found) for rank, found in ranked[k:] if found.index == highlight]


def _labels_and_figures(
    prediction: Prediction, lines: list[tuple[int, Classification]], highlight: int | None
) -> tuple[list[str], list[str]]:
    """What stands left and right of the bars; the highlighted class is marked by more than its opacity."""
    labels = [
        f"{'› ' if found.index == highlight else ''}{label_of(prediction.label_space, found.index)}"
        for _, found in lines
    ]
    return labels, [percent(found.probability) for _, found in lines]


def _opacity(found: Classification, highlight: int | None) -> float:
    return 1.0 if highlight in (None, found.index) else _FADED


def _signed(part: float) -> str:
    """A contribution; only the differences of the geometric mean can be negative."""
    if part >= 0:
        return percent(part)
    figure = percent(-part)
    return f">−{figure[1:]}" if figure.startswith("<") else f"−{figure}"


def _swatches(ensemble: Ensemble, among: Iterable[str]) -> dict[str, Swatch]:
    """The swatch of each member in the selection `among`, by its title."""
    found = swatches_of([*among, *(member.model for member in ensemble.members)])
    return {title_of(member): found[member.model] for member in ensemble.members}
