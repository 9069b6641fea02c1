"""Asks Keras Tuner as the worker does, with a network that learns nothing: `python -m tests.training.search_process`.

For each method, one search from start to end, and one whose worker is killed again and again in the middle of
trials; and one with a network that ends each worker before its first step. Prints what came of them as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

from imgrec import jobs
from imgrec.settings import Settings
from imgrec.training import search_job, search_worker
from imgrec.training.recipes import Recipe
from imgrec.training.search_spaces import get_space

METHODS = {"random": (6, 2), "bayesian": (4, 2), "hyperband": (6, 3)}

# Trainings between two kills; the killed one has done one epoch.
UNTIL_KILLED = 3

TOO_FAST = 0.005


class Killed(BaseException):
    """What a test does instead of SIGKILL: nothing in the worker may catch it."""


class Network:
    """Learns best with 64 filters at a rate of 0.01, and not at all above `TOO_FAST`."""

    def __init__(self, until_killed: int | None, deadly: int | None) -> None:
        self.until_killed = until_killed
        self.deadly = deadly
        self.began_at: list[int] = []

    def train(self, recipe: Recipe, *_: Any, folder: Path, listener: Any, **__: Any) -> None:
        checkpoint = folder / search_worker.trainer.CHECKPOINT
        at = int(checkpoint.read_text()) if checkpoint.exists() else 0
        self.began_at.append(at)
        listener.tell("training", parameters=dict(recipe.arguments)["conv_1_filter"], epochs=recipe.epochs)
        if listener.number == self.deadly:
            raise Killed
        if recipe.optimizer.learning_rate > TOO_FAST:
            raise search_worker.InputError("Expected a loss that is a number. Received: nan.")
        for epoch in range(at + 1, recipe.epochs + 1):
            listener.check()
            miss = abs(dict(recipe.arguments)["conv_1_filter"] - 64) / 64 + abs(recipe.optimizer.learning_rate - 0.01)
            listener.tell("step", epoch=epoch, step=1)
            listener.tell(
                "epoch",
                epoch=epoch,
                seconds=1.0,
                validation_accuracy=(1 - miss / 2) * epoch / (epoch + 1),
                validation_loss=miss,
                confusion=[[1]],
            )
            checkpoint.write_text(str(epoch))
            if self.until_killed is not None and len(self.began_at) == self.until_killed and epoch == at + 1:
                raise Killed


def search(method: str, folder: Path, *, until_killed: int | None = None, deadly: int | None = None) -> dict[str, Any]:
    """The trials of a search that took as many workers as it was killed, and where each training began."""
    trials, epochs = METHODS[method]
    jobs.start = lambda module, configuration, *_, **fields: _write(folder, configuration)  # type: ignore[assignment]
    space = get_space("tuned_cnn_6").varied(["learning_rate=0.001:0.1:log", "conv_1_filter=16:128:16"])
    job = search_job.start(space, __file__, Settings.from_env(), trials=trials, epochs=epochs, method=method, seed=0)
    workers, began_at = 0, []
    while True:
        workers += 1
        network = Network(until_killed, deadly)
        search_worker.trainer.train = network.train  # type: ignore[assignment]
        try:
            search_worker.run(jobs.Worker(folder))
            break
        except Killed:
            began_at += network.began_at
    found = search_job.read(job)
    results = [event for event in job.progress()[0] if event["event"] == "result"]
    return {
        "workers": workers,
        "began_at": began_at + network.began_at,
        "trials": [[t.number, t.values, t.state, t.accuracy, t.reason] for t in found.trials],
        "results": [event["trial"] for event in results],
        "best": json.loads((folder / search_job.BEST).read_text()),
        "left": sorted(path.name for path in folder.iterdir() if path.is_dir()),
    }


def _write(folder: Path, configuration: dict[str, Any]) -> jobs.Job:
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"module": search_job.WORKER, "configuration": configuration}))
    return jobs.Job(folder)


def main(folder: Path) -> None:
    class Images:
        classes = ("a", "b")

    search_worker.open_data = lambda *_: (Images, None, None)  # type: ignore[assignment]
    found = {
        method: [
            search(method, folder / f"{method}-{name}", until_killed=until_killed)
            for name, until_killed in (("whole", None), ("killed", UNTIL_KILLED))
        ]
        for method in METHODS
    }
    found["deadly"] = [search("random", folder / "deadly", deadly=2)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
