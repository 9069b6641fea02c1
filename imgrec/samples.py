"""The sample gallery: a few pictures, each with its lesson, its licence and its author.

`assets/samples/samples.json` is the list. What models said about them stands in `showcase.py`.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from imgrec.errors import UnknownNameError
from imgrec.settings import ASSETS

SAMPLES_FOLDER = ASSETS / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of the gallery; all texts are for people."""

    file: str  # its name in SAMPLES_FOLDER
    title: str
    alt: str  # what it shows, for those who do not see it
    lesson: str  # why it is here, in a sentence
    licence: str  # SPDX identifier, or "public domain"
    author: str
    source: str  # where the original is
    changes: str  # what was done to it, as CC licences ask to be said

    @property
    def path(self) -> Path:
        return SAMPLES_FOLDER / self.file


@functools.cache
def get_samples() -> tuple[Sample, ...]:
    """All samples in the order of the gallery; read from disk the first time."""
    rows = json.loads((SAMPLES_FOLDER / "samples.json").read_text(encoding="utf-8"))
    return tuple(Sample(**row) for row in rows)


def get_sample(file: str) -> Sample:
    """The sample whose file is called `file`; raises `UnknownNameError` with the nearest names."""
    for sample in get_samples():
        if sample.file == file:
            return sample
    raise UnknownNameError.of("sample", file, [sample.file for sample in get_samples()])


def read(sample: Sample) -> bytes:
    """The bytes of `sample`, to be decoded like any upload."""
    return sample.path.read_bytes()
