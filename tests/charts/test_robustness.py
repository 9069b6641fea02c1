import numpy as np
import pytest

from imgrec.charts import robustness as charts
from imgrec.charts.colors import swatches_of
from imgrec.charts.robustness import MEAN
from imgrec.charts.theme import Spec
from imgrec.explanation.corruptions import CORRUPTIONS
from imgrec.explanation.robustness import Robustness
from imgrec.explanation.severity import SeverityRow
from imgrec.formatting import THIN_SPACE
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from tests.charts.reading import check, drawn, legend, mark

SPACE = LabelSpace("three", ("cat", "dog", "cup"), (None,) * 3)


def robustness(model: str, last: float) -> Robustness:
    curves = {kind: np.linspace(0.9, last, 6) for kind in CORRUPTIONS}
    return Robustness(model, model.title(), 1, curves, {kind: np.ones(6) for kind in CORRUPTIONS})


MODELS = [robustness("mobilenet", 0.1), robustness("vgg16", 0.5)]


def severity(model: str, clean: int = 80) -> SeverityRow:
    correct = {kind: [clean - 10 * step for step in range(5)] for kind in CORRUPTIONS} | {"blur": [0] * 5}
    return SeverityRow(
        model=model, title=model.title(), dataset="d", base="d", images=100, clean=clean, correct=correct,
        framing="crop", side_px=256, dataset_digest="", per_class=None, source="", flaws=[], weights_sha256="",
        versions={}, measured_at="2026-11-28", command="",
    )  # fmt: skip


def small() -> Spec:
    return charts.strength_chart(MODELS, "noise", swatches_of(one.model for one in MODELS))


def test_each_model_has_its_own_color_and_shape() -> None:
    check(small())
    rows = drawn(small(), "point")
    assert len(rows) == 12
    looks = {(row["Model"], row["color"], row["shape"]) for row in rows}
    assert len({color for _, color, _ in looks}) == len({shape for *_, shape in looks}) == len(looks) == 2
    assert drawn(small(), "line") == rows


def test_all_small_charts_have_the_same_axes() -> None:
    for one in (mark(small(), "line"), mark(small(), "point")):
        assert one.channels["x"]["scale"]["domain"] == [0, 5]
        assert one.channels["y"]["scale"]["domain"] == [0, 1]


def test_the_tooltip_says_what_the_strength_is() -> None:
    row = next(row for row in drawn(small(), "point") if row["strength"] == 3)
    assert row["Strength"] == "3: Gaussian noise, standard deviation 36 of 255"


def test_sentence_and_table_have_the_ends() -> None:
    words = charts.describe_strengths(MODELS, "noise").replace(THIN_SPACE, " ")
    assert words == "Noise, from strength 0 to 5: Mobilenet 90.0 % → 10.0 %, Vgg16 90.0 % → 50.0 %."
    rows = charts.strength_rows(MODELS)
    assert len(rows) == 16
    assert list(rows[0]) == ["Damage", "Model", "0", "1", "2", "3", "4", "5"]


def test_changes_have_the_first_class_of_before_too() -> None:
    before = Prediction("a", SPACE, np.array([0.8, 0.1, 0.1]))
    after = Prediction("a", SPACE, np.array([0.1, 0.6, 0.3]))
    rows = charts.change_rows(before, after, 2)
    assert [row["Class"] for row in rows] == ["dog", "cup", "cat"]
    assert rows[-1] == {
        "Class": "cat", "Before": f"80.0{THIN_SPACE}%", "Now": f"10.0{THIN_SPACE}%", "Points": "−70.0",
        "Change": f"−87.5{THIN_SPACE}%",
    }  # fmt: skip
    assert len(charts.change_rows(before, before, 2)) == 2


@pytest.mark.parametrize("kind", [MEAN, "noise"])
def test_accuracy_over_strength_is_drawn_from_the_counts(kind: str) -> None:
    rows = [severity("mobilenet"), severity("vgg16", 90)]
    spec = charts.severity_chart(rows, kind, {"mobilenet": "#111111", "vgg16": "#222222"})
    check(spec)
    assert legend(spec, "line") == {"Mobilenet": "#111111", "Vgg16": "#222222"}
    ends = {(row["series"], row["x"]): row["y"] for row in drawn(spec, "line", "series")}
    expected = (40 * 7 / 8 if kind == MEAN else 40) / 100
    assert ends["Mobilenet", 5] == pytest.approx(expected)
    assert ends["Mobilenet", 0] == 0.8


def test_the_table_says_what_is_left() -> None:
    rows = charts.severity_rows([severity("mobilenet")], "noise")
    assert rows[0]["5"].replace(THIN_SPACE, " ") == "40.0 %"
    assert rows[0]["Left at 5"].replace(THIN_SPACE, " ") == "50.0 %"
    assert charts.severity_rows([severity("mobilenet")], MEAN)[0]["5"].replace(THIN_SPACE, " ") == "35.0 %"


def test_models_of_one_color_differ_in_their_dashes() -> None:
    rows = [severity("mobilenet"), severity("vgg16", 90)]
    spec = charts.severity_chart(rows, MEAN, {"mobilenet": "#111111", "vgg16": "#111111"})
    dashes = legend(spec, "line", "strokeDash")
    assert dashes["Mobilenet"] != dashes["Vgg16"]


def test_the_sentence_ranks_by_the_strongest_damage() -> None:
    words = charts.describe_severity([severity("mobilenet"), severity("vgg16", 90)], "noise")
    assert words.index("Vgg16") < words.index("Mobilenet")
    assert words.startswith("Noise, top-1 without damage")
