"""Checkpoints of PyTorch: read as data, refused when they are anything else. PyTorch itself is not needed."""

import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from imgrec.models.torch_checkpoint import MAGIC_NUMBER, PROTOCOL_VERSION, read_state_dict

WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
COUNT = np.array([7], dtype=np.int64)


class Storage:
    def __init__(self, key: str, numbers: np.ndarray) -> None:
        self.key, self.numbers = key, numbers


class Tensor:
    """Pickles as a tensor of PyTorch does: a view of a storage."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.place = (storage, offset, shape, strides)

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (*self.place, False, OrderedDict())


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules with the names that such a file refers to, so that pickle can write them."""
    modules: dict[str, ModuleType] = {name: ModuleType(name) for name in ("torch", "torch._utils")}
    for kind in ("FloatStorage", "LongStorage"):
        setattr(modules["torch"], kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_: object) -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def checkpoint(tensors: dict[str, Any], storages: list[Storage], magic_number: int = MAGIC_NUMBER) -> bytes:
    """Return the bytes that `torch.save` wrote before PyTorch 1.6."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> Any:
            if isinstance(thing, Storage):
                kind = "FloatStorage" if thing.numbers.dtype == np.float32 else "LongStorage"
                return ("storage", getattr(sys.modules["torch"], kind), thing.key, "cpu", thing.numbers.size, None)
            return None

    file = io.BytesIO()
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {}}
    for part in (magic_number, PROTOCOL_VERSION, system):
        pickle.dump(part, file, protocol=2)
    Pickler(file, protocol=2).dump(OrderedDict(tensors))
    pickle.dump([storage.key for storage in storages], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", storage.numbers.size) + storage.numbers.tobytes())
    return file.getvalue()


def good() -> bytes:
    weight, count = Storage("0", WEIGHT.reshape(-1)), Storage("1", COUNT)
    return checkpoint(
        {"weight": Tensor(weight, 0, (2, 3, 4), (12, 4, 1)), "count": Tensor(count, 0, (1,), (1,))}, [weight, count]
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pth"


def test_arrays_by_name(path: Path) -> None:
    path.write_bytes(good())
    state = read_state_dict(path)
    assert list(state) == ["weight", "count"]
    np.testing.assert_array_equal(state["weight"], WEIGHT)
    np.testing.assert_array_equal(state["count"], COUNT)


def test_a_transposed_view_becomes_contiguous(path: Path) -> None:
    storage = Storage("0", WEIGHT.reshape(-1))
    path.write_bytes(checkpoint({"part": Tensor(storage, 12, (4, 3), (1, 4))}, [storage]))
    part = read_state_dict(path)["part"]
    np.testing.assert_array_equal(part, WEIGHT[1].T)
    assert part.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param((1, (2, 3, 4), (12, 4, 1)), id="one number too far"),
        pytest.param((-1, (2,), (1,)), id="before the start"),
        pytest.param((23, (2,), (-1,)), id="backwards"),
        pytest.param((0, (10**9,), (10**9,)), id="very far"),
    ],
)
def test_a_tensor_outside_its_storage(path: Path, place: tuple[Any, ...]) -> None:
    storage = Storage("0", WEIGHT.reshape(-1))
    path.write_bytes(checkpoint({"weight": Tensor(storage, *place)}, [storage]))
    with pytest.raises(ValueError, match="a tensor outside its storage"):
        read_state_dict(path)


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("attacked",)


def test_nothing_in_the_file_is_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path.write_bytes(checkpoint({"weight": Attack()}, []))
    with pytest.raises(ValueError, match=r"mkdir is not part of a state dict"):
        read_state_dict(path)
    assert not (tmp_path / "attacked").exists()


def test_every_cut_is_found(path: Path) -> None:
    whole = good()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"model\.pth to be a state dict"):
            read_state_dict(path)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"PK\x03\x04" + bytes(60), id="the newer format, a zip"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(60), id="HDF5"),
    ],
)
def test_another_format(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.pth to be a state dict"):
        read_state_dict(path)


def test_another_magic_number_and_something_after_the_end(path: Path) -> None:
    path.write_bytes(checkpoint({}, [], magic_number=1))
    with pytest.raises(ValueError, match="another format"):
        read_state_dict(path)
    path.write_bytes(good() + b"x")
    with pytest.raises(ValueError, match="something after the last storage"):
        read_state_dict(path)
