"""Charts: valid Vega-Lite, the same axis everywhere, colors that can be told apart, and twins that say the same."""

import itertools
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.charts import top_k
from imgrec.charts.theme import FIGURE_PX, LABEL_PX, Swatch
from imgrec.charts.top_k import (
    COLORS,
    ENSEMBLE_COLOR,
    OVER_BUDGET_COLOR,
    USUAL_MODELS,
    color_of,
    swatch_of,
    swatches_of,
)
from imgrec.formatting import THIN_SPACE, percent
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.ensembles import RULES, combine, contributions
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.settings import MIB, ROOT

Floats = npt.NDArray[np.float64]

# A label that tries to end the script, the line and the string that it stands in.
HOSTILE = "</script>\u2028'];alert(1)//"
LABELS = (
    "tabby",
    "lynx",
    "crane",
    "crane",
    'a "quoted" label',
    HOSTILE,
    "soft-coated wheaten terrier",
)
SPACE = LabelSpace("seven", LABELS, ("n02123045", "n02127052", "n02012849", "n03126707", None, None, "n02098105"))

VGG16 = Prediction("vgg16", SPACE, np.array([0.5, 0.3, 0.1, 0.06, 0.04, 0.0, 0.0]))
RESNET50 = Prediction("resnet50", SPACE, np.array([0.2, 0.6, 0.05, 0.05, 0.05, 0.0, 0.05]))
VGG19 = Prediction("vgg19", SPACE, VGG16.probabilities)
NO_IDS = LabelSpace("no_ids", ("cat", "dog"), (None, None))
MINE = Prediction("mine", SPACE, np.array([0.9996, 0.0004, 0.0, 0.0, 0.0, 0.0, 0.0]))
MEMBERS = [VGG16, RESNET50, MINE]

EVERY_CHART: dict[str, Callable[[], top_k.Spec]] = {
    "top-k": lambda: top_k.top_k_bars(VGG16, 3),
    "top-1": lambda: top_k.top_k_bars(MINE, 1),
    "more than there are": lambda: top_k.top_k_bars(VGG16, 10),
    "highlighted": lambda: top_k.top_k_bars(VGG16, 3, highlight=1),
    "highlighted below": lambda: top_k.top_k_bars(VGG16, 3, highlight=6),
    "picked": lambda: top_k.top_k_bars(VGG16, 3, pick="pick"),
    **{f"ensemble by {rule}": lambda rule=rule: top_k.ensemble_bars(combine(MEMBERS, rule)) for rule in RULES},
    "ensemble of one": lambda: top_k.ensemble_bars(combine([VGG16])),
    **{f"parts of {rule}": lambda rule=rule: top_k.contribution_bars(combine(MEMBERS, rule), 1) for rule in RULES},
    "memory": lambda: top_k.memory_bar(310 * MIB, 400 * MIB, 1024 * MIB),
    "too much memory": lambda: top_k.memory_bar(310 * MIB, 900 * MIB, 1024 * MIB),
    "no memory": lambda: top_k.memory_bar(0, 0, 1024 * MIB),
}
every_chart = pytest.mark.parametrize("draw", EVERY_CHART.values(), ids=EVERY_CHART)

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear sRGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
# Björn Ottosson's OKLab, in which equal distances look equally different.
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# About four times what the eye just sees (0.02). The best eight within these contrasts reach 0.106, in neon;
# Okabe and Ito's eight, gray in place of black, 0.021.
LEAST_DISTANCE = 0.08


def linear(color: str) -> Floats:
    """Linear sRGB (3,) of "#rrggbb"."""
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def distance(one: str, two: str, sight: str) -> float:
    """As seen with `sight`, in OKLab."""
    lab = [TO_LAB @ np.cbrt(TO_LMS @ np.clip(SIGHTS[sight] @ linear(color), 0, 1)) for color in (one, two)]
    return float(np.linalg.norm(lab[0] - lab[1]))


def contrast(one: str, two: str) -> float:
    """WCAG 2 contrast ratio, 1 to 21."""
    luminances = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) + 0.05 for color in (one, two))
    return luminances[1] / luminances[0]


def bars(spec: top_k.Spec) -> top_k.Rows:
    rows: top_k.Rows = spec["layer"][1]["data"]["values"]
    return rows


