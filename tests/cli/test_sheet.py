"""`imgrec sheet` as its user meets it."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from imgrec.cli import main
from imgrec.evaluation.contact_sheet import ContactSheet
from imgrec.inference import classify
from imgrec.inference.preparation import Preparations
from tests.cli.test_cli import ENVIRONMENT, Run
from tests.evaluation.sheets import BLUE, GREEN, RED, images, pool_of

MODELS = "mobilenet,mobilenet_v2,mobilenet_v3_small"
Command = Callable[..., Run]


@pytest.fixture
def sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `imgrec sheet` with three models that tell colors apart."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Preparations, "ensure", lambda *_, **__: Path("model.xml"))
    monkeypatch.setattr(classify, "open_pool", lambda settings, preparations: pool_of())

    def run(*words: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["imgrec", "sheet", "--models", MODELS, *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Run(int(ended.value.code or 0), captured.out, captured.err)

    return run


def test_the_most_disputed_image_comes_first_and_is_named(sheet: Command, tmp_path: Path) -> None:
    images(tmp_path, {"a.png": RED, "b.png": GREEN, "c.png": BLUE})
    run = sheet("set")
    lines = run.out.splitlines()
    assert run.code == 0
    assert lines[0].endswith("b.png  (unsure)") or lines[0].endswith("b.png")
    assert "1 of 3 says so" in lines[0]
    assert lines[4] == "3 images · all models agree on 2 · 0 unsure"
    assert lines[5] == (
        "most disputed: b.png (mobilenet says beagle, mobilenet_v2 says tabby, mobilenet_v3_small says tiger cat)"
    )


def test_class_folders_give_the_accuracy(sheet: Command, tmp_path: Path) -> None:
    images(tmp_path, {"cats/a.png": RED, "cats/b.png": GREEN, "dogs/c.png": GREEN, "dogs/d.png": BLUE})
    run = sheet("set", "--order", "given")
    assert run.code == 0
    assert "2 of 4 right: 50.0 % (95 % interval: 15.0–85.0 %)" in run.out
    assert "dogs/c.png  (wrong (is dog)" in run.out


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_files(sheet: Command, tmp_path: Path, kind: str) -> None:
    images(tmp_path, {"a.png": RED, "b.png": GREEN})
    run = sheet("set", "--format", kind, "--out", f"sheet.{kind}")
    assert (run.code, run.out) == (0, "")
    data = (tmp_path / f"sheet.{kind}").read_bytes()
    if kind == "json":
        found = [row["image"] for row in json.loads(data)]
    elif kind == "csv":
        found = [row["image"] for row in csv.DictReader(io.StringIO(data.decode()))]
    else:
        found = parquet.read_table(io.BytesIO(data))["image"].to_pylist()
    assert found == ["b.png", "a.png"]


def test_standard_output_has_the_same(sheet: Command, tmp_path: Path) -> None:
    images(tmp_path, {"a.png": RED})
    assert json.loads(sheet("set", "--format", "json").out)[0]["answer"]["label"] == "tabby"


def test_a_file_that_is_no_image_goes_to_stderr_and_the_rest_is_there(sheet: Command, tmp_path: Path) -> None:
    images(tmp_path, {"a.png": RED, "b.png": b"just text"})
    run = sheet("set")
    assert run.code == 2
    assert "tabby" in run.out
    assert "b.png: This is a text file" in run.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "nothing, which is not there"),
        (["empty"], "Expected images in empty. Received: no file."),
        (["set", "--format", "xml"], "Expected the format table, csv, json or parquet. Received: 'xml'."),
        (["set", "--order", "best"], "Expected the name of a order"),
    ],
)
def test_wrong_input_is_a_sentence(sheet: Command, tmp_path: Path, words: list[str], sentence: str) -> None:
    images(tmp_path, {"a.png": RED})
    (tmp_path / "empty").mkdir()
    run = sheet(*words)
    assert run.code == 2
    assert sentence in run.err
    assert "Traceback" not in run.err


def test_parquet_is_not_printed_on_a_terminal(sheet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, {"a.png": RED})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert "Expected a file for Parquet" in sheet("set", "--format", "parquet").err


def test_a_stopped_sheet_prints_what_it_has(sheet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(tmp_path, {f"{i:03d}.png": RED for i in range(60)})
    wait = ContactSheet.wait

    def interrupted(self: ContactSheet, timeout_s: float | None = None) -> bool:
        if timeout_s is None:
            return wait(self)
        while not self.rows:
            wait(self, 0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(ContactSheet, "wait", interrupted)
    run = sheet("set")
    assert run.code == 130
    assert "tabby" in run.out
