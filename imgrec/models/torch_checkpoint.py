"""The tensors of a PyTorch checkpoint, read without PyTorch and without running code that the file names.

The format is PyTorch's legacy one (before 1.6): five pickles one after another, then the storages, each after its
length. The unpickler accepts four names and calls nothing of PyTorch's.
"""

import math
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MAGIC_NUMBER, PROTOCOL_VERSION = 0x1950A86A20F9469CFC6C, 1001

# The storages of a state dict of weights; batch normalization counts its batches in integers.
STORAGE_DTYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

_MALFORMED = (
    pickle.UnpicklingError,
    struct.error,
    EOFError,
    AttributeError,
    TypeError,
    LookupError,
    ValueError,
    OverflowError,
    RecursionError,
    MemoryError,  # a length that no file has
)


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the checkpoint at `path` by their names, in the order of the file.

    Raises:
        ValueError: The file is no state dict in the legacy format, or it was cut or changed.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _read(file)
        except _MALFORMED as error:
            raise ValueError(f"Expected {path.name} to be a state dict of PyTorch. Received: {error!r}.") from error


class _StateDictUnpickler(pickle.Unpickler):
    """An unpickler that makes of each tensor the tuple (key of its storage, offset, shape, strides)."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        # Nothing is returned that the file could change for others.
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *tensor: tensor[:4]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state dict")

    def persistent_load(self, pid: Any) -> str:
        kind, name, key, _, count, view = pid
        if kind != "storage" or name not in STORAGE_DTYPES or view is not None:
            raise pickle.UnpicklingError(f"{str(pid)[:200]} is not a storage")
        self.storages[key] = (name, count)
        return str(key)


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    magic_number, version, system = (_StateDictUnpickler(file).load() for _ in range(3))
    if (magic_number, version) != (MAGIC_NUMBER, PROTOCOL_VERSION) or not system["little_endian"]:
        raise pickle.UnpicklingError("another format")
    unpickler = _StateDictUnpickler(file)
    tensors = unpickler.load()
    storages: dict[str, np.ndarray] = {}
    size_bytes = os.fstat(file.fileno()).st_size
    for key in _StateDictUnpickler(file).load():
        kind, count = unpickler.storages[key]
        dtype = STORAGE_DTYPES[kind]
        (length,) = struct.unpack("<q", file.read(8))
        if not 0 <= count * dtype.itemsize <= size_bytes:
            raise pickle.UnpicklingError(f"storage {key} has not {count} numbers")
        data = file.read(count * dtype.itemsize)
        if length != count or len(data) != count * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} has not {count} numbers")
        storages[key] = np.frombuffer(data, dtype)
    if file.read(1):
        raise pickle.UnpicklingError("something after the last storage")
    return {name: _view(storages[key], *place) for name, (key, *place) in tensors.items()}


def _view(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """Return the contiguous array of a tensor, whose strides count numbers and need not be contiguous."""
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    # A stride of 0 would repeat a number without end.
    if min(0, offset, *shape, *strides) < 0 or max(last, math.prod(shape) - 1) >= storage.size:
        raise pickle.UnpicklingError("a tensor outside its storage")
    steps = [stride * storage.itemsize for stride in strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(storage[offset:], shape, steps))
