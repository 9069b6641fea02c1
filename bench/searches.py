"""Search both printed spaces for a bounded time: `python -m bench.searches`, into assets/protocols/.

Springboard Capstone 2 searched the widths and kernels of its two networks with Keras Tuner and printed the winners.
Here each space has `TRIALS` random trials of `EPOCHS` epochs on a fifth of CIFAR-10, which is far from enough to find
the best, and enough to see a search done: a table of all trials (searches.json), and the log of each search
(search_<space>.jsonl). CIFAR-10 comes from KERAS_HOME/datasets or its publisher. A search that was stopped goes on.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.few_images import few_cifar10
from bench.protocols import SEVEN_MODELS_TITLE, TABLES, await_end, write
from imgrec.evaluation.evaluate import hardware
from imgrec.formatting import duration, integer
from imgrec.jobs import Job
from imgrec.settings import Settings
from imgrec.training import search_job, trained_model
from imgrec.training.pb3_tables import NOTHING, four
from imgrec.training.recipes import get_recipe
from imgrec.training.search_spaces import SPACES, words

TRIALS, EPOCHS = 3, 2

PRINTED_ACCURACY = {"six_layers": "64 %, test", "five_layers": "76.44 %, test"}


def main(settings: Settings) -> None:
    data = few_cifar10(settings)
    rows, spent = [], 0.0
    for name, space in SPACES.items():
        job = _search(name, data, settings)
        search = search_job.read(job)
        shutil.copyfile(job.folder / "progress.jsonl", TABLES / f"search_{name}.jsonl")
        keys = [one.name for one in space.hyperparameters]
        for trial in search.trials:
            spent += trial.seconds
            mark = " (best)" if trial is search.best else ""
            accuracy = NOTHING if trial.accuracy is None else four(trial.accuracy)
            rows.append(
                [
                    name,
                    f"{trial.number}{mark}",
                    *(str(trial.values[key]) for key in keys),
                    integer(trial.parameters or 0),
                    accuracy,
                    duration(trial.seconds),
                ]
            )
        recipe = get_recipe(space.recipe)
        arguments = dict(recipe.arguments)
        rows.append(
            [
                name,
                "printed winner",
                *(str(arguments[key]) for key in keys),
                integer(recipe.parameters),
                PRINTED_ACCURACY[name],
                NOTHING,
            ]
        )
    write(
        "searches",
        title="Both printed search spaces, for a bounded time",
        beside=SEVEN_MODELS_TITLE,
        columns=[
            "Space",
            "Trial",
            *(words(key).capitalize() for key in keys),
            "Parameters",
            "Validation accuracy",
            "Training time",
        ],
        rows=rows,
        provenance=_provenance(search, spent),
        note=f"{TRIALS} random trials of {EPOCHS} epochs each, on 1,000 training images of each class: a tenth of the "
        "images and epochs that would tell such networks apart. The printed winners were found by Keras Tuner in a "
        "search whose length is not printed.",
    )


def _search(name: str, data: Path, settings: Settings) -> Job:
    """Return the finished search of a space."""
    folder = settings.home / "searches" / name
    if not (folder / "job.json").exists():
        start: dict[str, Any] = {"trials": TRIALS, "epochs": EPOCHS, "method": "random", "seed": 0, "folder": folder}
        job = search_job.start(SPACES[name], str(data), settings, **start)
    else:
        job = Job(folder)
        if job.settle() not in {"queued", "running", "finished"}:
            job.resume()
    await_end(name, job)
    return job


def _provenance(search: search_job.Search, spent: float) -> dict[str, Any]:
    images = 0 if search.data is None else search.data.trained_on + search.data.validated_on
    return {
        "images": f"CIFAR-10, {images:,} training images",
        "seed": 0,
        "training time of all": duration(spent),
        "machine": hardware(),
        "versions": trained_model.versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m bench.searches",
        "the same by hand": f"imgrec tune six_layers --data few_cifar10.npz --trials {TRIALS} --epochs {EPOCHS}",
    }


if __name__ == "__main__":
    main(Settings.from_env())
