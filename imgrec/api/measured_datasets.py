"""The datasets that models were measured on, with their figures: those of imgrec, and this machine's own."""

import logging
from typing import Any

from imgrec.errors import InputError
from imgrec.evaluation import stored_predictions
from imgrec.settings import ASSETS, Settings

_FIGURES = ("model", "top_1", "latency_p50_ms")

log = logging.getLogger(__name__)


def describe_all(settings: Settings) -> list[dict[str, object]]:
    """Return every measured dataset by name, as the schema `Dataset` has it.

    The source of an own dataset is a folder of this machine, and is left out; a demo has none of its own. Own
    measurements that are damaged are left out, which the log says: the Benchmarks page says how to mend them.
    """
    folders = [ASSETS / "benchmarks"] + ([] if settings.demo else [stored_predictions.own_folder(settings)])
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        try:
            summary = stored_predictions.read_summary(folder)
        except InputError as error:
            log.warning("%s", error)
            continue
        for name, about in summary["datasets"].items():
            entry = found.setdefault(
                name,
                {
                    "name": name,
                    "source": about.get("source") if folder == folders[0] else None,
                    "images": about["images"],
                    "classes": about["classes"],
                    "label_space": about.get("label_space"),
                    "flaws": list(about.get("flaws") or []),
                    "models": {},
                },
            )
            rows = [row for row in summary["rows"] if row["dataset"] == name]
            entry["models"] |= {row["model"]: {key: row.get(key) for key in _FIGURES} for row in rows}
    for entry in found.values():
        entry["models"] = sorted(entry["models"].values(), key=lambda row: (-row["top_1"], row["model"]))
    return [found[name] for name in sorted(found)]
