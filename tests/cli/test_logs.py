"""`imgrec logs`: a table of logs, one log in another form, and files that are none."""

import json
import sys
from pathlib import Path

import pytest

from imgrec import cli
from tests.training.test_log_files import CSV, KERAS_2


def imgrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["imgrec", "logs", *words])
    try:
        cli.main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nohup.out").write_text(KERAS_2)
    (tmp_path / "training.csv").write_text(CSV)
    (tmp_path / "notes.txt").write_text("hello")
    run = tmp_path / "a_run"
    run.mkdir()
    (run / "progress.jsonl").write_text('{"event": "epoch", "epoch": 1, "loss": 1, "accuracy": 0.5, "seconds": 2}\n')
    return tmp_path


def test_a_table_has_a_line_for_each_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("nohup.out", "training.csv", "a_run", "notes.txt", "missing")
    code, out, err = imgrec(monkeypatch, capsys, *(str(folder / name) for name in names))
    assert code == 2
    lines = out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Log", "nohup.out", "training.csv", "a_run.jsonl"]
    assert "18 min 42 s" in lines[1]
    assert "3 of 10 lines skipped" in err
    assert "notes.txt, in which no line is any of these" in err
    assert "missing" in err


def test_one_log_is_written_in_another_form(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = imgrec(monkeypatch, capsys, str(folder / "nohup.out"), "--format", "json")
    assert code == 0
    assert json.loads(out)["val_accuracy"] == [0.762, 0.8567]
    code, out, _ = imgrec(monkeypatch, capsys, str(folder / "training.csv"), "--format", "bar")
    assert code == 0
    assert out.startswith("Epoch 1/2\n")
    code, _, err = imgrec(monkeypatch, capsys, str(folder / "training.csv"), "--format", "loss")
    assert code == 2
    assert "Expected a log with the figures of loss_history.txt" in err
    code, _, err = imgrec(monkeypatch, capsys, str(folder / "training.csv"), "--format", "csv", "--training", "3")
    assert code == 2
    assert "Expected --training from 1 to 1" in err
