"""Events of a run: what is written is read back, and logs of other versions are read as far as they are known."""

import json
from typing import Any

import pytest

from imgrec.training import events
from imgrec.training.events import EpochEnd, Event, SearchTrialBegin, StepProgress, TrialEnd, WeightsFetched


class Log(list[dict[str, Any]]):
    """Keeps lines as a log on the disk would."""

    def tell(self, event: str, **fields: Any) -> None:
        self.append(json.loads(json.dumps({"event": event, "at": 5.0} | fields)))

    def check(self) -> None: ...


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StepProgress(2, 7, 1.5, 0.5, 90.0), {"event": "step", "epoch": 2, "step": 7, "loss": 1.5, "accuracy": 0.5}),
        (EpochEnd(1, confusion=[[3, 1], [0, 4]]), {"event": "epoch", "epoch": 1, "confusion": [[3, 1], [0, 4]]}),
        (EpochEnd(1, trial=4), {"event": "epoch", "trial": 4}),
        (TrialEnd(0.01, 2, error="Expected a number."), {"event": "trial", "fold": 2, "error": "Expected a number."}),
        (SearchTrialBegin({"batch_size": 8}, 3, trial=1), {"event": "trial", "trial": 1, "values": {"batch_size": 8}}),
        (WeightsFetched("vgg16", sha256="ab"), {"event": "weights", "model": "vgg16", "sha256": "ab"}),
    ],
    ids=["step", "epoch", "epoch of a search", "trial", "trial of a search", "weights"],
)
def test_an_event_is_read_back_as_it_was_written(event: Event, line: dict[str, Any]) -> None:
    log = Log()
    events.write(log, event)
    assert line.items() <= log[0].items()
    assert None not in log[0].values()
    [found] = events.read(log)
    assert type(found) is type(event)
    assert (events.to_fields(found), found.trial, found.at) == (events.to_fields(event), event.trial, 5.0)


@pytest.mark.parametrize("kind", list(events.KINDS))
def test_every_kind_has_one_name(kind: str) -> None:
    assert list(events.KINDS.values()).count(events.KINDS[kind]) == 1


def test_lines_of_other_versions_are_skipped_or_read_in_part() -> None:
    lines: list[dict[str, Any]] = [
        {"event": "started", "at": 1.0, "pid": 3},
        {"event": "weather", "rain": True},
        {"no": "event"},
        {"event": "step", "epoch": 1, "step": 2, "further": [1]},
        {"event": "step", "epoch": 1},
    ]
    assert list(events.read(lines)) == [StepProgress(1, 2)]
