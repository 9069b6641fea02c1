"""What is interrupted by kills, full disks and read-only folders: each step with what must hold after it.

A step works below one folder, and with real functions, networks and processes; only a worker of a training is forked,
because importing TensorFlow takes longer than the training. No runtime may run in the process that forks: its threads
would be missing in the forked one.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imgrec import jobs
from imgrec.data import training_arrays
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import CorruptWeightsError
from imgrec.evaluation import evaluate, shards, stored_predictions
from imgrec.files import sha256_of, storage_errors
from imgrec.inference import conversion, openvino_engine
from imgrec.jobs import Job, job_folder, processes
from imgrec.models import cards, weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from imgrec.training import array_archives, trained_model, trainer, training_job, training_worker
from imgrec.training.recipes import get_recipe
from tests.models.weights_server import hdf5_bytes, serve, spec_of
from tests.reliability import victims

DATA = hdf5_bytes()
FLIPPED = DATA[:-1] + bytes([DATA[-1] ^ 1])

EPOCHS = 3
IMAGES = 240

# Several shards of so many images, and as few to be timed as it goes.
SHARD_IMAGES = 40
TIMED = 3

# How long the steps that repeat themselves are let run.
LOOP_S = 1.5


class Step:
    """One thing that imgrec does to its files, below `folder`."""

    # Which of the processes may be killed.
    targets: tuple[str, ...] = ("all",)

    # What a job may be after it was interrupted.
    states = frozenset({"interrupted", "finished"})

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output.txt"
        # How long it takes when it is left alone; of a step that repeats itself, how long it does so.
        self.lasts_s = LOOP_S
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = Settings.from_env(
            {
                "IMGREC_HOME": str(folder.parent / "home"),  # shared: what one step has made, the next one finds
                "KERAS_HOME": str(folder / "keras"),
                "IMGREC_MEMORY_MIB": "1024",
            }
        )

    def prepare(self, number: int) -> None:
        """Make the state before the step for the kill `number`."""

    def act(self) -> None:
        """Do the step; runs in a process of its own."""
        raise NotImplementedError

    def start(self) -> victims.Victim:
        """Return the process that acts."""
        return victims.fork(self.act, self.output)

    def check(self) -> list[str]:
        """Return what is wrong after the step was interrupted, at whatever moment."""
        raise NotImplementedError

    def finish(self) -> list[str]:
        """Do the step to its end, after all interruptions; return what is wrong then."""
        code, printed, self.lasts_s = victims.run(self.act, self.output)
        return [] if code == 0 else [f"ended with {code}: {printed[-1000:]}"]

    def close(self) -> None:
        """End what the step has started."""


class Download(Step):
    """Weights from a server, with ranges; every other time in place of a damaged file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        told, tells = os.pipe()

        def serve_forever() -> None:
            with serve({"tiny.h5": DATA}) as server:
                server.chunk_delay_s = 0.008
                os.write(tells, server.address.encode())
                os.close(tells)
                while os.getppid() != 1:
                    time.sleep(0.2)

        self._server = victims.fork(serve_forever, folder / "server.txt")
        os.close(tells)
        self.spec = spec_of(url=os.read(told, 100).decode() + "/tiny.h5")
        os.close(told)
        self.path = weights.target_path(self.spec, self.settings)

    def prepare(self, number: int) -> None:
        if self.path.exists() and number % 3:
            self.path.unlink()
        elif self.path.exists():
            self.path.write_bytes(FLIPPED)

    def act(self) -> None:
        os.environ["no_proxy"] = "*"
        weights._examine.cache_clear()
        weights.fetch(self.spec, self.settings, repair=True)

    def check(self) -> list[str]:
        weights._examine.cache_clear()
        if weights.locate(self.spec, self.settings) is None:
            return []
        with suppress(CorruptWeightsError):
            weights.find(self.spec, self.settings)
            return [] if self.path.read_bytes() == DATA else ["a file that is not whole is offered"]
        return [] if self.path.read_bytes() == FLIPPED else ["the previous file was changed"]

    def finish(self) -> list[str]:
        wrong = super().finish()
        left = {file.name for file in self.path.parent.iterdir()} - {"tiny.h5", "tiny.h5.lock"}
        return wrong + self.check() + ([f"left behind: {left}"] if left else [])

    def close(self) -> None:
        self._server.kill()