def axis_texts(spec: top_k.Spec, layer: int) -> list[str]:
    """What stands left (1) or right (0) of the bars."""
    expression = spec["layer"][layer]["encoding"]["y"]["axis"]["labelExpr"]
    texts: list[str] = json.loads(expression.removesuffix("[datum.value]"))
    return texts


def plain(text: str) -> str:
    return text.replace(THIN_SPACE, " ")


class TestColors:
    @pytest.mark.parametrize("page", ["#ffffff", "#fbfaf7", "#0e1117", "#12171d"])
    @pytest.mark.parametrize("color", [*COLORS, ENSEMBLE_COLOR, OVER_BUDGET_COLOR])
    def test_stand_out_from_the_page(self, color: str, page: str) -> None:
        assert contrast(color, page) >= 3

    @pytest.mark.parametrize("sight", SIGHTS)
    def test_can_be_told_apart(self, sight: str) -> None:
        pairs = itertools.combinations([*COLORS, ENSEMBLE_COLOR], 2)
        assert min(distance(one, two, sight) for one, two in pairs) >= LEAST_DISTANCE

    @pytest.mark.parametrize("sight", SIGHTS)
    def test_of_memory_can_be_told_apart(self, sight: str) -> None:
        assert distance(COLORS[0], OVER_BUDGET_COLOR, sight) >= LEAST_DISTANCE
        assert distance(COLORS[0], COLORS[4], sight) >= LEAST_DISTANCE

    def test_of_the_usual_models_are_all_different(self) -> None:
        assert [color_of(name) for name in USUAL_MODELS] == list(COLORS)
        assert swatches_of(USUAL_MODELS) == {name: Swatch(color_of(name)) for name in USUAL_MODELS}

    def test_of_the_bundled_models_are_not_those_of_the_first_usual_ones(self) -> None:
        bundled = {color_of(spec.name) for spec in BUILT_IN.values() if spec.bundled}
        assert len(bundled) == 4
        assert not bundled & {color_of(name) for name in USUAL_MODELS[:4]}

    @given(st.lists(st.sampled_from([*BUILT_IN, "mine", "another"]), max_size=24, unique=True))
    def test_no_two_models_of_a_selection_look_the_same(self, models: list[str]) -> None:
        swatches = swatches_of(models)
        assert set(swatches) == set(models)
        assert len(set(swatches.values())) == len(models)
        assert max((swatch.turn for swatch in swatches.values()), default=0) == max(len(models) - 1, 0) // 8

    @given(st.lists(st.sampled_from(sorted(BUILT_IN)), min_size=2, max_size=8, unique=True))
    def test_a_usual_model_keeps_its_color(self, models: list[str]) -> None:
        swatches = swatches_of(models)
        for model in set(models) & set(USUAL_MODELS):
            assert swatches[model] == Swatch(color_of(model))
        assert swatches == swatches_of(reversed(models))

    def test_the_later_of_two_takes_a_free_color(self) -> None:
        assert color_of("vgg19") == color_of("mobilenet_v3_small") == COLORS[0]
        assert swatches_of(["mobilenet_v3_small", "vgg19"]) == {
            "vgg19": Swatch(COLORS[0]),
            "mobilenet_v3_small": Swatch(COLORS[1]),
        }

    def test_the_ninth_model_has_a_color_again_and_another_mark(self) -> None:
        nine = [*USUAL_MODELS, "densenet121"]
        assert swatch_of("densenet121", nine) == Swatch(color_of("densenet121"), 1)
        assert swatch_of("densenet121", nine).markdown.startswith(":color[□]")
        assert swatch_of("mobilenet", nine).markdown == f':color[■]{{foreground="{COLORS[3]}"}}'

    def test_of_unknown_models_are_fixed_too(self) -> None:
        assert color_of("mine") == color_of("mine")
        assert color_of("mine") in COLORS

    def test_the_ensemble_has_its_own(self) -> None:
        assert color_of("ensemble") == ENSEMBLE_COLOR

    @pytest.mark.parametrize("mode", ["light", "dark"])
    def test_are_the_themes(self, mode: str) -> None:
        theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][mode]
        assert [color.lower() for color in theme["chartCategoricalColors"]] == list(COLORS)


