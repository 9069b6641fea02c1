"""Heat-maps on the Benchmarks page: a cell of the confusion, its images, and the maps of both models."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.settings import Settings
from imgrec.ui.benchmarks import measurements
from tests.ui.conftest import BrokenEngine
from tests.ui.test_benchmarks import image_file, with_files

Open = Callable[..., AppTest]

# Both are on the machine of these tests.
PAIR = ("mobilenet", "mobilenet_v2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(measurements, "FOLDER", tmp_path / "measured")
    for name in with_files(tmp_path / "measured"):
        image_file(Settings.from_env().home / "datasets" / "own" / name)
    return tmp_path / "measured"


def maps(app: AppTest) -> list[str]:
    found = [image.alt for element in app.get("image") for image in element.proto.imgs]
    return [alt for alt in found if "in the quarters" in alt]


def look(page: Open, view: str, **query: str) -> AppTest:
    app = page("benchmarks.py", **query)
    app.session_state["bench_view"] = view
    app.run()
    for chooser, model in zip(("bench_a_", "bench_b_"), PAIR, strict=True):
        next(box for box in app.selectbox if str(box.key).startswith(chooser)).set_value(model)
    return app.run()


def test_maps_are_off_until_they_are_asked_for(page: Open, folder: Path) -> None:
    app = look(page, "A against B")
    assert not app.exception
    assert len(app.get("image")) == 12
    assert not maps(app)
    app.toggle(key="bench_maps").set_value(True).run()
    assert not app.exception
    found = maps(app)
    assert len(found) == 24
    assert {alt.split(":")[0] for alt in found} == {"MobileNet, tabby", "MobileNetV2, tiger cat"}


def test_a_link_has_them_on_and_a_broken_model_has_none(page: Open, folder: Path, engines: dict[str, object]) -> None:
    engines["mobilenet_v2"] = BrokenEngine
    app = look(page, "A against B", bench_maps="true")
    assert not app.exception
    assert {alt.split(",")[0] for alt in maps(app)} == {"MobileNet"}


def test_without_the_models_there_is_nothing_to_switch_on(page: Open, folder: Path, here: set[str]) -> None:
    here.clear()
    app = look(page, "A against B")
    assert not app.exception
    assert not [toggle for toggle in app.toggle if toggle.key == "bench_maps"]
