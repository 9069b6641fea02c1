"""`imgrec evaluate --watch`: a leaderboard of a folder that grows, a line for each change."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgrec.cli.terminal import complain, count_line, say
from imgrec.errors import ImgrecError, InputError

if TYPE_CHECKING:
    from imgrec.data.dataset import Dataset
    from imgrec.evaluation.evaluate import Timing
    from imgrec.models.catalog import ModelSpec

# Between two looks at the folder. An image counts after the second one that finds it the same.
EVERY_S = 2.0

# On a line of the leaderboard.
MAX_MODELS = 6

# Takes a model, the images, where shards begin and the times taken before; returns the row.
Measure = Callable[["ModelSpec", "Dataset", Sequence[int], "Timing | None", Callable[[int, int], None]], dict[str, Any]]


def watch(
    open_labeled: "Callable[[], Dataset]",
    get_specs: "Callable[[Dataset], Sequence[ModelSpec]]",
    measure: Measure,
    folder: Path,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Measure what is in the folder, then what is added, until Ctrl-C; a line to stdout each time.

    Args:
        open_labeled: Reads the names in the folder.
        get_specs: Chooses the models, once there are images.
        measure: Measures one model; a failure is told, and the others go on.
        folder: Where rows and answers are stored.
        pause: Waits for so many seconds.
    """
    from imgrec.evaluation.arrivals import Arrivals, count_new
    from imgrec.evaluation.evaluate import timing_of

    arrivals = Arrivals(open_labeled, folder)
    specs: Sequence[ModelSpec] = ()
    timings: dict[str, Timing] = {}
    before: tuple[str, ...] = ()
    told = ""
    try:
        while True:
            try:
                found = arrivals.look()
                told = ""
            except ImgrecError as error:  # no image yet, or a table that is being written
                found = None
                if str(error) != told:
                    complain(told := str(error))
            if found is not None:
                labeled, starts = found
                specs = specs or get_specs(labeled)
                rows = []
                for spec in specs:
                    try:
                        with count_line(spec.name) as show:
                            row = measure(spec, labeled, starts, timings.get(spec.name), show)
                    except ImgrecError as error:
                        complain(f"{spec.name}: {error}")
                        continue
                    timings[spec.name] = timing_of(row)
                    rows.append(row)
                if rows:
                    say(line(rows, len(labeled), count_new(before, labeled.ids) if before else 0))
                before = labeled.ids
            pause(EVERY_S)
    except KeyboardInterrupt:
        complain("stopped; the same command goes on")


def line(rows: Sequence[dict[str, Any]], images: int, new: int, now: datetime | None = None) -> str:
    """Return the leaderboard in a line, the most accurate model first.

    >>> row = {"model": "mobilenet", "top_1": 0.7, "top_1_low": 0.6, "top_1_high": 0.79, "failures": []}
    >>> line([row], 1200, 50, datetime(2026, 11, 28, 9, 30))
    '09:30:00   1,200 images (+50)   mobilenet 70.0% (60.0% to 79.0%)'
    """
    ranked = sorted(rows, key=lambda row: (-row["top_1"], row["model"]))
    parts = [
        f"{row['model']} {row['top_1']:.1%} ({row['top_1_low']:.1%} to {row['top_1_high']:.1%})"
        for row in ranked[:MAX_MODELS]
    ]
    if len(ranked) > MAX_MODELS:
        parts.append(f"and {len(ranked) - MAX_MODELS} more")
    unread = max(len(row["failures"]) for row in rows)
    counted = f"{images:,} images{f' (+{new:,})' if new else ''}{f', {unread:,} not readable' if unread else ''}"
    return "   ".join([f"{now or datetime.now():%H:%M:%S}", counted, *parts])


def check_folder(path: Path) -> None:
    """Raise `InputError` unless `path` is a folder, which alone can grow."""
    if not path.is_dir():
        raise InputError(f"Expected a folder to watch. Received: {path}, which is none.")
