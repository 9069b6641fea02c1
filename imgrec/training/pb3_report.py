"""The report of a finished protocol of PB3: its tables with what they depend on, as JSON and as Markdown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imgrec.evaluation import evaluate, stored_predictions
from imgrec.files import replacing
from imgrec.metrics.curves import roc_curve
from imgrec.models.cards import Card
from imgrec.models.catalog import BUILT_IN
from imgrec.reports import table_report
from imgrec.reports.table_report import Table
from imgrec.settings import Settings
from imgrec.training import pb3_tables
from imgrec.training.pb3 import Protocol

JSON, MARKDOWN = "report.json", "report.md"

OTHER_IMAGES = (
    "The printed figures are of Linnaeus 5 (6,000 + 2,000 images of berry, bird, dog, flower, other). Where these are "
    "other images, compare how the figures move, not how high they are."
)


def write(
    folder: Path,
    protocol: Protocol,
    done: Mapping[str, Card],
    settings: Settings,
    *,
    command: str,
    remark: str = "",
) -> list[Table]:
    """Write `report.json` and `report.md` into `folder`; returns the tables.

    `remark` is a sentence about what stands in for what. Raises `StorageError`.
    """
    areas, pass_ms = _measured(done, settings)
    tables = pb3_tables.all_tables(protocol, done, areas, pass_ms)
    last = max(done.values(), key=lambda card: str(card.fields["finished_at"]))
    title = f"The protocol of PB3 on {last.fields['data']['name']}"
    facts = _facts(protocol, last, done) | {"command": command}
    if remark:
        facts["note"] = remark
    facts["printed figures"] = OTHER_IMAGES
    for name, to_text in ((JSON, table_report.to_json), (MARKDOWN, table_report.to_markdown)):
        with replacing(folder / name) as beside:
            beside.write_text(to_text(title, facts, tables), encoding="utf-8")
    return tables


def _measured(done: Mapping[str, Card], settings: Settings) -> tuple[dict[str, Sequence[float]], dict[str, float]]:
    """Return the area of each class, and the milliseconds of an image, of the models that were evaluated."""
    folder = stored_predictions.own_folder(settings)
    names = {card.name for card in done.values()}
    areas: dict[str, Sequence[float]] = {}
    pass_ms: dict[str, float] = {}
    for row in stored_predictions.read_summary(folder)["rows"]:
        if row["model"] not in names:
            continue
        pass_ms[row["model"]] = float(row["latency_p50_ms"])
        answers = stored_predictions.read(stored_predictions.predictions_path(folder, row["model"], row["dataset"]))
        areas[row["model"]] = [
            roc_curve(answers.probabilities[:, i], answers.targets == i).area
            for i in range(answers.probabilities.shape[1])
        ]
    return areas, pass_ms


def _facts(protocol: Protocol, card: Card, done: Mapping[str, Card]) -> dict[str, Any]:
    data = card.fields["data"]
    networks = {}
    for name in (protocol.first, protocol.second):
        [digest] = {str(one.fields["backbone"]["sha256"]) for key, one in done.items() if key.startswith(f"{name}_")}
        networks[BUILT_IN.get_spec(name).title] = f"weights sha256 {digest[:16]}…"
    return {
        "images": f"{data['name']}: "
        + ", ".join(f"{key} {train} + {test}" for key, (train, test) in data["counts"].items()),
        "networks": networks,
        "seed": protocol.seed,
        "machine": evaluate.hardware(),
        "versions": card.fields["versions"],
        "date": datetime.now(UTC).date().isoformat(),
    }