class Conversion(Step):
    """A bundled network, compiled by a worker process; each of the two, or both, may be killed."""

    targets = ("all", "itself", "children")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.spec = BUILT_IN.get_spec("cifar_dense")
        weights_path = weights.locate(self.spec, self.settings)
        assert weights_path is not None
        self.weights_path = weights_path
        self.path = conversion.compiled_path(self.spec, sha256_of(weights_path), self.settings)

    def prepare(self, number: int) -> None:
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def act(self) -> None:
        conversion.convert(self.spec, self.weights_path, self.settings)

    def check(self) -> list[str]:
        if not self.path.parent.exists() or conversion.read_intact(self.path) is not None:
            return []
        return ["a compiled network that is not whole is offered"]

    def finish(self) -> list[str]:
        wrong = super().finish() + self.check()
        left = [file.name for file in self.path.parent.parent.glob("*.part")]
        return wrong + _loads(self.path) + ([f"left behind: {left}"] if left else [])


class Training(Step):
    """A small network, trained in a job that is resumed after each kill; then published and evaluated.

    `finished` is the last job that came to its end.
    """

    finished: Job | None = None

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = make_stripes(folder)
        self.recipe = get_recipe("simple_cnn").changed(epochs=EPOCHS, batch_size=16)
        self.job: Job | None = None

    def prepare(self, number: int) -> None:
        if self.job is not None and self.job.state == "finished":
            self.job = None

    def start(self) -> victims.Victim:
        started: list[victims.Victim] = []

        def spawn(folder: Path, module: str) -> None:
            work = partial(jobs.work, folder, training_worker.run)
            started.append(victims.fork(lambda: _exit(work()), folder / "worker.log"))
            job_folder.write(folder / "started.json", {"pid": started[-1].pid, "at": time.time()})

        spawned, processes.spawn = processes.spawn, spawn
        try:
            if self.job is None:
                self.job = training_job.start(self.recipe, str(self.data), self.settings)
            else:
                self.job.resume()
        finally:
            processes.spawn = spawned
        return started[0]

    def check(self) -> list[str]:
        assert self.job is not None
        wrong = []
        if (state := self.job.settle()) not in self.states:
            wrong.append(f"the run is {state}: {self.job.error}")
        checkpoint = self.job.folder / trainer.CHECKPOINT
        if checkpoint.exists():
            array_archives.read(checkpoint)
        return wrong + models_are_whole(self.settings)

    def finish(self) -> list[str]:
        self.prepare(0)
        begun = time.monotonic()
        victim = self.start()
        code = victim.wait(300)
        self.lasts_s = time.monotonic() - begun
        assert self.job is not None
        epochs = [row.epoch for row in training_job.read_curves(self.job).epochs]
        wrong = [] if epochs == list(range(1, EPOCHS + 1)) else [f"epochs {epochs}"]
        if code != 0 or self.job.state != "finished":
            wrong.append(f"ended with {code}, {self.job.state}: {self.job.error} {victim.output.read_text()[-1000:]}")
        Training.finished = self.job
        return wrong + self.check() + all_models_load(self.settings)


