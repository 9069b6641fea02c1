"""Cards of the stages of a protocol, as its runs leave them, without any training."""

import copy
from pathlib import Path
from typing import Any

from imgrec.models import cards
from imgrec.models.cards import Card
from imgrec.training.pb3 import Stage
from imgrec.training.transfer_config import HEADS
from tests.models.test_cards import FIELDS

CLASSES = ("rain", "sun")

# (true class, prediction) of ten images each.
CONFUSION = [[9, 1], [2, 8]]


def fields_of(stage: Stage, name: str, accuracy: float = 0.8) -> dict[str, Any]:
    """Return the fields of the card of a stage, whose validation accuracy over the folds is `accuracy`."""
    config = stage.config
    found = copy.deepcopy(FIELDS)
    head = HEADS[config.head].parameters(1024, len(CLASSES))
    found["model"] |= {"name": name, "parameters": 3_228_864 + head}
    trials = [
        {
            "learning_rate": config.learning_rates[0],
            "fold": fold,
            "best_epoch": 3,
            "train_accuracy": 0.9,
            "train_loss": 0.2,
            "validation_accuracy": accuracy,
            "validation_loss": 0.5,
            "seconds": 1.0,
        }
        for fold in range(1, max(1, config.folds) + 1)
    ]
    names = ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss")
    mean = {"learning_rate": config.learning_rates[0], "trials": len(trials), "best_epoch": 3.0}
    mean |= {key: trials[0][key] for key in names} | {f"{key}_sd": 0.01 for key in names}
    measured = {"accuracy": 0.85, "loss": 0.4, "pictures": 20, "confusion": CONFUSION, "set": "test"}
    tuned = {"epochs": 1, "kept": 1, "head_accuracy": 0.8, "sentence": "Fine-tuning helped."}
    return found | {
        "classes": list(CLASSES),
        "curves": [{"epoch": 1, "seconds": 2.0}, {"epoch": 2, "seconds": 6.0}],
        "metrics": measured,
        "data": {"name": "weather", "counts": {label: [40, 10] for label in CLASSES}, "trained_on": 80},
        "versions": {"keras": "3"},
        "backbone": {"model": config.backbone, "sha256": "ab" * 32},
        "trained_parameters": head,
        "training": measured | {"set": "training"},
        "trials": trials,
        "learning_rates": [mean],
        "chosen": {"learning_rate": config.learning_rates[0], "epochs": 3, "why": ""},
        "tuned": tuned if config.fine_tune_layers else None,
        "seed": 0,
    }


def write(folder: Path, stage: Stage, name: str, accuracy: float = 0.8) -> Card:
    """Write the card of a stage, beside a file in place of its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.keras").write_bytes(b"weights")
    return cards.write(folder / f"{name}.json", fields_of(stage, name, accuracy))
