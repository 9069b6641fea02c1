"""The work of an evaluation: the images of shards become answers, here or by the same function elsewhere."""

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from imgrec.data.archives import MAX_FILES
from imgrec.data.classes import scoring
from imgrec.data.dataset import Dataset, Item
from imgrec.data.reader import stream_predictions
from imgrec.errors import InputError
from imgrec.evaluation import stored_predictions
from imgrec.evaluation.shards import SHARD_IMAGES, Shard
from imgrec.evaluation.stored_predictions import Answers
from imgrec.inference.engine import Queue
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings

# Shards that are looked up together: as many images as an archive may have, which is so read once.
WINDOW_SHARDS = MAX_FILES // SHARD_IMAGES

Failures = list[dict[str, str]]
Answered = tuple[Shard, Answers, Failures]

# (position, float32 probabilities (C,) or a sentence on why there are none) of images, in any order.
Outcomes = Iterable[tuple[int, np.ndarray | str]]


@dataclass(frozen=True, slots=True)
class Work:
    """What all shards of a run share; `compiled` is the network on this machine."""

    spec: ModelSpec
    labeled: Dataset
    settings: Settings
    compiled: Path
    framing: str


class Runner(Protocol):
    """An engine for evaluations: runs shards, yields each when it is finished, in any order."""

    def __call__(self, work: Work, missing: Sequence[Shard], on_images: Callable[[int], None]) -> Iterator[Answered]:
        """Run `missing`; `on_images` is called with the number of images that have just been finished."""


def run_here(
    work: Work,
    missing: Sequence[Shard],
    on_images: Callable[[int], None],
    queue: Queue | None = None,
    threads: int | None = None,
) -> Iterator[Answered]:
    """Run shards in this process, as one stream of images, so that the end of a shard costs nothing.

    `queue` is the network where it is loaded already, `threads` the number that decode, by default one for each core.
    """
    outcomes = stream_predictions(
        work.spec, _items(work, missing), work.settings, work.compiled, work.framing, queue=queue, threads=threads
    )
    starts = [shard.start for shard in missing]
    waiting: dict[int, dict[int, np.ndarray | str]] = {}
    for position, outcome in outcomes:
        shard = missing[bisect(starts, position) - 1]
        found = waiting.setdefault(shard.number, {})
        found[position] = outcome
        on_images(1)
        if len(found) == len(shard):
            yield (shard, *score(work, waiting.pop(shard.number).items()))


def _items(work: Work, missing: Sequence[Shard]) -> Iterator[tuple[int, Item]]:
    """Yield the images of `missing` with their positions, `WINDOW_SHARDS` at a time in the order of their source.

    Raises `InputError` where one is not there.
    """
    labeled = work.labeled
    for first in range(0, len(missing), WINDOW_SHARDS):
        window = missing[first : first + WINDOW_SHARDS]
        positions = {labeled.ids[position]: position for shard in window for position in shard.positions}
        for item in labeled.items(positions):
            yield positions.pop(item.id), item
        if positions:
            expected = f"Expected {len(labeled):,} images in {labeled.name}"
            raise InputError(f"{expected}. Received: fewer; {next(iter(positions))} is no longer there.")


def score(work: Work, outcomes: Outcomes) -> tuple[Answers, Failures]:
    """Return answers in the dataset's order and classes, and what could not be read, with the reasons."""
    space, labeled = work.spec.get_label_space(), work.labeled
    ordered = sorted(outcomes, key=lambda outcome: outcome[0])
    rows = {position: row for position, row in ordered if not isinstance(row, str)}
    probabilities = np.array(list(rows.values()), np.float32).reshape(len(rows), len(space.labels))
    label_map = scoring(space, labeled.label_space, labeled.groups)
    if label_map is not None:
        probabilities = label_map.apply(probabilities).astype(np.float32)
    answers = Answers(
        tuple(labeled.ids[position] for position in rows),
        np.array([labeled.targets[position] for position in rows], np.int64),
        stored_predictions.halved(probabilities) if rows else probabilities.astype(np.float16),
    )
    return answers, [{"id": labeled.ids[at], "reason": why} for at, why in ordered if isinstance(why, str)]
