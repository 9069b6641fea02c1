"""A LiteRT (TensorFlow Lite) file, looked at before a library reads it: LiteRT's own operators, arrays that are there.

The file is a FlatBuffer: tables that refer to each other by offsets. Each offset is compared with the file's end here.
Places of fields: https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs
"""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from imgrec.files import opened

IDENTIFIER = b"TFL3"

MAX_ROWS = 200_000  # of any vector of tables; the largest networks have some thousand tensors

# Places in the table of each kind, as FlatBuffers count them: 4 + 2 × the field's number.
_MODEL_CODES, _MODEL_GRAPHS, _MODEL_BUFFERS = 6, 8, 12
_CODE_OLD, _CODE_CUSTOM, _CODE = 4, 6, 10
_GRAPH_TENSORS, _GRAPH_OPERATORS = 4, 10
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER = 4, 6, 8
_OPERATOR_CODE = 4
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 4, 6, 8

_CUSTOM = 32
# Branches, loops, variables, tables of words, chance; no classifier of images needs them.
REFUSED = {31: "CALL", 51: "DELEGATE", 118: "IF", 119: "WHILE", 129: "CALL_ONCE", 136: "HASHTABLE", 142: "VAR_HANDLE"}
REFUSED |= {137: "HASHTABLE_FIND", 138: "HASHTABLE_IMPORT", 139: "HASHTABLE_SIZE", 143: "READ_VARIABLE"}
REFUSED |= {144: "ASSIGN_VARIABLE", 146: "RANDOM_STANDARD_NORMAL", 148: "RANDOM_UNIFORM", 149: "MULTINOMIAL"}

# Bits of a number by `TensorType`; the others are texts, resources and variants.
_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 8: 64, 9: 8, 10: 64, 11: 128, 12: 64, 15: 32, 16: 16, 17: 4}


def check(path: Path) -> int:
    """Return the bytes of all arrays in the LiteRT file at `path`.

    Raises `ValueError`, whose text is what was received, on a file that is none, is damaged, or runs more than
    LiteRT's own operators; `InputError` and `StorageError` as `files.opened`.
    """
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size < 8:
            raise ValueError("no LiteRT file: it is empty, or nearly so")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[4:8] != IDENTIFIER:
                raise ValueError(f"no LiteRT file: it has {data[4:8]!r} instead of {IDENTIFIER!r}")
            try:
                return _check_model(_Table(data, _follow(data, 0)), len(data))
            except struct.error as error:
                raise ValueError("a damaged file: a part of it is beyond its end") from error


class _Table:
    """A table at a position of the file, its fields by their places."""

    def __init__(self, data: mmap.mmap, at: int) -> None:
        self._data, self._at = data, at
        (distance,) = struct.unpack_from("<i", data, at)
        self._places = at - distance
        if self._places < 0:
            raise ValueError("a damaged file: a table without places")
        (self._length,) = struct.unpack_from("<H", data, self._places)

    def number(self, place: int, form: str, default: int = 0) -> int:
        """Return the number at a place; `form` is that of `struct`."""
        at = self._find(place)
        return default if at is None else int(struct.unpack_from(f"<{form}", self._data, at)[0])

    def vector(self, place: int) -> tuple[int, int]:
        """Return (position of the first, count) of the vector at a place."""
        at = self._find(place)
        if at is None:
            return 0, 0
        start = _follow(self._data, at)
        (count,) = struct.unpack_from("<I", self._data, start)
        return start + 4, count

    def tables(self, place: int) -> "Iterator[_Table]":
        """Yield the tables of the vector at a place."""
        start, count = self.vector(place)
        if count > MAX_ROWS:
            raise ValueError(f"more than {MAX_ROWS:,} parts of one kind")
        for at in range(start, start + 4 * count, 4):
            yield _Table(self._data, _follow(self._data, at))

    def numbers(self, place: int) -> tuple[int, ...]:
        """Return the vector of int32 at a place: a shape."""
        start, count = self.vector(place)
        if count > 16:
            raise ValueError(f"an array of {count:,} dimensions")
        return struct.unpack_from(f"<{count}i", self._data, start)

    def _find(self, place: int) -> int | None:
        if place + 2 > self._length:
            return None
        (offset,) = struct.unpack_from("<H", self._data, self._places + place)
        return self._at + offset if offset else None


def _follow(data: mmap.mmap, at: int) -> int:
    """Return the position that the offset at `at` leads to."""
    (offset,) = struct.unpack_from("<I", data, at)
    if not 0 < offset <= len(data) - at:
        raise ValueError("a damaged file: an offset beyond its end")
    return int(at + offset)


def _check_model(model: _Table, size_bytes: int) -> int:
    codes = [_check_code(code) for code in model.tables(_MODEL_CODES)]
    stored = [_stored_bytes(buffer, size_bytes) for buffer in model.tables(_MODEL_BUFFERS)]
    graphs = list(model.tables(_MODEL_GRAPHS))
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs; a classifier of images has one")
    if any(not 0 <= row.number(_OPERATOR_CODE, "I") < len(codes) for row in graphs[0].tables(_GRAPH_OPERATORS)):
        raise ValueError("a damaged file: an operator that it does not list")
    return sum(_check_tensor(tensor, stored) for tensor in graphs[0].tables(_GRAPH_TENSORS))


def _check_code(code: _Table) -> int:
    operator = max(code.number(_CODE_OLD, "b"), code.number(_CODE, "i"))
    if operator == _CUSTOM or code.vector(_CODE_CUSTOM)[1]:
        raise ValueError("a custom or Flex operator, which is code outside of LiteRT")
    if operator in REFUSED:
        raise ValueError(f"the operator {REFUSED[operator]}, which no classifier of images needs")
    return operator


def _stored_bytes(buffer: _Table, size_bytes: int) -> int:
    start, count = buffer.vector(_BUFFER_DATA)
    if (offset := buffer.number(_BUFFER_OFFSET, "Q")) > 1:  # of files above 2 GiB, whose arrays stand behind the rest
        start, count = offset, buffer.number(_BUFFER_SIZE, "Q")
    if start + count > size_bytes:
        raise ValueError("a damaged file: an array beyond its end")
    return count


def _check_tensor(tensor: _Table, stored: list[int]) -> int:
    """Return the bytes of a constant; 0 for what is computed."""
    kind, place = tensor.number(_TENSOR_TYPE, "b"), tensor.number(_TENSOR_BUFFER, "I")
    if kind not in _BITS:
        raise ValueError("texts, variables or resources among its arrays")
    if place >= len(stored):
        raise ValueError("a damaged file: an array that it does not list")
    count = 1
    for side in tensor.numbers(_TENSOR_SHAPE):
        count *= max(side, 1)  # below 1 is a side that may vary
    declared = (count * _BITS[kind] + 7) // 8
    if not stored[place]:
        return 0
    if declared > stored[place]:
        raise ValueError(f"an array of {declared:,} bytes, of which {stored[place]:,} are there")
    return declared
