"""Accuracy over the strength of damage, with a stream that answers by what it sees."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.data.classes import own_space
from imgrec.data.dataset import Dataset
from imgrec.errors import InputError, LabelSpaceError
from imgrec.explanation import severity
from imgrec.explanation.corruptions import CORRUPTIONS, STRENGTHS
from imgrec.explanation.severity import COPIES, FILE, measure_severity, read_rows
from imgrec.inference import openvino_engine
from imgrec.metrics.significance import wilson
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import get_label_space
from imgrec.settings import Settings

SPEC = next(spec for spec in BUILT_IN.values() if spec.bundled and spec.label_space == "cifar_10")


def dataset(images: int = 4, broken: Iterable[int] = (), name: str = "small", **changes: Any) -> Dataset:
    """Bright images of class 1 and dark ones of class 0, in turn."""
    pixels = {f"{i}.png": np.full((32, 32, 3), 200 if i % 2 else 60, np.uint8) for i in range(images)}
    raw = {id_: "This is a text file." if i in broken else pixels[id_] for i, id_ in enumerate(pixels)}
    return Dataset(
        name=name,
        label_space=get_label_space("cifar_10"),
        ids=tuple(pixels),
        targets=tuple(i % 2 for i in range(images)),
        is_test=(True,) * images,
        read=lambda ids: ((id_, image) for id_, image in raw.items() if id_ in ids),
        source="made here",
        **changes,
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the network was given, which says class 1 for bright images."""
    given: list[np.ndarray] = []

    def stream(path: Path, images: Iterable[tuple[Any, np.ndarray]]) -> Iterator[tuple[Any, np.ndarray]]:
        for key, image in images:
            given.append(image)
            row = np.zeros(10, np.float32)
            row[int(image.mean() > 130)] = 1
            yield key, row

    monkeypatch.setattr(openvino_engine, "stream", stream)
    monkeypatch.setattr(severity.Preparations, "ensure", lambda self, spec: Path("compiled.xml"))
    monkeypatch.setattr(severity.weights, "sha256", lambda *_: "0" * 64)
    return given


def test_each_image_is_measured_undamaged_and_with_each_damage(
    seen: list[np.ndarray], settings: Settings, tmp_path: Path
) -> None:
    counted: list[tuple[int, int]] = []
    row = measure_severity(SPEC, dataset(), settings, tmp_path, on_progress=lambda *done: counted.append(done))
    assert len(seen) == 4 * len(COPIES) == 4 * 41
    assert counted == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (row.images, row.clean) == (4, 4)
    assert row.accuracy(0) == 1
    # Brighter by 80 or more, the dark images look bright; a blur of one color changes nothing.
    assert row.correct["brightness"] == [4, 4, 2, 2, 2]
    assert row.correct["blur"] == [4] * 5
    assert row.accuracy(5) == pytest.approx(np.mean([row.accuracy(5, kind) for kind in CORRUPTIONS]))
    assert row.interval(3, "brightness") == wilson(2, 4)


def test_rows_are_read_again_as_they_were_and_replace_each_other(
    seen: list[np.ndarray], settings: Settings, tmp_path: Path
) -> None:
    first = measure_severity(SPEC, dataset(), settings, tmp_path, command="one")
    measure_severity(SPEC, dataset(name="another"), settings, tmp_path)
    second = measure_severity(SPEC, dataset(), settings, tmp_path, command="two")
    rows = read_rows(tmp_path)
    assert [row.dataset for row in rows] == ["another", "small"]
    assert rows[1] == second
    assert first.command == "one"
    assert all(set(row.correct) == set(CORRUPTIONS) for row in rows)


def test_all_models_are_given_the_same_damage(seen: list[np.ndarray], settings: Settings, tmp_path: Path) -> None:
    measure_severity(SPEC, dataset(), settings, tmp_path)
    before = [image.copy() for image in seen]
    seen.clear()
    measure_severity(SPEC, dataset(), settings, tmp_path)
    assert all((one == other).all() for one, other in zip(before, seen, strict=True))


def test_what_cannot_be_read_is_left_out(seen: list[np.ndarray], settings: Settings, tmp_path: Path) -> None:
    row = measure_severity(SPEC, dataset(broken=[0]), settings, tmp_path)
    assert (row.images, row.clean) == (3, 3)
    with pytest.raises(InputError, match="Expected readable images in small"):
        measure_severity(SPEC, dataset(broken=range(4)), settings, tmp_path)


def test_a_limited_dataset_says_what_it_is_a_part_of(
    seen: list[np.ndarray], settings: Settings, tmp_path: Path
) -> None:
    row = measure_severity(SPEC, dataset(name="small_first_2", per_class=2), settings, tmp_path)
    assert (row.dataset, row.base, row.per_class) == ("small_first_2", "small", 2)


def test_wrong_input_is_refused_before_any_work(seen: list[np.ndarray], settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="framings crop, squash"):
        measure_severity(SPEC, dataset(), settings, tmp_path, framing="letterbox")
    cats = BUILT_IN.get_spec("mobilenet")
    other = Dataset("odd", own_space(["x", "y"]), ("a",), (0,), (True,), iter, "here")
    with pytest.raises(LabelSpaceError):
        measure_severity(cats, other, settings, tmp_path)
    assert not seen


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"version": 99, "rows": []}', '{"version": 1, "rows": [{"model": "a"}]}', '{"version": 1}'],
    ids=["cut", "a list", "a later version", "a row that lacks fields", "no rows"],
)
def test_a_broken_file_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=r"corruptions\.json"):
        read_rows(tmp_path)


def test_without_a_file_there_are_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path) == []


def test_what_comes_with_imgrec_is_whole() -> None:
    from imgrec.settings import ASSETS

    rows = read_rows(ASSETS / "benchmarks")
    assert rows
    summary = json.loads((ASSETS / "benchmarks" / "summary.json").read_text())
    known = {row["model"]: row["weights_sha256"] for row in summary["rows"]}
    for row in rows:
        assert row.base in summary["datasets"]
        assert row.weights_sha256 == known[row.model]
        assert all(0 <= count <= row.images for counts in row.correct.values() for count in counts)
        assert all(len(counts) == len(STRENGTHS) for counts in row.correct.values())
        # Damage costs: the mean falls from strength to strength.
        means = [row.accuracy(strength) for strength in (0, *STRENGTHS)]
        assert means == sorted(means, reverse=True)
