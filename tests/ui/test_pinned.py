"""The pinned label: chosen in the list or in a link, marked in every chart, kept from page to page."""

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.charts.theme import PIN
from imgrec.ui import pinned
from tests.ui.conftest import TABBY, TEN_CLASS_MODELS, TEN_CLASSES, words
from tests.ui.test_query_params import address

Page = Callable[..., AppTest]

SALUKI = 176


@pytest.fixture
def here() -> set[str]:
    return {"mobilenet", "mobilenet_v2", "mobilenet_v3_small", *(spec.name for spec in TEN_CLASS_MODELS)}


def specs(app: AppTest) -> list[str]:
    return [json.dumps(json.loads(chart.proto.spec), ensure_ascii=False) for chart in app.get("vega_lite_chart")]


def test_no_label_is_pinned_at_first(page: Page) -> None:
    app = page()
    assert app.selectbox(key="pin").value is None
    assert not any(PIN in spec.split('"condition"')[0] and f"{PIN}tabby" in spec for spec in specs(app))
    assert "pin" not in app.query_params


def test_a_pinned_label_is_marked_in_every_chart_and_stands_in_the_address(page: Page) -> None:
    app = page()
    app.selectbox(key="pin").set_value(("imagenet_1k", TABBY)).run()
    assert not app.exception
    assert len(specs(app)) == 4
    assert all(f"{PIN}tabby" in spec for spec in specs(app))
    assert address(app, "pin") == ["n02123045"]
    app.selectbox(key="pin").set_value(None).run()
    assert not any(f"{PIN}tabby" in spec for spec in specs(app))
    assert "pin" not in app.query_params


@pytest.mark.parametrize("name", ["compare.py", "ensemble.py"])
@pytest.mark.parametrize("link", ["n02091831", "Saluki"])
def test_a_label_below_the_top_has_a_row_of_its_own(page: Page, name: str, link: str) -> None:
    app = page(name, pin=link)
    assert not app.exception
    assert app.session_state[pinned.STATE] == ("imagenet_1k", SALUKI)
    marked = [spec for spec in specs(app) if f"{PIN}Saluki" in spec]
    assert len(marked) == (4 if name == "compare.py" else 1)
    assert address(app, "pin") == ["n02091831"]
    alts = [chart.proto.alt for chart in app.get("vega_lite_chart")]
    assert all("Saluki" in alt for alt in (alts if name == "compare.py" else alts[:1]))
    app.get_by_key("view").set_value("Table").run()
    assert "Saluki" in app.table[0].value["Class"].tolist()


def test_a_label_stays_pinned_from_page_to_page(page: Page) -> None:
    app = page(pin="n02091831")
    app.switch_page("../../pages/about.py").run()
    app.switch_page("../../pages/ensemble.py").run()
    assert not app.exception
    assert app.selectbox(key="pin").value == ("imagenet_1k", SALUKI)
    assert address(app, "pin") == ["n02091831"]


def test_a_link_leads_to_where_the_models_look(page: Page) -> None:
    app = page(models=["mobilenet"], pin="n02012849")
    [link] = app.get("page_link")
    assert link.proto.label == "Where do they look?"
    assert link.proto.page == "explain"
    assert link.proto.query_string == "class=crane+%28n02012849%29&models=mobilenet"
    app = page("explain.py", models=["mobilenet"], **{"class": "crane (n02012849)"})
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="class").value == "crane (n02012849)"


def test_where_they_look_is_asked_of_a_group_too(page: Page) -> None:
    app = page("explain.py", models=["mobilenet"], level="kind", **{"class": "dog"})
    assert not app.exception
    assert "no such class" not in words(app)


def test_a_label_that_no_model_knows_gets_a_sentence(page: Page) -> None:
    app = page(pin="n99999999")
    assert not app.exception
    assert "Received: 'n99999999'" in app.warning[0].value
    assert app.selectbox(key="pin").value is None


def test_a_label_waits_for_a_model_that_knows_it(page: Page) -> None:
    app = page(models=["mobilenet"], pin="n02091831")
    app.multiselect(key="models").set_value([TEN_CLASSES.name]).run()
    assert not app.exception
    assert app.selectbox(key="pin").value is None
    assert not app.warning
    app.multiselect(key="models").set_value(["mobilenet"]).run()
    assert app.selectbox(key="pin").value == ("imagenet_1k", SALUKI)


def test_labels_of_all_label_spaces_can_be_pinned(page: Page) -> None:
    app = page(models=["mobilenet", TEN_CLASSES.name])
    options = app.selectbox(key="pin").options
    assert len(options) == 1010
    assert options == sorted(options, key=str.casefold)
    assert {"airplane", "tabby"} <= set(options)
    assert "**Espresso**" in words(app)
