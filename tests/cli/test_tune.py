"""`imgrec tune`, and `imgrec train` of what it found; the workers are fakes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from imgrec import jobs
from imgrec.cli import main
from imgrec.data.quality import doctor
from imgrec.training import search_job, training_job
from imgrec.training.recipes import Recipe, get_recipe
from tests.data.quality.test_doctor import make
from tests.training.searches import EVENTS, leave

FINISHED = {"state": "finished", "error": None}


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was started: module and configuration. Each job has ended at once as a search of three trials."""
    for name in ("IMGREC_HOME", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    found: list[dict[str, Any]] = []

    def start(module: str, configuration: dict[str, Any], *_: object, **__: object) -> jobs.Job:
        found.append({"module": module} | configuration)
        return leave(tmp_path / f"run{len(found)}", EVENTS if module == search_job.WORKER else [], FINISHED, module)

    monkeypatch.setattr(jobs, "start", start)
    return found


def imgrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["imgrec", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_a_search_is_started_and_its_best_is_said(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", "five_layers", "--trials", "4", "--epochs", "1", "--vary", "conv_1_kernel=5", "--seed", "2"]
    code, out, err = imgrec(monkeypatch, capsys, *words)
    assert code == 0
    [found] = started
    assert (found["module"], found["data"]) == (search_job.WORKER, "cifar10")
    assert (found["trials"], found["epochs"], found["seed"], found["method"]) == (4, 1, 2, "random")
    assert "conv_1_kernel=5" in found["knobs"]
    assert "trial 3, validation accuracy 62.5\u202f%" in out
    assert search_job.BEST in out
    assert "trial 2: Expected a loss that is a number" in err


def test_the_doctor_is_heard_before_a_search(
    tmp_path: Path,
    started: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["tune", "cats_dogs_cnn", "--trials", "1", "--data"]
    code, _, err = imgrec(monkeypatch, capsys, *words, str(make(tmp_path / "one", {"cats": 4})))
    assert (code, started) == (2, [])
    assert "imgrec: cannot be trained on: At least two classes" in err
    code, _, err = imgrec(monkeypatch, capsys, *words, str(make(tmp_path / "two", {"cats": 4, "dogs": 40})))
    assert (code, len(started)) == (0, 1)
    assert "imgrec: warning: 'cats' has fewer than 20 training images" in err
    same = make(tmp_path / "same", {"cats": 20, "dogs": 20})
    (same / "cats" / "again.jpg").write_bytes((same / "cats" / "1.jpg").read_bytes())
    (same / "dogs" / "again.jpg").write_bytes((same / "cats" / "1.jpg").read_bytes())
    _, _, err = imgrec(monkeypatch, capsys, *words, str(same))
    assert f"imgrec doctor --data {same}" in err
    monkeypatch.setattr(doctor, "GLANCE_IMAGES", 10)
    _, _, err = imgrec(monkeypatch, capsys, *words, str(same))
    assert doctor.NOT_READ in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "search space or recipe"),
        (["six_layers", "--trials", "0"], "Expected 1 to 1,000 trials"),
        (["six_layers", "--vary", "conv_1_filter"], "name=low:high"),
        (["six_layers", "--vary", "conv_1_filter=9:1"], "that rises"),
        (["cats_dogs_cnn"], "Expected --data"),
        (["six_layers", "--resume"], "Expected a search of six_layers that was stopped"),
        (["six_layers", "--method", "grid"], "way to search"),
    ],
    ids=["space", "trials", "no range", "range", "data", "nothing to resume", "method"],
)
def test_what_cannot_be_meant_is_said(
    words: list[str],
    sentence: str,
    started: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = imgrec(monkeypatch, capsys, "tune", *words)
    assert code == 2
    assert sentence in err
    assert not started


def test_what_was_found_can_be_trained_from_its_file(
    started: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = leave(tmp_path / "search", EVENTS, FINISHED)
    best = search_job.read(job).best
    assert best is not None
    recipe = search_job.recipe_of(job, best)
    (tmp_path / "best.json").write_text(json.dumps(recipe.to_dict()))
    imgrec(monkeypatch, capsys, "train", str(tmp_path / "best.json"), "--epochs", "3")
    [found] = started
    assert found["module"] == training_job.WORKER
    assert Recipe.from_dict(found["recipe"]) == recipe.changed(epochs=3)


@pytest.mark.parametrize(
    "content",
    [None, "{", "[]", "{}", json.dumps(get_recipe("simple_cnn").to_dict() | {"epochs": "many"})],
    ids=["no file", "half a file", "a list", "empty", "a word for a number"],
)
def test_a_file_that_is_no_recipe_gets_a_sentence(
    content: str | None,
    started: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / "best.json").write_text(content)
    code, _, err = imgrec(monkeypatch, capsys, "train", str(tmp_path / "best.json"))
    assert code == 2
    assert "to be a recipe as JSON" in err
    assert not started


def test_what_stands_beside_resume_and_would_not_be_heard_is_refused(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, told = imgrec(monkeypatch, capsys, "tune", "five_layers", "--resume", "--trials", "3")
    assert code == 2
    assert "Expected no options but --out beside --resume" in " ".join(told.split())
    assert not started
