"""Colors of charts, and the mark of each model: the same in every chart that shows it. Imports no chart library."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imgrec.models.catalog import BUILT_IN, COMPACT_SUFFIX
from imgrec.predictions.ensembles import ENSEMBLE

# Four hues, each in a lighter and a darker shade: the list for which a search found the largest distance between
# the two most similar, as seen with normal sight, protanopia and deuteranopia (Machado et al. 2009), among colors
# of moderate chroma with 3:1 or more of contrast to a white and to a dark page. (Okabe and Ito's orange, yellow and
# sky fade on white.) Neighbors in the list differ most: they stand side by side.
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

# Readable on both themes and the color of no model: tracks, and what stands for all models together.
NEUTRAL = "#7a8088"
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

# How models of the same color differ, as (glyph, opacity of the fill, width of the outline, its dashes).
_TURNS = (("■", 1.0, 0.0, [1, 0]), ("□", 0.25, 1.5, [1, 0]), ("▥", 0.25, 1.5, [3, 2]))


@dataclass(frozen=True, slots=True)
class Swatch:
    """The mark of a model in a selection: its color, and how many others of the selection had that color before it."""

    color: str
    turn: int = 0

    @property
    def markdown(self) -> str:
        """The mark before a model's title, as Streamlit's Markdown."""
        return f':color[{_TURNS[self.turn % len(_TURNS)][0]}]{{foreground="{self.color}"}}'

    @property
    def channels(self) -> dict[str, Any]:
        """The encoding channels of a bar with this mark, by their name in Vega-Lite."""
        names = ("fillOpacity", "strokeWidth", "strokeDash")
        look = dict(zip(names, _TURNS[self.turn % len(_TURNS)][1:], strict=True))
        return {"color": self.color, "stroke": self.color} | look


def color_of(model: str) -> str:
    """Return the color of one model by itself; beside others, see `swatches_of`."""
    return ENSEMBLE_COLOR if model == ENSEMBLE else COLORS[_preferred(model)]


def swatches_of(models: Iterable[str], among: Iterable[str] = ()) -> dict[str, Swatch]:
    """Return a swatch for each model of a selection, no two of them the same up to three models a color.

    `among` are others of the selection; in a mapping to swatches, each keeps its own.

    Each has its own color where that is free. Of two with the same, the usual one keeps it, then the first of the
    catalog, and the other takes the next free color. From the ninth model on, colors come again with another fill.
    """
    found = dict(among) if isinstance(among, Mapping) else {}
    for model in sorted(dict.fromkeys(one for one in (*among, *models) if one not in found), key=_rank):
        turns = (
            (turn, {swatch.color for swatch in found.values() if swatch.turn == turn}) for turn in range(len(found) + 1)
        )
        turn, taken = next((turn, taken) for turn, taken in turns if len(taken) < len(COLORS))
        places = ((_preferred(model) + step) % len(COLORS) for step in range(len(COLORS)))
        found[model] = Swatch(next(COLORS[place] for place in places if COLORS[place] not in taken), turn)
    return found


def swatch_of(model: str, among: Iterable[str] = ()) -> Swatch:
    """Return the swatch of `model` in the selection `among` that a page shows."""
    return Swatch(ENSEMBLE_COLOR) if model == ENSEMBLE else swatches_of([model], among)[model]


def kept_swatches(models: Iterable[str], before: Mapping[str, Swatch]) -> dict[str, Swatch]:
    """Return a swatch for each model of a selection: those of `before` keep theirs while the eight colors suffice."""
    wanted = list(models)
    stay = {model: before[model] for model in wanted if model in before and not before[model].turn}
    return {model: swatches_of(wanted, stay)[model] for model in wanted}


def _preferred(model: str) -> int:
    """Return the place in `COLORS`, which does not depend on the selection; of a twin that of its original.

    Models of other classes than ImageNet's count backwards, so that the bundled ones differ from the usual models. A
    model that is not in the catalog has a place by its name.
    """
    model = model.removesuffix(COMPACT_SUFFIX)
    if model in USUAL_MODELS:
        return USUAL_MODELS.index(model) % len(COLORS)
    spec = BUILT_IN.get(model)
    if spec is None:
        return sum(model.encode()) % len(COLORS)
    is_other = spec.label_space != "imagenet_1k"
    alike = [name for name, row in BUILT_IN.items() if (row.label_space != "imagenet_1k") == is_other]
    place = [name for name in alike if name not in USUAL_MODELS].index(model)
    return (-1 - place if is_other else place) % len(COLORS)


def _rank(model: str) -> tuple[int, int, bool]:
    """Return which of two models keeps the color that both prefer: usual ones, those of the catalog, then others.

    Of a twin and its original, the original.
    """
    name = model.removesuffix(COMPACT_SUFFIX)
    if name in USUAL_MODELS:
        return 0, USUAL_MODELS.index(name), name != model
    return (1, list(BUILT_IN).index(name), name != model) if name in BUILT_IN else (2, 0, name != model)
