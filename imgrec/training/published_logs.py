"""Epochs that publications printed (assets/published_logs.json), and the training times that follow from them."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from imgrec.formatting import duration
from imgrec.settings import ASSETS
from imgrec.training.log_builder import LogBuilder
from imgrec.training.log_tables import take_epoch
from imgrec.training.training_log import TrainingLog

# A printed time that differs by more than this share from that of the log contradicts it.
_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A printed log beside what its publication says of it elsewhere.

    `table` is the title of the published table that has a row `log.title`, None for none. `printed_seconds` is what
    `printed_time` means, None where it names no time.
    """

    log: TrainingLog
    source: str
    table: str | None
    printed_time: str
    printed_seconds: float | None
    printed_accuracy: str

    @property
    def contradicts(self) -> bool:
        """Whether the printed time is not that of the log."""
        seconds = self.log.training_seconds
        if seconds is None or self.printed_seconds is None:
            return False
        return abs(self.printed_seconds - seconds) > _TOLERANCE * seconds

    @property
    def derived_time(self) -> str:
        """The time of the log: the sum over its epochs, in words."""
        seconds = self.log.training_seconds
        if seconds is None:
            return "–"
        each = sorted(set(self.log.seconds.tolist()))
        epochs = f"{self.log.count} × {each[0]:,.0f} s" if len(each) == 1 else f"{self.log.count} epochs"
        return f"{duration(seconds)} ({epochs})"

    @property
    def comparison(self) -> str:
        """The printed time against that of the log, in a sentence; empty where they agree or one is not known."""
        if not self.contradicts or self.printed_seconds is None or self.log.training_seconds is None:
            return ""
        return (
            f"{self.log.title}: the summary prints {self.printed_time}, its log adds up to {self.derived_time}, "
            f"{self.printed_seconds / self.log.training_seconds:.1f} times less."
        )


@cache
def read_published() -> tuple[PublishedLog, ...]:
    """Return the printed logs."""
    content = json.loads((ASSETS / "published_logs.json").read_text(encoding="utf-8"))
    return tuple(_read(one) for one in content["logs"])


def _read(one: dict[str, Any]) -> PublishedLog:
    builder = LogBuilder()
    for place in range(max(map(len, one["epochs"].values()))):
        take_epoch(builder, place + 1, {name: values[place] for name, values in one["epochs"].items()})
    told = {name: one[name] for name in ("source", "table", "printed_time", "printed_seconds", "printed_accuracy")}
    return PublishedLog(builder.build(one["title"], "Printed in a publication"), **told)
