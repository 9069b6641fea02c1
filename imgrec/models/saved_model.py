"""A SavedModel of TensorFlow, looked at before a library reads it.

    <folder>/                                   or a zip of it
    ├── saved_model.pb                          the graph
    └── variables/
        ├── variables.index
        └── variables.data-00000-of-00001       the arrays

OpenVINO reads the graph and never runs TensorFlow's code; an operation that starts Python or opens files is refused all
the same, by its name. The numbers of the fields are those of tensorflow/core/protobuf/saved_model.proto.
"""

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from imgrec.files import opened
from imgrec.models import protobuf_fields
from imgrec.models.model_file import FREE_BYTES, MAX_EXPANSION
from imgrec.models.protobuf_fields import MAX_DEPTH, Budget, message, numbers, text

GRAPH = "saved_model.pb"

# What is taken from a folder or a zip; all else in it, such as a README, is passed over.
_KNOWN = re.compile(r"saved_model\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})")

MAX_GRAPH_BYTES = 2**31  # a message of Protocol Buffers is never larger

# SavedModel, MetaGraphDef, GraphDef, FunctionDefLibrary
_META_GRAPHS, _GRAPH_DEF, _NODE, _LIBRARY, _FUNCTION, _FUNCTION_NODE = 2, 2, 1, 2, 1, 3
# NodeDef, AttrValue and its list
_OP, _ATTR, _ATTR_VALUE, _LIST, _TENSOR, _LIST_TENSOR = 2, 5, 2, 1, 8, 8
# TensorProto, TensorShapeProto
_DTYPE, _SHAPE, _DIM, _SIZE = 1, 2, 2, 1

# Bytes of a number by `DataType`; 7 are texts, such as the names of saved variables.
_BYTES = {
    1: 4,
    2: 8,
    3: 4,
    4: 1,
    5: 2,
    6: 1,
    8: 8,
    9: 8,
    10: 1,
    11: 1,
    12: 1,
    14: 2,
    17: 2,
    18: 16,
    19: 2,
    22: 4,
    23: 8,
}

# Operations that run Python, open files, talk to others, or load code. Saving and restoring are in every SavedModel
# (SaveV2, RestoreV2), and are no part of what is converted.
REFUSED = re.compile(
    r"\w*PyFunc\w*|ReadFile|WriteFile|MatchingFiles|\w*Reader\w*|\w*Dataset\w*|\w*Iterator\w*|\w*Table\w*|Rpc\w*|\w*Rpc"
    r"|DebugIdentity\w*|Print\w*|XlaLaunch|XlaHostCompute|_Send|_Recv|\w*Queue\w*|LoadLibrary\w*|\w*TensorRT\w*|TRTEngine\w*"
)


def check(path: Path) -> list[Path]:
    """Return the files of the SavedModel in the folder `path`, the graph first.

    Raises `ValueError`, whose text is what was received, on a folder that is none or holds links, and on a graph with
    an operation that does more than compute; `InputError` and `StorageError` as `files.opened`.
    """
    files = list(_files(path))
    if path / GRAPH not in files:
        raise ValueError(f"a folder without {GRAPH}")
    data = protobuf_fields.open_file(path / GRAPH)
    if len(data) > MAX_GRAPH_BYTES:
        raise ValueError(f"a {GRAPH} of {len(data):,} bytes")
    _Reader(max(FREE_BYTES, MAX_EXPANSION * len(data))).saved_model(data)
    return files


def check_zip(path: Path) -> None:
    """Raise as `check` unless the zip at `path` holds one SavedModel that unpacks to no more than it may."""
    with _opened_zip(path) as (archive, size_bytes):
        _wanted(archive, size_bytes)


def unpack(path: Path, folder: Path) -> Path:
    """Write what the zip at `path` holds of a SavedModel into `folder`, and return the SavedModel's folder.

    Raises `ValueError` as `check`, on a zip without one, with two, or that unpacks to far more than it is.
    """
    with _opened_zip(path) as (archive, size_bytes):
        wanted = _wanted(archive, size_bytes)
        folder = folder / "saved_model"
        (folder / "variables").mkdir(parents=True)
        # Written under the names of `_KNOWN` alone: what else a member may be called has no effect.
        for name, member in wanted.items():
            with archive.open(member) as source, (folder / name).open("wb") as target:
                left = member.file_size
                while block := source.read(min(2**20, left)):
                    target.write(block)
                    left -= len(block)
    return folder


