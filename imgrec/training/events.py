"""What a run writes in its log, one type for each kind of line; the same types are read back.

A line is a JSON object with the kind as `event`, the time as `at`, and the fields of its type. Fields that are None
are not written. Lines of other kinds and further fields are skipped, and missing fields have defaults, so that
logs of older and newer versions can be read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeVar

from imgrec import json_files


class Listener(Protocol):
    """What receives the events of a run and can stop it; `jobs.Worker` is one."""

    def tell(self, event: str, **fields: Any) -> None:
        """Append one event."""

    def check(self) -> None:
        """Raise when the run is to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a log. `at` is seconds since 1970, set by the log; `trial` the number of a search's trial."""

    at: float = 0.0
    trial: int | None = None


@dataclass(frozen=True, slots=True)
class Queued(Event):
    """A run waits; `behind` are the titles of the runs before it."""

    behind: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DataRead(Event):
    """The images of a run. `counts` are (training, test) images of each class, `notes` the first `left_out` files."""

    name: str = ""
    source: str = ""
    classes: list[str] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)
    trained_on: int | None = None
    validated_on: int | None = None
    sha256: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class WeightsFetched(Event):
    """The weights of a backbone: bytes so far while they are downloaded, then the `sha256` of the file."""

    model: str
    done_bytes: int | None = None
    total_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingBegin(Event):
    """A training begins, or goes on at `resumed_at`: (epochs, steps) that are done. `steps` are those of an epoch."""

    epochs: int = 0
    steps: int = 1
    batch_size: int = 0
    parameters: int | None = None
    trained_parameters: int | None = None
    precision: str | None = None
    learning_rate: float | None = None
    resumed_at: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(frozen=True, slots=True)
class StepProgress(Event):
    """Means over the first `step` steps of `epoch`, both from 1."""

    epoch: int
    step: int
    loss: float = 0.0
    accuracy: float = 0.0
    images_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class EpochEnd(Event):
    """One epoch (from 1): means over its steps, and the validation after it. Rows of `confusion` are true classes."""

    epoch: int
    seconds: float = 0.0
    loss: float = 0.0
    accuracy: float = 0.0
    validation_loss: float = 0.0
    validation_accuracy: float = 0.0
    images_per_second: float | None = None
    confusion: list[list[int]] | None = None


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """The model has joined the catalog. `metrics` and `training` are as `trained_model.measure` returns them."""

    name: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None


# What `Finished.metrics` has at least.
_MEASURED: dict[str, Any] = {"set": str, "pictures": int, "accuracy": float}


@dataclass(frozen=True, slots=True)
class Preparing(Event):
    """Weights of a backbone are downloaded or converted."""

    sentence: str


@dataclass(frozen=True, slots=True)
class FeaturesExtracted(Event):
    """How far the features of one `part` (train or test) are; `cached`: they were on the disk."""

    part: str
    done: int
    count: int
    seconds: float
    cached: bool = False


@dataclass(frozen=True, slots=True)
class TrialsPlanned(Event):
    """How many heads a transfer learning run tries."""

    count: int


@dataclass(frozen=True, slots=True)
class TrialEnd(Event):
    """One head, as it was after its `best_epoch` (from 1): the first with the highest validation accuracy.

    `fold` counts from 1; it is 0 for a single split. `seconds` is the time of all its epochs. `error` is the
    sentence of a trial that failed, all of whose figures are 0.
    """

    learning_rate: float
    fold: int
    best_epoch: int = 0
    train_accuracy: float = 0.0
    train_loss: float = 0.0
    validation_accuracy: float = 0.0
    validation_loss: float = 0.0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class HeadChosen(Event):
    """The learning rate and the number of epochs of the final head, and the reason in words."""

    learning_rate: float
    epochs: int
    why: str


@dataclass(frozen=True, slots=True)
class FineTuned(Event):
    """What fine-tuning the backbone's last layers for `epochs` came to, on the same validation images.

    `kept` is the epoch (from 1) that was published; 0 is the head on the network as it was before. `head_…` are its
    figures, `kept_…` those of what was published, and `reached_…` those of the best epoch, published or not.
    """

    kept: int
    epochs: int
    head_accuracy: float
    head_loss: float
    kept_accuracy: float
    kept_loss: float
    reached_accuracy: float
    reached_loss: float


@dataclass(frozen=True, slots=True)
class SearchBegin(Event):
    """How many trials a search makes."""

    trials: int


@dataclass(frozen=True, slots=True)
class SearchTrialBegin(Event):
    """A trial of a search begins, or goes on in another worker."""

    values: dict[str, int | float | str]
    epochs: int


@dataclass(frozen=True, slots=True)
class SearchTrialEnd(Event):
    """A trial of a search is finished or failed (`reason`); the figures are those of its last epoch."""

    state: str
    parameters: int | None = None
    accuracy: float | None = None
    loss: float | None = None
    seconds: float = 0.0
    wall_seconds: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HandedOn(Event):
    """The training of a search's best trial was started as `run`; its model will be called `model`."""

    run: str
    model: str


_SEARCH_TRIAL = "search trial"  # both kinds of trial are `trial` in a log; that of a search has a number

KINDS: dict[str, type[Event]] = {
    "queued": Queued,
    "data": DataRead,
    "weights": WeightsFetched,
    "training": TrainingBegin,
    "step": StepProgress,
    "epoch": EpochEnd,
    "model": Finished,
    "preparing": Preparing,
    "features": FeaturesExtracted,
    "trials": TrialsPlanned,
    "trial": TrialEnd,
    "chosen": HeadChosen,
    "tuned": FineTuned,
    "search": SearchBegin,
    _SEARCH_TRIAL: SearchTrialBegin,
    "result": SearchTrialEnd,
    "handed_on": HandedOn,
}
_NAMES = {kind: name for name, kind in KINDS.items()} | {SearchTrialBegin: "trial"}

_Event = TypeVar("_Event", bound=Event)


def to_fields(event: Event) -> dict[str, Any]:
    """Return the fields of an event as JSON has them, without `at` and `trial`."""
    return {each.name: getattr(event, each.name) for each in fields(event) if each.name not in {"at", "trial"}}


def from_fields(kind: type[_Event], values: Mapping[str, Any]) -> _Event:
    """Return the event with these fields; others are skipped. Raises `TypeError` on a missing one or another type."""
    wrong = json_files.what_is_wrong(kind, values)
    if wrong is None and issubclass(kind, Finished):
        metrics = values.get("metrics", {})
        lacks = [name for name, hint in _MEASURED.items() if not json_files.fits(metrics.get(name), hint)]
        wrong = ("whole metrics", f"no {lacks[0]}") if lacks else None
    if wrong:
        raise TypeError(f"Expected {wrong[0]}. Received: {wrong[1]}.")
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in known})


def write(listener: Listener, event: Event) -> None:
    """Append one event to the log of a run."""
    told = to_fields(event) | {"trial": event.trial}
    listener.tell(_NAMES[type(event)], **{name: value for name, value in told.items() if value is not None})


def read(lines: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    """Return the events in the lines of a log (`Job.progress`), in their order."""
    for line in lines:
        name = str(line.get("event", ""))
        if name == "trial" and line.get("trial") is not None:
            name = _SEARCH_TRIAL
        if (kind := KINDS.get(name)) is not None:
            try:
                yield from_fields(kind, line)
            except TypeError:
                continue  # of another version, which has other fields
