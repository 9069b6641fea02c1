"""Hostile model files, each given to the worker that reads it, as one of a user's own models would be.

    python -m tests.reliability.model_files [NAME ...]

Keras files go where the catalog's models are converted; these and those of all other formats to `imgrec add`, too.

None may run code or end any process but the worker; each is refused with a sentence, within `MAX_S` and with at most
`MAX_BYTES` more memory in the worker than a harmless file takes.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgrec.inference import conversion, own_model
from imgrec.models.catalog import BUILT_IN, WeightsSource
from imgrec.settings import MIB, Settings
from tests.models import hostile_formats, hostile_models, small_network
from tests.reliability import victims

MAX_S = 20.0
MAX_BYTES = 1000 * MIB

# What takes longer is ended.
PATIENCE_S = 60.0

FILES = {make.__name__: make for make in (hostile_models.good, *hostile_models.KERAS_FILES)}

# What `imgrec add` is given: the good ones first, in each of the two ways of reading.
ADDED: dict[str, hostile_formats.Make] = {
    "good onnx": lambda folder: small_network.FOLDER / "small.onnx",
    "good keras": lambda folder: small_network.FOLDER / "small.keras",
}
ADDED |= hostile_formats.CONTAINERS | hostile_formats.NETWORKS | hostile_formats.KERAS
ADDED |= {
    f"keras: {make.__name__}": lambda folder, make=make: make(folder / "hostile.keras")  # type: ignore[misc]
    for make in hostile_models.KERAS_FILES
    if make is not hostile_models.other_input  # hostile beside a card alone
}


def convert(name: str, folder: Path) -> dict[str, Any]:
    """Return what became of the file called `name`: the error, the seconds, and the worker's largest memory."""
    folder.mkdir()
    path = FILES[name](folder / f"{name}.keras")
    spec = replace(
        BUILT_IN.get_spec("cifar_dense"),
        name=name,
        weights=WeightsSource("", str(path), None, 0),
        bundled=False,
        parameters=(hostile_models.SIDE**2 * 3 + 1) * hostile_models.CLASSES,
    )
    settings = Settings.from_env({"IMGREC_HOME": str(folder / "home"), "KERAS_HOME": str(folder / "keras")})
    return attack(lambda: conversion.convert(spec, path, settings), folder)


def add(name: str, folder: Path) -> dict[str, Any]:
    """Return what became of the file called `name`, as `convert`, where a model of another origin is read."""
    folder.mkdir()
    path = ADDED[name](folder)

    def read() -> None:
        with own_model.examine(path):
            pass

    return attack(read, folder)


def attack(read: Callable[[], object], folder: Path) -> dict[str, Any]:
    """Run `read` in a process of its own, in `folder`."""
    used = folder / "used.json"

    def act() -> None:
        os.chdir(folder)
        try:
            read()
        finally:
            used.write_text(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024))

    try:
        code, printed, seconds = victims.run(act, folder / "output.txt", timeout_s=PATIENCE_S)
    except RuntimeError as endless:
        code, printed, seconds = -1, str(endless), PATIENCE_S
    return {
        "code": code,
        "seconds": round(seconds, 1),
        "worker_mib": round(json.loads(used.read_text()) / MIB) if used.exists() else None,
        "said": printed.strip()[-400:],
        "ran_code": any(file.name == hostile_models.MARK for file in folder.parent.rglob("*")),
    }


def broken(name: str, found: dict[str, Any], usual_mib: int) -> list[str]:
    """Return the limits that were broken."""
    wrong = []
    if found["ran_code"]:
        wrong.append("code was run")
    if found["code"] != (0 if name.startswith("good") else 2) or "Traceback" in found["said"]:
        wrong.append(f"ended with {found['code']}: {found['said']}")
    if found["seconds"] > MAX_S:
        wrong.append(f"took {found['seconds']} s")
    if (found["worker_mib"] or 0) - usual_mib > MAX_BYTES / MIB:
        wrong.append(f"took {found['worker_mib']} MiB")
    return wrong


def main() -> int:
    """Print what became of each file as one JSON object; return 1 if a limit was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*FILES, *ADDED], metavar="NAME")
    names = parser.parse_args().names
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        found = {
            name: (convert if name in FILES else add)(name, Path(folder) / str(place))
            for place, name in enumerate(names)
        }
    usual = max((row["worker_mib"] or 0 for name, row in found.items() if name.startswith("good")), default=0)
    for name, row in found.items():
        row["wrong"] = broken(name, row, usual)
    print(json.dumps(found, indent=1))
    print(f"{len(found)} files in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return int(any(row["wrong"] for row in found.values()))


if __name__ == "__main__":
    sys.exit(main())
