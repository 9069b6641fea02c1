"""The worker process that reads models of another origin: `python -m imgrec.inference.import_worker`.

`own_model` starts it. A file of a stranger is read here and nowhere else: the process has limits on memory, processor
time and what it writes, and ends with its sentence or without one. It never has TensorFlow.

    examine   a model's file → `network.xml` in float32, and what it takes and gives
    predict   that network and images → the probabilities with each preprocessing
    reverse   that network, for images whose channels are in the other order
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgrec.errors import ConversionError
from imgrec.inference import child_process, conversion
from imgrec.models import model_formats, saved_model
from imgrec.settings import MIB

if TYPE_CHECKING:
    import openvino

# Of the network as OpenVINO writes it, beside its file.
NETWORK = "network.xml"

# What a worker may write: the network as Keras exports it, unpacked, and standardized.
WRITTEN_COPIES = 3
WRITTEN_BYTES = 64 * MIB


def _work(request: dict[str, Any], tell: child_process.Tell) -> None:
    size_bytes = int(request["size_bytes"])
    written_bytes = WRITTEN_COPIES * max(size_bytes, WRITTEN_BYTES)
    # Predicting takes as long as there are images; by then the network has run, and is no larger than it may be.
    conversion.limit_for(size_bytes, has_description=request["task"] != "predict", written_bytes=written_bytes)
    try:
        TASKS[request["task"]](request, tell)
    except MemoryError as error:
        raise ConversionError(
            "Expected a network that fits the memory for its file. Received: a larger one."
        ) from error


def _examine(request: dict[str, Any], tell: child_process.Tell) -> None:
    path, folder, size_bytes = Path(request["path"]), Path(request["folder"]), int(request["size_bytes"])
    tell(stage="reading")
    # Again, as the file may have changed, and this process is the one that reads it.
    found = model_formats.check(path)
    if found.format == "keras":
        path = _export_keras(path, folder)
    elif path.suffix.lower() == ".zip":
        with model_formats.refusals(path, "SavedModel"):
            path = saved_model.unpack(path, folder)
            saved_model.check(path)
    from imgrec.inference import foreign_network, network_graph, openvino_engine

    size = request["input_size"]
    model, interface = foreign_network.standardize(
        foreign_network.read(path), None if size is None else (int(size[0]), int(size[1])), size_bytes
    )
    tell(stage="trying")
    trial = foreign_network.try_out(model, interface.input_type)
    model = foreign_network.finish(model, trial.outputs)
    openvino_engine.runtime().save_model(model, folder / NETWORK, compress_to_fp16=False)
    tell(
        **asdict(interface),
        **asdict(trial),
        parameters=foreign_network.count_parameters(model),
        has_feature_map=network_graph.find_parts(model, with_weights=False) is not None,
    )


def _export_keras(path: Path, folder: Path) -> Path:
    """Return the graph that Keras writes of the model at `path`, for OpenVINO."""
    with conversion.keras_without_tensorflow():
        from imgrec.inference import keras_networks

        model = keras_networks.load_whole(path)
        exported = folder / "exported.xml"
        try:
            model.export(str(exported), format="openvino", verbose=False)
        except Exception as error:  # for a layer that Keras' OpenVINO backend does not have
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConversionError(
                f"Expected layers that OpenVINO has in {path}. Received: {first_line[:300]}"
            ) from error
    return exported


def _predict(request: dict[str, Any], tell: child_process.Tell) -> None:
    """Write `probabilities.npy`, float32 (modes, images, classes), of the uint8 images in `images.npy`."""
    from imgrec.images.preprocessing import normalize
    from imgrec.inference import foreign_network

    folder = Path(request["folder"])
    images = np.load(folder / "images.npy", mmap_mode="r")
    compiled = foreign_network.compile_exactly(foreign_network.read(folder / NETWORK)).create_infer_request()
    rows: list[np.ndarray] = []
    for number, (mode, is_reversed) in enumerate(request["trials"]):
        for image in images:
            values = normalize(np.asarray(image), mode)
            compiled.infer([np.ascontiguousarray(values[..., ::-1] if is_reversed else values)[np.newaxis]])
            rows.append(np.array(compiled.get_output_tensor(0).data[0]))
        tell(tried=number + 1)
    found = np.array(rows, np.float32).reshape(len(request["trials"]), len(images), -1)
    np.save(folder / "probabilities.npy", found)
    tell(done=True)


def _reverse(request: dict[str, Any], tell: child_process.Tell) -> None:
    from imgrec.inference import foreign_network, openvino_engine

    folder = Path(request["folder"])
    model: openvino.Model = foreign_network.reverse_channels(foreign_network.read(folder / NETWORK))
    openvino_engine.runtime().save_model(model, folder / "reversed.xml", compress_to_fp16=False)
    tell(done=True)


TASKS: dict[str, Callable[[dict[str, Any], child_process.Tell], None]] = {
    "examine": _examine,
    "predict": _predict,
    "reverse": _reverse,
}

if __name__ == "__main__":
    child_process.serve(_work)
