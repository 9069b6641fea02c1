"""`imgrec train`: which worker gets which words; the workers themselves are fakes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from imgrec import jobs
from imgrec.cli import main
from imgrec.errors import MissingExtraError
from imgrec.jobs import processes
from imgrec.models.catalog import BUILT_IN
from imgrec.training import training_job
from imgrec.training.recipes import get_recipe
from tests.data.quality.test_doctor import make

CURVE = {"epoch": 1, "seconds": 2.0, "loss": 0.1, "accuracy": 0.9, "validation_loss": 0.2, "validation_accuracy": 0.8}


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was started: module and configuration. Each job is finished at once."""
    for name in ("IMGREC_HOME", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("IMGREC_OFFLINE", "1")
    weights = tmp_path / "keras_home" / "models" / BUILT_IN.get_spec("mobilenet").weights.filename
    weights.parent.mkdir(parents=True)
    weights.touch()
    make(tmp_path / "pictures", {"cats": 2, "dogs": 2})
    found: list[dict[str, Any]] = []

    def start(module: str, configuration: dict[str, Any], *_: object, title: str, **__: object) -> jobs.Job:
        folder = tmp_path / f"run{len(found)}"
        folder.mkdir()
        found.append({"module": module, **configuration})
        (folder / "job.json").write_text(json.dumps({"module": module, "configuration": configuration}))
        trial = {"best_epoch": 3, "train_accuracy": 1.0, "train_loss": 0.0, "validation_loss": 0.1, "seconds": 1.0}
        metrics = {"accuracy": 0.75, "pictures": 12, "set": "test"}
        events = [
            {"event": "trials", "count": 2},
            *(
                {"event": "trial", "learning_rate": 0.01, "fold": i, "validation_accuracy": i / 2} | trial
                for i in (1, 2)
            ),
            {"event": "training", "epochs": 1, "steps": 1},
            {"event": "epoch"} | CURVE,
            {"event": "model", "name": configuration["name"], "metrics": metrics},
        ]
        (folder / "progress.jsonl").write_text("".join(json.dumps(event | {"at": 0.0}) + "\n" for event in events))
        (folder / "end.json").write_text('{"state": "finished", "error": null, "at": ""}')
        return jobs.Job(folder)

    monkeypatch.setattr(jobs, "start", start)
    return found


def imgrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["imgrec", "train", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_a_model_is_fine_tuned(
    started: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--head", "small", "--folds", "2", "--learning-rates", "1e-2,1e-3", "--unfreeze", "-1", "--epochs", "7"]
    code, out, _ = imgrec(monkeypatch, capsys, "mobilenet", "--data", str(tmp_path / "pictures"), *words)
    assert code == 0
    [job] = started
    assert job["module"] == "imgrec.training.transfer_worker"
    lesson = job["lesson"]
    assert (lesson["head"], lesson["folds"], lesson["unfreeze"], lesson["epochs"]) == ("small", 2, -1, 7)
    assert list(lesson["learning_rates"]) == [1e-2, 1e-3]
    shown = out.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "my_mobilenet: 9 of 12 test images correct (95 %: 47–91 %); too few to tell; " in shown
    assert "learning rate 0.01: validation accuracy 75.0 ± 35.4 %, best after 3.0 epochs" in shown


def test_a_head_may_see_the_whole_map(
    started: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--flat", "--unfreeze", "2", "--tuning-epochs", "3"]
    code, _, _ = imgrec(monkeypatch, capsys, "mobilenet", "--data", str(tmp_path / "pictures"), *words)
    assert code == 0
    lesson = started[0]["lesson"]
    assert (lesson["pooling"], lesson["unfreeze"], lesson["tuning_epochs"]) == (None, 2, 3)


def test_a_recipe_is_trained(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = imgrec(monkeypatch, capsys, "cifar_vgg", "--learning-rate", "0.1", "--seed", "3")
    assert code == 0
    [job] = started
    assert (job["module"], job["recipe"]["optimiser"]["learning_rate"], job["seed"]) == (
        "imgrec.training.training_worker",
        0.1,
        3,
    )


def test_augmentation_of_both_kinds_of_training(
    started: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = imgrec(monkeypatch, capsys, "cifar_vgg", "--augment", "rotation=20, mirror=0")
    assert code == 0
    augmentation = started[0]["recipe"]["augmentation"]
    assert (augmentation["rotation"], augmentation["mirror"], augmentation["shift_px"]) == (20.0, False, 3)
    words = ["mobilenet", "--data", str(tmp_path / "pictures"), "--augment", "zoom=0.2,mirror"]
    code, _, _ = imgrec(monkeypatch, capsys, *words)
    assert code == 0
    lesson = started[1]["lesson"]
    assert (lesson["copies"], lesson["augmentation"]["zoom"], lesson["augmentation"]["mirror"]) == (3, 0.2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["cifar_vgg", "--augment", "apply=1"], "Expected an augmentation of rotation=…, .* Received: 'apply=1'"),
        (["cifar_vgg", "--augment", "zoom=2"], "Expected an augmentation from 0 to rotation 180"),
        (["mobilenet", "--data", "pictures", "--copies", "2"], "an augmentation that changes something"),
        (["cifar_vgg", "--learning-rate", "0"], "a finite learning rate above 0. Received"),
        (["cifar_vgg", "--learning-rate", "nan"], "Received: 0.02 and nan"),
        (["cifar_vgg", "--learning-rate", "inf"], "Received: 0.02 and inf"),
        (["mobilenett", "--data", "pictures"], r"of a recipe, such as .* of a model to fine-tune, such as mobilenet"),
        (["cifar_vgg", "--folds", "2"], "Expected --folds with a model to fine-tune. Received: the recipe cifar_vgg."),
        (["mobilenet"], "Expected --data with the images to fine-tune mobilenet"),
        (["mobilenet", "--data", "pictures", "--learning-rates", "1e-2;1e-3"], "Received: '1e-2;1e-3'"),
        (["mobilenet", "--data", "pictures", "--head", "linea"], "such as linear"),
        (["vgg16", "--data", "pictures"], "Expected a network connection"),
        (["mobilenet", "--resume"], "Expected a run of mobilenet that was stopped"),
        (["mobilenet", "--data", "pictures", "--name", "<b>"], "Received: '<b>'"),
        (
            ["cifar_vgg", "--resume", "--epochs", "3", "--seed", "0"],
            "but --out and --learning-rate .*: --epochs, --seed.",
        ),
        (["mobilenet", "--resume", "--learning-rate", "0.1"], "but --out beside .* Received: --learning-rate."),
    ],
    ids=[
        "no augmentation",
        "too much of it",
        "copies of what",
        "no rate",
        "a rate that is no number",
        "an endless rate",
        "neither",
        "folds of a recipe",
        "no images",
        "rates",
        "head",
        "offline",
        "nothing to resume",
        "name",
        "resume with other epochs",
        "resume a model with another rate",
    ],
)
def test_what_cannot_be_meant_has_a_sentence(
    started: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    code, _, err = imgrec(monkeypatch, capsys, *words)
    assert code == 2
    assert re.search(sentence, err)
    assert not started


def test_a_run_goes_on_with_a_smaller_learning_rate(
    started: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "diverged"
    folder.mkdir()
    job = {"module": training_job.WORKER, "configuration": {"recipe": get_recipe("cifar_resnet").to_dict()}}
    (folder / "job.json").write_text(json.dumps(job))
    end = '{"state": "%s", "error": null}'
    (folder / "end.json").write_text(end % "failed")
    monkeypatch.setattr(processes, "spawn", lambda folder, _: (folder / "end.json").write_text(end % "finished"))
    words = ["--resume", "--out", str(folder), "--learning-rate", "0.01"]
    code, _, err = imgrec(monkeypatch, capsys, "cifar_resnet", *words)
    assert (code, started) == (0, []), err
    assert jobs.Job(folder).configuration["recipe"]["optimiser"]["learning_rate"] == 0.01


@pytest.mark.parametrize("name", ["mobilenet", "cats_dogs_cnn"], ids=["transfer learning", "a recipe"])
def test_the_doctor_is_heard_before_anything_starts(
    name: str,
    started: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = imgrec(monkeypatch, capsys, name, "--data", str(make(tmp_path / "one", {"cats": 3})))
    assert (code, started) == (2, [])
    assert "imgrec: cannot be trained on: At least two classes are needed" in err
    code, _, err = imgrec(monkeypatch, capsys, name, "--data", str(tmp_path / "pictures"))
    assert (code, len(started)) == (0, 1)
    assert "imgrec: warning: 'cats', 'dogs' have fewer than 20 training images" in err


def test_a_run_cannot_go_on_without_what_trains(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("imgrec.extras.importlib.util.find_spec", lambda name: None)
    code, _, err = imgrec(monkeypatch, capsys, "mobilenet", "--resume")
    assert code == 2
    assert "pip install 'imgrec[train]'" in err
    with pytest.raises(MissingExtraError, match="to go on"):
        training_job.resume(jobs.Job(Path()))
