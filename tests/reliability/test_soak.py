"""Mixed use for a while: nothing fails, and nothing piles up."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.reliability import process_samples, soak
from tests.reliability.process_samples import Sample

SECONDS = float(os.environ.get("IMGREC_SOAK_S", "180"))


def samples(
    hours: float, mib_an_hour: float = 0.0, *, descriptors: float = 0.0, threads: float = 0.0, errors: int = 0
) -> list[Sample]:
    """A run whose figures rise by so much an hour, under the noise of images that come and go."""
    noise = np.random.default_rng(0).normal(0, 15, round(hours * 360))
    return [
        Sample(
            i * 10.0,
            500 + mib_an_hour * i / 360 + noise[i],
            60 + round(descriptors * i / 360),
            40 + round(threads * i / 360),
            0,
            i,
            errors,
        )
        for i in range(len(noise))
    ]


@pytest.mark.parametrize(
    ("run", "broken"),
    [
        pytest.param(samples(2), [], id="flat"),
        pytest.param(samples(2, 10), [], id="10 MiB an hour"),
        pytest.param(samples(2, 30), ["resident memory"], id="30 MiB an hour"),
        pytest.param(samples(0.05, 60), [], id="60 MiB an hour for three minutes: not told from noise"),
        pytest.param(samples(0.05, 9000), ["resident memory"], id="450 MiB in three minutes"),
        pytest.param(samples(2, descriptors=40), ["descriptors"], id="descriptors"),
        pytest.param(samples(2, threads=30), ["threads"], id="threads"),
        pytest.param(samples(2, errors=1), ["errors"], id="an error"),
    ],
)
def test_what_piles_up_is_found(run: list[Sample], broken: list[str]) -> None:
    assert process_samples.judge(run)["broken"] == broken


def test_memory_that_filled_in_the_first_quarter_is_no_leak() -> None:
    run = samples(2)
    filling = [Sample(s.seconds, s.resident_mib - 300 + 300 * s.seconds / 1800, *row(s)) for s in run[: len(run) // 4]]
    assert process_samples.judge([*filling, *run[len(run) // 4 :]])["broken"] == []


def row(sample: Sample) -> tuple[int, int, int, int, int]:
    return sample.descriptors, sample.threads, sample.children, sample.runs, sample.errors


def test_a_table_has_a_row_a_sample_and_the_file_has_all(tmp_path: Path) -> None:
    run = samples(1)
    process_samples.write(run, tmp_path / "soak.csv")
    assert len((tmp_path / "soak.csv").read_text().splitlines()) == len(run) + 1
    assert len(process_samples.table(run, rows=12).splitlines()) == 2 + 12


@pytest.mark.slow
def test_minutes_of_mixed_use_leave_nothing_behind(compiled: Path) -> None:
    done, figures = soak.soak(SECONDS, compiled=compiled)
    assert figures["broken"] == [], (figures["kinds of errors"], figures)
    assert done.runs > len(soak.TABS)
