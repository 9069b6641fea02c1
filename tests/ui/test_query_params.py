"""What addresses say of choices: names, as CLI and API have them; titles of old links; and what cannot be honored."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.predictions.combination_rules import RULES
from imgrec.training.transfer_config import HEADS
from imgrec.ui.benchmarks import overview
from imgrec.ui.train import form_fields, transfer_form

Page = Callable[..., AppTest]

# Page, parameter, name, what the widget holds, the title that Streamlit wrote into old links.
CHOICES = [
    *(("ensemble.py", "rule", name, name, rule.title) for name, rule in RULES.items() if name != "mean"),
    ("compare.py", "framing", "squash", "squash", "Squash"),
    ("compare.py", "view", "table", "Table", "Table"),
    *(("benchmarks.py", "bench_set", name, name, overview.TITLES[name]) for name in ("catsdogs_first_100", "cifar10")),
    *(
        ("benchmarks.py", "bench_view", view.lower().replace(" ", "_"), view, view)
        for view in overview.VIEWS
        if view != "Leaderboard"
    ),
]
CHOICES += [
    ("train.py", "backbone", "mobilenet", "MobileNet", "MobileNet"),
    ("train.py", "head", "wide", "wide", HEADS["wide"].title),
    ("train.py", "learn", "train_from_scratch", form_fields.SCRATCH, form_fields.SCRATCH),
    ("train.py", "source", "built-in_dataset", transfer_form.KNOWN, "Known set"),
]
DEFAULTS = {
    "rule": "mean",
    "framing": "crop",
    "view": "Chart",
    "bench_view": "Leaderboard",
    "bench_set": "imagenet_val_a",
    "backbone": "MobileNetV2",
    "head": "linear",
    "learn": "Fine-tune a pretrained model",
    "source": "My classes",
}
IDS = [f"{choice[1]}={choice[2]}" for choice in CHOICES]


def held(app: AppTest, key: str) -> object:
    return app.session_state[key]


def address(app: AppTest, key: str) -> list[str]:
    value = app.query_params.get(key, [])
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize(("file", "key", "name", "value", "title"), CHOICES, ids=IDS)
def test_a_link_carries_the_name_of_a_choice_that_is_not_the_default(
    page: Page, file: str, key: str, name: str, value: str, title: str
) -> None:
    app = page(file, **{key: title})  # as in links of Streamlit, which are understood
    assert not app.exception
    assert not app.warning
    assert held(app, key) == value
    assert address(app, key) == [name]

    app.session_state[key] = DEFAULTS[key]
    app.run()
    assert address(app, key) == []
    app.session_state[key] = value
    app.run()
    assert address(app, key) == [name]


@pytest.mark.parametrize(("file", "key", "name", "value"), list({choice[1]: choice[:4] for choice in CHOICES}.values()))
def test_names_are_understood(page: Page, file: str, key: str, name: str, value: str) -> None:
    app = page(file, **{key: name})
    assert not app.exception
    assert not app.warning
    assert held(app, key) == value


@pytest.mark.parametrize(
    ("file", "key", "word", "usual", "sentence"),
    [
        ("compare.py", "rule", "median", "mean", "Expected the name of a rule"),
        ("ensemble.py", "framing", "stretch", "crop", "Expected the name of a framing"),
        ("compare.py", "view", "list", "Chart", "Expected the name of a view"),
        ("benchmarks.py", "bench_set", "no_such_set", None, "Expected the name of a dataset"),
        ("benchmarks.py", "bench_view", "nothing", "Leaderboard", "Expected the name of a view"),
        ("benchmarks.py", "bench_figures", "top_99", None, "Expected the name of a figure"),
        ("compare.py", "k", "99", 5, "Expected k to be from 1 to 10"),
        ("compare.py", "k", "many", 5, "Expected k to be from 1 to 10"),
    ],
)
def test_what_cannot_be_honored_is_said_once_and_until_another_choice(
    page: Page, file: str, key: str, word: str, usual: object, sentence: str
) -> None:
    app = page(file, **{key: word})
    assert not app.exception
    said = [warning.value for warning in app.warning]
    assert len(said) == 1
    assert said[0].startswith(sentence)
    assert f"Received: '{word}'" in said[0].replace("\\", "")  # the sentence is escaped for Markdown
    if usual is not None:
        assert held(app, key) == usual
    app.run()
    assert [warning.value for warning in app.warning] == said


def test_a_complaint_goes_with_the_next_choice(page: Page) -> None:
    app = page("ensemble.py", rule="median")
    assert len(app.warning) == 1
    app.selectbox(key="rule").set_value("rank_vote").run()
    assert not app.warning
    assert address(app, "rule") == ["rank_vote"]


@pytest.mark.parametrize("word", ["7", "-0.5", "nan", "much"])
def test_a_weight_that_cannot_be_given_is_said(page: Page, word: str) -> None:
    app = page("ensemble.py", rule="weighted_mean", weight_mobilenet=word, models="mobilenet,densenet121")
    assert not app.exception
    (said,) = [warning.value.replace("\\", "") for warning in app.warning]
    assert said.startswith("Expected the weight of MobileNet to be from 0 to 1. Received: ")
    assert word in said
    assert held(app, "weight_mobilenet") == 1
    app.slider(key="weight_mobilenet").set_value(0.5).run()
    assert not app.warning


@pytest.mark.parametrize("word", ["99", "many"])
def test_the_complaint_about_a_number_goes_with_the_next_choice(page: Page, word: str) -> None:
    app = page("compare.py", k=word)
    assert len(app.warning) == 1
    app.slider(key="k").set_value(4).run()
    assert not app.warning


def test_several_figures_in_a_link(page: Page) -> None:
    app = page("benchmarks.py", bench_figures=["ece", "top_1"])
    assert held(app, "bench_figures") == ["ece", "top_1"]
    assert address(app, "bench_figures") == ["ece", "top_1"]
    app.session_state["bench_figures"] = []
    app.run()
    assert address(app, "bench_figures") == [""]
    assert not app.warning


def test_a_choice_goes_along_to_other_pages_and_comes_back(page: Page) -> None:
    app = page(rule="rank_vote", view="table")
    app.switch_page("../../pages/about.py").run()
    app.switch_page("../../pages/ensemble.py").run()
    assert (held(app, "rule"), held(app, "view")) == ("rank_vote", "Table")
    app.selectbox(key="rule").set_value("mean").run()
    app.switch_page("../../pages/compare.py").run()
    assert held(app, "rule") == "mean"


@pytest.mark.parametrize(
    ("file", "link", "key", "value"),
    [
        pytest.param("benchmarks.py", {"bench_set": "imagenet_a"}, "bench_view", "Pairs", id="without a default"),
        pytest.param("compare.py", {"view": "layers"}, "k", 4, id="by another widget"),
        pytest.param("compare.py", {"models": "mobilenet,no_such_model"}, "view", "Table", id="models"),
        pytest.param("compare.py", {"classes": "zzzz"}, "view", "Table", id="classes"),
    ],
)
def test_a_complaint_goes_with_any_choice_on_its_page(
    page: Page, file: str, link: dict[str, str], key: str, value: object
) -> None:
    app = page(file, **link)
    assert len(app.warning) == 1
    app.run()
    assert len(app.warning) == 1
    app.session_state[key] = value
    app.run()
    assert not app.warning


def test_a_link_carries_a_compact_twin(page: Page) -> None:
    app = page(models=["mobilenet", "mobilenet.int8"])
    assert held(app, "models") == ["mobilenet", "mobilenet.int8"]
    assert address(app, "models") == ["mobilenet", "mobilenet.int8"]
    assert not app.warning
