"""Labels against models: which lines there are, in which order, and what a reader sees in a cell."""

import numpy as np
import pytest

from imgrec.charts import agreement_matrix
from imgrec.charts.agreement_matrix import BAR_OPACITY, FAINT_INK, IS_TRIANGLE, PICK, PLACE, TRACK_PART
from imgrec.charts.colors import COLORS, NEUTRAL
from imgrec.charts.theme import PIN
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.reports import agreement
from imgrec.reports.agreement import Column, Line
from tests.charts.reading import drawn, mark, marks, words
from tests.charts.test_confusion_matrix import luminance
from tests.charts.test_top_k import MEMBERS, MINE, RESNET50, SPACE, VGG16, plain

MODELS = [
    Column("vgg16", "VGG16", "12.0 ms", VGG16),
    Column("resnet50", "ResNet50", "8.4 ms", RESNET50),
    Column("mine", "Mine", "precomputed", MINE),
]
COLUMNS = agreement.columns_of(combine(MEMBERS), MODELS)
WAITING = [*MODELS[:1], Column("resnet50", "ResNet50", "computing …")]


def lines(columns: list[Column], k: int = 3) -> list[Line]:
    return agreement.lines_of(columns, k)


def test_a_bar_is_as_long_as_the_probability_on_the_same_axis_in_every_column() -> None:
    spec = agreement_matrix.matrix_bars(lines(COLUMNS), COLUMNS)
    for cell in drawn(spec, "bar", "track"):
        column, line = COLUMNS[int(cell["start"])], lines(COLUMNS)[cell[PLACE]]
        assert column.prediction
        share = float(column.prediction.probabilities[line.index])
        assert cell["end"] - cell["start"] == pytest.approx(TRACK_PART * share, abs=1e-4)
        assert cell["track"] - cell["start"] == pytest.approx(TRACK_PART)
    scales = [one.channels["x"]["scale"] for one in marks(spec) if "x" in one.channels]
    assert all(scale == {"domain": [0, len(COLUMNS)], "nice": False, "zero": False} for scale in scales)


def test_figures_and_first_choices() -> None:
    cells = drawn(agreement_matrix.matrix_bars(lines(COLUMNS, 2), COLUMNS), "text", "figure")
    found = {(cell["Label"], cell["Model"]): cell for cell in cells}
    assert found["tabby", "VGG16"]["figure"] == "50.0"
    assert found["lynx", "Mine"]["figure"] == "<0.1"
    assert found["lynx", "Mine"]["ink"] == FAINT_INK
    assert found["lynx", "Mine"]["short"] == ""
    assert plain(found["lynx", "ResNet50"]["Probability"]) == "60.0 %"
    assert found["lynx", "VGG16"]["Rank"] == "2"
    bold = {place for place, cell in found.items() if cell["weight"] == "bold"}
    assert bold == {("tabby", "Ensemble"), ("tabby", "VGG16"), ("lynx", "ResNet50"), ("tabby", "Mine")}


def test_a_column_that_waits_is_empty_and_says_so() -> None:
    spec = agreement_matrix.matrix_bars(lines(WAITING), WAITING)
    cells = [cell for cell in drawn(spec, "bar", "track") if cell["Model"] == "ResNet50"]
    assert {(cell["figure"], cell["end"] - cell["start"], cell["Probability"]) for cell in cells} == {
        ("", 0, "none yet")
    }
    assert [head["remark"] for head in drawn(spec, "text", "remark")] == ["12.0 ms", "computing …"]
    assert lines([WAITING[1]]) == []


def test_the_ensemble_says_how_many_have_answered() -> None:
    some = agreement.columns_of(combine(MEMBERS[:2]), [*MODELS[:2], Column("mine", "Mine")])
    assert [some[0].remark, COLUMNS[0].remark] == ["2 of 3", "3 models"]


def test_the_pinned_line_is_marked_and_a_click_takes_a_line() -> None:
    spec = agreement_matrix.matrix_bars(lines(COLUMNS, 2), COLUMNS, pinned=[("seven", 1)])
    assert words(spec, "y") == ["tabby", f"{PIN}lynx"]
    bands = drawn(spec, "rect")
    assert [band["marked"] > 0 for band in bands] == [False, True]
    [pick] = [one for one in spec["params"] if one["name"] == PICK]
    assert pick["select"] == {"type": "point", "fields": [PLACE, IS_TRIANGLE]}
    # Band, track, bar and figure lie upon each other: each of them knows its line.
    for one in marks(spec):
        if one.look.get("cursor") == "pointer":
            assert {(row[PLACE], row[IS_TRIANGLE]) for row in one.rows} == {(0, False), (1, False)}


