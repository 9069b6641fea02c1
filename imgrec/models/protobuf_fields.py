"""The fields of a message of Protocol Buffers, read by their numbers, without a schema and without a library.

ONNX and TensorFlow write networks so. A file of a stranger is looked at before a library in C++ reads it: each length
is compared with the bytes that are there, and no more than `MAX_FIELDS` are read of one file.

The encoding: https://protobuf.dev/programming-guides/encoding/
"""

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgrec.files import opened

# Of a network of 500 MB saved by TensorFlow: 200,000.
MAX_FIELDS = 3_000_000

# Blocks within blocks: a function of a graph of a node of a function. Libraries stop at 100.
MAX_DEPTH = 60

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class Budget:
    """How many fields may still be read; shared by all messages of a file."""

    fields: int = MAX_FIELDS


def open_file(path: Path) -> memoryview:
    """Return the bytes of the file at `path`, mapped; raises `ValueError` on an empty one, and as `files.opened`."""
    with opened(path) as file:
        if not os.fstat(file.fileno()).st_size:
            raise ValueError("an empty file")
        # Not closed here: parts of it may be in use, also by an error that is under way.
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def read(data: memoryview, budget: Budget) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (number, value) of each field of a message: a number, or the bytes of a text, a message or a packed array.

    Raises `ValueError` on what is no message, and when the budget is used up.

    >>> [(number, value if isinstance(value, int) else bytes(value)) for number, value in
    ...  read(memoryview(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69])), Budget())]
    [(1, 150), (2, b'hi')]
    """
    at, end = 0, len(data)
    while at < end:
        budget.fields -= 1
        if budget.fields < 0:
            raise ValueError(f"more than {MAX_FIELDS:,} fields")
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field without a number")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field of the unknown kind {kind}")
        if length > end - at:
            raise ValueError(f"a field of {length:,} bytes where {end - at:,} are left")
        yield number, data[at : at + length]
        at += length


def count_numbers(value: int | memoryview) -> int:
    """Return how many numbers a field of a repeated integer has: one, or those of a packed array."""
    if isinstance(value, int):
        return 1
    return sum(byte < 0x80 for byte in value)


def numbers(value: int | memoryview) -> list[int]:
    """Return the numbers of a field of a repeated, signed integer; raises `ValueError` on half of one."""
    if isinstance(value, int):
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        one, at = _varint(value, at)
        found.append(_signed(one))
    return found


def text(value: int | memoryview) -> str:
    """Return a field's text; raises `ValueError` where it is none."""
    if isinstance(value, int):
        raise ValueError("a number where a text should be")
    return bytes(value).decode("utf-8")


def message(value: int | memoryview) -> memoryview:
    """Return a field's message, to be read; raises `ValueError` where it is none."""
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number at `at`, seven bits a byte, and the position after it."""
    result = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
    raise ValueError("half a number")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
