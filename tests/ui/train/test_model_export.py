"""The panel that exports a model, in every state; nothing is exported."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.errors import ConversionError, InputError
from imgrec.export.bundle import Export
from imgrec.models.catalog import ModelSpec
from imgrec.ui import caches
from imgrec.ui.widget_keys import key_of
from tests.ui.conftest import words


class FakeExports:
    """As `Exports`, in the state that a test gives it."""

    def __init__(self) -> None:
        self.running: Export | None = None
        self.ready: Path | None = None
        self.refusal: InputError | None = None
        self.started: list[tuple[str, tuple[str, ...]]] = []

    def find(self, spec: ModelSpec, formats: Sequence[str]) -> Path | None:
        return self.ready

    def get(self, spec: ModelSpec, formats: Sequence[str]) -> Export | None:
        return self.running

    def start(self, spec: ModelSpec, formats: Sequence[str]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.started.append((spec.name, tuple(formats)))


@pytest.fixture
def model_export(monkeypatch: pytest.MonkeyPatch) -> FakeExports:
    fake = FakeExports()
    monkeypatch.setattr(caches, "exporting", lambda: fake)
    return fake


def panel() -> None:
    from imgrec.models import cards
    from imgrec.ui import caches
    from imgrec.ui.train import model_export

    settings = caches.settings()
    model_export.export_panel(next(card for card in cards.all_cards(settings) if card.name == "cifar_vgg"))


def show() -> AppTest:
    app = AppTest.from_function(panel, default_timeout=30).run()
    assert not app.exception
    return app


def over(path: Path, error: Exception | None = None) -> Export:
    export = Export(path)
    export.error = error
    export._over.set()
    return export


def test_formats_are_chosen_and_the_command_line_says_the_same(model_export: FakeExports) -> None:
    app = show()
    app.multiselect[0].select("onnx").run()
    assert app.code[0].value == "imgrec export cifar_vgg --format openvino,onnx --out cifar_vgg"
    app.button(key=key_of("prepare", "cifar_vgg")).click().run()
    assert model_export.started == [("cifar_vgg", ("openvino", "onnx"))]
    app.multiselect[0].set_value([]).run()
    assert "Choose at least one format" in words(app)
    assert not app.button


def test_on_its_way_it_says_how_far(model_export: FakeExports, tmp_path: Path) -> None:
    model_export.running = Export(tmp_path / "cifar_vgg.zip")
    model_export.running.words = "writing ONNX"
    app = show()
    assert not app.button
    assert "writing ONNX" in str([element.proto for element in app.get("progress")])


def test_a_finished_one_can_be_taken(model_export: FakeExports, tmp_path: Path) -> None:
    model_export.ready = tmp_path / "cifar_vgg-1234.zip"
    model_export.ready.write_bytes(bytes(3 * 1024 * 1024))
    model_export.running = over(model_export.ready)
    (button,) = show().get("download_button")
    assert "Download cifar_vgg.zip (3" in str(button.proto)
    assert button.proto.deferred_file_id, "read when somebody takes it, not with every look"


def test_a_twin_is_one_choice_and_its_loss_stands_below_the_file(model_export: FakeExports, tmp_path: Path) -> None:
    app = show()
    app.segmented_control[0].set_value("compact").run()
    assert not app.multiselect
    assert app.code[0].value == "imgrec export cifar_vgg --precision int8 --out cifar_vgg.int8"
    app.button(key=key_of("prepare", "cifar_vgg.int8")).click().run()
    assert model_export.started == [("cifar_vgg.int8", ("openvino",))]
    loss = {"dataset": "pets_[x]", "images": 50, "lost": 2, "won": 1, "same_first_answer": 0.9}
    loss |= {"accuracy_exact": 0.8, "accuracy_compact": 0.78}
    facts = {"made_of": "cifar_vgg", "calibration_images": "crops", "loss": [loss], "not_measured": "No images."}
    model_export.ready = tmp_path / "cifar_vgg.int8-1.zip"
    with zipfile.ZipFile(model_export.ready, "w") as archive:
        archive.writestr("cifar_vgg.int8/card.json", json.dumps({"compact": facts}))
    app.run()
    said = words(app).replace("\u202f", " ")
    assert "On 50 images of pets" in said
    assert "accuracy 80.0 % → 78.0 %, 2 lost, 1 won, 90.0 % the same first answer" in said
    assert "not measured: No images" in said
    model_export.ready.write_bytes(b"no zip")
    app.run()
    assert "an export with a card" in app.error[0].value


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(ConversionError("no such [layer]"), r"no such \[layer\]"), (ZeroDivisionError(), "see the server's log")],
    ids=["a sentence", "a bug"],
)
def test_a_failure_is_told_and_can_be_tried_again(
    error: Exception, sentence: str, model_export: FakeExports, tmp_path: Path
) -> None:
    model_export.running = over(tmp_path / "x.zip", error)
    app = show()
    assert sentence in app.error[0].value
    assert app.button(key=key_of("prepare", "cifar_vgg")).label == "Try again"


def test_what_cannot_be_started_is_told_beside_the_button(model_export: FakeExports) -> None:
    model_export.refusal = InputError("pip install tf2onnx onnx.")
    app = show()
    app.button(key=key_of("prepare", "cifar_vgg")).click().run()
    assert "pip install tf2onnx onnx." in app.error[0].value


def test_a_demo_offers_what_takes_little_memory(model_export: FakeExports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    app = show()
    assert app.multiselect[0].options == ["OpenVINO", "Keras"]
    assert not app.segmented_control, "no twin"