class TestEveryChart:
    @every_chart
    def test_is_valid_vega_lite(self, draw: Callable[[], top_k.Spec]) -> None:
        import altair

        spec = draw()
        # Vega has it (config.legend.layout) and Vega-Lite hands it on; only Vega-Lite's schema does not know its form.
        del spec["config"]["legend"]
        altair.LayerChart.from_dict(spec, validate=True).to_dict()

    @every_chart
    def test_is_json(self, draw: Callable[[], top_k.Spec]) -> None:
        assert json.loads(json.dumps(draw(), allow_nan=False)) == draw()

    def test_needs_no_altair(self) -> None:
        code = (
            "import sys, imgrec.charts.top_k; print([m for m in ('altair', 'pandas', 'streamlit') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestTopK:
    def test_has_the_same_axis_for_every_model(self) -> None:
        specs = [top_k.top_k_bars(prediction, 3) for prediction in MEMBERS]
        encodings = [layer["encoding"] for spec in specs for layer in spec["layer"]]
        assert all(encoding["x"]["scale"] == {"domain": [0.0, 1.0], "nice": False} for encoding in encodings)
        widths = [(encoding["y"]["axis"]["minExtent"], encoding["y"]["axis"]["maxExtent"]) for encoding in encodings]
        assert widths == [(FIGURE_PX, FIGURE_PX), (LABEL_PX, LABEL_PX)] * len(specs)
        assert specs[0]["height"] == specs[1]["height"]

    def test_shows_labels_left_and_figures_right(self) -> None:
        spec = top_k.top_k_bars(MINE, 3, highlight=1)
        assert axis_texts(spec, 1) == ["tabby", "› lynx"]
        assert [plain(text) for text in axis_texts(spec, 0)] == [">99.9 %", "<0.1 %"]

    def test_rows_without_a_bar_to_see_are_in_the_table_alone(self) -> None:
        assert axis_texts(top_k.top_k_bars(MINE, 3), 1) == ["tabby"]
        assert axis_texts(top_k.top_k_bars(VGG16, 7), 1)[-1] == 'a "quoted" label'
        assert len(top_k.top_k_rows(MINE, 3)) == 3
        assert len(axis_texts(top_k.ensemble_bars(combine([VGG16, MINE]), 7), 1)) == 5

    def test_bars_are_as_long_as_the_probabilities(self) -> None:
        spec = top_k.top_k_bars(VGG16, 3)
        assert [bar["end"] for bar in bars(spec)] == [found.probability for found in VGG16.top_k(3)]
        assert {bar["start"] for bar in bars(spec)} == {0.0}

    def test_has_the_models_color_in_the_selection(self) -> None:
        alone, beside = top_k.top_k_bars(VGG19), top_k.top_k_bars(VGG19, among=["efficientnet_lite0", "vgg19"])
        colors = [spec["layer"][1]["encoding"]["color"]["value"] for spec in (alone, beside)]
        assert colors == [color_of("vgg19"), COLORS[1]]

    def test_bars_of_a_second_model_with_the_color_are_outlined(self) -> None:
        encoding = top_k.top_k_bars(VGG19, among=USUAL_MODELS)["layer"][1]["encoding"]
        assert encoding["stroke"] == encoding["color"] == {"value": color_of("vgg19")}
        assert encoding["fillOpacity"]["value"] < 1
        assert "stroke" not in top_k.top_k_bars(VGG16, among=USUAL_MODELS)["layer"][1]["encoding"]

    def test_tooltip_has_synset_and_percentage(self) -> None:
        bar = bars(top_k.top_k_bars(MINE, 1))[0]
        assert (bar["WordNet id"], bar["Model"], bar["Rank"]) == ("n02123045", "mine", 1)
        assert plain(bar["Probability"]) == ">99.9 %"
        assert "WordNet id" not in bars(top_k.top_k_bars(Prediction("mine", NO_IDS, np.array([0.5, 0.5]))))[0]

    def test_a_highlighted_class_stands_out_by_more_than_color(self) -> None:
        spec = top_k.top_k_bars(VGG16, 3, highlight=1)
        assert axis_texts(spec, 1) == ["tabby", "› lynx", "crane (n02012849)"]
        assert [bar["opacity"] == 1 for bar in bars(spec)] == [False, True, False]

    def test_a_highlighted_class_below_is_added_with_its_rank(self) -> None:
        spec = top_k.top_k_bars(VGG16, 2, highlight=3)
        assert [(bar["Class"], bar["Rank"]) for bar in bars(spec)][2] == ("crane (n03126707)", 4)
        assert top_k.top_k_rows(VGG16, 2, highlight=3)[2]["Rank"] == 4

    def test_a_click_picks_the_class_by_its_index(self) -> None:
        spec = top_k.top_k_bars(VGG16, 3, pick="pick")
        assert spec["layer"][1]["params"] == [{"name": "pick", "select": {"type": "point", "fields": ["index"]}}]
        assert [bar["index"] for bar in bars(spec)] == [0, 1, 2]

    def test_no_label_leaves_its_string(self) -> None:
        expression = top_k.top_k_bars(VGG16, 5, highlight=LABELS.index(HOSTILE))["layer"][1]["encoding"]["y"]["axis"][
            "labelExpr"
        ]
        assert "\u2028" not in expression
        assert json.loads(expression.removesuffix("[datum.value]"))[5] == f"› {HOSTILE}"

    def test_twins_say_the_same(self) -> None:
        assert top_k.top_k_rows(VGG16, 2) == [
            {"Rank": 1, "Class": "tabby", "WordNet id": "n02123045", "Probability": f"50.0{THIN_SPACE}%"},
            {"Rank": 2, "Class": "lynx", "WordNet id": "n02127052", "Probability": f"30.0{THIN_SPACE}%"},
        ]
        assert plain(top_k.describe_top_k(VGG16, 2)) == "VGG16: 1. tabby 50.0 %, 2. lynx 30.0 %."


class TestEnsemble:
    @pytest.mark.parametrize("rule", [name for name, rule in RULES.items() if rule.evidence])
    def test_bars_are_made_of_the_members_shares(self, rule: str) -> None:
        ensemble = combine(MEMBERS, rule)
        spec = top_k.ensemble_bars(ensemble, 2)
        first = ensemble.prediction.top_k(1)[0]
        mine = [bar for bar in bars(spec) if bar["index"] == first.index]
        parts = dict(zip(("VGG16", "ResNet50", "mine"), contributions(ensemble, first.index), strict=True))
        assert {bar["Model"]: bar["Contribution"] for bar in mine} == {
            title: percent(part) for title, part in parts.items() if part
        }
        assert mine[-1]["end"] == pytest.approx(first.probability, abs=0.005)
        assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(mine))

    def test_legend_names_the_members_in_their_colors(self) -> None:
        color = top_k.ensemble_bars(combine(MEMBERS))["layer"][1]["encoding"]["color"]
        assert dict(zip(color["scale"]["domain"], color["scale"]["range"], strict=True)) == {
            "VGG16": color_of("vgg16"),
            "ResNet50": color_of("resnet50"),
            "mine": color_of("mine"),
        }
        assert color["legend"]["orient"] == "bottom"

    def test_more_than_eight_members_differ_in_their_fill_too(self) -> None:
        members = [Prediction(model, SPACE, VGG16.probabilities) for model in (*USUAL_MODELS, "densenet121")]
        encoding = top_k.ensemble_bars(combine(members))["layer"][1]["encoding"]
        channels = ("color", "stroke", "fillOpacity", "strokeWidth", "strokeDash")
        assert (
            len({json.dumps([encoding[channel]["legend"] for channel in channels[i : i + 1]]) for i in range(5)}) == 1
        )
        looks = list(zip(*(map(str, encoding[channel]["scale"]["range"]) for channel in channels), strict=True))
        assert len(set(looks)) == 9

    def test_legend_can_be_spared(self) -> None:
        ensemble = combine(MEMBERS)
        without, beside = top_k.ensemble_bars(ensemble, legend=False), top_k.ensemble_bars(ensemble)
        assert without["layer"][1]["encoding"]["color"]["legend"] is None
        assert without["height"] == top_k.top_k_bars(ensemble.prediction)["height"] < beside["height"]

    def test_bars_are_whole_and_gray_where_there_are_no_shares(self) -> None:
        spec = top_k.ensemble_bars(combine(MEMBERS, "geometric_mean"), 2)
        assert spec == top_k.top_k_bars(combine(MEMBERS, "geometric_mean").prediction, 2)
        assert spec["layer"][1]["encoding"]["color"] == {"value": ENSEMBLE_COLOR}

    def test_twins_say_the_same(self) -> None:
        ensemble = combine([VGG16, RESNET50], "weighted_mean", [3, 1])
        row = top_k.ensemble_rows(ensemble, 1)[0]
        assert {name: plain(str(value)) for name, value in row.items()} == {
            "Rank": "1",
            "Class": "tabby",
            "WordNet id": "n02123045",
            "Probability": "42.5 %",
            "VGG16": "37.5 %",
            "ResNet50": "5.0 %",
        }
        assert plain(top_k.describe_ensemble(ensemble, 1)) == (
            "Weighted mean of VGG16, ResNet50. Ensemble: 1. tabby 42.5 %. VGG16 gives most to the first: 37.5 %."
        )
        assert "gives most" not in top_k.describe_ensemble(combine(MEMBERS, "geometric_mean"))


