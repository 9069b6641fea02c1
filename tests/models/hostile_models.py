"""Model files made to harm whoever opens them; each is made in milliseconds and is small."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from imgrec.models.torch_checkpoint import MAGIC_NUMBER, PROTOCOL_VERSION

# What a file that runs code would make.
MARK = "code_was_run"

CLASSES = 10
SIDE = 32


def config(
    *layers: dict[str, Any], units: int = CLASSES, side: int = SIDE, activation: Any = "softmax"
) -> dict[str, Any]:
    """Return the description of a network: an input, `layers`, and one dense layer on all values."""
    rows = [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {"batch_shape": [None, side, side, 3], "name": "input"},
        },
        *layers,
        {"module": "keras.layers", "class_name": "Flatten", "config": {"name": "flatten"}},
        {
            "module": "keras.layers",
            "class_name": "Dense",
            "config": {"name": "dense", "units": units, "activation": activation},
        },
    ]
    rows = [{"registered_name": None, **row} for row in rows]
    return {
        "module": "keras.models",
        "class_name": "Sequential",
        "config": {"name": "sequential", "trainable": True, "layers": rows, "build_input_shape": [None, side, side, 3]},
        "registered_name": None,
        "build_config": {"input_shape": [None, side, side, 3]},
    }


def layer(name: str, module: str = "keras.layers", **values: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {"name": name.lower(), **values}}


def arrays(
    fill: Callable[[h5py.File], None] | None = None, value: float = 0.001, inputs: int = SIDE * SIDE * 3
) -> bytes:
    """Return the weights of `config()` as HDF5, changed by `fill`."""
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        variables = opened.create_group("layers/dense/vars")
        variables["0"] = np.full((inputs, CLASSES), value, np.float32)
        variables["1"] = np.zeros(CLASSES, np.float32)
        for name in ("flatten", "input_layer"):
            opened.create_group(f"layers/{name}/vars")
        if fill is not None:
            fill(opened)
    return file.getvalue()


def write(path: Path, described: Any, weights: bytes | None = None, more: dict[str, bytes] | None = None) -> Path:
    """Write a `.keras` file."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0", "date_saved": "2026-01-01@00:00:00"}')
        archive.writestr("config.json", described if isinstance(described, str) else json.dumps(described))
        archive.writestr("model.weights.h5", arrays() if weights is None else weights)
        for name, content in (more or {}).items():
            archive.writestr(name, content)
    return path


def good(path: Path) -> Path:
    """Write the network that all others are made from: it is accepted."""
    return write(path, config())


def lambda_layer(path: Path) -> Path:
    """A Lambda layer, whose code is in the description."""
    return write(path, config(layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEAAAA="}})))


def function(path: Path) -> Path:
    """`os.system` as an activation."""
    what = {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}
    return write(path, config(activation=what))


def foreign_class(path: Path) -> Path:
    """A class of Python that starts a process."""
    return write(path, config({"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", MARK]}}))


def downloading_function(path: Path) -> Path:
    """Keras' own function that fetches a file."""
    what = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
    return write(path, config(layer("Activation", activation=what)))


def saved_model(path: Path) -> Path:
    """A layer that loads TensorFlow's graph from a folder."""
    return write(path, config(layer("TFSMLayer", filepath=str(path.parent), call_endpoint="serve")))


def vocabulary(path: Path) -> Path:
    """A layer that reads any file as its vocabulary."""
    return write(path, config(layer("StringLookup", vocabulary="/etc/passwd")))


def traversal(path: Path) -> Path:
    """An archive with a file for the folder above."""
    return write(path, config(), more={f"../../{MARK}": b"here"})


def twice(path: Path) -> Path:
    """An archive with two descriptions, for readers that take the first or the last."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return write(path, config(), more={"config.json": json.dumps(config(layer("Lambda"))).encode()})


def zip_bomb(path: Path) -> Path:
    """A description of a GiB of spaces, compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("config.json", "w") as file:
            for _ in range(64):
                file.write(b" " * 2**20)
        archive.writestr("model.weights.h5", arrays())
    return path


