"""The matrix of Compare: when it is shown, columns that fill one after another, and models that cannot answer."""

import json
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from imgrec.charts.agreement_matrix import IS_TRIANGLE, PICK, PLACE
from imgrec.charts.theme import PIN
from imgrec.models.catalog import BUILT_IN
from imgrec.reports.agreement import Column, Line
from imgrec.ui import pinned
from imgrec.ui.compare import matrix
from imgrec.ui.widget_keys import key_of
from tests.charts.reading import words as words_of
from tests.ui.conftest import TABBY, TEN_CLASS_MODELS, TIGER_CAT, BrokenEngine, photo, upload, words
from tests.ui.test_query_params import address

Page = Callable[..., AppTest]

SIX = [name for name in BUILT_IN if name.startswith("mobilenet")][:6]


@pytest.fixture
def here() -> set[str]:
    return {*SIX, *(spec.name for spec in TEN_CLASS_MODELS)}


def matrices(app: AppTest) -> list[dict[str, object]]:
    specs = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    return [spec for spec in specs if any(one["name"] == PICK for one in spec.get("params", ()))]


def remarks(spec: dict[str, object]) -> list[str]:
    heads = next(layer for layer in spec["layer"] if "words" in str(layer["encoding"].get("text")))
    return [row["remark"] for row in heads["data"]["values"]]


def test_from_six_models_on_there_is_a_matrix_until_another_layout_is_chosen(page: Page) -> None:
    app = page(models=SIX[:5])
    assert not app.exception
    assert app.session_state["layout"] == "Cards"
    assert not matrices(app)
    app.multiselect(key="models").set_value(SIX).run()
    assert app.session_state["layout"] == "Matrix"
    assert "layout" not in app.query_params
    assert len(app.get("vega_lite_chart")) == len(matrices(app)) == 1
    app.get_by_key("layout").set_value("Cards").run()
    assert not matrices(app)
    assert address(app, "layout") == ["cards"]
    app.switch_page("../../pages/about.py").run()
    app.switch_page("../../pages/compare.py").run()
    assert app.session_state["layout"] == "Cards"


def test_a_link_asks_for_a_matrix_of_two_models(page: Page) -> None:
    app = page(models=SIX[:2], layout="matrix")
    assert not app.exception
    [spec] = matrices(app)
    assert len(remarks(spec)) == 3
    assert address(app, "layout") == ["matrix"]


def test_the_matrix_has_words_and_a_table(page: Page) -> None:
    app = page(models=SIX, view="table")
    assert not app.exception
    [frame] = app.dataframe
    assert list(frame.value.columns) == ["Label", "WordNet id", "Ensemble", *(BUILT_IN[name].title for name in SIX)]
    assert frame.value["Label"].tolist()[:2] == ["tabby", "tiger cat"]
    assert frame.value["Ensemble"][0] == pytest.approx(60, abs=10)
    app.get_by_key("view").set_value("Chart").run()
    [chart] = app.get("vega_lite_chart")
    assert chart.proto.alt.startswith("Probabilities of ")
    assert "by 6 models. tabby: ensemble" in chart.proto.alt


def test_models_of_different_classes_have_a_matrix_each(page: Page) -> None:
    app = page(models=[*SIX[:4], *(spec.name for spec in TEN_CLASS_MODELS)])
    assert not app.exception
    assert [len(remarks(spec)) for spec in matrices(app)] == [5, 3]
    assert "**ImageNet**" in words(app)
    assert "**CIFAR-10**" in words(app)


def test_a_model_that_breaks_has_an_empty_column_and_a_sentence(page: Page, engines: dict[str, object]) -> None:
    engines[SIX[0]] = BrokenEngine
    app = upload(page(models=SIX), ("cat.jpg", photo()))
    assert not app.exception
    assert [error.value for error in app.error] == ["Expected the engine to run. Received: a refusal."]
    [spec] = matrices(app)
    assert {"5 of 6", "failed"} <= set(remarks(spec))


