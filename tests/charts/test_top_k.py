"""Bars of predictions and ensembles: the same axis everywhere, and tables and sentences that say the same."""

import itertools

import numpy as np
import pytest

from imgrec.charts import top_k
from imgrec.charts.bars import FIGURE_PX, LABEL_PX, LINE_LETTERS
from imgrec.charts.colors import COLORS, ENSEMBLE_COLOR, USUAL_MODELS, color_of
from imgrec.charts.theme import Spec
from imgrec.formatting import THIN_SPACE, percent
from imgrec.predictions.ensembles import RULES, combine, contributions
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from tests.charts.reading import bars, legend, marks, words

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


def plain(text: str) -> str:
    return text.replace(THIN_SPACE, " ")


def figures(spec: Spec) -> list[str]:
    return [plain(text) for text in words(spec, "y", "right")]


class TestTopK:
    def test_has_the_same_axis_for_every_model(self) -> None:
        specs = [top_k.top_k_bars(prediction, 3) for prediction in MEMBERS]
        for spec in specs:
            track, shown = marks(spec)
            assert {(row["start"], row["end"]) for row in track.rows} == {(0.0, 1.0)}
            assert shown.channels["x"] == track.channels["x"]
            assert not track.channels["x"]["scale"]["nice"]
            axes = track.channels["y"]["axis"], shown.channels["y"]["axis"]
            assert [(axis["minExtent"], axis["maxExtent"]) for axis in axes] == [(FIGURE_PX,) * 2, (LABEL_PX,) * 2]
        assert specs[0]["height"] == specs[1]["height"]

    def test_shows_labels_left_and_figures_right(self) -> None:
        spec = top_k.top_k_bars(VGG16, 3)
        assert words(spec, "y") == ["tabby", "lynx", "crane (n02012849)"]
        assert figures(spec) == ["50.0 %", "30.0 %", "10.0 %"]
        assert figures(top_k.top_k_bars(MINE, 1)) == [">99.9 %"]

    def test_rows_without_a_bar_to_see_are_in_the_table_alone(self) -> None:
        assert words(top_k.top_k_bars(MINE, 3), "y") == ["tabby"]
        assert words(top_k.top_k_bars(VGG16, 7), "y")[-1] == 'a "quoted" label'
        assert len(top_k.top_k_rows(MINE, 3)) == 3
        assert len(words(top_k.ensemble_bars(combine([VGG16, MINE]), 7), "y")) == 5

    def test_few_classes_are_all_drawn(self) -> None:
        three = LabelSpace("three", ("cat", "dog", "something else"), (None,) * 3)
        sure = Prediction("vgg16", three, np.array([0.0, 0.9996, 0.0004]))
        assert words(top_k.top_k_bars(sure, 5), "y") == ["dog", "something else", "cat"]
        assert words(top_k.top_k_bars(sure, 2), "y") == ["dog"]

    def test_bars_are_as_long_as_the_probabilities(self) -> None:
        rows = bars(top_k.top_k_bars(VGG16, 3)).rows
        assert [bar["end"] for bar in rows] == [found.probability for found in VGG16.top_k(3)]
        assert {bar["start"] for bar in rows} == {0.0}

    def test_has_the_models_color_in_the_selection(self) -> None:
        alone, beside = top_k.top_k_bars(VGG19), top_k.top_k_bars(VGG19, among=["efficientnet_lite0", "vgg19"])
        assert [bars(spec).rows[0]["color"] for spec in (alone, beside)] == [color_of("vgg19"), COLORS[1]]

    def test_bars_of_a_second_model_with_the_color_are_outlined(self) -> None:
        bar = bars(top_k.top_k_bars(VGG19, among=USUAL_MODELS)).rows[0]
        assert bar["stroke"] == bar["color"] == color_of("vgg19")
        assert bar["fillOpacity"] < 1
        assert bar["strokeWidth"] > 0
        assert "stroke" not in bars(top_k.top_k_bars(VGG16, among=USUAL_MODELS)).rows[0]

    def test_tooltip_has_synset_and_percentage(self) -> None:
        found = bars(top_k.top_k_bars(MINE, 1))
        bar = found.rows[0]
        assert [channel["field"] for channel in found.channels["tooltip"]] == [
            "Model",
            "Class",
            "Probability",
            "Rank",
            "WordNet id",
        ]
        assert (bar["WordNet id"], bar["Model"], bar["Rank"]) == ("n02123045", "mine", 1)
        assert plain(bar["Probability"]) == ">99.9 %"
        without = bars(top_k.top_k_bars(Prediction("mine", NO_IDS, np.array([0.5, 0.5]))))
        assert "WordNet id" not in {channel["field"] for channel in without.channels["tooltip"]}

    def test_equal_labels_stay_two_lines_and_no_label_is_run(self) -> None:
        space = LabelSpace("hostile", ("same", "same", HOSTILE), (None, None, None))
        spec = top_k.top_k_bars(Prediction("mine", space, np.array([0.5, 0.3, 0.2])))
        assert words(spec, "y") == ["same", "same", HOSTILE]
        assert HOSTILE not in str([mark.channels for mark in marks(spec)])

    def test_table_and_sentence_say_the_same(self) -> None:
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
        mine = [bar for bar in bars(spec).rows if bar["Class"] == "tabby"]
        parts = dict(zip(("VGG16", "ResNet50", "mine"), contributions(ensemble, first.index), strict=True))
        assert {bar["Model"]: bar["Contribution"] for bar in mine if bar["opacity"]} == {
            title: percent(part) for title, part in parts.items() if part
        }
        assert mine[-1]["end"] == pytest.approx(first.probability, abs=0.005)
        assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(mine))

    def test_legend_names_the_members_in_their_colors(self) -> None:
        spec = top_k.ensemble_bars(combine(MEMBERS))
        members = {"VGG16": "vgg16", "ResNet50": "resnet50", "mine": "mine"}
        assert legend(spec, "bar") == {title: color_of(model) for title, model in members.items()}

    def test_more_than_eight_members_differ_in_their_fill_too(self) -> None:
        members = [Prediction(model, SPACE, VGG16.probabilities) for model in (*USUAL_MODELS, "densenet121")]
        spec = top_k.ensemble_bars(combine(members))
        looks = [legend(spec, "bar", channel) for channel in ("color", "stroke", "fillOpacity", "strokeWidth")]
        assert len({tuple(look[title] for look in looks) for title in looks[0]}) == 9

    def test_titles_of_twins_are_whole_in_the_legend_and_told_apart_beside_bars(self) -> None:
        titles = (
            "EfficientNet-Lite0",
            "EfficientNet-Lite0 Compact",
            "MobileNet 0.25 128",
            "MobileNet 0.25 128 Compact",
        )
        members = [Prediction(title, SPACE, VGG16.probabilities, title=title) for title in titles]
        ensemble = combine(members)
        spec = top_k.ensemble_bars(ensemble)
        shown = bars(spec).channels["color"]["legend"]
        assert list(legend(spec, "bar")) == list(titles)
        assert (shown["columns"], shown["labelLimit"]) == (1, 2 * LABEL_PX)
        short = bars(top_k.ensemble_bars(combine(members[:1] + members[2:3]))).channels["color"]["legend"]
        assert (short["columns"], short["labelLimit"]) == (2, LABEL_PX)

        lines = words(top_k.contribution_bars(ensemble, 0), "y")
        assert len(set(lines)) == len(titles)
        assert max(map(len, lines)) <= LINE_LETTERS
        assert [line.endswith("Compact") for line in lines] == [False, True, False, True]
        assert [row["Model"] for row in top_k.contribution_rows(ensemble, 0)] == list(titles)

    def test_without_a_legend_bars_have_the_same_colors(self) -> None:
        ensemble = combine(MEMBERS)
        without, beside = top_k.ensemble_bars(ensemble, legend=False), top_k.ensemble_bars(ensemble)
        assert legend(without, "bar") == {}
        colors = legend(beside, "bar")
        assert all(bar["color"] == colors[bar["Model"]] for bar in bars(without).rows)
        assert without["height"] == top_k.top_k_bars(ensemble.prediction)["height"] < beside["height"]

    def test_bars_are_whole_and_gray_where_there_are_no_shares(self) -> None:
        spec = top_k.ensemble_bars(combine(MEMBERS, "geometric_mean"), 2)
        assert spec == top_k.top_k_bars(combine(MEMBERS, "geometric_mean").prediction, 2)
        assert {bar["color"] for bar in bars(spec).rows} == {ENSEMBLE_COLOR}

    def test_table_and_sentence_say_the_same(self) -> None:
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


def ends(spec: Spec) -> list[float]:
    """Return where the track, and so the axis, begins and ends."""
    track = next(marks(spec)).rows[0]
    return [track["start"], track["end"]]


class TestContributions:
    def test_axis_ends_at_the_ensembles_probability(self) -> None:
        ensemble = combine(MEMBERS)
        domain = ends(top_k.contribution_bars(ensemble, 0))
        assert domain == [0.0, pytest.approx(float(ensemble.prediction.probabilities[0]))]

    def test_axis_does_not_magnify_next_to_nothing(self) -> None:
        spec = top_k.contribution_bars(combine(MEMBERS), 5)
        assert ends(spec) == [0.0, top_k.LEAST_AXIS_END]

    def test_what_a_member_takes_away_is_below_zero(self) -> None:
        ensemble = combine([VGG16, RESNET50], "geometric_mean")
        spec = top_k.contribution_bars(ensemble, 1)
        parts = contributions(ensemble, 1)
        assert min(parts) < 0
        assert ends(spec)[0] == min(parts)
        assert [text.startswith("−") for text in figures(spec)] == [part < 0 for part in parts]

    def test_table_and_sentence_say_the_same(self) -> None:
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
