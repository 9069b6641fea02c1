"""Files of an own folder with other contents than imgrec wrote: each is read, passed over, or a sentence.

By hand, every change of every file: `python -m tests.reliability.test_hostile_files`.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from imgrec import jobs
from imgrec.data.collections import all_collections
from imgrec.errors import ImgrecError
from imgrec.evaluation import aligned_results, reference_tables, stored_predictions
from imgrec.explanation import severity
from imgrec.inference import conversion
from imgrec.jobs import Job
from imgrec.models import cards, downloads, weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.class_groups import ClassGroups
from imgrec.settings import ASSETS, ROOT, Settings
from imgrec.training import run_summary, search_job, training_job, transfer_job, transfer_stages
from imgrec.training.recipes import Recipe, read_recipe
from imgrec.training.transfer_config import TransferConfig
from tests.reliability.hostile_json import TEXTS, mutations

OLD_HOME = ROOT / "tests" / "old_home"
SPEC = BUILT_IN["mobilenet"]

Read = Callable[[Path, Settings], object]


def _manifest(file: Path, settings: Settings) -> None:
    path = file.parent / "model.xml"
    conversion.read_manifest(path)
    conversion.read_intact(path)
    conversion.find_memory_bytes(SPEC, settings)


def _record(file: Path, settings: Settings) -> None:
    weights.locate(SPEC, settings)
    weights.get_record(SPEC, settings)


def _card(file: Path, settings: Settings) -> None:
    catalog = cards.load_catalog(settings)
    for card in cards.all_cards(settings):
        run_summary.curves_of(card)
        run_summary.epochs_of(card)
        assert card.training_seconds >= 0 or card.training_seconds < 0
    for spec in catalog.values():
        spec.get_label_space()
    training_job.free_name("old_scratch", settings)


def _runs(file: Path, settings: Settings) -> None:
    """Do what the Train page and the command line do with each run."""
    for job in jobs.all_jobs(settings):
        assert job.state in {"queued", "running", "finished", "failed", "cancelled", "interrupted"}
        assert job.error is None or job.error
        assert job.title
        assert job.created_at[:1] is not None
        with suppress(ImgrecError):
            _run(job)
    jobs.next_to_resume(jobs.all_jobs(settings))
    training_job.free_name("old_scratch", settings)
    for worker in (training_job.WORKER, transfer_job.WORKER, search_job.WORKER):
        with suppress(ImgrecError):
            training_job.find_stopped(worker, "tiny_cnn", settings, None)


def _run(job: Job) -> None:
    if job.module == search_job.WORKER:
        search = search_job.read(job)
        assert run_summary.status(search, job.state)
        run_summary.outcome(search)
        search_job.hyperparameters_of(job)
        if search.best is not None:
            search_job.recipe_of(job, search.best)
        return
    found = run_summary.read(job)
    assert run_summary.status(found, job.state)
    run_summary.outcome(found)
    if job.module == transfer_job.WORKER:
        assert isinstance(found, transfer_job.Progress)
        config = TransferConfig.from_dict(job.configuration["lesson"])
        transfer_stages.share_done(found, config)
        transfer_stages.describe_plan(config, tested=None)
    elif job.module == training_job.WORKER:
        Recipe.from_dict(job.configuration["recipe"])


def _summary(file: Path, settings: Settings) -> None:
    folder = file.parent
    with suppress(ImgrecError):
        stored_predictions.read_summary(folder)
    with suppress(ImgrecError):
        aligned_results.best_dataset([folder], {})
    with suppress(ImgrecError):
        aligned_results.load([folder], "imagenet_val_a", "all")


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _manifest_file(settings: Settings) -> tuple[Path, Any]:
    path = settings.home / "compiled" / f"{SPEC.name}-0123456789abcdef" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "model.xml").write_text("<net/>")
    files = conversion._describe(path.parent)
    return path, asdict(conversion.Manifest(SPEC.name, "0" * 64, conversion.versions(), 10, files))


def _record_file(settings: Settings) -> tuple[Path, Any]:
    file = weights.target_path(SPEC, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    path = settings.home / "weights" / f"{file.name}.json"
    return path, asdict(weights.Record(str(file), 1, file.stat().st_mtime_ns, "0" * 64, None, "https://x", "2026"))


def _old(name: str) -> Callable[[Settings], tuple[Path, Any]]:
    def find(settings: Settings) -> tuple[Path, Any]:
        [path] = settings.home.glob(name)
        return path, json.loads(path.read_text())

    return find


def _log(name: str) -> Callable[[Settings], tuple[Path, Any]]:
    """A log, of whose lines the first of each kind are changed."""

    def find(settings: Settings) -> tuple[Path, Any]:
        [path] = settings.home.glob(name)
        first: dict[str, Any] = {}
        for line in map(json.loads, path.read_text().splitlines()):
            first.setdefault(line["event"], line)
        return path, first

    return find


def _end_file(state: str) -> Callable[[Settings], tuple[Path, Any]]:
    def find(settings: Settings) -> tuple[Path, Any]:
        [folder] = (settings.home / "runs").glob("*old_scratch")
        return folder / "end.json", {"state": state, "error": "Too little memory.", "at": "2026-01-01T00:00:00"}

    return find


def _measured(settings: Settings) -> tuple[Path, Any]:
    summary = json.loads((ASSETS / "benchmarks" / stored_predictions.SUMMARY).read_text())
    name = next(iter(summary["datasets"]))
    rows = [row for row in summary["rows"] if row["dataset"] == name][:2]
    return settings.home / "benchmarks" / stored_predictions.SUMMARY, summary | {
        "rows": rows,
        "datasets": {name: summary["datasets"][name]},
    }


def _damage(settings: Settings) -> tuple[Path, Any]:
    found = json.loads((ASSETS / "benchmarks" / severity.FILE).read_text())
    return settings.home / "benchmarks" / severity.FILE, found | {"rows": found["rows"][:1]}


def _started(settings: Settings) -> tuple[Path, Any]:
    [folder] = (settings.home / "runs").glob("*old_scratch")
    (folder / "end.json").unlink(missing_ok=True)
    return folder / "started.json", {"pid": 1, "at": 4e9}


CASES: dict[str, tuple[Callable[[Settings], tuple[Path, Any]], Read]] = {
    "compiled manifest": (_manifest_file, _manifest),
    "record of weights": (_record_file, _record),
    "model card": (_old("models/old_scratch.json"), _card),
    "job.json of a training": (_old("runs/*old_scratch/job.json"), _runs),
    "job.json of transfer learning": (_old("runs/*old_transfer/job.json"), _runs),
    "job.json of a search": (_old("runs/*settings/job.json"), _runs),
    "log of a training": (_log("runs/*old_scratch/progress.jsonl"), _runs),
    "log of transfer learning": (_log("runs/*old_transfer/progress.jsonl"), _runs),
    "log of a search": (_log("runs/*settings/progress.jsonl"), _runs),
    "end.json": (_end_file("failed"), _runs),
    "started.json": (_started, _runs),
    "summary of measurements": (_measured, _summary),
    "accuracies on damaged images": (_damage, lambda file, _: severity.read_rows(file.parent)),
    "best recipe": (_old("runs/*settings/best.json"), lambda file, _: read_recipe(file)),
    "order of classes": (
        _old("sets/My pets/.album.json"),
        lambda _, settings: [each.counts() for each in all_collections(settings)],
    ),
    "own table": (
        lambda settings: (
            settings.home / "tables" / "one.json",
            {"title": "a", "provenance": {"b": 1}, "columns": ["c"], "rows": [[1]], "note": "d", "beside": "e"},
        ),
        lambda file, _: reference_tables.read_repeated(file.parent),
    ),
    "note of a download": (
        lambda settings: (
            downloads._note(settings.home / "x.h5"),
            {"url": "https://example.org/x.h5", "validator": "abc"},
        ),
        lambda _, settings: downloads._validator(settings.home / "x.h5", "https://example.org/x.h5"),
    ),
    "own classes": (
        lambda settings: (settings.home / "classes.json", {"cats": ["n02123045", "cat"], "dog": "dog"}),
        lambda file, _: ClassGroups.parse(file.read_text(errors="replace")),
    ),
}


def attack(case: str, home: Path, step: int = 1) -> Iterator[tuple[str, str | None]]:
    """Yield (what was changed, what went wrong or None) for every `step`th change of a file, and for other texts."""
    shutil.copytree(OLD_HOME, home / "imgrec")
    settings = replace(Settings.from_env({}), home=home / "imgrec", keras_home=home / "keras", offline=True)
    make, read = CASES[case]
    path, good = make(settings)
    is_log = path.suffix == ".jsonl"

    def text_of(content: Any) -> bytes:
        lines = content.values() if is_log else [content]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text_of(good))
    read(path, settings)  # as it was
    changes = ((what, text_of(changed)) for what, changed in islice(mutations(good), 0, None, step))
    for what, text in (*TEXTS.items(), *changes):
        path.write_bytes(text)
        wrong = None
        try:
            read(path, settings)
        except ImgrecError as error:
            wrong = None if len(str(error)) < 2_000 else f"a sentence of {len(str(error)):,} characters"
        except Exception as error:
            wrong = f"{type(error).__name__}: {error!s:.200}"
        yield what, wrong


@pytest.mark.parametrize("case", CASES)
def test_a_file_of_any_content_is_read_passed_over_or_a_sentence(case: str, tmp_path: Path) -> None:
    # Which of the changes is tried here is fixed; by hand all are.
    wrong = {what: error for what, error in attack(case, tmp_path, step=23) if error}
    assert not wrong


def main() -> int:
    """Try every change of every file; print the counts and what went wrong as one JSON object."""
    tried: dict[str, int] = {}
    wrong: dict[str, dict[str, str]] = {}
    for case in sys.argv[1:] or CASES:
        with tempfile.TemporaryDirectory() as home:
            for what, error in attack(case, Path(home)):
                tried[case] = tried.get(case, 0) + 1
                if error:
                    wrong.setdefault(case, {})[what] = error
    print(json.dumps({"files": len(tried), "changes": sum(tried.values()), "by_file": tried, "wrong": wrong}, indent=1))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
