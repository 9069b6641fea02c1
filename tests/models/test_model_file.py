"""Model files of strangers: refused with a sentence, in little time and memory, before any library sees them."""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from imgrec.errors import CorruptWeightsError, InputError, StorageError
from imgrec.models import cards, model_file
from imgrec.models.torch_checkpoint import read_state_dict
from imgrec.settings import MIB
from tests.models import hostile_models

# These are refused when the network is built, in the worker process: see tests/inference/test_hostile_models.py.
BUILT = {"shape_bomb", "wide", "upsampling", "not_numbers", "overflow", "other_input"}


def check(path: Path) -> None:
    model_file.check(path)
    model_file.check_arrays(path)


@pytest.mark.parametrize("make", [make for make in hostile_models.KERAS_FILES if make.__name__ not in BUILT])
def test_a_hostile_file_is_refused(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "hostile.keras")
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises((CorruptWeightsError, InputError), match="Received") as refused:
            check(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 10
    assert len(str(refused.value)) < 1000
    assert "hostile.keras" in str(refused.value)
    assert not list(tmp_path.rglob(hostile_models.MARK))
    assert not list(tmp_path.parent.parent.glob(hostile_models.MARK))


@pytest.mark.parametrize("path", sorted(cards.BUNDLED.glob("*.keras")), ids=lambda path: path.stem)
def test_the_bundled_models_are_accepted(path: Path) -> None:
    model_file.check(path)
    assert 0.5 < model_file.check_arrays(path) / path.stat().st_size < 1


def test_the_harmless_original_is_accepted(tmp_path: Path) -> None:
    path = hostile_models.good(tmp_path / "good.keras")
    model_file.check(path)
    assert model_file.check_arrays(path) == 4 * (32 * 32 * 3 + 1) * 10


def test_weights_alone(tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    path.write_bytes(hostile_models.arrays())
    model_file.check(path)
    assert model_file.check_arrays(path) > 0
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptWeightsError, match="arrays in HDF5"):
        model_file.check_arrays(path)
    with pytest.raises(StorageError):
        model_file.check(tmp_path / "none.h5")


@pytest.mark.parametrize("name", hostile_models.TORCH_FILES)
def test_a_hostile_checkpoint_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.pth"
    path.write_bytes(hostile_models.TORCH_FILES[name])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="to be a state dict of PyTorch"):
            read_state_dict(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
    assert not (tmp_path / hostile_models.MARK).exists()


def test_a_small_checkpoint_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.pth"
    content = hostile_models.tensor(4, (2, 2), (2, 1))
    path.write_bytes(hostile_models.checkpoint(content, ["0"], b"\x04" + bytes(7) + bytes(16)))
    assert read_state_dict(path)["w"].shape == (2, 2)
