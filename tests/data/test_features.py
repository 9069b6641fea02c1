"""Features: computed once, kept, gone on with, and never believed when they are broken. The engine is a fake."""

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from imgrec.data import features
from imgrec.data.dataset import Images
from imgrec.errors import InputError, MemoryBudgetError, StorageError
from imgrec.inference import conversion, openvino_engine
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings

COUNT = 11
SIDE = 32


class FakeEngine:
    """Three features: means of the channels. Answers come in another order, as from several requests."""

    def __init__(self) -> None:
        self.looked_at = 0

    def stream(self, _: Path, images: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        held: list[tuple[int, np.ndarray]] = []
        for key, image in images:
            assert image.shape == (SIDE, SIDE, 3)
            self.looked_at += 1
            held.insert(0, (key, image.mean(axis=(0, 1), dtype=np.float32)))
            if len(held) == 2:
                yield from held
                held = []
        yield from held


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(openvino_engine, "stream", fake.stream)
    monkeypatch.setattr(Preparations, "ensure", lambda *_: Path("compiled"))
    monkeypatch.setattr(weights, "sha256", lambda *_: "ab" * 32)
    monkeypatch.setattr(features, "PART_ROWS", 4)
    return fake


def images(side: int = SIDE, seed: int = 0) -> Images:
    pixels = np.random.default_rng(seed).integers(0, 256, (COUNT, side, side, 3), dtype=np.uint8)
    return Images(pixels, np.zeros(COUNT, np.int64))


SPEC = features.backbone_spec(BUILT_IN.get_spec("mobilenet_a025_128"), input_size=(SIDE, SIDE))


def expected(data: Images) -> np.ndarray:
    return data.pixels.mean(axis=(1, 2), dtype=np.float32)


def the_file(settings: Settings) -> Path:
    [path] = (settings.home / "features").glob("*.npy")
    return path


def the_size(settings: Settings) -> int:
    return next((settings.home / "features").glob("*.npy")).stat().st_size


def test_images_are_looked_at_once(engine: FakeEngine, settings: Settings) -> None:
    data, told = images(), []
    first = features.extract(SPEC, data, settings, on_progress=lambda *progress: told.append(progress))
    again = features.extract(SPEC, data, settings)
    assert np.array_equal(first.rows, expected(data))
    assert np.array_equal(again.rows, expected(data))
    assert first.rows.dtype == np.float32
    assert told == [(done, COUNT) for done in range(1, COUNT + 1)]
    assert (first.cached, again.cached, again.seconds) == (False, True, 0.0)
    assert engine.looked_at == COUNT
    assert {path.suffix for path in (settings.home / "features").iterdir()} == {".npy", ".json", ".lock"}


def test_an_entry_of_version_0_1_is_found(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the file is that of version 0.1 for the same images, weights and versions."""
    monkeypatch.setattr(conversion, "versions", lambda: {"openvino": "2026.1"})
    monkeypatch.setattr(features.metadata, "version", lambda _: "12.0")
    pixels = np.arange(3 * SIDE * SIDE * 3, dtype=np.uint32).astype(np.uint8).reshape(3, SIDE, SIDE, 3)
    features.extract(SPEC, Images(pixels, np.zeros(3, np.int64)), settings)
    assert the_file(settings).name == "mobilenet_a025_128_features_32x32-0728470410fca3eb.npy"


def test_an_extraction_that_was_stopped_goes_on(engine: FakeEngine, settings: Settings) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, _: int) -> None:
        if done == 9:
            raise StoppedError

    data = images()
    with pytest.raises(StoppedError):
        features.extract(SPEC, data, settings, on_progress=stop)
    [parts] = (settings.home / "features").glob("*.parts")
    assert len(list(parts.glob("*.npy"))) == 2
    (parts / "00001.npy").write_bytes(b"half a file, of a disk that was full")
    engine.looked_at = 0
    assert np.array_equal(features.extract(SPEC, data, settings).rows, expected(data))
    assert engine.looked_at == COUNT - 4


@pytest.mark.parametrize("kind", ["cut short", "changed", "another file", "no note", "a note of nothing"])
def test_a_broken_file_is_computed_again(engine: FakeEngine, settings: Settings, kind: str) -> None:
    data = images()
    features.extract(SPEC, data, settings)
    path = the_file(settings)
    content = path.read_bytes()
    if kind == "cut short":
        path.write_bytes(content[:-5])
    elif kind == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif kind == "another file":
        path.write_bytes(b"something else")
    elif kind == "no note":
        path.with_suffix(".json").unlink()
    else:
        path.with_suffix(".json").write_text(json.dumps([]))
    engine.looked_at = 0
    assert np.array_equal(features.extract(SPEC, data, settings).rows, expected(data))
    assert engine.looked_at == COUNT


def test_too_many_features_are_refused_at_the_first_row(engine: FakeEngine, settings: Settings) -> None:
    with pytest.raises(MemoryBudgetError, match="at most 0 MiB"):
        features.extract(SPEC, images(), settings, most_bytes=COUNT * 12 - 1)
    assert engine.looked_at <= 2  # as many as are in flight
    features.extract(SPEC, images(), settings, most_bytes=COUNT * 12)
    with pytest.raises(MemoryBudgetError):
        features.extract(SPEC, images(), settings, most_bytes=COUNT * 12 - 1)


def test_what_was_not_read_for_longest_goes(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (0, 1):
        features.extract(SPEC, images(seed=seed), settings)
    for file in (settings.home / "features").glob("*.npy"):
        os.utime(file, (0, 0))
    features.extract(SPEC, images(seed=0), settings)  # read once more
    old, new = (settings.home / "features" / f"{name}.parts" for name in ("old", "new"))
    for parts in (old, new):
        parts.mkdir()
    os.utime(old, (0, 0))
    monkeypatch.setattr(features, "KEPT_BYTES", 2 * the_size(settings))
    features.extract(SPEC, images(seed=2), settings)
    assert (old.exists(), new.exists()) == (False, True)
    engine.looked_at = 0
    assert [features.extract(SPEC, images(seed=seed), settings).cached for seed in (0, 2, 1)] == [True, True, False]


@pytest.mark.parametrize("what", ["pictures", "weights", "pooling", "preprocessing"])
def test_other_things_have_other_features(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    from dataclasses import replace

    features.extract(SPEC, images(), settings)
    spec, data = SPEC, images(seed=1) if what == "pictures" else images()
    if what == "weights":
        monkeypatch.setattr(weights, "sha256", lambda *_: "cd" * 32)
    elif what == "pooling":
        spec = features.backbone_spec(BUILT_IN.get_spec("mobilenet_a025_128"), input_size=(SIDE, SIDE), pooling=None)
    elif what == "preprocessing":
        spec = replace(SPEC, preprocess="caffe")
    assert not features.extract(spec, data, settings).cached
    assert features.extract(SPEC, images(), settings) is not None
    assert len(list((settings.home / "features").glob("*.npy"))) == 2


def test_images_of_another_size_are_framed(engine: FakeEngine, settings: Settings) -> None:
    data = images(side=8)
    rows = features.extract(SPEC, data, settings).rows
    assert rows.shape == (COUNT, 3)
    assert np.abs(rows - expected(data)).max() < 4  # enlarged, so nearly the same means


def test_a_full_disk_has_a_sentence(engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        with pytest.raises(StorageError, match="room"):
            features.extract(SPEC, images(), settings)
    assert not features.extract(SPEC, images(), settings).cached


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_disk_that_fills_while_parts_are_joined_has_a_sentence(
    engine: FakeEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, write = images(), np.lib.format.write_array_header_1_0

    def begin(file: IO[bytes], kind: dict[str, object]) -> None:
        write(file, kind)
        os.dup2(full.fileno(), file.fileno())

    with Path("/dev/full").open("wb") as full, monkeypatch.context() as patched:
        patched.setattr(np.lib.format, "write_array_header_1_0", begin)
        with pytest.raises(StorageError, match="room"):
            features.extract(SPEC, data, settings)
    [parts] = (settings.home / "features").glob("*.parts")
    assert not list((settings.home / "features").glob("*.npy*"))
    assert np.array_equal(features.extract(SPEC, data, settings).rows, expected(data))
    assert engine.looked_at == COUNT
    assert not parts.exists()


@pytest.mark.parametrize(
    ("model", "arguments", "name"),
    [
        ("mobilenet", {}, "mobilenet_features"),
        ("mobilenet", {"pooling": None}, "mobilenet_map"),
        ("resnet50", {"input_size": (256, 256)}, "resnet50_features_256x256"),
        ("resnet50", {"input_size": (224, 224)}, "resnet50_features"),
    ],
    ids=str,
)
def test_a_backbone_is_a_row_of_its_own(model: str, arguments: dict[str, object], name: str) -> None:
    whole = BUILT_IN.get_spec(model)
    spec = features.backbone_spec(whole, **arguments)  # type: ignore[arg-type]
    assert spec.name == name
    assert ("include_top", False) in spec.arguments
    assert (spec.weights, spec.preprocess, spec.crop_fraction) == (whole.weights, whole.preprocess, 1.0)


@pytest.mark.parametrize(
    ("model", "arguments", "sentence"),
    [
        ("cifar_vgg", {}, "Received: cifar_vgg"),
        ("mobilenet", {"input_size": (31, 224)}, "31 × 224"),
        ("mobilenet", {"pooling": "max"}, "'max'"),
    ],
    ids=["trained here", "too small", "another pooling"],
)
def test_what_is_no_backbone_is_refused(model: str, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        features.backbone_spec(BUILT_IN.get_spec(model), **arguments)  # type: ignore[arg-type]
