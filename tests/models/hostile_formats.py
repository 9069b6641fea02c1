"""Model files of every other format than Keras' own, made to harm the process that opens them; each is small.

Each function gets an empty folder and returns what would be given to `imgrec add`. `CONTAINERS` are refused by their
containers, before any library sees them; `NETWORKS` by the process that reads them. `KERAS` are `.h5` files of whole
models, whose description is in HDF5.
"""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.models import hostile_models
from tests.models.small_network import FOLDER as GOOD

Make = Callable[[Path], Path]

SIDE, CLASSES = 16, 4


def network(
    folder: Path,
    nodes: list[onnx.NodeProto] | None = None,
    tensors: list[onnx.TensorProto] | None = None,
    *,
    shape: tuple[object, ...] = (1, 3, SIDE, SIDE),
    inputs: int = 1,
    kind: int = TensorProto.FLOAT,
    classes: int = CLASSES,
    output: str = "answer",
) -> onnx.ModelProto:
    """Return a network, channels first: `nodes` from "image" to "map", an average, a dense layer, no softmax."""
    random = np.random.default_rng(1)
    units = 1 if shape[1] == 1 else 3
    values = random.normal(0, 1, units * classes).tolist()
    dense = helper.make_tensor("dense", TensorProto.FLOAT, [units, classes], values)
    given = nodes if nodes is not None else [helper.make_node("Cast", ["image"], ["map"], to=TensorProto.FLOAT)]
    rest = [
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
        helper.make_node("MatMul", ["vector", "dense"], ["answer"]),
    ]
    ports = [helper.make_tensor_value_info(f"image{n or ''}", kind, shape) for n in range(inputs)]
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    graph = helper.make_graph([*given, *rest], "graph", ports, ends, [dense, *(tensors or [])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


def write(folder: Path, model: onnx.ModelProto, name: str = "hostile.onnx") -> Path:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def _outside(location: str, offset: int = 0) -> Make:
    """An array in another file."""

    def make(folder: Path) -> Path:
        tensor = TensorProto(name="outside", data_type=TensorProto.FLOAT, dims=[4])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", str(offset)), ("length", "16")):
            tensor.external_data.add(key=key, value=value)
        return write(folder, network(folder, tensors=[tensor]))

    return make


def _linked(folder: Path) -> Path:
    (folder / "weights.bin").symlink_to("/etc/passwd")
    return _outside("weights.bin")(folder)


def _declared(folder: Path) -> Path:
    tensor = TensorProto(name="large", data_type=TensorProto.FLOAT, dims=[2**20, 2**20], raw_data=bytes(16))
    return write(folder, network(folder, tensors=[tensor]))


def _texts(folder: Path) -> Path:
    tensor = TensorProto(name="texts", data_type=TensorProto.STRING, dims=[1], string_data=[b"/etc/passwd"])
    return write(folder, network(folder, tensors=[tensor]))


def _custom(folder: Path) -> Path:
    return write(folder, network(folder, [helper.make_node("Run", ["image"], ["map"], domain="org.example")]))


def _loop(folder: Path) -> Path:
    body = helper.make_graph([], "body", [], [])
    return write(folder, network(folder, [helper.make_node("Loop", ["", "", "image"], ["map"], body=body)]))


def _functions(folder: Path) -> Path:
    model = network(folder)
    node = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(
        helper.make_function("org.example", "Run", ["x"], ["y"], [node], [helper.make_opsetid("", 13)])
    )
    return write(folder, model)


def _nested(folder: Path) -> Path:
    """Graphs within graphs, written by hand: libraries refuse to write them."""
    data = b""
    for _ in range(3000):
        attribute = b"\x32" + _length(data) + data  # AttributeProto.g
        node = b"\x2a" + _length(attribute) + attribute  # NodeProto.attribute
        data = b"\x0a" + _length(node) + node  # GraphProto.node
    path = folder / "hostile.onnx"
    path.write_bytes(b"\x3a" + _length(data) + data)
    return path


def _length(data: bytes) -> bytes:
    count, written = len(data), b""
    while count > 0x7F:
        written += bytes([count & 0x7F | 0x80])
        count >>= 7
    return written + bytes([count])


def _cut(source: str, name: str) -> Make:
    def make(folder: Path) -> Path:
        data = (GOOD / source).read_bytes()
        (folder / name).write_bytes(data[: len(data) * 2 // 3])
        return folder / name

    return make


def _bytes(name: str, data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def _pipe(name: str) -> Make:
    def make(folder: Path) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    return make


# OpenVINO: text, with the arrays beside.
_LAYER = '<layer id="{id}" name="n{id}" type="{kind}" version="{version}">{data}<output><port id="0"/></output></layer>'


def _xml(layers: str, weights: bytes | None = bytes(64), start: str = '<?xml version="1.0"?>') -> Make:
    def make(folder: Path) -> Path:
        path = folder / "hostile.xml"
        path.write_text(f'{start}<net name="n" version="11"><layers>{layers}</layers><edges/></net>')
        if weights is not None:
            path.with_suffix(".bin").write_bytes(weights)
        return path

    return make


def _constant(shape: str, offset: object, size: object, kind: str = "f32") -> str:
    data = f'<data element_type="{kind}" shape="{shape}" offset="{offset}" size="{size}"/>'
    return _LAYER.format(id=0, kind="Const", version="opset1", data=data)


_ENTITIES = '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


# SavedModel: messages, written by hand, as TensorFlow would take seconds to be imported.
def message(*fields: tuple[int, bytes | int]) -> bytes:
    """Return a message of Protocol Buffers."""
    written = b""
    for number, value in fields:
        if isinstance(value, int):
            written += bytes([number << 3]) + _varint(value)
        else:
            written += bytes([number << 3 | 2]) + _length(value) + value
    return written


def _varint(value: int) -> bytes:
    written = b""
    while value > 0x7F:
        written += bytes([value & 0x7F | 0x80])
        value >>= 7
    return written + bytes([value])


def graph(*nodes: bytes, in_function: bool = False) -> bytes:
    """Return a SavedModel's graph."""
    function = message(*((3, node) for node in nodes))
    definition = message((2, message((1, function)))) if in_function else message(*((1, node) for node in nodes))
    return message((1, 1), (2, message((2, definition))))


def node(op: str, *attributes: bytes) -> bytes:
    """Return a node of a graph."""
    pairs = ((5, message((1, b"value"), (2, one))) for one in attributes)
    return message((1, b"node"), (2, op.encode()), *pairs)


def _splat() -> bytes:
    """Return a constant of 4 TB, all of whose numbers are one."""
    sides = b"".join(message((2, message((1, 2**20)))) for _ in range(2))
    return node("Const", message((8, message((1, 1), (2, sides), (5, struct.pack("<f", 1.0))))))


def _folder(data: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / "hostile").mkdir()
        (folder / "hostile" / "saved_model.pb").write_bytes(data)
        return folder / "hostile"

    return make


def _zip(*members: tuple[str, bytes], name: str = "hostile.zip") -> Make:
    def make(folder: Path) -> Path:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members:
                archive.writestr(member, data)
        return folder / name

    return make


def _linked_variables(folder: Path) -> Path:
    path = _folder(graph(node("Relu")))(folder)
    (path / "variables").mkdir()
    (path / "variables" / "variables.index").symlink_to("/etc/passwd")
    return path


# LiteRT: bytes of the good file, changed.
def _patched(old: bytes, new: bytes, *, last: bool = False) -> Make:
    def make(folder: Path) -> Path:
        data = (GOOD / "small.tflite").read_bytes()
        at = data.rfind(old) if last else data.find(old)
        assert at >= 0
        path = folder / "hostile.tflite"
        path.write_bytes(data[:at] + new + data[at + len(old) :])
        return path

    return make


def _operator(code: int) -> Make:
    """The last operator of the list is another one: the softmax, 25."""

    def make(folder: Path) -> Path:
        data = bytearray((GOOD / "small.tflite").read_bytes())
        places = [at for at in range(0, len(data) - 4, 4) if data[at : at + 4] == struct.pack("<i", 25)]
        old = [at for at in range(len(data)) if data[at] == 25]
        for at in places:
            data[at : at + 4] = struct.pack("<i", code)
        for at in old:
            data[at] = min(code, 127)
        (folder / "hostile.tflite").write_bytes(data)
        return folder / "hostile.tflite"

    return make


CONTAINERS: dict[str, Make] = {
    "onnx: an array above its folder": _outside("../secret.bin"),
    "onnx: an array anywhere": _outside("/etc/passwd"),
    "onnx: an array in a file that is a link": _linked,
    "onnx: an array that is not there": _outside("none.bin"),
    "onnx: 4 TB in 16 bytes": _declared,
    "onnx: texts": _texts,
    "onnx: operators of its own": _custom,
    "onnx: a loop": _loop,
    "onnx: functions of its own": _functions,
    "onnx: 3,000 levels": _nested,
    "onnx: cut": _cut("small.onnx", "hostile.onnx"),
    "onnx: a JPEG": _bytes("hostile.onnx", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20),
    "onnx: nothing": _bytes("hostile.onnx", b""),
    "onnx: a pipe": _pipe("hostile.onnx"),
    "openvino: an array beyond the file": _xml(_constant("4", 60, 16)),
    "openvino: an array larger than its bytes": _xml(_constant("1000000,1000000", 0, 16)),
    "openvino: an array of less than nothing": _xml(_constant("-4", 0, 16)),
    "openvino: an array before the file": _xml(_constant("4", -16, 16)),
    "openvino: an operation of an extension": _xml(_LAYER.format(id=0, kind="Run", version="extension", data="")),
    "openvino: a loop": _xml(_LAYER.format(id=0, kind="TensorIterator", version="opset1", data="")),
    "openvino: names that stand for billions": _xml(_constant("4", 0, 16), start=_ENTITIES),
    "openvino: without its arrays": _xml(_constant("4", 0, 16), None),
    "openvino: cut": _bytes("hostile.xml", b'<?xml version="1.0"?><net><layers><layer id="0'),
    "openvino: 10,000 levels": _xml("<a>" * 10_000 + "</a>" * 10_000),
    "openvino: a web page": _xml("", start="<!doctype html><html>"),
    "saved_model: Python": _folder(graph(node("EagerPyFunc"))),
    "saved_model: a file read by a function": _folder(graph(node("ReadFile"), in_function=True)),
    "saved_model: a file written": _folder(graph(node("WriteFile"))),
    "saved_model: a dataset": _folder(graph(node("TFRecordDatasetV2"))),
    "saved_model: 4 TB of one number": _folder(graph(_splat())),
    "saved_model: a link": _linked_variables,
    "saved_model: half a message": _folder(graph(node("Relu"))[:-3]),
    "saved_model: a JPEG": _folder(b"\xff\xd8\xff\xe0" + bytes(range(256))),
    "saved_model: an empty folder": lambda folder: folder,
    "saved_model: a zip for the folder above": _zip(("../saved_model.pb", b""), ("saved_model.pb", b"")),
    "saved_model: a zip of 60 MB of nothing": _zip(("saved_model.pb", bytes(60_000_000))),
    "saved_model: a zip of other files": _zip(("readme.txt", b"hello")),
    "saved_model: a zip that is none": _bytes("hostile.zip", b"PK\x03\x04" + bytes(100)),
    "litert: cut": _cut("small.tflite", "hostile.tflite"),
    "litert: another format": _patched(b"TFL3", b"TFL9"),
    "litert: a custom operator": _operator(32),
    "litert: a loop": _operator(119),
    "litert: an offset beyond its end": lambda folder: _bytes(
        "hostile.tflite", b"\xff\xff\xff\x7f" + (GOOD / "small.tflite").read_bytes()[4:]
    )(folder),
    "litert: a table in itself": _bytes("hostile.tflite", struct.pack("<I", 8) + b"TFL3" + struct.pack("<i", 0) * 4),
    "litert: nothing": _bytes("hostile.tflite", b""),
    "another format": _bytes("model.pt", b"PK\x03\x04"),
}


def _repeated(*counts: int) -> Make:
    """A map, repeated."""

    def make(folder: Path) -> Path:
        repeats = helper.make_tensor("repeats", TensorProto.INT64, [4], counts)
        return write(folder, network(folder, [helper.make_node("Tile", ["image", "repeats"], ["map"])], [repeats]))

    return make


def _filled(side: int) -> Make:
    """A constant that the graph makes: folded, it takes so many bytes."""

    def make(folder: Path) -> Path:
        shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 3, side, side])
        value = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
        nodes = [
            helper.make_node("ConstantOfShape", ["shape"], ["large"], value=value),
            helper.make_node("GlobalAveragePool", ["large"], ["one"]),
            helper.make_node("Add", ["image", "one"], ["map"]),
        ]
        return write(folder, network(folder, nodes, [shape]))

    return make


def _with(**values: object) -> Make:
    return lambda folder: write(folder, network(folder, **values))  # type: ignore[arg-type]


def _not_numbers(folder: Path) -> Path:
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [1], [float("nan")])
    return write(folder, network(folder, [helper.make_node("Mul", ["image", "factor"], ["map"])], [factor]))


def _always_the_same(folder: Path) -> Path:
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [1], [0.0])
    return write(folder, network(folder, [helper.make_node("Mul", ["image", "factor"], ["map"])], [factor]))


def _sigmoid(folder: Path) -> Path:
    model = network(folder, output="share")
    model.graph.node.append(helper.make_node("Sigmoid", ["answer"], ["share"]))
    return write(folder, model)


def _unknown_operator(folder: Path) -> Path:
    return write(folder, network(folder, [helper.make_node("NoSuchOperator", ["image"], ["map"])]))


NETWORKS: dict[str, Make] = {
    "onnx: a map of 800 GB": _repeated(1, 1, 32768, 32768),
    "onnx: a map of 2 GB": _repeated(1, 1, 900, 900),
    "onnx: a constant of 12 GB": _filled(32768),
    "onnx: an image of 8,192 px": _with(shape=(1, 3, 8192, 8192)),
    "onnx: a gray image": _with(shape=(1, 1, SIDE, SIDE)),
    "onnx: a table": _with(shape=(1, 3)),
    "onnx: an image of any size": _with(shape=("n", 3, "height", "width")),
    "onnx: two images": _with(inputs=2),
    "onnx: an image of int64": _with(kind=TensorProto.INT64),
    "onnx: weights that are no numbers": _not_numbers,
    "onnx: always the same answer": _always_the_same,
    "onnx: classes of which several may be right": _sigmoid,
    "onnx: one class": _with(classes=1),
    "onnx: an operator that there is none of": _unknown_operator,
    "saved_model: an operation that there is none of": _folder(graph(node("NoSuchOperation"))),
    "openvino: layers without edges": _xml(_constant("4", 0, 16)),
}


def h5(path: Path, config: object, fill: Callable[[h5py.File], None] | None = None) -> Path:
    """Write a whole model as Keras' older format."""
    file = io.BytesIO()
    with h5py.File(file, "w") as opened:
        opened.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        opened.create_group("model_weights")
        if fill is not None:
            fill(opened)
    path.write_bytes(file.getvalue())
    return path


def _link(opened: h5py.File) -> None:
    opened["model_weights/dense"] = h5py.ExternalLink("/etc/passwd", "/secret")


def _h5(config: object, fill: Callable[[h5py.File], None] | None = None) -> Make:
    return lambda folder: h5(folder / "hostile.h5", config, fill)


def _old_layer(name: str, **values: object) -> dict[str, object]:
    """Return a network with one layer, as Keras 2 described it."""
    rows = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 32, 32, 3], "name": "input"}},
        {"class_name": name, "config": {"name": "layer", **values}},
    ]
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": rows}}


KERAS: dict[str, Make] = {
    "h5: weights alone": lambda folder: _bytes("hostile.h5", hostile_models.arrays())(folder),
    "h5: a Lambda layer": _h5(_old_layer("Lambda", function=["4wEAAAA=", None, None])),
    "h5: a Lambda within an argument": _h5(_old_layer("Dense", units={"class_name": "__lambda__", "config": {}})),
    "h5: a layer that loads a SavedModel": _h5(_old_layer("TFSMLayer", filepath="saved")),
    "h5: a class of Python": _h5(hostile_models.config({"module": "subprocess", "class_name": "Popen", "config": {}})),
    "h5: a link to another file": _h5(_old_layer("Flatten"), _link),
    "h5: no JSON": _h5("{"),
    "h5: cut": _cut("small.h5", "hostile.h5"),
}