def test_when_all_break_there_is_no_matrix(page: Page, engines: dict[str, object]) -> None:
    engines |= dict.fromkeys(SIX, BrokenEngine)
    app = upload(page(models=SIX), ("cat.jpg", photo()))
    assert not app.exception
    assert len(app.error) == 6
    assert not matrices(app)


def test_a_model_that_is_not_here_is_offered_below(page: Page, here: set[str]) -> None:
    here.remove(SIX[0])
    app = upload(page(models=SIX), ("cat.jpg", photo()))
    assert not app.exception
    assert app.button(key=key_of("fetch", SIX[0])).label.startswith("Download ")
    [spec] = matrices(app)
    assert len(remarks(spec)) == 6


def test_precomputed_answers_stand_in_the_matrix(page: Page, here: set[str]) -> None:
    here.clear()
    app = page(models=["efficientnet_lite0", "efficientnet_lite1", "mobilenet"], layout="matrix")
    assert not app.exception
    [spec] = matrices(app)
    assert remarks(spec) == ["3 models", *["precomputed"] * 3]


def test_columns_fill_as_predictions_come(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[str]] = []
    columns = matrix.Matrices._columns

    def recorded(self: matrix.Matrices, *args: object) -> list[Column]:
        found = columns(self, *args)
        drawn.append([column.remark for column in found[-len(SIX) :]])
        return found

    monkeypatch.setattr(matrix.Matrices, "_columns", recorded)
    monkeypatch.setattr(matrix, "REDRAW_S", -1.0)
    app = page(models=SIX)
    assert not app.exception
    assert [remarks.count("computing …") for remarks in drawn] == [5, 4, 3, 2, 1, 0]
    drawn.clear()
    app.run()
    assert [remarks.count("computing …") for remarks in drawn] == [0]


def labels(spec: dict[str, object]) -> list[str]:
    """The labels of a matrix from top to bottom, with their indents."""
    return [text.lstrip("\u2060") for text in words_of(spec, "y")]


def test_groups_are_opened_by_a_link_and_by_the_list(page: Page) -> None:
    app = page(models=SIX, level="kind")
    assert not app.exception
    [spec] = matrices(app)
    closed = labels(spec)
    assert closed[0].strip() == "cat"
    offered = app.multiselect(key="open").options
    assert len(offered) > 100
    # Those on the chart first; capitals do not matter.
    on_chart = {label.strip() for label in closed}
    assert "cat" in on_chart & set(offered)
    assert offered == sorted(offered, key=lambda name: (name not in on_chart, name.casefold()))
    app.multiselect(key="open").set_value(["cat", "domestic cat"]).run()
    assert not app.exception
    assert address(app, "open") == ["cat", "domestic cat"]
    [spec] = matrices(app)
    found = [label.strip("\u2060\u2003") for label in labels(spec)]
    assert found[:4] == ["cat", "domestic cat", "tabby", "tiger cat"]
    again = page(models=SIX, level="kind", open=["cat", "domestic cat"])
    assert [json.dumps(one["layer"][0]["data"]) for one in matrices(again)] == [json.dumps(spec["layer"][0]["data"])]
    again.get_by_key("view").set_value("Table").run()
    assert [label.strip("\u2060\u2003") for label in again.dataframe[0].value["Label"]] == found


def test_parts_of_a_group_add_up_to_it_with_calibrated_members_too(page: Page, here: set[str]) -> None:
    here.clear()
    link = {"layout": "matrix", "level": "category", "open": "animal", "view": "table", "calibrated": "true"}
    app = page(models=["efficientnet_lite0", "efficientnet_lite1"], **link)
    assert not app.exception
    plain = page(models=["efficientnet_lite0", "efficientnet_lite1"], **link | {"calibrated": "false"})
    one, other = app.dataframe[0].value, plain.dataframe[0].value
    assert one["Ensemble"].tolist() != other["Ensemble"].tolist()
    for frame in (one, other):
        labels = [label.strip("\u2060") for label in frame["Label"]]
        start = labels.index("animal")
        parts = [label.startswith("\u2003") for label in labels[start + 1 :]]
        count = [*parts, False].index(False)
        assert count
        below = frame["Ensemble"][start + 1 : start + 1 + count].sum()
        assert below == pytest.approx(frame["Ensemble"][start], abs=0.2)


