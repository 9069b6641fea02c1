"""`imgrec check`, `add` and `remove` as their user meets them."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imgrec.cli import main
from imgrec.images.encoding import to_png
from imgrec.models import cards
from imgrec.settings import Settings
from tests.models import hostile_formats, small_network

Run = Callable[..., tuple[int, str, str]]

NETWORK = str(small_network.FOLDER / "small.tflite")


@pytest.fixture
def imgrec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty folder with `labels.txt`."""
    monkeypatch.setenv("IMGREC_OFFLINE", "1")
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("ant\nbee\ncow\ndove\neel\n")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["imgrec", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_from_a_file_to_a_prediction_and_out_again(imgrec: Run, tmp_path: Path) -> None:
    code, out, err = imgrec("add", NETWORK, "--labels", "labels.txt", "--preprocess", "tf", "--name", "mine")
    assert (code, "mine is ready: preprocessing tf, RGB, 5 classes" in out) == (0, True), err
    (tmp_path / "image.png").write_bytes(to_png(small_network.images()[0]))
    code, out, err = imgrec("predict", "image.png", "--models", "mine", "--framing", "squash")
    assert code == 0, err
    best = int(np.load(small_network.FOLDER / "answers.npy")[0].argmax())
    assert ("ant", "bee", "cow", "dove", "eel")[best] in out
    assert " 24×32 " in imgrec("models")[1]
    code, out, err = imgrec("remove", "mine")
    assert (code, out) == (0, "mine is removed.\n")
    assert imgrec("remove", "mine")[0] == 2
    assert not list(cards.home(Settings.from_env()).iterdir())


def test_check_says_what_a_file_is(imgrec: Run) -> None:
    code, out, err = imgrec("check", NETWORK)
    assert code == 0, err
    assert "LiteRT" in out
    assert "32 × 24 px, NHWC, float32" in out
    assert "5 probabilities" in out
    assert "--labels" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "none.onnx"], "not there"),
        (["check", "labels.txt"], "model's file"),
        (["add", NETWORK, "--crop", "2"], "--crop"),
        (["add", NETWORK, "--channels", "bgr"], "--preprocess"),
        (["add", NETWORK, "--size", "x"], "--size"),
        (["check", NETWORK, "--size", "300000"], "--size"),
        (["remove", "mobilenet"], "model of your own"),
    ],
)
def test_wrong_input_is_a_sentence(words: list[str], said: str, imgrec: Run) -> None:
    code, _, err = imgrec(*words)
    assert code == 2
    assert said in err
    assert "Received" in err


def test_a_hostile_file_is_a_sentence(imgrec: Run, tmp_path: Path) -> None:
    path = hostile_formats.CONTAINERS["onnx: operators of its own"](tmp_path)
    code, out, err = imgrec("add", str(path), "--labels", "labels.txt", "--preprocess", "tf")
    assert (code, out) == (2, "")
    assert "not ONNX's own" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preprocess", "tf"], "--labels"),
        (["--labels", "short.txt", "--preprocess", "tf"], "5 lines"),
        (["--labels", "labels.txt"], "--probe"),
        (["--labels", "labels.txt", "--preprocess", "imagenet"], "preprocessing mode"),
        (["--labels", "labels.txt", "--preprocess", "tf", "--size", "64"], "32 × 24"),
    ],
)
def test_what_only_the_network_shows_is_a_sentence(words: list[str], said: str, imgrec: Run, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("ant\n")
    code, out, err = imgrec("add", NETWORK, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "home" / "models").exists()