def test_groups_have_a_triangle_and_what_is_below_is_indented() -> None:
    shares, ranks = (0.5,) * len(COLUMNS), (None,) * len(COLUMNS)
    tree = [
        Line("dog", "n02084071", shares, ranks, "kinds", 3, "dog", True),
        Line("hound", "n02087551", shares, ranks, group="hound", depth=1),
        Line("Saluki", "n02091831", shares, (1,) * len(COLUMNS), "imagenet_1k", 176, depth=1),
        Line("cat", "n02121620", shares, ranks, "kinds", 4),
    ]
    spec = agreement_matrix.matrix_bars(tree, COLUMNS, pinned=[("kinds", 3)])
    indent = agreement_matrix._INDENT
    assert words(spec, "y") == [f"{indent}{PIN}dog", f"{2 * indent}hound", f"{2 * indent}Saluki", f"{indent}cat"]
    assert mark(spec, "rect").channels["y"]["axis"]["labelAlign"] == "left"
    triangles = drawn(spec, "point")
    assert [(row[PLACE], row[IS_TRIANGLE], row["shape"], row["depth"]) for row in triangles] == [
        (0, True, "triangle-down", 0),
        (1, True, "triangle-right", 1),
    ]
    assert agreement_matrix.matrix_rows(tree, COLUMNS)[1]["Label"] == f"{indent}hound"
    assert "2 labels" in agreement_matrix.describe_matrix(tree, COLUMNS)
    flat = agreement_matrix.matrix_bars(lines(COLUMNS), COLUMNS)
    assert mark(flat, "rect").channels["y"]["axis"]["labelAlign"] == "right"


def test_models_have_their_colors_and_their_names_in_short_lines() -> None:
    spec = agreement_matrix.matrix_bars(lines(COLUMNS), COLUMNS, among=["vgg16", "resnet50"])
    heads = {head["title"]: head for head in drawn(spec, "text", "words")}
    colors = {cell["Model"]: cell["color"] for cell in drawn(spec, "bar", "track")}
    assert heads["Ensemble"]["color"] == NEUTRAL
    assert {head["title"]: head["color"] for head in heads.values()} == colors | {"Ensemble": NEUTRAL}
    long = [Column("a", "A network of mine, trained on flowers (rate_1em3)", "", VGG16)]
    [head] = drawn(agreement_matrix.matrix_bars(lines(long), long), "text", "words")
    assert " ".join(head["words"]) == long[0].title


def test_the_table_says_the_same_in_numbers() -> None:
    rows = agreement_matrix.matrix_rows(lines(COLUMNS, 2), COLUMNS)
    assert [row["Label"] for row in rows] == ["tabby", "lynx"]
    assert rows[0]["WordNet id"] == "n02123045"
    assert rows[1]["ResNet50"] == pytest.approx(60)
    assert agreement_matrix.matrix_rows(lines(WAITING), WAITING)[0]["ResNet50"] is None


def test_the_sentence_says_the_same() -> None:
    assert plain(agreement_matrix.describe_matrix(lines(COLUMNS, 2), COLUMNS)) == (
        "Probabilities of 2 labels by 3 models. "
        "tabby: ensemble 56.7 %, from 20.0 % (ResNet50) to >99.9 % (Mine), first choice of 2. "
        "lynx: ensemble 30.0 %, from <0.1 % (Mine) to 60.0 % (ResNet50), first choice of 1."
    )
    assert plain(agreement_matrix.describe_matrix(lines(WAITING, 1), WAITING)) == (
        "Probabilities of 1 label by 1 of 2 models. tabby: 50.0 %."
    )


def test_equal_labels_stay_two_lines() -> None:
    space = LabelSpace("same", ("same", "same"), (None, None))
    columns = [Column("mine", "Mine", "", Prediction("mine", space, np.array([0.6, 0.4])))]
    assert words(agreement_matrix.matrix_bars(lines(columns), columns), "y") == ["same", "same"]
    assert SPACE.labels.count("crane") == 2


@pytest.mark.parametrize(("page", "ink"), [("#FBFAF7", "#000000"), ("#0E1318", "#ffffff")], ids=["light", "dark"])
def test_figures_can_be_read(page: str, ink: str) -> None:
    """4.5:1 on every bar, and where a figure is faint on the empty track."""
    spec = agreement_matrix.matrix_bars(lines(COLUMNS), COLUMNS)
    halo, figure = [one for one in marks(spec) if one.shape == "text" and "figure" in one.rows[0]][:2]
    assert figure.channels["color"] == {"value": {"expr": agreement_matrix.INK}}
    # Below it, in the color of the page: the end of a bar does not run through a figure.
    assert halo.channels["stroke"] == {"value": {"expr": agreement_matrix.HALO}}
    assert halo.channels["text"] == figure.channels["text"]
    for color in (*COLORS, NEUTRAL):
        cell = luminance(color, page, BAR_OPACITY)
        over = luminance(ink, page, 1)
        assert (max(cell, over) + 0.05) / (min(cell, over) + 0.05) >= 4.5, color
    empty, faint = luminance(NEUTRAL, page, agreement_matrix.TRACK_OPACITY), luminance(ink, page, FAINT_INK)
    assert (max(empty, faint) + 0.05) / (min(empty, faint) + 0.05) >= 4.5