@contextmanager
def _opened_zip(path: Path) -> Iterator[tuple[zipfile.ZipFile, int]]:
    """Yield the zip at `path` and its bytes."""
    with opened(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive, size_bytes
        # zipfile raises any of these on a damaged archive.
        except (zipfile.BadZipFile, NotImplementedError, KeyError, EOFError, RuntimeError, zlib.error) as error:
            raise ValueError(f"a damaged zip: {type(error).__name__}, {str(error)[:200]}") from error


def _wanted(archive: zipfile.ZipFile, size_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip that a SavedModel consists of, by their names in its folder."""
    names = archive.namelist()
    graphs = [name for name in names if PurePosixPath(name).name == GRAPH]
    if len(graphs) != 1:
        raise ValueError(f"a zip with {len(graphs)} files named {GRAPH}")
    root = graphs[0].removesuffix(GRAPH)
    members = [one for one in archive.infolist() if one.filename.startswith(root)]
    wanted = [(one.filename.removeprefix(root), one) for one in members]
    wanted = [(name, member) for name, member in wanted if _KNOWN.fullmatch(name)]
    if len(dict(wanted)) < len(wanted):
        raise ValueError("a zip with two files of one name")
    total = sum(member.file_size for _, member in wanted)
    if total > max(FREE_BYTES, MAX_EXPANSION * size_bytes):
        raise ValueError(f"a zip of {size_bytes:,} bytes that unpacks to {total:,}")
    return dict(wanted)


def _files(path: Path) -> Iterator[Path]:
    """Yield the files of the SavedModel in the folder `path`."""
    for folder in (path, path / "variables"):
        if folder != path and not folder.exists():
            continue
        if folder.is_symlink() and folder != path:
            raise ValueError("a folder of variables that is a link")
        for file in sorted(folder.iterdir()):
            if not _KNOWN.fullmatch(file.relative_to(path).as_posix()):
                continue
            if file.is_symlink() or not file.is_file():
                raise ValueError(f"{file.name}, which is a link or no plain file")
            yield file


class _Reader:
    def __init__(self, most_bytes: int) -> None:
        self._budget = Budget()
        self._most_bytes = self._left_bytes = most_bytes

    def saved_model(self, data: memoryview) -> None:
        graphs = [value for number, value in self._read(data) if number == _META_GRAPHS]
        if not graphs:
            raise ValueError("no graph of TensorFlow")
        for graph in graphs:
            for number, value in self._read(message(graph)):
                if number == _GRAPH_DEF:
                    self._graph(message(value))

    def _read(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        return protobuf_fields.read(data, self._budget)

    def _graph(self, data: memoryview) -> None:
        for number, value in self._read(data):
            if number == _NODE:
                self._node(message(value))
            elif number == _LIBRARY:
                for field, function in self._read(message(value)):
                    if field == _FUNCTION:
                        for inner, node in self._read(message(function)):
                            if inner == _FUNCTION_NODE:
                                self._node(message(node))

    def _node(self, data: memoryview) -> None:
        for number, value in self._read(data):
            if number == _OP and REFUSED.fullmatch(operation := text(value)):
                raise ValueError(f"the operation {operation[:100]}, which does more than compute")
            if number == _ATTR:
                for field, content in self._read(message(value)):
                    if field == _ATTR_VALUE:
                        self._attribute(message(content), 0)

    def _attribute(self, data: memoryview, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        for number, value in self._read(data):
            if number == _TENSOR:
                self._tensor(message(value))
            elif number == _LIST:
                for field, content in self._read(message(value)):
                    if field == _LIST_TENSOR and not isinstance(content, int):
                        self._tensor(content)

    def _tensor(self, data: memoryview) -> None:
        """Count an array: one number may stand for all of a large one."""
        kind, count = 0, 1
        for number, value in self._read(data):
            if number == _DTYPE and isinstance(value, int):
                kind = value
            elif number == _SHAPE:
                for field, dim in self._read(message(value)):
                    if field == _DIM:
                        for inner, size in self._read(message(dim)):
                            if inner == _SIZE:
                                count *= max(numbers(size)[0], 0)
        self._left_bytes -= count * _BYTES.get(kind, 1)
        if self._left_bytes < 0:
            raise ValueError(f"arrays of more than {self._most_bytes:,} bytes, which are not in the file")
