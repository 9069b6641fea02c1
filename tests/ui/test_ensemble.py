"""The Ensemble page: empty, full, weights, members that cannot be averaged."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.inference.request import WEIGHTED_RULE
from imgrec.predictions.ensembles import RULES
from tests.ui.conftest import TEN_CLASSES, BrokenEngine, photo, upload, words

Page = Callable[..., AppTest]


def test_without_images_a_sample_stands_there(page: Page) -> None:
    app = page("ensemble.py")
    assert not app.exception
    assert "**Espresso**" in words(app)


def test_weights_and_leave_one_out_work_on_precomputed_answers(page: Page, here: set[str]) -> None:
    here.clear()
    app = page("ensemble.py", models=["efficientnet_lite0", "efficientnet_lite1"])
    app.selectbox(key="rule").set_value(WEIGHTED_RULE).run()
    assert not app.exception
    before = app.subheader[0].value
    assert before.startswith("Ensemble: espresso")
    assert "Precomputed: EfficientNet-Lite0, EfficientNet-Lite1." in words(app)
    assert "Without EfficientNet-Lite0 it would" in words(app)
    app.slider(key="weight_efficientnet_lite1").set_value(0.0).run()
    assert app.subheader[0].value != before


def test_full_shows_answer_parts_leave_one_out_and_doubt(page: Page) -> None:
    app = upload(page("ensemble.py"), ("cat.jpg", photo()))
    assert not app.exception
    assert "the breed: tabby" in app.subheader[0].value
    assert len(app.get("vega_lite_chart")) == 2
    assert "Without MobileNet it would" in words(app)
    assert [metric.label for metric in app.metric] == ["Entropy", "Mutual information", "Disagreement"]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_explains_itself(page: Page, rule: str) -> None:
    app = upload(page("ensemble.py"), ("cat.jpg", photo()))
    app.selectbox(key="rule").set_value(rule).run()
    assert not app.exception
    assert RULES[rule].sentence in words(app)


def test_a_weight_tips_the_answer_without_asking_the_models_again(page: Page, engines: dict[str, object]) -> None:
    app = upload(page("ensemble.py"), ("cat.jpg", photo()))
    app.selectbox(key="rule").set_value("weighted_mean").run()
    for name in ("mobilenet", "mobilenet_v3_small"):
        engines[name] = BrokenEngine
        app.slider(key=f"weight_{name}").set_value(0.1)
    app.run()
    assert not app.exception
    assert "the breed: tiger cat" in app.subheader[0].value


def test_every_weight_at_zero_is_everyone_alike(page: Page) -> None:
    app = upload(page("ensemble.py"), ("cat.jpg", photo()))
    app.selectbox(key="rule").set_value("weighted_mean").run()
    for slider in [slider for slider in app.slider if slider.key.startswith("weight_")]:
        slider.set_value(0.0)
    app.run()
    assert not app.exception
    assert "the breed: tabby" in app.subheader[0].value


def test_a_broken_member_is_named_and_the_others_go_on(page: Page, engines: dict[str, object]) -> None:
    engines["mobilenet"] = BrokenEngine
    app = upload(page("ensemble.py"), ("cat.jpg", photo()))
    assert not app.exception
    assert len(app.error) == 1
    assert app.subheader


def test_a_bad_image_gets_a_sentence(page: Page) -> None:
    app = upload(page("ensemble.py"), ("notes.txt", b"no"))
    assert not app.exception
    assert len(app.error) == 1


def test_models_of_different_label_spaces_are_combined_apart(page: Page, here: set[str]) -> None:
    here.add(TEN_CLASSES.name)
    app = page(models=["MobileNet", "MobileNetV2", TEN_CLASSES.title])
    app.switch_page("../../pages/ensemble.py").run()
    upload(app, ("cat.jpg", photo()))
    assert not app.exception
    assert "each group is averaged on its own" in words(app)
    assert "### CIFAR-10" in words(app)
    assert [subheader.value.split()[0] for subheader in app.subheader] == ["Both", TEN_CLASSES.title.split()[0]]
