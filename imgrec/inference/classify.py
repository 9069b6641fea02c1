"""Classify an image with several models, and open the pool of engines that does it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from imgrec.errors import EngineError, ImgrecError, WeightsError
from imgrec.images.decoding import DecodedImage
from imgrec.images.preprocessing import frame
from imgrec.inference import conversion
from imgrec.inference.engine import Engine, Head
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.settings import MIB, Settings

# An estimate of what a compiled network holds besides its weights until it is measured: machine code, and the
# activations, which grow with the image. It fits all but the NASNets of the catalog within a fifth, and is too high
# rather than too low for small networks (bench/README.md).
OVERHEAD_BYTES = 16 * MIB
OVERHEAD_BYTES_PER_PIXEL = 700


def classify(
    image: DecodedImage, specs: Iterable[ModelSpec], pool: EnginePool, framing: str = "crop"
) -> Iterator[Prediction | Failure]:
    """Yield the outcome of each model as soon as it is there: loaded models first, then cheap ones.

    Models run one after another, each on all cores. The others go on where one fails. `framing` is a key of
    `preprocessing.FRAMINGS`; another one raises `UnknownNameError`.
    """
    loaded = {row.name for row in pool.loaded()}
    inputs: dict[tuple[tuple[int, int], float], np.ndarray] = {}

    def order(spec: ModelSpec) -> tuple[bool, int]:
        # In place of the arithmetic of an inference: right in order, not in size.
        return spec.name not in loaded, spec.parameters * spec.input_size[0] * spec.input_size[1]

    for spec in sorted(specs, key=order):
        shape = (spec.input_size, spec.crop_fraction)
        if shape not in inputs:
            inputs[shape] = frame(image, *shape, framing)[np.newaxis]
        try:
            probabilities, milliseconds = pool.predict(spec, inputs[shape])
            yield Prediction(
                spec.name,
                spec.get_label_space(),
                probabilities[0],
                milliseconds,
                title=spec.title,
                weights_sha256=pool.identify(spec),
            )
        except ImgrecError as error:
            yield Failure(spec.name, error, spec.title)


def open_pool(settings: Settings, preparations: Preparations | None = None) -> EnginePool:
    """Return a pool that fetches and converts a model at its first use.

    Pages and progress bars pass the `preparations` that they show, so that nothing is fetched twice.
    """
    preparations = preparations or Preparations(settings)

    def load(spec: ModelSpec) -> Engine:
        try:
            return _open_engine(spec, settings)
        except EngineError:
            # The files are intact, but OpenVINO refuses them, as after a change of the processor or of a library.
            conversion.discard(compiled_path(spec, settings))
            preparations.ensure(spec)
            return _open_engine(spec, settings)

    return EnginePool(
        settings.memory_bytes,
        load=load,
        estimate=lambda spec: estimate_bytes(spec, settings),
        prepare=preparations.ensure,
        load_head=lambda spec: open_head(spec, settings),
        identify=lambda spec: weights.identity(spec, settings) or "",
    )


def estimate_bytes(spec: ModelSpec, settings: Settings) -> int:
    """Return the bytes of memory that `spec` takes when loaded: as measured at its conversion, or an estimate."""
    measured = conversion.find_memory_bytes(spec, settings)
    if measured is not None:
        return measured
    height, width = spec.input_size
    weight_bytes = 1 if spec.is_compact else 4
    return weight_bytes * spec.parameters + OVERHEAD_BYTES + OVERHEAD_BYTES_PER_PIXEL * height * width


def _open_engine(spec: ModelSpec, settings: Settings) -> Engine:
    from imgrec.inference.openvino_engine import OpenVINOEngine  # heavy: not needed to list models

    path = compiled_path(spec, settings)
    manifest = conversion.read_manifest(path)
    if manifest is None:
        raise EngineError(f"Expected {spec.title} to be converted. Received: nothing at {path.parent}.")
    return OpenVINOEngine(path, manifest.memory_bytes)


def open_head(spec: ModelSpec, settings: Settings) -> Head:
    """Return the head of `spec`, whose network is converted; raises `EngineError` where it has none."""
    from imgrec.inference.openvino_head import OpenVINOHead

    return OpenVINOHead(compiled_path(spec, settings))


def compiled_path(spec: ModelSpec, settings: Settings) -> Path:
    """Return where the compiled network of `spec` is, or will be; raises `WeightsError` without its weights."""
    digest = weights.sha256(spec, settings)
    if digest is None:
        raise WeightsError(f"Expected the weights of {spec.title} on this machine. Received: none.")
    return conversion.compiled_path(spec, digest, settings)
