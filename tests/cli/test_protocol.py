"""`imgrec protocol`: its runs follow each other, go on where they were, and end in one report; the runs are fakes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgrec import jobs
from imgrec.cli import main
from imgrec.jobs import processes
from imgrec.models.catalog import BUILT_IN
from imgrec.training import pb3_report, training_job
from imgrec.training.pb3 import Stage
from imgrec.training.transfer_config import TransferConfig
from tests.data.quality.test_doctor import make
from tests.training import protocol_cards

WEATHER = {"rain": 8, "sun": 8}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models of the runs that were started. Each is finished at once, and leaves its card."""
    for name in ("IMGREC_HOME", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("IMGREC_OFFLINE", "1")
    for name in ("mobilenet", "efficientnet_lite0"):
        weights = tmp_path / "keras_home" / "models" / BUILT_IN.get_spec(name).weights.filename
        weights.parent.mkdir(parents=True, exist_ok=True)
        weights.touch()
    make(tmp_path / "weather", WEATHER)
    monkeypatch.chdir(tmp_path)
    found: list[str] = []

    def work(folder: Path, module: str) -> None:
        job = jobs.Job(folder)
        config = TransferConfig.from_dict(job.configuration["lesson"])
        name = job.configuration["name"]
        protocol_cards.write(tmp_path / "imgrec_home" / "models", Stage(folder.name, "", config), name)
        events = [{"event": "model", "name": name, "metrics": {"accuracy": 0.85, "pictures": 20, "set": "test"}}]
        (folder / "progress.jsonl").write_text("".join(json.dumps(event | {"at": 0.0}) + "\n" for event in events))
        (folder / "end.json").write_text('{"state": "finished", "error": null, "at": ""}')
        found.append(name)

    monkeypatch.setattr(processes, "spawn", work)
    return found


@pytest.fixture
def imgrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["imgrec", "protocol", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_all_stages_run_and_one_report_has_all_tables(started: list[str], imgrec: Run, tmp_path: Path) -> None:
    code, out, err = imgrec("pb3", "--data", "weather")
    assert code == 0, err
    assert len(started) == 9
    assert started[0] == "pb3_weather_mobilenet_1em02"
    assert started[-1] == "pb3_weather_efficientnet_lite0_last_4"
    assert "EfficientNet-Lite0 stands in for ResNet50, whose weights were not to be had." in err
    assert "stage 9 of 9: EfficientNet-Lite0, last 4 layers fine-tuned" in err
    for number in ("Table 7", "Table 8", "Table 9", "Table 10", "Table 11", "Tables 12 and 15", "Table 13", "Table 14"):
        assert f"## {number}: " in out
    [folder] = (tmp_path / "imgrec_home" / "protocols").iterdir()
    report = json.loads((folder / pb3_report.JSON).read_text())
    assert len(report["tables"]) == 12
    assert report["provenance"]["command"] == "imgrec protocol pb3 --data weather"
    assert "stands in for ResNet50" in report["provenance"]["note"]
    assert (folder / pb3_report.MARKDOWN).read_text().startswith("# The protocol of PB3 on weather\n")


def test_a_protocol_that_was_stopped_goes_on_where_it_was(
    started: list[str], imgrec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("pb3", "--data", "weather", "--out", "here", "--second", "mobilenet", "--learning-rates", "1e-2,1e-3")
    whole = processes.spawn

    def interrupted(folder: Path, module: str) -> None:
        if len(started) == 2:
            (folder / "end.json").write_text('{"state": "cancelled", "error": null, "at": ""}')
        else:
            whole(folder, module)

    monkeypatch.setattr(processes, "spawn", interrupted)
    code, _, err = imgrec(*words)
    assert (code, len(started)) == (2, 2)
    assert "it can be resumed. Go on with: imgrec protocol pb3 --data weather --second mobilenet" in err
    assert not (tmp_path / "here" / pb3_report.JSON).exists()
    monkeypatch.setattr(processes, "spawn", whole)
    assert imgrec(*words)[0] == 0
    assert len(started) == len(set(started)) == 6
    # Nothing is done again; the report is written again.
    (tmp_path / "here" / pb3_report.JSON).unlink()
    assert imgrec(*words)[0] == 0
    assert len(started) == 6
    assert (tmp_path / "here" / pb3_report.JSON).exists()


def test_ctrl_c_names_the_command_that_goes_on(
    started: list[str], imgrec: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(*_: object) -> Any:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(training_job, "follow", follow)
    code, _, err = imgrec("pb3", "--data", "weather", "--folds", "2")
    assert code == 130
    assert "stopped; go on with: imgrec protocol pb3 --data weather --folds 2" in err


def test_another_protocol_does_not_go_on_with_the_folder(started: list[str], imgrec: Run) -> None:
    assert imgrec("pb3", "--data", "weather", "--out", "here")[0] == 0
    code, _, err = imgrec("pb3", "--data", "weather", "--out", "here", "--seed", "1")
    assert code == 2
    assert "Expected the settings and the images that the protocol in here began with. Received: others" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pb4", "--data", "weather"], "Expected the name of a protocol"),
        (["pb3", "--data", "gone"], "Received: 'gone'"),
        (["pb3", "--data", "weather", "--backbone", "mobilenett"], "mobilenet"),
        (["pb3", "--data", "weather", "--second", "resnet"], "resnet50"),
        (["pb3", "--data", "weather", "--second", "vgg16", "--unfreeze", "-1"], "0 layers or more"),
        (["pb3", "--data", "weather", "--folds", "1"], "Expected 2 folds or more. Received: 1."),
        (["pb3", "--data", "weather", "--learning-rates", "1e-2;3"], "Received: '1e-2;3'"),
        (["pb3", "--data", "weather", "--epochs", "0"], "Received: 0"),
        (["pb3", "--data", "weather", "--backbone", "vgg16"], "Expected a network connection"),
        (["pb3", "--data", "weather", "--name", "<b>"], "Received: '<b>_mobilenet_1em02'"),
        (["pb3", "--data", "one"], "At least two classes are needed"),
        (["pb3", "--data", "few"], "Received: 6 of 'sun', 2 of which are held out for the test; use fewer folds"),
        (["pb3", "--data", "tested"], "Received: 4 of 'sun'; use fewer folds, or more images."),
    ],
)
def test_what_cannot_be_meant_has_a_sentence(
    started: list[str], imgrec: Run, tmp_path: Path, words: list[str], sentence: str
) -> None:
    make(tmp_path / "one", {"sun": 3})
    make(tmp_path / "few", {"rain": 9, "sun": 6})
    for part, count in (("train", 4), ("test", 2)):
        make(tmp_path / "tested" / part, {"rain": 9, "sun": count})
    code, _, err = imgrec(*words)
    assert (code, started) == (2, [])
    assert sentence in err


def test_a_run_that_fails_says_why_and_how_to_go_on(
    started: list[str], imgrec: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker that finds fewer images of a class than there are folds."""

    def fail(folder: Path, module: str) -> None:
        (folder / "end.json").write_text('{"state": "failed", "error": "Expected 5 training images.", "at": ""}')

    monkeypatch.setattr(processes, "spawn", fail)
    code, _, err = imgrec("pb3", "--data", "weather")
    assert code == 2
    assert "Expected 5 training images. Go on with: imgrec protocol pb3 --data weather" in err