class TestContributions:
    def test_axis_ends_at_the_ensembles_probability(self) -> None:
        ensemble = combine(MEMBERS)
        domain = top_k.contribution_bars(ensemble, 0)["layer"][1]["encoding"]["x"]["scale"]["domain"]
        assert domain == [0.0, pytest.approx(float(ensemble.prediction.probabilities[0]))]

    def test_axis_does_not_magnify_next_to_nothing(self) -> None:
        spec = top_k.contribution_bars(combine(MEMBERS), 5)
        assert spec["layer"][1]["encoding"]["x"]["scale"]["domain"] == [0.0, top_k.LEAST_AXIS_END]

    def test_what_a_member_takes_away_is_below_zero(self) -> None:
        ensemble = combine([VGG16, RESNET50], "geometric_mean")
        spec = top_k.contribution_bars(ensemble, 1)
        parts = contributions(ensemble, 1)
        assert min(parts) < 0
        assert spec["layer"][1]["encoding"]["x"]["scale"]["domain"][0] == min(parts)
        assert [text.startswith("−") for text in axis_texts(spec, 0)] == [part < 0 for part in parts]

    def test_twins_say_the_same(self) -> None:
        ensemble = combine([VGG16, RESNET50])
        rows = [
            {name: plain(str(value)) for name, value in row.items()} for row in top_k.contribution_rows(ensemble, 1)
        ]
        assert rows == [
            {"Model": "VGG16", "Weight": "50.0 %", "Own probability": "30.0 %", "Contribution": "15.0 %"},
            {"Model": "ResNet50", "Weight": "50.0 %", "Own probability": "60.0 %", "Contribution": "30.0 %"},
        ]
        assert plain(top_k.describe_contributions(ensemble, 1)) == (
            "Contributions to lynx 45.0 %: VGG16 15.0 %, ResNet50 30.0 %."
        )


