"""The temperature of each model as it was measured: read from the summaries of evaluations."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from imgrec.errors import InputError
from imgrec.evaluation import stored_predictions
from imgrec.metrics.calibration import Temperature
from imgrec.settings import ASSETS, Settings

# What comes with imgrec.
COMMITTED = ASSETS / "benchmarks"


def measured(settings: Settings) -> dict[str, Temperature]:
    """Return the measured temperatures by the sha256 of the weights: those that come with imgrec, and the user's own.

    A summary of the user that cannot be read is left out: Benchmarks says what is wrong with it.
    """
    try:
        return read([COMMITTED, stored_predictions.own_folder(settings)])
    except InputError:
        return read([COMMITTED])


def read(folders: Iterable[Path]) -> dict[str, Temperature]:
    """Return the temperatures in the summaries of `folders` by the sha256 of the weights.

    Only what was measured on the classes of the model itself counts; of several datasets the one with most images to
    fit on. Temperatures that did not help on other images are left out (`Temperature.helps`). Raises `InputError` on a
    summary that cannot be read.
    """
    best: dict[str, Temperature] = {}
    for folder in folders:
        summary = stored_predictions.read_summary(folder)
        for row in summary["rows"]:
            about = summary["datasets"][row["dataset"]]
            # `closed` has figures where a model knows more classes than the dataset has; older rows lack the key.
            if not row.get("temperature") or row.get("closed", {}) is not None:
                continue
            one = _temperature(row["temperature"], about)
            known = best.get(row["weights_sha256"])
            if known is None or one.fitted > known.fitted:
                best[row["weights_sha256"]] = one
    return {sha256: one for sha256, one in best.items() if one.helps}


def _temperature(values: Mapping[str, Any], about: Mapping[str, Any]) -> Temperature:
    return Temperature(
        value=float(values["temperature"]),
        dataset=str(about["name"]),
        source=str(about["source"]),
        fitted=int(values["fitted"]),
        tested=int(values["tested"]),
        log_loss_before=float(values["log_loss_before"]),
        log_loss_after=float(values["log_loss_after"]),
    )
