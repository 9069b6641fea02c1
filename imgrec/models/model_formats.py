"""The formats that a model of another origin may have, and what is checked of its file before any library reads it.

    Keras       <name>.keras, or <name>.h5 of the whole model
    SavedModel  the folder that TensorFlow writes, or a zip of it
    ONNX        <name>.onnx, and the files beside it that it names
    OpenVINO    <name>.xml, with <name>.bin beside it
    LiteRT      <name>.tflite

These checks read the container alone: which operations it names, and whether what it declares is there. They take a
second at most, no memory, and run in any process. A library in C++ sees the file afterwards, in a process of its own.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imgrec.errors import CorruptWeightsError, ImgrecError, InputError
from imgrec.files import is_there, sha256_of, storage_errors, typed_path
from imgrec.models import ir_file, litert_file, model_file, onnx_file, saved_model


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model's file that was checked.

    `format` is a key of `FORMATS`; `files` are all that belong to it, the one that was named first; `size_bytes` and
    `sha256` are those of all of them.
    """

    path: Path
    format: str
    files: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """The bytes of all files together."""
        with storage_errors(self.path):
            return sum(file.stat().st_size for file in self.files)

    def sha256(self) -> str:
        """Return the sha256 of the file; of several, that of their names and their own."""
        if len(self.files) == 1:
            return sha256_of(self.files[0])
        parts = (f"{file.name} {sha256_of(file)}\n" for file in self.files)
        return hashlib.sha256("".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Format:
    """The title of a format, the ends of its files' names, and its check, which returns all files that belong to it."""

    title: str
    suffixes: tuple[str, ...]
    check: Callable[[Path], list[Path]]


def _keras(path: Path) -> list[Path]:
    model_file.check(path)
    return [path]


def _onnx(path: Path) -> list[Path]:
    _, beside = onnx_file.check(path)
    return [path, *beside]


def _openvino(path: Path) -> list[Path]:
    ir_file.check(path)
    return [path, path.with_suffix(".bin")]


def _litert(path: Path) -> list[Path]:
    litert_file.check(path)
    return [path]


def _saved_model(path: Path) -> list[Path]:
    if path.is_dir():
        return saved_model.check(path)
    saved_model.check_zip(path)
    return [path]


FORMATS = {
    "keras": Format("Keras", (".keras", ".h5", ".hdf5"), _keras),
    "saved_model": Format("SavedModel", (".zip",), _saved_model),
    "onnx": Format("ONNX", (".onnx",), _onnx),
    "openvino": Format("OpenVINO", (".xml",), _openvino),
    "litert": Format("LiteRT", (".tflite",), _litert),
}

# Files that people have instead, and the way from there.
_OTHERS = {
    ".bin": "the arrays of an OpenVINO network; name the .xml beside it",
    ".pb": "a graph of TensorFlow; name the folder of its SavedModel",
    ".pth": "a file of PyTorch, which needs code to be read; torch.onnx.export writes it as ONNX",
    ".json": "a description without its weights; save the whole model",
    ".safetensors": "weights without a network; export the model as ONNX",
    ".task": "a bundle of MediaPipe; it is a zip with a .tflite in it",
}
_OTHERS |= {".pt": _OTHERS[".pth"], ".ckpt": _OTHERS[".pth"], ".weights": _OTHERS[".safetensors"]}


def check(name: str | Path) -> ModelFile:
    """Return the model at the path `name`, whose container is that of a network that only computes.

    Raises:
        InputError: There is nothing, or the name is that of no format.
        CorruptWeightsError: The file is not what its name says, or does more than a network of known operations.
        StorageError: It cannot be read.
    """
    path = typed_path(name)
    if not is_there(path):
        raise InputError(f"Expected a model's file. Received: {path}, which is not there.")
    key = find_format(path)
    with refusals(path, FORMATS[key].title):
        files = FORMATS[key].check(path)
    return ModelFile(path.resolve(), key, tuple(file.resolve() for file in files))


def find_format(path: Path) -> str:
    """Return the key of `FORMATS` that the name of `path` tells; raises `InputError` where it tells none."""
    if path.is_dir():
        return "saved_model"
    suffix = path.suffix.lower()
    found = next((key for key, format in FORMATS.items() if suffix in format.suffixes), None)
    if found is None:
        ends = ", ".join(end for format in FORMATS.values() for end in format.suffixes)
        received = f"{path.name}, {_OTHERS[suffix]}" if suffix in _OTHERS else path.name
        raise InputError(f"Expected a model's file ({ends}) or the folder of a SavedModel. Received: {received}.")
    return found


@contextmanager
def refusals(path: Path, title: str) -> Iterator[None]:
    """Turn the `ValueError` of a check, whose text is what was received, into a sentence about the file at `path`."""
    try:
        yield
    except ImgrecError:
        raise
    except (ValueError, RecursionError, OverflowError) as error:
        received = str(error).rstrip(".")[:400]
        raise CorruptWeightsError(f"Expected a model in the format {title} in {path}. Received: {received}.") from error
