"""Searches as their workers leave them, for tests: no runtime is started."""

import json
from pathlib import Path
from typing import Any

from imgrec.jobs import Job
from imgrec.training import search_job
from imgrec.training.recipes import get_recipe

RANGES = ["learning_rate=0.0001:0.01:log", "batch_size=16,32"]


def trial(number: int, rate: float, batch: int, **fields: Any) -> list[dict[str, Any]]:
    """A trial with its two epochs; with `accuracy` or `reason` its result, too."""
    events: list[dict[str, Any]] = [
        {
            "event": "trial",
            "trial": number,
            "values": {"learning_rate": rate, "batch_size": batch},
            "epochs": 2,
        },
        {"event": "training", "trial": number, "parameters": 1000 * number, "steps": 10, "batch_size": batch},
        {"event": "step", "trial": number, "epoch": 1, "step": 10, "loss": 2.0, "accuracy": 0.3},
    ]
    for epoch in (1, 2):
        row = {"event": "epoch", "trial": number, "epoch": epoch, "seconds": 4.0, "validation_accuracy": 0.1}
        events.append(row | {"validation_loss": 2.0})
    if fields:
        result = {"accuracy": None, "loss": 1.0, "reason": None, "parameters": 1000 * number}
        state = "failed" if "reason" in fields else "finished"
        events.append(
            {"event": "result", "trial": number, "state": state, "seconds": 8.0, "wall_seconds": 10.0} | result | fields
        )
    return events


EVENTS: list[dict[str, Any]] = [
    {"event": "data", "classes": ["cat", "dog"], "notes": [], "left_out": 0},
    {"event": "search", "trials": 5},
    *trial(1, 0.001, 16, accuracy=0.5),
    *trial(2, 0.01, 32, reason="Expected a loss that is a number. Received: nan."),
    *trial(3, 0.0001, 32, accuracy=0.625),
]


def leave(
    folder: Path, events: list[dict[str, Any]], end: dict[str, Any] | None = None, module: str = search_job.WORKER
) -> Job:
    """A search in `folder`, which has told `events`."""
    folder.mkdir(parents=True)
    fields = {
        "module": module,
        "title": "Search: mine",
        "created_at": "2026-01-01T00:00:00",
        "needs": {"memory_bytes": 1, "cores": 1},
        "configuration": {
            "space": "simple_cnn",
            "recipe": get_recipe("simple_cnn").to_dict(),
            "knobs": RANGES,
            "trials": 5,
            "epochs": 2,
            "method": "random",
            "data": "cifar10",
            "seed": 3,
            "train_best": False,
        },
    }
    (folder / "job.json").write_text(json.dumps(fields))
    (folder / "progress.jsonl").write_text("".join(json.dumps({"at": 0.0} | event) + "\n" for event in events))
    if end is not None:
        (folder / "end.json").write_text(json.dumps(end))
    return Job(folder)