def declared(path: Path) -> Path:
    """20 kB that declare 4 GiB: an array that was never written."""

    def fill(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", (2**20, 2**10), "f4", chunks=(2**10, 2**10), fillvalue=1.0)

    return write(path, config(), arrays(fill))


def shape_bomb(path: Path) -> Path:
    """A dense layer that needs 12 TB, and no weights."""
    return write(path, config(units=10**9))


def wide(path: Path) -> Path:
    """Two dense layers of 40 GB, each of whose sizes looks harmless."""
    return write(path, config(layer("Flatten"), layer("Dense", units=100_000), units=100_000))


def upsampling(path: Path) -> Path:
    """No weights to speak of, and an activation of 800 GB."""
    blow_up = layer("UpSampling2D", size=[8192, 8192])
    return write(path, config(blow_up, layer("GlobalAveragePooling2D")), arrays(inputs=3))


def huge_config(path: Path) -> Path:
    """A description of 20 MB."""
    return write(path, json.dumps(config()) + " " * 20_000_000)


def many_layers(path: Path) -> Path:
    """50,000 layers."""
    rows = [layer("Activation", activation="relu") | {"build_config": {}} for _ in range(50_000)]
    return write(path, config(*rows))


def deep_config(path: Path) -> Path:
    """A description with 100,000 levels."""
    return write(path, '{"a":' * 100_000 + "1" + "}" * 100_000)


def external_link(path: Path) -> Path:
    """A link to another HDF5 file."""

    def fill(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(path.with_name("other.h5")), "/secret")

    return write(path, config(), arrays(fill))


def external_storage(path: Path) -> Path:
    """An array whose bytes are those of a file of the machine."""

    def fill(file: h5py.File) -> None:
        del file["layers/dense/vars/1"]
        file.create_dataset("layers/dense/vars/1", (CLASSES,), "f4", external=[("/etc/passwd", 0, 4 * CLASSES)])

    return write(path, config(), arrays(fill))


def group_in_itself(path: Path) -> Path:
    """A group that holds itself."""

    def fill(file: h5py.File) -> None:
        file["layers/again"] = file["layers"]
        file["layers/more"] = h5py.SoftLink("/layers")

    return write(path, config(), arrays(fill))


def not_numbers(path: Path) -> Path:
    """Weights that are NaN."""
    return write(path, config(), arrays(value=float("nan")))


def overflow(path: Path) -> Path:
    """Weights that are numbers, and outputs that are none."""
    return write(path, config(layer("Rescaling", scale=3e38, offset=3e38), activation="linear"), arrays(value=3e38))


def truncated(path: Path) -> Path:
    """The first half of a file."""
    data = good(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def truncated_arrays(path: Path) -> Path:
    """A whole archive with half of the arrays."""
    data = arrays()
    return write(path, config(), data[: len(data) // 2])


def other_input(path: Path) -> Path:
    """A network for other images than its card says."""
    return write(path, config(layer("GlobalAveragePooling2D"), side=8192), arrays(inputs=3))


def photograph(path: Path) -> Path:
    """A JPEG with the name of a model."""
    path.write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(5000))
    return path


def nothing(path: Path) -> Path:
    """An empty file."""
    path.write_bytes(b"")
    return path


def folder(path: Path) -> Path:
    """A folder with the name of a model."""
    path.mkdir()
    return path


def pipe(path: Path) -> Path:
    """A pipe, which waits for a writer."""
    os.mkfifo(path)
    return path


KERAS_FILES = (
    lambda_layer,
    function,
    foreign_class,
    downloading_function,
    saved_model,
    vocabulary,
    traversal,
    twice,
    zip_bomb,
    declared,
    shape_bomb,
    wide,
    upsampling,
    huge_config,
    many_layers,
    deep_config,
    external_link,
    external_storage,
    group_in_itself,
    not_numbers,
    overflow,
    truncated,
    truncated_arrays,
    other_input,
    photograph,
    nothing,
    folder,
    pipe,
)


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARK}",)


def checkpoint(tensors: bytes, keys: list[str], data: bytes = b"") -> bytes:
    """Return a PyTorch file of the legacy format around the pickle `tensors`."""
    system = {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (MAGIC_NUMBER, PROTOCOL_VERSION, system))
    return head + tensors + pickle.dumps(keys, 2) + data


def tensor(count: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Return the pickle of one tensor, written by hand because PyTorch is not installed."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
    storage += pickle.dumps(count, 2)[2:-1] + b"NtQ"
    numbers = [pickle.dumps(value, 2)[2:-1] for value in (0, shape, strides)]
    one = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"".join(numbers) + b"tR"
    return b"\x80\x02}X\x01\x00\x00\x00w" + one + b"s."


TORCH_FILES = {
    "code": checkpoint(pickle.dumps({"w": _Code()}, 2), []),
    "code in the storages' keys": checkpoint(tensor(4, (4,), (1,)), [_Code()]),  # type: ignore[list-item]
    "a storage of a terabyte": checkpoint(tensor(2**38, (4,), (1,)), ["0"], struct.pack("<q", 2**38) + bytes(16)),
    "a storage of less than nothing": checkpoint(tensor(-4, (4,), (1,)), ["0"], struct.pack("<q", -4) + bytes(16)),
    "a tensor of a terabyte that repeats one number": checkpoint(
        tensor(4, (2**38,), (0,)), ["0"], struct.pack("<q", 4) + bytes(16)
    ),
    "a text of an exabyte": b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",
    "100,000 levels": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a zip": b"PK\x03\x04" + bytes(100),
    "cut": checkpoint(tensor(4, (4,), (1,)), ["0"], struct.pack("<q", 4) + bytes(7)),
}
