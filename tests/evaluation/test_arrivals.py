"""A folder that grows: only what is new is computed, and what was computed stays in its shard."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.evaluation import arrivals, evaluate, shards, stored_predictions
from imgrec.evaluation.arrivals import Arrivals
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings
from tests.evaluation.test_evaluate import COLORS, image, network, spec

__all__ = ["network", "spec"]  # fixtures

Add = Callable[..., None]


@pytest.fixture
def add(tmp_path: Path) -> Add:
    def write(*numbers: int, color: int | None = None) -> None:
        for number in numbers:
            file = tmp_path / "growing" / COLORS.labels[number % 3] / f"{number:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            data = image(number % 3 if color is None else color, number)
            assert isinstance(data, bytes)
            file.write_bytes(data)

    return write


@pytest.fixture
def watched(tmp_path: Path, settings: Settings) -> Arrivals:
    return Arrivals(lambda: open_evaluation_split(str(tmp_path / "growing"), settings), tmp_path / "out")


def looks(watched: Arrivals) -> tuple[list[str], list[int]]:
    """The numbers of the images in their order, and where shards begin, at the second look."""
    watched.look()
    found = watched.look()
    assert found is not None
    return [Path(id_).stem for id_ in found[0].ids], found[1]


def test_what_comes_later_stands_behind_in_shards_of_its_own(
    add: Add, watched: Arrivals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_IMAGES", 4)
    add(3, 4, 5, 6, 7, 8)
    assert looks(watched) == (["005", "008", "004", "007", "003", "006"], [0, 4])
    assert watched.look() is None
    add(0, 1)
    assert looks(watched) == (["005", "008", "004", "007", "003", "006", "001", "000"], [0, 4, 6])


def test_an_image_counts_when_it_is_written_to_its_end(add: Add, watched: Arrivals, tmp_path: Path) -> None:
    add(0, 1, 2)
    assert watched.look() is None
    file = tmp_path / "growing" / "red" / "000.png"
    file.write_bytes(file.read_bytes() + b"more")
    found = watched.look()
    assert found is not None
    assert len(found[0]) == 2
    found = watched.look()
    assert found is not None
    assert len(found[0]) == 3


def test_only_new_and_changed_images_are_computed_also_by_another_process(
    add: Add, watched: Arrivals, spec: ModelSpec, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_IMAGES", 4)
    ours = replace(spec, own_label_space=COLORS)
    out = tmp_path / "out"

    def measure(watched: Arrivals) -> tuple[int, dict[str, object]]:
        watched.look()
        found = watched.look()
        assert found is not None
        computed: list[int] = []
        row = evaluate.evaluate(
            ours, found[0], settings, out, starts=found[1], on_progress=lambda *_: computed.append(1)
        )
        return len(computed), row

    def again() -> Arrivals:
        return Arrivals(lambda: open_evaluation_split(str(tmp_path / "growing"), settings), out)

    add(*range(6))
    count, row = measure(watched)
    assert (count, row["images"], row["top_1"]) == (6, 6, 1.0)
    add(6, 7)
    count, row = measure(watched)
    assert (count, row["images"]) == (2, 8)
    # Started again: nothing is computed twice.
    assert measure(again())[0] == 0
    # One image is repainted, another one goes: their shards are made anew, and no other.
    add(7, color=2)
    (tmp_path / "growing" / "blue" / "002.png").unlink()
    count, row = measure(again())
    assert (count, row["images"], row["top_1"]) == (2 + 3, 7, pytest.approx(6 / 7, abs=1e-6))
    stored = stored_predictions.read(stored_predictions.predictions_path(out, ours.name, "growing"))
    assert len(set(stored.ids)) == len(stored.ids) == 7
    assert [row["images"] for row in stored_predictions.read_summary(out)["rows"]] == [7]


@pytest.mark.parametrize("text", ["", "{}", "[3]", '[["a", 3, "a"], ["a", "b"]]'])
def test_an_order_that_cannot_be_used_costs_work_only(tmp_path: Path, text: str) -> None:
    path = tmp_path / "order.json"
    path.write_text(text)
    assert arrivals.read(path) in ([], [["a"], ["b"]])


def test_bytes_are_read_once(add: Add, watched: Arrivals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    monkeypatch.setattr(arrivals, "digest_of", lambda data: read.append(data) or b"x" * 32)
    add(0, 1, 2)
    looks(watched)
    add(3)
    looks(watched)
    assert len(read) == 4 + 4  # each image, and the digest of no bytes that stands in for one that has gone
    os.utime(tmp_path / "growing" / "red" / "000.png", (1, 1))
    looks(watched)
    assert len(read) == 8 + 2
