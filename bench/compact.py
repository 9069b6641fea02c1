"""Six compact networks against their originals and the loop that people write: time, memory, cold start.

    python -m bench.compact             # 4 minutes, after 10 to prepare the first time

As `six_models` and `memory` measure it, with random weights: bytes of a 12-megapixel JPEG in to top five out, warm.
Processes take turns: the loop of Keras, imgrec with the six in float32, imgrec with the same in 8-bit integers. A
cold start is a new process with one network that was converted before.
"""

import statistics
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any

from bench import memory, pairs, six_models, start
from imgrec.models.catalog import COMPACT_SUFFIX

ROUNDS, STARTS = 11, 7

COMPACT = tuple(name + COMPACT_SUFFIX for name in pairs.SIX)

# One whose reading from disk takes longer than all the rest, and a usual one.
STARTED = ("mobilenet", "resnet50")


def main() -> None:
    pairs.prepare()
    pairs.prepare(COMPACT)
    results: dict[str, Any] = {"rounds": ROUNDS, **_times(), "memory": _memory(), "cold_start": _starts()}
    pairs.save("compact", results)


def _times() -> dict[str, Any]:
    sides = {name: pairs.Side("bench.compact", name) for name in ("keras", "exact", "compact")}
    turns = [{name: side.measure() for name, side in sides.items()} for _ in range(ROUNDS)]
    for side in sides.values():
        side.end()
    keras_ms = [sum(turn["keras"].values()) for turn in turns]
    exact_ms, compact_ms = ([turn[name]["whole"] for turn in turns] for name in ("exact", "compact"))
    each = {
        name: {
            "exact_ms": round(statistics.median(turn["exact"]["each"][name] for turn in turns), 1),
            "compact_ms": round(statistics.median(turn["compact"]["each"][name + COMPACT_SUFFIX] for turn in turns), 1),
        }
        for name in pairs.SIX
    }
    return {
        "keras_ms": pairs.summary(keras_ms),
        "exact_ms": pairs.summary(exact_ms),
        "compact_ms": pairs.summary(compact_ms),
        "compact_to_exact": pairs.ratio(compact_ms, exact_ms),
        "compact_to_keras": pairs.ratio(compact_ms, keras_ms),
        "each": each,
    }


def _memory() -> dict[str, Any]:
    found = {}
    for name in ("exact", "compact"):
        side = pairs.Side("bench.compact", f"{name}-memory")
        found[name] = side.measure()
        side.end()
    exact, compact = (found[name]["with_six"]["anonymous_mib"] for name in ("exact", "compact"))
    return {**found, "anonymous_ratio": round(compact / exact, 3)}


def _starts() -> dict[str, Any]:
    photo, code = str(pairs.photo()), textwrap.dedent(start.IMGREC)
    found = {}
    for name in STARTED:
        taken: dict[str, list[float]] = {"exact": [], "compact": []}
        for turn in range(STARTS + 1):
            for precision, model in (("exact", name), ("compact", name + COMPACT_SUFFIX)):
                elapsed_s = start.seconds([sys.executable, "-c", code, photo, model])
                if turn:  # the first one warms the page cache
                    taken[precision].append(elapsed_s * 1e3)
        found[name] = {f"{precision}_ms": pairs.summary(times) for precision, times in taken.items()} | {
            "compact_to_exact": pairs.ratio(taken["compact"], taken["exact"])
        }
    return found


SIDES: dict[str, Callable[[], None]] = {
    "": main,
    "keras": six_models.keras_side,
    "exact": six_models.imgrec_side,
    "compact": partial(six_models.imgrec_side, COMPACT),
    "exact-memory": memory.imgrec_side,
    "compact-memory": partial(memory.imgrec_side, COMPACT),
}

if __name__ == "__main__":
    SIDES["".join(sys.argv[1:2])]()
