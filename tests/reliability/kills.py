"""Kills (SIGKILL) at random moments of everything that writes files.

    python -m tests.reliability.kills [--kills 30] [--seed 0] [--fast] [STEP ...]

After each kill nothing partial may be offered, what was there before is whole, and a fresh process lists the models
within `RESTART_S`; after the last kill the step is finished and its result loads.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

# Before the first fork, so that no victim takes its time.
import keras  # noqa: F401
import tensorflow as tf  # noqa: F401

from tests.reliability.steps import STEPS, Step, restart

RESTART_S = 5.0

# A fresh process is started after each so many kills.
RESTART_EVERY = 5


def kill_repeatedly(step: Step, kills: int, rng: random.Random, *, fast: bool) -> dict[str, Any]:
    """Return how many kills hit a running step, and what was wrong after which.

    Unless it must be `fast`, the step is first left alone, to know how long it takes.
    """
    wrong = []
    if not fast:
        step.prepare(-1)
        wrong += [f"without a kill: {sentence}" for sentence in step.finish()]
    lasts_s = step.lasts_s
    hits, slowest = 0, 0.0
    for number in range(kills):
        step.prepare(number)
        moment, whom = rng.uniform(0, lasts_s), rng.choice(step.targets)
        victim = step.start()
        code = victim.wait(moment)
        hits += code is None
        try:
            found = [] if code is not None else victim.kill(whom)
            if code not in (None, 0):
                found.append(f"ended by itself with {code}: {victim.output.read_text()[-500:]}")
            found += step.check()
        except Exception:
            found = [traceback.format_exc()[-1500:]]
        if number % RESTART_EVERY == RESTART_EVERY - 1 or number == kills - 1:
            took, worse = restart(step.settings)
            found += worse
            slowest = max(slowest, took)
        wrong += [f"kill {number} of {whom} after {moment:.3f} s: {sentence}" for sentence in found]
    try:
        wrong += [f"at last: {sentence}" for sentence in step.finish()]
    except Exception:
        wrong.append(traceback.format_exc()[-1500:])
    return {"kills": kills, "hits": hits, "lasts_s": round(lasts_s, 2), "restart_s": round(slowest, 2), "wrong": wrong}


def main() -> int:
    """Print what happened as one JSON object; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", default=list(STEPS), metavar="STEP")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fast", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.steps:
            rng = random.Random(f"{arguments.seed} {name}")  # noqa: S311 (moments, no secrets)
            begun = time.monotonic()
            step = STEPS[name](Path(folder) / name)
            try:
                found[name] = kill_repeatedly(step, arguments.kills, rng, fast=arguments.fast)
            finally:
                step.close()
            found[name]["seconds"] = round(time.monotonic() - begun, 1)
            print(f"{name}: {found[name]['hits']} hits, {len(found[name]['wrong'])} wrong", file=sys.stderr)
    print(json.dumps(found, indent=1))
    broken = any(one["wrong"] or one["restart_s"] > RESTART_S for one in found.values())
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
