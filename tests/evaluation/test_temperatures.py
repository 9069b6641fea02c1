"""Measured temperatures: those of the committed rows, and which of several counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from imgrec.evaluation import stored_predictions, temperatures
from imgrec.settings import Settings

SUMMARY = stored_predictions.read_summary(temperatures.COMMITTED)
IMAGENET = [row for row in SUMMARY["rows"] if row["dataset"] == "imagenet_val_a"]


def folder_of(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    """A folder of measurements with these rows, each based on a committed one."""
    whole = [{**IMAGENET[0], **row} for row in rows]
    (tmp_path / stored_predictions.SUMMARY).write_text(json.dumps({**SUMMARY, "rows": whole}))
    return tmp_path


def scaled(value: float, fitted: int, after: float = 0.5) -> dict[str, float]:
    return {"temperature": value, "fitted": fitted, "tested": 9, "log_loss_before": 1.0, "log_loss_after": after}


def test_every_committed_network_has_the_temperature_of_its_own_classes(settings: Settings) -> None:
    found = temperatures.measured(settings)
    for row in IMAGENET:
        one = found[row["weights_sha256"]]
        # Not that of CIFAR-10, into whose classes the same network was rolled up, nor that of training images.
        assert one.dataset == "imagenet_val_a"
        assert one.value == row["temperature"]["temperature"]
        assert one.log_loss_after < one.log_loss_before
    unhelpful = [row for row in SUMMARY["rows"] if row["model"] == "cats_dogs_lite0"]
    assert all(row["weights_sha256"] not in found for row in unhelpful)


@pytest.mark.parametrize("first", [0, 1])
def test_of_several_datasets_the_one_with_most_images_counts(tmp_path: Path, first: int) -> None:
    rows = [
        {"weights_sha256": "aa", "dataset": "imagenet_val_a", "temperature": scaled(1.5, 300)},
        {"weights_sha256": "aa", "dataset": "imagenet_sample_even", "temperature": scaled(0.5, 200)},
    ]
    found = temperatures.read([folder_of(tmp_path, rows[first], rows[1 - first])])
    assert found["aa"].value == 1.5


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"temperature": scaled(2.0, 300, after=1.1)}, id="no help on other images"),
        pytest.param({"temperature": None}, id="not measured"),
        pytest.param({"temperature": scaled(2.0, 300), "closed": {"top_1": 0.5}}, id="classes of another space"),
    ],
)
def test_what_does_not_count(tmp_path: Path, row: dict[str, Any]) -> None:
    assert temperatures.read([folder_of(tmp_path, {"weights_sha256": "aa", **row})]) == {}


def test_a_broken_summary_of_the_user_takes_nothing_from_the_committed_ones(settings: Settings) -> None:
    whole = temperatures.measured(settings)
    own = stored_predictions.own_folder(settings)
    own.mkdir(parents=True)
    (own / stored_predictions.SUMMARY).write_text("{")
    assert temperatures.measured(settings) == whole
