"""`imgrec remote` as its user meets it."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imgrec.cli import main
from imgrec.remote import cloud_vision
from tests.cli.test_cli import ENVIRONMENT, Run
from tests.remote.conftest import BAD_KEY, CAT, DOG, Service, address, answered, refused, service
from tests.ui.conftest import photo

Command = Callable[..., Run]

__all__ = ["address", "service"]


@pytest.fixture
def remote(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs `imgrec remote` with a service on this machine, and two images in folders."""
    for name, value in (ENVIRONMENT | {"IMGREC_GOOGLE_VISION_KEY": "secret", "IMGREC_OFFLINE": "0"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cloud_vision.CloudVision.__init__, "__defaults__", (address, cloud_vision.RETRIES))
    for name, color in {"cats": "red", "dogs": "blue"}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / f"{color}.jpg").write_bytes(photo(color))

    def run(*words: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["imgrec", "remote", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Run(int(ended.value.code or 0), captured.out, captured.err)

    return run


def test_a_folder_is_asked_and_scored(remote: Command, service: Service) -> None:
    service.respond = lambda count, body: answered(CAT, DOG)
    run = remote("data", "--classes", "cat;dog", "--top", "2")
    assert run.code == 0
    lines = run.out.splitlines()
    assert lines[0].endswith("red.jpg: Cat 99.0 %, Skin 92.0 % → cat, right")
    assert "cat: 1 of 1 right, 100.0 % (" in run.out
    assert "2 images for Google Cloud Vision; 1,000 may be sent this month." in run.err


def test_json_has_labels_and_times(remote: Command, service: Service) -> None:
    service.respond = lambda count, body: answered(CAT, DOG)
    first, second = json.loads(remote("data", "--format", "json").out)
    assert first["labels"][0] == {"label": "Cat", "confidence": 0.99}
    assert second["request"]["server_ms"] == 5.0


def test_an_image_on_standard_input_is_asked(
    remote: Command, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.respond = lambda count, body: answered(CAT)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo("red"))))
    run = remote("-", "--format", "json")
    assert (run.code, [row["image"] for row in json.loads(run.out)]) == (0, ["standard input"])


def test_a_refused_key_is_one_sentence_and_code_2(remote: Command, service: Service) -> None:
    service.respond = lambda count, body: refused(403, BAD_KEY)
    run = remote("data")
    assert run.code == 2
    assert run.err.count("does not accept IMGREC_GOOGLE_VISION_KEY") == 1


def test_without_a_key_nothing_is_sent(remote: Command, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMGREC_GOOGLE_VISION_KEY")
    run = remote("data")
    assert run.code == 2
    assert "Expected the key of a Google Cloud project" in run.err
    assert not service.requests


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("data", "--service", "bing"), "Expected the name of a service, such as google_cloud_vision"),
        (("data", "--format", "xml"), "Expected one of the formats"),
        (("data", "--classes", "zzzz"), "zzzz"),
        (("nowhere.jpg",), "nowhere.jpg"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], sentence: str, remote: Command, service: Service) -> None:
    run = remote(*words)
    assert run.code == 2
    assert sentence in run.err
    assert not service.requests