class TestMemory:
    @pytest.mark.parametrize(
        ("used", "planned", "sentence", "last"),
        [
            pytest.param(310, 0, "Loaded models use 310 MiB of 1.0 GiB.", ("free", "714 MiB"), id="nothing planned"),
            pytest.param(
                310,
                400,
                "Loaded models use 310 MiB of 1.0 GiB; those to be loaded need 400 MiB and leave 314 MiB.",
                ("free", "314 MiB"),
                id="fits",
            ),
            pytest.param(
                310,
                900,
                "Loaded models use 310 MiB of 1.0 GiB; those to be loaded need 900 MiB, 186 MiB more than is free.",
                ("missing", "186 MiB"),
                id="does not fit",
            ),
        ],
    )
    def test_words(self, used: int, planned: int, sentence: str, last: tuple[str, str]) -> None:
        sizes = (used * MIB, planned * MIB, 1024 * MIB)
        assert top_k.describe_memory(*sizes) == sentence
        assert (top_k.memory_rows(*sizes)[2]["Memory"], top_k.memory_rows(*sizes)[2]["Size"]) == last

    @pytest.mark.parametrize(("planned", "color"), [(400, COLORS[4]), (900, OVER_BUDGET_COLOR)], ids=["fits", "not"])
    def test_color_of_what_is_planned(self, planned: int, color: str) -> None:
        assert bars(top_k.memory_bar(310 * MIB, planned * MIB, 1024 * MIB))[1]["color"] == color