class Saving(Step):
    """New models of a run that are saved, described and put into the catalog, each of them twice."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if Training.finished is None:
            assert not (wrong := Training(folder).finish()), wrong
        assert Training.finished is not None
        self.job = Training.finished

    def prepare(self, number: int) -> None:
        self._number = number
        for path in cards.home(self.settings).glob("saved_*"):
            path.unlink()

    def act(self) -> None:
        import keras

        folder = self.job.folder
        card = cards.read(cards.home(self.settings) / f"{self.job.configuration['name']}.json")
        model = keras.saving.load_model(card.weights, compile=False)
        about = {key: card.fields["model"][key] for key in ("architecture", "input_size", "preprocess")}
        about |= {"crop_fraction": 1.0, "licence": "yours"}
        data = training_arrays.load(self.job.configuration["data"], self.settings, card.spec(bundled=False).input_size)
        end = time.monotonic() + LOOP_S
        turn = 0
        while time.monotonic() < end:
            turn += 1
            copy = self.settings.home / "runs" / f"{folder.name}-{self._number}-{turn}"
            with storage_errors(copy):
                copy.mkdir(exist_ok=True)
                for file in ("job.json", "progress.jsonl"):
                    shutil.copyfile(folder / file, copy / file)
            fields = job_folder.read(copy / "job.json") or {}
            name = f"saved_{self._number}_{turn}"
            job_folder.write(
                copy / "job.json",
                fields | {"configuration": fields["configuration"] | {"name": name}, "created_at": job_folder.now()},
            )
            for _ in range(2):
                model.set_weights([values + np.float32(0.001) for values in model.get_weights()])
                trained_model.publish(
                    jobs.Worker(copy), model, data, card.metrics, self.settings, title="Saved", fields=about, more={}
                )

    def check(self) -> list[str]:
        return models_are_whole(self.settings)

    def finish(self) -> list[str]:
        self.prepare(10_000)
        return super().finish() + models_are_whole(self.settings) + all_models_load(self.settings, at_most=3)


class Registry(Step):
    """Records, cards, rows and jobs, written and deleted as fast as it goes; the models are no networks."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = replace(self.settings, home=folder / "home")

    def prepare(self, number: int) -> None:
        self._number = number

    def act(self) -> None:
        home = self.settings.home
        end = time.monotonic() + LOOP_S
        fields = json.loads((cards.BUNDLED / "cifar_dense.json").read_text())
        turn = 0
        while time.monotonic() < end:
            turn += 1
            name = f"model_{turn % 3}"
            place = cards.home(self.settings)
            with storage_errors(place):
                place.mkdir(parents=True, exist_ok=True)
            if name in cards.load_catalog(self.settings).own:
                cards.remove(name, self.settings)
            else:
                with storage_errors(place):
                    (place / f"{name}.keras").write_bytes(os.urandom(50_000))
                cards.write(place / f"{name}.json", fields | {"model": fields["model"] | {"name": name}})
            row = _a_row() | {"model": name, "images": turn}
            stored_predictions.put_row(home / "benchmarks", row, _a_dataset())
            job_folder.write(home / "job.json", {"turn": turn})

    def check(self) -> list[str]:
        home = self.settings.home
        stored_predictions.read_summary(home / "benchmarks")
        wrong = models_are_whole(self.settings)
        if (home / "job.json").exists() and job_folder.read(home / "job.json") is None:
            wrong.append("a job without its configuration")
        return wrong


