"""The level of results and the visitor's own classes, as chosen on a page."""

import json
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.predictions import wordnet
from imgrec.predictions.class_groups import MAX_NAME, NAME
from tests.ui.conftest import TEN_CLASSES, BrokenEngine, photo, upload, words

Page = Callable[..., AppTest]

CAT, DOG, VEHICLE, MINIVAN = "n02121620", "n02084071", "n04524313", "n03770679"


def opened(app: AppTest) -> AppTest:
    """Open the panel of own classes."""
    app.session_state["my_classes"] = True
    return app.run()


def widget(app: AppTest, name: str) -> str:
    """The key of a widget of the panel, which changes with the list."""
    count = app.session_state["classes_round"] if "classes_round" in app.session_state else 0  # noqa: SIM401
    return f"classes_{name}_{count}"


def address(app: AppTest) -> str | None:
    value = app.query_params.get("classes")
    return value[0] if isinstance(value, list) else value


def add(app: AppTest, synset: str, into: str = "") -> AppTest:
    if into:
        app.selectbox(key=widget(app, "into")).set_value(into)
    app.text_input(key=widget(app, "search")).set_value(synset).run()
    return app.button(key=widget(app, "add_0")).click().run()


@pytest.mark.parametrize("file", ["compare.py", "ensemble.py"])
@pytest.mark.parametrize(
    ("level", "first"),
    [
        pytest.param("kind", "Ensemble: cat 90", id="kind"),
        pytest.param("category", "Ensemble: animal 9", id="category"),
    ],
)
def test_a_level_rolls_up_all_results(page: Page, file: str, level: str, first: str) -> None:
    app = upload(page(file), ("cat.jpg", photo()))
    app.get_by_key("level").set_value(level).run()
    assert not app.exception
    assert app.subheader[0].value.startswith(first)
    assert "all 3 agree" in app.subheader[0].value
    assert f"by {level}" in words(app)
    assert app.query_params["level"] in (level, [level])


@pytest.mark.parametrize("file", ["compare.py", "ensemble.py"])
def test_a_link_carries_own_classes(page: Page, file: str) -> None:
    app = upload(page(file, classes="cat;dog"), ("cat.jpg", photo()))
    assert not app.exception
    assert app.subheader[0].value.startswith("Ensemble: cat 9")
    assert "my classes: cat, dog" in words(app)
    assert "something else" in app.get("vega_lite_chart")[0].proto.spec
    assert "tabby" not in app.get("vega_lite_chart")[0].proto.spec
    assert address(app) == "cat;dog"
    assert "your classes below; without them, a level can be chosen" in words(app)
    assert not app.get("button_group") or "level" not in [group.key for group in app.get("button_group")]


def test_own_classes_are_kept_on_other_pages(page: Page) -> None:
    app = upload(page(classes="cat;dog"), ("cat.jpg", photo()))
    app.switch_page("../../pages/ensemble.py").run()
    assert address(app) == "cat;dog"
    assert "my classes: cat, dog" in words(app)


def test_models_of_different_label_spaces_are_averaged_as_own_classes(page: Page, here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    app = upload(page(models=["mobilenet", "mobilenet_v2", TEN_CLASSES.name], classes="cat;dog"), ("a.jpg", photo()))
    assert not app.exception
    assert len(app.subheader) == 1
    assert "mean of 3" in words(app)
    assert "each group is averaged on its own" not in words(app)


def test_a_model_that_knows_none_has_a_sentence_on_its_card(page: Page, here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    app = upload(page(models=["mobilenet", TEN_CLASSES.name], classes="tabby"), ("a.jpg", photo()))
    assert not app.exception
    assert "Expected a model that knows a class of tabby" in app.error[0].value
    assert app.subheader[0].value.startswith("MobileNet: tabby 60.0")


def test_a_broken_model_stays_alone(page: Page, engines: dict[str, object]) -> None:
    engines["mobilenet"] = BrokenEngine
    app = upload(page(classes="cat;dog"), ("a.jpg", photo()))
    assert len(app.error) == 1
    assert app.subheader[0].value.startswith("Ensemble: cat")


def test_overlaps_and_unknown_classes_are_said_and_allowed(page: Page) -> None:
    app = upload(page(classes="animal;cat;deer"), ("cat.jpg", photo()))
    assert not app.exception
    assert "animal and cat overlap: 7 classes, such as tabby, count in both." in words(app)
    assert "None of these models knows a class of deer." in words(app)
    assert "These classes do not exclude each other" in app.info[0].value


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        pytest.param("crane", "Expected one meaning of 'crane': crane: wading bird", id="two meanings"),
        pytest.param("zzzz", "Expected a word of WordNet", id="no word"),
        pytest.param("![x](y):cat", "Expected a name of 1 to 40 letters", id="Markdown"),
    ],
)
def test_a_link_that_cannot_be_meant_gets_a_sentence(page: Page, link: str, sentence: str) -> None:
    app = upload(page(classes=link), ("cat.jpg", photo()))
    assert not app.exception
    assert any(sentence.split(":")[0] in warning.value for warning in app.warning)
    assert "the breed: tabby" in app.subheader[0].value
    assert address(app) is None


