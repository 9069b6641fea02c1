"""A network of OpenVINO (IR), looked at before OpenVINO reads it: known operations, arrays that are in the file.

    <name>.xml     the layers, each constant with its place in the file beside
    <name>.bin     the arrays

Models that were added are kept so, both files in one zip that is not compressed: `pack` and `unpack`.
"""

import os
import re
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from imgrec.errors import CorruptWeightsError
from imgrec.files import opened, storage_errors
from imgrec.settings import MIB

XML, BIN = "model.xml", "model.bin"

# NASNetLarge, the largest network of Keras, has 6 MB.
MAX_XML_BYTES = 64 * MIB
MAX_LAYERS = 100_000

# OpenVINO's own operations; "extension" and "experimental" are code that is loaded.
_OPSET = re.compile(r"opset\d{1,2}")

# Loops and branches, state between two images, and what is different each time.
REFUSED = frozenset(
    {"Loop", "TensorIterator", "If", "ReadValue", "Assign", "RandomUniform", "Multinomial", "FrameworkNode"}
)

_BITS = {"boolean": 8, "string": 0, "bf16": 16, "f16": 16, "f32": 32, "f64": 64, "i4": 4, "u4": 4, "u1": 1, "u2": 2}
_BITS |= {f"{sign}{bits}": bits for sign in "iu" for bits in (8, 16, 32, 64)} | {"nf4": 4, "f8e4m3": 8, "f8e5m2": 8}


def check(xml: Path) -> int:
    """Return the bytes of the network whose layers are in `xml`, with its arrays beside.

    Raises `ValueError`, whose text is what was received, on a file that is none, or whose arrays are not there;
    `InputError` and `StorageError` as `files.opened`.
    """
    weights = xml.with_suffix(".bin")
    if not weights.is_file():
        raise ValueError(f"no {weights.name} beside it, which has the arrays")
    with opened(weights) as file:
        weights_bytes = os.fstat(file.fileno()).st_size
    with opened(xml) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > MAX_XML_BYTES:
            raise ValueError(f"{size_bytes:,} bytes of layers")
        _check_layers(file, weights_bytes)
    return size_bytes + weights_bytes


def pack(xml: Path, target: Path) -> None:
    """Write both files of a network into the zip `target`; equal networks make equal files."""
    with zipfile.ZipFile(target, "w") as archive:
        for source, name in ((xml, XML), (xml.with_suffix(".bin"), BIN)):
            member = zipfile.ZipInfo(name)  # of 1980: a date would change the file's hash
            member.file_size = source.stat().st_size
            with source.open("rb") as file, archive.open(member, "w", force_zip64=True) as packed:
                shutil.copyfileobj(file, packed, MIB)


def check_pack(path: Path) -> None:
    """Raise `CorruptWeightsError` unless the zip at `path` is one of `pack`."""
    with opened(path) as file, _pack_errors(path), zipfile.ZipFile(file) as archive:
        members = {member.filename: member for member in archive.infolist()}
        total = os.fstat(file.fileno()).st_size
        sizes = [member.file_size for member in members.values()]
        if set(members) != {XML, BIN} or len(archive.namelist()) != 2 or sum(sizes) > total:
            raise ValueError("another archive")
        if members[XML].file_size > MAX_XML_BYTES:
            raise ValueError(f"{members[XML].file_size:,} bytes of layers")
        with archive.open(XML) as layers:
            _check_layers(layers, members[BIN].file_size)


def unpack(path: Path, xml: Path) -> None:
    """Write the network that `pack` has put into `path` to `xml` and beside it; raises as `check_pack`."""
    check_pack(path)
    with storage_errors(xml), _pack_errors(path), zipfile.ZipFile(path) as archive:
        for name, target in ((XML, xml), (BIN, xml.with_suffix(".bin"))):
            with archive.open(name) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, MIB)


class _pack_errors:  # noqa: N801 (used like a function)
    """Turn what a damaged zip raises into a `CorruptWeightsError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        damaged = (zipfile.BadZipFile, NotImplementedError, KeyError, EOFError, RuntimeError, ValueError)
        if isinstance(error, damaged):
            raise CorruptWeightsError(
                f"Expected the network of an added model in {self._path}. "
                f"Received: {type(error).__name__}, {str(error)[:200]}."
            ) from error


def _check_layers(file: IO[bytes], weights_bytes: int) -> None:
    start = file.read(4096)
    file.seek(0)
    if b"<net" not in start:
        raise ValueError("no network of OpenVINO")
    try:
        _check_events(ElementTree.iterparse(_NoEntities(file), events=("start", "end")), weights_bytes)  # noqa: S314 (no definitions)
    except ElementTree.ParseError as error:
        raise ValueError(f"no XML: {error}") from error


class _NoEntities:
    """A file of XML without definitions, with which a few bytes can stand for billions or name other files."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._last = b""

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes of the file."""
        block = self._file.read(count)
        seen = self._last + block
        if b"<!DOCTYPE" in seen or b"<!ENTITY" in seen or b"\0" in block:
            raise ValueError("XML with definitions, or in another encoding than UTF-8")
        self._last = block[-10:]
        return block


def _check_events(events: "Iterable[tuple[str, ElementTree.Element]]", weights_bytes: int) -> None:
    layers = depth = 0
    kind = ""
    for event, element in events:
        if event == "end":
            depth -= 1
            if element.tag == "layer":
                element.clear()
            continue
        depth += 1
        if depth > 20:
            raise ValueError("XML with more than 20 levels")
        if element.tag == "layer":
            layers += 1
            kind = element.get("type", "")
            if layers > MAX_LAYERS:
                raise ValueError(f"more than {MAX_LAYERS:,} layers")
            if kind in REFUSED or not _OPSET.fullmatch(element.get("version", "")):
                raise ValueError(f"the operation {kind[:100]} of {element.get('version', 'no set')[:40]}")
        elif element.tag == "data" and kind == "Const":
            _check_constant(element, weights_bytes)
            kind = ""
    if not layers:
        raise ValueError("a network without layers")


def _check_constant(data: ElementTree.Element, weights_bytes: int) -> None:
    shown = data.get("shape", "")
    bits = _BITS.get(data.get("element_type", ""))
    count = 1
    for side in filter(None, (part.strip() for part in shown.split(","))):
        if not side.isdecimal() or len(side) > 12:
            raise ValueError(f"an array of the shape {shown[:100]!r}")
        count *= int(side)
    offset, size = (data.get(name, "") for name in ("offset", "size"))
    if bits is None or not (offset.isdecimal() and size.isdecimal()) or max(len(offset), len(size)) > 15:
        raise ValueError(f"an array of the type {data.get('element_type', '')[:40]!r} without its place")
    if bits and int(size) < (count * bits + 7) // 8:
        raise ValueError(f"an array of the shape {shown[:100]} in {int(size):,} bytes")
    if int(offset) + int(size) > weights_bytes:
        raise ValueError(f"an array up to byte {int(offset) + int(size):,} of {weights_bytes:,}")
