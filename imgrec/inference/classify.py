"""A image and some models → one prediction after another; and the pool of engines, wired to the machinery."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgrec.errors import EngineError, ImgrecError, WeightsError
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import frame
from imgrec.inference import conversion
from imgrec.inference.engine import Engine
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Prediction
from imgrec.settings import MIB, Settings

# What a compiled network holds besides its weights, until it has been measured: machine code, and what its layers
# hand on to each other, which grows with the image. Fits all but the NASNets of the catalog within a fifth, and
# errs on the high side for small ones (bench/README.md).
OVERHEAD_BYTES = 16 * MIB
OVERHEAD_BYTES_PER_PIXEL = 700


@dataclass(frozen=True, slots=True)
class FailedModel:
    """A model that could not look at the image, with what was raised; its sentence is `str(error)`."""

    model: str
    error: ImgrecError


def classify(
    image: DecodedImage, specs: Iterable[ModelSpec], pool: EnginePool, framing: str = "crop"
) -> Iterator[Prediction | FailedModel]:
    """What each of `specs` says about `image`, each as soon as it is there: loaded models first, then cheap ones.

    One model after another, each with all cores. A model that fails gives a `FailedModel`, and the others go on.
    `framing` is a key of `preprocessing.FRAMINGS`; raises `UnknownNameError` on another.
    """
    loaded = {row.name for row in pool.loaded()}
    inputs: dict[tuple[tuple[int, int], float], np.ndarray] = {}
    for spec in sorted(specs, key=lambda spec: (spec.name not in loaded, _cost(spec))):
        seen_as = (spec.input_size, spec.crop_fraction)
        if seen_as not in inputs:
            inputs[seen_as] = frame(image, *seen_as, framing)[np.newaxis]
        try:
            probabilities, milliseconds = pool.predict(spec, inputs[seen_as])
            yield Prediction(spec.name, spec.get_label_space(), probabilities[0], milliseconds, title=spec.title)
        except ImgrecError as error:
            yield FailedModel(spec.name, error)


def open_pool(settings: Settings, preparations: Preparations | None = None) -> EnginePool:
    """The pool that serves: weights are fetched and converted when a model is first asked for.

    `preparations` is to be the one that pages and progress bars look at, so that nothing is fetched twice.
    """
    preparations = preparations or Preparations(settings)

    def load(spec: ModelSpec) -> Engine:
        try:
            return _open_engine(spec, settings)
        except EngineError:
            # Intact, and yet OpenVINO refuses it: as after another processor or library. Once more, from scratch.
            conversion.discard(_compiled(spec, settings))
            preparations.ensure(spec)
            return _open_engine(spec, settings)

    return EnginePool(
        settings.memory_bytes,
        load=load,
        estimate=lambda spec: estimate_bytes(spec, settings),
        prepare=preparations.ensure,
    )


def estimate_bytes(spec: ModelSpec, settings: Settings) -> int:
    """Anonymous memory that `spec` takes when it is loaded: as measured when it was converted, or a guess."""
    measured = conversion.find_memory_bytes(spec, settings)
    if measured is not None:
        return measured
    height, width = spec.input_size
    return 4 * spec.parameters + OVERHEAD_BYTES + OVERHEAD_BYTES_PER_PIXEL * height * width


def _open_engine(spec: ModelSpec, settings: Settings) -> Engine:
    from imgrec.inference.openvino_engine import OpenVINOEngine  # not for who only looks at the catalog

    path = _compiled(spec, settings)
    manifest = conversion.read_manifest(path)
    if manifest is None:
        raise EngineError(f"Expected {spec.title} to be converted. Received: nothing at {path.parent}.")
    return OpenVINOEngine(path, manifest.memory_bytes)


def _compiled(spec: ModelSpec, settings: Settings) -> Path:
    digest = weights.sha256(spec, settings)
    if digest is None:
        raise WeightsError(f"Expected the weights of {spec.title} on this machine. Received: none.")
    return conversion.compiled_path(spec, digest, settings)


def _cost(spec: ModelSpec) -> int:
    """A stand-in for the arithmetic of an inference: parameters used at each pixel; right in order, not in size."""
    height, width = spec.input_size
    return spec.parameters * height * width
