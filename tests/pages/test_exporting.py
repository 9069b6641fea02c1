"""The panel that exports a model, in every state; nothing is exported."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.catalogue import ModelSpec
from imgrec.errors import ConversionError, InputError
from imgrec.exports import Export
from imgrec.ui import resources
from tests.pages.conftest import words


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
def exporting(monkeypatch: pytest.MonkeyPatch) -> FakeExports:
    fake = FakeExports()
    monkeypatch.setattr(resources, "exporting", lambda: fake)
    return fake


def panel() -> None:
    from imgrec import cards
    from imgrec.ui import exporting, resources

    settings = resources.settings()
    exporting.export_panel(next(card for card in cards.all_cards(settings) if card.name == "cifar_vgg"))


def show() -> AppTest:
    app = AppTest.from_function(panel, default_timeout=30).run()
    assert not app.exception
    return app


def over(path: Path, error: Exception | None = None) -> Export:
    export = Export(path)
    export.error = error
    export._over.set()
    return export


def test_formats_are_chosen_and_the_command_line_says_the_same(exporting: FakeExports) -> None:
    app = show()
    app.multiselect[0].select("onnx").run()
    assert app.code[0].value == "imgrec export cifar_vgg --format openvino,onnx --out cifar_vgg"
    app.button(key="prepare_cifar_vgg").click().run()
    assert exporting.started == [("cifar_vgg", ("openvino", "onnx"))]
    app.multiselect[0].set_value([]).run()
    assert "Choose at least one format" in words(app)
    assert not app.button


def test_on_its_way_it_says_how_far(exporting: FakeExports, tmp_path: Path) -> None:
    exporting.running = Export(tmp_path / "cifar_vgg.zip")
    exporting.running.words = "writing ONNX"
    app = show()
    assert not app.button
    assert "writing ONNX" in str([element.proto for element in app.get("progress")])


def test_a_finished_one_can_be_taken(exporting: FakeExports, tmp_path: Path) -> None:
    exporting.ready = tmp_path / "cifar_vgg-1234.zip"
    exporting.ready.write_bytes(bytes(3 * 1024 * 1024))
    exporting.running = over(exporting.ready)
    (button,) = show().get("download_button")
    assert "Download cifar_vgg.zip (3" in str(button.proto)
    assert button.proto.deferred_file_id, "read when somebody takes it, not with every look"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(ConversionError("no such [layer]"), r"no such \[layer\]"), (ZeroDivisionError(), "See the server log")],
    ids=["a sentence", "a bug"],
)
def test_a_failure_is_told_and_can_be_tried_again(
    error: Exception, sentence: str, exporting: FakeExports, tmp_path: Path
) -> None:
    exporting.running = over(tmp_path / "x.zip", error)
    app = show()
    assert sentence in app.error[0].value
    assert app.button(key="prepare_cifar_vgg").label == "Try again"


def test_what_cannot_be_started_is_told_beside_the_button(exporting: FakeExports) -> None:
    exporting.refusal = InputError("pip install tf2onnx onnx.")
    app = show()
    app.button(key="prepare_cifar_vgg").click().run()
    assert "pip install tf2onnx onnx." in app.error[0].value


def test_a_demo_offers_what_takes_little_memory(exporting: FakeExports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    assert show().multiselect[0].options == ["OpenVINO", "Keras"]
