"""The worker process of an export: `python -m imgrec.export.export_worker`. `bundle` starts it.

Keras writes its own format with any backend, ONNX and LiteRT with TensorFlow.
"""

import os
import shutil
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgrec.errors import ConversionError, ImgrecError, StorageError
from imgrec.export.scripts import FORMATS
from imgrec.inference import child_process, conversion
from imgrec.models.catalog import spec_from_json
from imgrec.settings import MIB

if TYPE_CHECKING:
    import keras


def write(model: "keras.Model", format_name: str, path: Path) -> None:
    """Write `model` to `path`. Keras' writers and TensorFlow's converters may raise any exception."""
    if format_name == "keras":
        model.save(path)
        return
    import numpy as np

    # Keras' writers need a network that was called once.
    model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras patches tf2onnx for NumPy 2, which warns
        model.export(str(path), format=format_name, verbose=False)


def _work(request: dict[str, Any], tell: child_process.Tell) -> None:
    from imgrec.inference import keras_networks

    spec, folder = spec_from_json(request["spec"]), Path(request["folder"])
    is_light = os.environ["KERAS_BACKEND"] == "openvino"
    writing = "Keras' network"
    try:
        with conversion.keras_without_tensorflow() if is_light else nullcontext():
            model = keras_networks.load(spec, Path(request["weights_path"]))
            for name in request["formats"]:
                tell(format=name)
                writing = FORMATS[name].title
                write(model, name, folder / FORMATS[name].files[0])
        tell(done=True)
    except ImgrecError:
        raise
    except Exception as error:  # converters raise any exception for an unknown layer
        if shutil.disk_usage(folder).free < MIB:
            raise StorageError(f"Expected more room in {folder.parent}. Received: a full disk.") from error
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise ConversionError(f"Expected {spec.name} to be written as {writing}. Received: {first_line}") from error


if __name__ == "__main__":
    child_process.serve(_work)
