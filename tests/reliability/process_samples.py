"""Samples of a server's memory, descriptors and threads over time, and the verdict on them."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import numpy as np
import psutil
from scipy.stats import theilslopes

from imgrec.settings import MIB

# What may be added in an hour after the first quarter of a run: 20 MB.
MIB_AN_HOUR = 20e6 / MIB

# An hour tells such a slope from the noise of what comes and goes: images, models, arenas. Minutes do not: tabs
# still collect the images that they may keep, and caches fill. A run shorter than this may grow by `FILLING_MIB` in its
# last three quarters, whatever the slope that makes: it finds what leaks with every answer, and no less. Of two hours
# without a leak (bench/results/soak.csv), three minutes went from 671 MiB (at 40 s) to 897, and 962 was the most ever.
SLOPE_IS_TOLD_H = 1.0
FILLING_MIB = 280.0

# Connections and pools come and go; what leaks is more.
SPARE_DESCRIPTORS, SPARE_THREADS = 12, 10


@dataclass(frozen=True, slots=True)
class Sample:
    """What the server process had at a moment, and what visitors had done by then."""

    seconds: float
    resident_mib: float
    descriptors: int
    threads: int
    children: int
    runs: int
    errors: int


def take(server: psutil.Process, seconds: float, runs: int, errors: int) -> Sample:
    """Return a sample of `server`, `seconds` after the start."""
    with server.oneshot():
        resident, threads = server.memory_info().rss / MIB, server.num_threads()
    return Sample(
        round(seconds, 1), round(resident, 1), server.num_fds(), threads, len(server.children()), runs, errors
    )


def listening(port: int) -> psutil.Process:
    """Return the process of this machine that listens on `port`."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise LookupError(f"Expected a process of this machine that listens on port {port}. Received: none.")


def judge(samples: Sequence[Sample]) -> dict[str, object]:
    """Return slopes and limits, and under `broken` what is beyond them: after the first quarter, memory, descriptors,
    threads; over the whole run, errors.
    """
    later = samples[len(samples) // 4 :]
    hours = np.array([sample.seconds / 3600 for sample in later])
    # The median of the slopes between any two samples: one large image at the end makes no slope.
    slope = float(theilslopes([sample.resident_mib for sample in later], hours).slope)
    watched = float(hours[-1] - hours[0])
    limit = MIB_AN_HOUR if watched >= SLOPE_IS_TOLD_H else FILLING_MIB / watched
    half = len(later) // 2
    growth = {
        name: float(np.median([getattr(s, name) for s in later[half:]]))
        - float(np.median([getattr(s, name) for s in later[:half]]))
        for name in ("descriptors", "threads")
    }
    broken = [
        name
        for name, is_broken in {
            "errors": samples[-1].errors > 0,
            "resident memory": slope > limit,
            "descriptors": growth["descriptors"] > SPARE_DESCRIPTORS,
            "threads": growth["threads"] > SPARE_THREADS,
        }.items()
        if is_broken
    ]
    return {
        "hours": round(samples[-1].seconds / 3600, 3),
        "runs": samples[-1].runs,
        "errors": samples[-1].errors,
        "resident MiB at first and last": [later[0].resident_mib, later[-1].resident_mib],
        "resident MiB at most": max(sample.resident_mib for sample in samples),
        "slope MiB/h": round(slope, 1),
        "slope at most": round(limit, 1),
        "descriptors more": growth["descriptors"],
        "threads more": growth["threads"],
        "broken": broken,
    }


def write(samples: Iterable[Sample], path: Path) -> None:
    """Write the samples as CSV, one a row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([field.name for field in fields(Sample)])
        rows.writerows(astuple(sample) for sample in samples)


def table(samples: Sequence[Sample], rows: int = 24) -> str:
    """Return some of the samples, evenly spaced, as a table in Markdown."""
    chosen = sorted({round(i) for i in np.linspace(0, len(samples) - 1, min(rows, len(samples)))})
    lines = ["| " + " | ".join(field.name.replace("_", " ") for field in fields(Sample)) + " |"]
    lines.append("|" + "---|" * len(fields(Sample)))
    lines += ["| " + " | ".join(f"{value:,}" for value in asdict(samples[i]).values()) + " |" for i in chosen]
    return "\n".join(lines)
