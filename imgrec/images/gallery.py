"""The sample gallery: a few images, each with a caption, its license and its author.

`assets/samples/samples.json` is the list. The predictions of models for them are in `showcase.py`.
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
    """One image of the gallery."""

    file: str  # its name in SAMPLES_FOLDER
    title: str
    alt: str  # text alternative
    caption: str  # what it demonstrates, in a sentence of at most two lines
    license: str  # SPDX identifier, or "public domain"
    author: str
    source: str  # where the original is
    changes: str  # what was done to it, as CC licenses require

    @property
    def path(self) -> Path:
        """The file of the image."""
        return SAMPLES_FOLDER / self.file


@functools.cache
def get_samples() -> tuple[Sample, ...]:
    """Return all samples in the order of the gallery; read from disk the first time."""
    rows = json.loads((SAMPLES_FOLDER / "samples.json").read_text(encoding="utf-8"))
    return tuple(Sample(license=row.pop("licence"), caption=row.pop("lesson"), **row) for row in rows)


def get_sample(file: str) -> Sample:
    """Return the sample whose file is called `file`; raises `UnknownNameError` with the nearest names."""
    samples = {sample.file: sample for sample in get_samples()}
    if file not in samples:
        raise UnknownNameError.of("sample", file, list(samples))
    return samples[file]