def test_at_the_level_of_the_classes_there_is_nothing_to_open(page: Page) -> None:
    app = page(models=SIX, open="cat")
    assert not app.exception
    assert all(box.key != "open" for box in app.multiselect)


def test_own_classes_have_one_matrix_for_models_of_all_label_spaces(page: Page) -> None:
    app = page(models=[*SIX[:4], *(spec.name for spec in TEN_CLASS_MODELS)], classes="cat;dog")
    assert not app.exception
    [spec] = matrices(app)
    assert len(remarks(spec)) == 7
    assert labels(spec)[0] in {"cat", "something else"}


def test_a_pinned_breed_marks_the_dog_of_other_models(page: Page) -> None:
    app = page(models=[*SIX[:4], *(spec.name for spec in TEN_CLASS_MODELS)], pin="n02091831")
    assert not app.exception
    marked = [[label for label in labels(spec) if label.startswith(PIN)] for spec in matrices(app)]
    assert marked == [[f"{PIN}Saluki"], [f"{PIN}dog"]]


LINES = [
    Line("tabby", None, (0.5,), (1,), "imagenet_1k", TABBY),
    Line("tiger cat", None, (0.3,), (2,), "imagenet_1k", TIGER_CAT),
    Line("dog", None, (0.1,), (None,), "kinds", 3, "dog"),
    Line("hound", None, (0.1,), (None,), group="hound", is_open=True, depth=1),
    Line("4 others", None, (0.1,), (None,), depth=1),
]


def click(place: int | None, triangle: bool = False) -> None:
    picked = [] if place is None else [{PLACE: place, IS_TRIANGLE: triangle}]
    st.session_state["chart"] = {"selection": {PICK: picked}}
    matrix._take_click("chart", LINES)


def test_a_click_on_a_line_pins_its_label_and_a_second_one_releases_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})
    click(0)
    assert pinned.get() == ("imagenet_1k", TABBY)
    click(None)  # beside all lines
    assert pinned.get() == ("imagenet_1k", TABBY)
    click(1)
    assert pinned.get() == ("imagenet_1k", TIGER_CAT)
    click(1)
    assert pinned.get() is None
    click(4)  # no class and no group
    assert pinned.get() is None


def test_a_click_on_a_cell_of_the_table_pins_the_label_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "session_state", {})

    def click_cell(*cells: tuple[int, str]) -> None:
        st.session_state["table"] = {"selection": {"cells": list(cells)}}
        matrix._take_cell("table", LINES)

    click_cell((0, "Ensemble"))
    found = pinned.get()
    assert found == (LINES[0].space, LINES[0].index)
    click_cell()
    assert pinned.get() == found
    click_cell((0, "Label"))
    assert pinned.get() is None
    click_cell((4, "Label"))  # a group is no class
    assert pinned.get() is None


def test_a_click_on_a_triangle_opens_a_group_or_closes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, object] = {matrix.OPEN: ["hound"]}
    monkeypatch.setattr(st, "session_state", state)
    click(2, triangle=True)
    assert state[matrix.OPEN] == ["hound", "dog"]
    click(3)  # a node that is no class of the page has nothing to pin
    assert state[matrix.OPEN] == ["dog"]
    assert pinned.get() is None
    click(2)
    assert pinned.get() == ("kinds", 3)


def test_columns_are_in_the_order_of_the_chosen_models_and_keep_their_colors(page: Page) -> None:
    def heads(app: AppTest) -> dict[str, str]:
        (spec,) = matrices(app)
        rows = next(layer for layer in spec["layer"] if "words" in str(layer["encoding"].get("text")))["data"]["values"]
        return {row["title"]: row["color"] for row in rows[1:]}

    chosen = SIX[3::-1]
    app = page(models=chosen, layout="matrix")
    before = heads(app)
    assert list(before) == [BUILT_IN[name].title for name in chosen]
    app.multiselect(key="models").set_value(chosen[1:3]).run()
    assert heads(app) == {BUILT_IN[name].title: before[BUILT_IN[name].title] for name in chosen[1:3]}
