"""An ONNX file, looked at before a library reads it: known operations, arrays that are in the file or beside it.

The numbers of the fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from imgrec.models import protobuf_fields
from imgrec.models.protobuf_fields import MAX_DEPTH, Budget, message, numbers, text

# ModelProto
_GRAPH, _FUNCTIONS = 7, 25
# GraphProto
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
# NodeProto
_OPERATION, _ATTRIBUTE, _DOMAIN = 4, 5, 7
# AttributeProto
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
# TensorProto
_DIMS, _TYPE, _RAW, _EXTERNAL, _LOCATION = 1, 2, 9, 13, 14
# Where a tensor's numbers are when they are not raw, and the least bytes that one takes there.
_LISTS = {4: 4, 5: 1, 7: 1, 10: 8, 11: 1}
_KEY, _VALUE = 1, 2

# Operators of ONNX itself; any other domain is code of its own.
DOMAINS = ("", "ai.onnx")

# Bits of a number by `TensorProto.DataType`; 8 are texts.
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128}
_BITS |= {16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4}

# Loops and branches, and what is different each time.
REFUSED = frozenset(
    {"Loop", "Scan", "If", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}
)


def check(path: Path) -> tuple[int, list[Path]]:
    """Return the bytes of all arrays of the ONNX file at `path`, and the files beside it that hold some of them.

    Raises `ValueError`, whose text is what was received, on a file that is none, runs more than known operators, or
    has arrays elsewhere than in its folder; `InputError` and `StorageError` as `files.opened`.
    """
    return _Reader(path).model(protobuf_fields.open_file(path))


class _Reader:
    """What one file was found to hold so far."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._budget = Budget()
        self._total = 0
        self._beside: dict[Path, int] = {}

    def model(self, data: memoryview) -> tuple[int, list[Path]]:
        graphs = 0
        for number, value in self._read(data):
            if number == _FUNCTIONS:
                raise ValueError("functions of its own, which are not read")
            elif number == _GRAPH:
                graphs += 1
                self._graph(message(value), 0)
        if graphs != 1:
            raise ValueError("no graph of ONNX")
        return self._total, sorted(self._beside)

    def _read(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        return protobuf_fields.read(data, self._budget)

    def _graph(self, data: memoryview, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        for number, value in self._read(data):
            if number == _NODE:
                self._node(message(value), depth)
            elif number == _INITIALIZER:
                self._tensor(message(value))
            elif number == _SPARSE:
                raise ValueError("sparse arrays, which are not read")

    def _node(self, data: memoryview, depth: int) -> None:
        for number, value in self._read(data):
            if number == _OPERATION and (operation := text(value)) in REFUSED:
                raise ValueError(f"the operator {operation}, which no classifier of images needs")
            if number == _DOMAIN:
                _check_domain(text(value))
            elif number == _ATTRIBUTE:
                for field, content in self._read(message(value)):
                    if field in (_TENSOR, _TENSORS):
                        self._tensor(message(content))
                    elif field in (_SUBGRAPH, _SUBGRAPHS):
                        self._graph(message(content), depth + 1)
                    elif field in (_SPARSE_TENSOR, _SPARSE_TENSORS):
                        raise ValueError("sparse arrays, which are not read")

    def _tensor(self, data: memoryview) -> None:
        count, kind, stored, where = 1, 0, 0, {}
        is_list = is_outside = False
        for number, value in self._read(data):
            if number == _DIMS:
                for side in numbers(value):
                    count *= max(side, 0)
                    if not 0 <= side < 2**40:
                        raise ValueError(f"an array with a side of {side:,}")
            elif number == _TYPE and isinstance(value, int):
                kind = value
            elif number == _RAW:
                stored += len(message(value))
            elif number in _LISTS:
                is_list = True
                stored += _LISTS[number] if isinstance(value, int) else len(value)
            elif number == _EXTERNAL:
                pair = {field: text(content) for field, content in self._read(message(value))}
                where[pair.get(_KEY, "")] = pair.get(_VALUE, "")
            elif number == _LOCATION:
                is_outside = value == 1
        if kind not in _BITS:
            raise ValueError(
                f"an array of the type {kind}, which are no numbers" if kind else "an array without a type"
            )
        declared = (count * _BITS[kind] + 7) // 8
        self._total += declared
        if where or is_outside:
            self._check_outside(where, declared)
        elif stored < (count if is_list else declared):
            raise ValueError(f"an array of {declared:,} bytes, of which {stored:,} are there")

    def _check_outside(self, where: dict[str, str], declared: int) -> None:
        """Check that an array is in a plain file of the model's folder, all of it."""
        location = where.get("location", "")
        name = PurePosixPath(location.replace("\\", "/"))
        if not name.parts or name.is_absolute() or ".." in name.parts or ":" in location or "\0" in location:
            raise ValueError(f"an array in the file {location[:100]!r}, which is not in the model's folder")
        path = self._folder / name
        if path not in self._beside:
            folders = [path, *(self._folder / part for part in name.parents if part != PurePosixPath("."))]
            if any(one.is_symlink() for one in folders) or not path.is_file():
                raise ValueError(f"an array in the file {location[:100]!r}, which is not there, or a link")
            self._beside[path] = path.stat().st_size
        offset, length = (int(where.get(key) or default) for key, default in (("offset", 0), ("length", declared)))
        if offset < 0 or length != declared or offset + length > self._beside[path]:
            raise ValueError(f"an array of {declared:,} bytes that {location[:100]!r} does not have")


def _check_domain(domain: str) -> None:
    if domain not in DOMAINS:
        raise ValueError(f"operators of {domain[:100]!r}, not ONNX's own")