class Evaluation(Step):
    """A model's answers, in parts that a stopped run goes on from, and its row."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        shards.SHARD_IMAGES, evaluate.TIMED, evaluate.FLOWING = SHARD_IMAGES, TIMED, TIMED
        self.spec = BUILT_IN.get_spec("cifar_dense")
        conversion.convert(self.spec, weights.BUNDLED / self.spec.weights.filename, self.settings)
        self.data = make_stripes(folder, self.spec.get_label_space().labels)
        self.place = folder / "benchmarks"
        self._measured = open_evaluation_split(str(self.data), self.settings)
        self.path = stored_predictions.predictions_path(self.place, self.spec.name, self._measured.name)
        victims.run(lambda: self._evaluate(folder / "reference"), self.output)
        [self.reference] = stored_predictions.read_summary(folder / "reference")["rows"]

    def _evaluate(self, place: Path) -> None:
        evaluate.evaluate(self.spec, self._measured, self.settings, place)

    def act(self) -> None:
        end = time.monotonic() + LOOP_S
        while time.monotonic() < end:
            self._evaluate(self.place)
            self.path.unlink()
        self._evaluate(self.place)

    def check(self) -> list[str]:
        wrong = []
        if self.path.exists() and not stored_predictions.is_whole(self.path):
            wrong.append("answers that are not whole")
        for row in stored_predictions.read_summary(self.place)["rows"]:
            wrong += self._differences(row)
        return wrong

    def _differences(self, row: dict[str, Any]) -> list[str]:
        names = ("images", "top_1", "log_loss", "ece", "weights_sha256", "failures")
        return [
            f"{name}: {row[name]}, not {self.reference[name]}" for name in names if row[name] != self.reference[name]
        ]

    def finish(self) -> list[str]:
        wrong = super().finish() + self.check()
        rows = stored_predictions.read_summary(self.place)["rows"]
        if [row["predictions_sha256"] for row in rows] != [sha256_of(self.path)]:
            wrong.append("the row is not that of the answers")
        return wrong


STEPS: dict[str, Callable[[Path], Step]] = {
    "download": Download,
    "conversion": Conversion,
    "training": Training,
    "saving": Saving,
    "registry": Registry,
    "evaluation": Evaluation,
}


def make_stripes(folder: Path, classes: tuple[str, ...] = ("plain", "rows", "columns")) -> Path:
    """Write a dataset of 32 × 32 px with three kinds of stripes."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), IMAGES // 3)
    pixels = rng.integers(0, 120, (IMAGES, 32, 32, 3), dtype=np.uint8)
    pixels[targets == 1, ::4] += 120
    pixels[targets == 2, :, ::4] += 120
    path = folder / "stripes.npz"
    np.savez(path, x_train=pixels, y_train=targets, class_names=np.array(classes))
    return path


def models_are_whole(settings: Settings) -> list[str]:
    """Return the models of the catalog whose file is not that of their card, and cards that cannot be read."""
    catalog = cards.load_catalog(settings)
    wrong = [f"{problem.path.name}: {problem.sentence}" for problem in catalog.problems]
    for name in catalog.own:
        spec = catalog[name]
        if sha256_of(Path(spec.weights.filename)) != spec.weights.hash:
            wrong.append(f"{name} is listed, and its file is not that of its card")
    return wrong


def all_models_load(settings: Settings, at_most: int = 100) -> list[str]:
    """Return which of the user's own models cannot be compiled and run."""
    wrong = []
    catalog = cards.load_catalog(settings)
    for name in sorted(catalog.own)[:at_most]:
        spec = catalog[name]
        wrong += _loads(conversion.convert(spec, Path(spec.weights.filename), settings))
    return wrong


def restart(settings: Settings) -> tuple[float, list[str]]:
    """List the models in a fresh process; return the seconds that it took, and what is wrong."""
    start = time.monotonic()
    environment = os.environ | {
        "IMGREC_HOME": str(settings.home), "KERAS_HOME": str(settings.keras_home), "PYTHONPATH": str(ROOT)
    }  # fmt: skip
    listed = subprocess.run(
        [sys.executable, "-m", "imgrec", "models", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - start
    if listed.returncode:
        return took, [f"the models cannot be listed: {listed.stderr[-500:]}"]
    names = {row["name"] for row in json.loads(listed.stdout)}
    return took, [] if names >= set(BUILT_IN) else ["models are missing from the list"]


def _loads(path: Path) -> list[str]:
    def act() -> None:
        manifest = conversion.read_manifest(path)
        engine = openvino_engine.OpenVINOEngine(path, 0 if manifest is None else manifest.memory_bytes)
        engine.predict(np.zeros((1, 32, 32, 3), np.uint8))

    code, printed, _ = victims.run(act, path.parent.with_suffix(".txt"))
    return [] if code == 0 else [f"{path.parent.name} does not load: {printed[-500:]}"]


def _exit(code: int) -> None:
    if code:
        raise SystemExit(code)


def _a_row() -> dict[str, Any]:
    return dict(stored_predictions.read_summary(ROOT / "assets" / "benchmarks")["rows"][0])


def _a_dataset() -> dict[str, Any]:
    summary = stored_predictions.read_summary(ROOT / "assets" / "benchmarks")
    return dict(summary["datasets"][_a_row()["dataset"]])