def test_of_a_link_the_classes_that_can_be_meant_are_kept(page: Page) -> None:
    app = upload(page(classes="unicorn;cat"), ("cat.jpg", photo()))
    assert address(app) == "cat"
    (warning,) = app.warning
    assert "such as cat, dog, vehicle. Received: 'unicorn'" in warning.value.replace("\\", "")
    assert app.subheader[0].value.startswith("Ensemble: cat 9")
    add(opened(app), DOG)
    assert address(app) == "cat;dog"
    assert not app.warning


def test_what_is_searched_is_offered_with_its_meaning(page: Page) -> None:
    app = opened(page())
    assert not [button for button in app.button if str(button.key).startswith("classes_add")]
    app.text_input(key=widget(app, "search")).set_value("cat").run()
    offered = [button.label for button in app.button if str(button.key).startswith("classes_add")]
    assert offered[:2] == ["cat (true cat) · feline · 7 classes", "big cat (cat) · feline · 6 classes"]
    app.text_input(key=widget(app, "search")).set_value("automobile").run()
    assert app.button(key=widget(app, "add_0")).label.startswith("car (auto, automobile")
    app.text_input(key=widget(app, "search")).set_value("no such *thing*").run()
    assert "WordNet has no class 'no such \\*thing\\*'" in words(app)


def test_classes_are_added_named_extended_and_removed(page: Page) -> None:
    app = opened(upload(page(), ("cat.jpg", photo())))
    add(app, CAT)
    assert address(app) == "cat"
    add(app, DOG)
    assert address(app) == "cat;dog"
    add(app, VEHICLE, into="dog")
    assert address(app) == f"cat;dog:{DOG},{VEHICLE}"
    app.text_input(key=widget(app, "name_1")).set_value("noisy").run()
    assert address(app) == f"cat;noisy:{DOG},{VEHICLE}"
    app.multiselect(key=widget(app, "words_1")).set_value([VEHICLE]).run()
    assert address(app) == f"cat;noisy:{VEHICLE}"
    add(app, VEHICLE)
    assert address(app) == f"cat;noisy:{VEHICLE};vehicle"
    app.multiselect(key=widget(app, "words_1")).set_value([]).run()
    assert address(app) == "cat;vehicle"
    app.button(key=widget(app, "remove_1")).click().run()
    assert address(app) == "cat"
    add(app, CAT)
    assert address(app) == f"cat;cat 2:{CAT}"
    app.button(key="classes_none").click().run()
    assert not app.exception
    assert address(app) is None
    assert app.get_by_key("level").value == "class"
    assert "the breed: tabby" in app.subheader[0].value


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        pytest.param("dog", "Expected each name once. Received: 'dog' twice.", id="taken"),
        pytest.param("", "Expected a name of 1 to 40 letters", id="empty"),
        pytest.param("a:b", "Expected a name of 1 to 40 letters", id="a colon"),
        pytest.param("something else", "Expected another name than", id="the rest"),
    ],
)
def test_a_name_that_cannot_be_taken_changes_nothing(page: Page, name: str, sentence: str) -> None:
    app = opened(page(classes="cat;dog"))
    app.text_input(key=widget(app, "name_0")).set_value(name).run()
    assert not app.exception
    assert sentence in app.error[0].value
    assert address(app) == "cat;dog"
    assert app.text_input(key=widget(app, "name_0")).value == "cat"
    app.run()
    assert not app.error


def test_classes_are_loaded_from_a_file(page: Page) -> None:
    app = opened(page())
    file = json.dumps({"cat": [CAT], "car": ["n02958343", "-minivan"]}).encode()
    app.file_uploader(key="upload_0_classes").upload("my.json", file).run()
    assert not app.exception
    assert address(app) == f"cat;car:n02958343,-{MINIVAN}"
    assert "without minivan" in app.multiselect(key=widget(app, "words_1")).options


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"\xff\xfe", "bad.json: Expected a JSON file. Received: one that is no text.", id="bytes"),
        pytest.param(b"{cat}", "bad.json: Expected groups of classes as JSON", id="no JSON"),
        pytest.param(b'["cat", "dog"]', "bad.json: Expected groups of classes as JSON such as", id="a list"),
        pytest.param(b"{}" + b" " * 5000, "bad.json: Expected 1 to 40 groups", id="empty"),
        pytest.param(b'{"a": ["cat"' + b', "cat"' * 2_000 + b"]}", "at most 4,000 characters", id="long"),
    ],
)
def test_a_file_that_cannot_be_read_changes_nothing(page: Page, content: bytes, sentence: str) -> None:
    app = opened(page(classes="cat"))
    app.file_uploader(key="upload_0_classes").upload("bad.json", content).run()
    assert not app.exception
    assert sentence in app.error[0].value.replace("\\", "")
    assert address(app) == "cat"


def test_each_synset_gives_a_name_that_can_be_taken() -> None:
    names = [wordnet.name_of(synset) for synset in wordnet.class_counts()]
    assert all(NAME.fullmatch(name) and len(name) < MAX_NAME - len(" 99") for name in names)
