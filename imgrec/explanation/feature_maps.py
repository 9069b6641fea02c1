"""What each layer of a compiled network computes for one image: its feature maps.

The graph is read from the cache and cut after the layers in question, so that no more is loaded and computed than they
need. Layers are computed in groups of limited outputs and weights; of each layer only the channels that vary most are
kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgrec.explanation.color_scale import stretched
from imgrec.explanation.layers import AXES, Layer
from imgrec.inference import conversion, openvino_engine
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB, Settings

# Of all outputs that are computed together. The largest single one, of VGG16's first layer, takes 12 MiB.
GROUP_BYTES = 32 * MIB

# Of the weights that a group adds to those before it. The convolutions of VGG16 have 56 MiB, its dense layers 472 MiB.
GROUP_WEIGHTS_BYTES = 64 * MIB

# Machine code and the values between the layers.
OVERHEAD_BYTES = 32 * MIB

# As many as fit a screen beside the image.
SHOWN_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a layer's output: its place, and the smallest, mean and largest value over all positions."""

    place: int
    least: float
    mean: float
    most: float


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMaps:
    """The output of one layer for one image.

    `channels` are those that vary most from place to place, and `maps` their values as uint8 (channels, height, width):
    0 is the smallest value of a channel, 255 its largest. Both are empty for a layer without positions, whose output
    is `values`, float32 (units,).
    """

    layer: Layer
    channels: tuple[Channel, ...]
    maps: np.ndarray
    values: np.ndarray


def find_network(spec: ModelSpec, settings: Settings) -> Path | None:
    """Return the path of the compiled network of `spec`; None where it has not been converted on this machine."""
    digest = weights.sha256(spec, settings)
    path = None if digest is None else conversion.compiled_path(spec, digest, settings)
    return path if path is not None and path.is_file() else None


def group_of(layers: Sequence[Layer], at: int) -> range:
    """Return the places in `layers` of those that are computed together with the one at place `at`.

    The places follow each other. A layer is alone where its output is larger than `GROUP_BYTES`, or its weights are
    larger than `GROUP_WEIGHTS_BYTES`: what comes before it must not wait for them.
    """
    start, outputs, weights_bytes = 0, 0, 0
    for place, layer in enumerate(layers):
        outputs, weights_bytes = outputs + layer.bytes, weights_bytes + 4 * layer.parameters
        if place > start and (outputs > GROUP_BYTES or weights_bytes > GROUP_WEIGHTS_BYTES):
            if at < place:
                return range(start, place)
            start, outputs, weights_bytes = place, layer.bytes, 4 * layer.parameters
    return range(start, len(layers))


def needed_bytes(layers: Sequence[Layer], group: range) -> int:
    """Return about how many bytes of memory the computation of a group takes: weights up to its end, and outputs."""
    weights_bytes = 4 * sum(layer.parameters for layer in layers[: group.stop])
    return weights_bytes + sum(layers[place].bytes for place in group) + OVERHEAD_BYTES


def compute(path: Path, image: np.ndarray, layers: Sequence[Layer]) -> list[FeatureMaps]:
    """Run the network up to the last of `layers`, and return what each of them computes.

    Args:
        path: The compiled network, as of `find_network`.
        image: uint8 (height, width, 3), as of `preprocessing.frame`.
        layers: Some of `read_layers(path)`.

    Raises:
        InputError: The image has another size.
        EngineError: The network cannot be loaded or run.
    """
    outputs = openvino_engine.run_until(path, [layer.place for layer in layers], image)
    return [_select(layer, output) for layer, output in zip(layers, outputs, strict=True)]


def drop(found: FeatureMaps, rate: float) -> np.ndarray:
    """Return `found.maps` with a share `rate` of the values set to 0 at random, always the same: an example."""
    least = np.array([channel.least for channel in found.channels])[:, None, None]
    most = np.array([channel.most for channel in found.channels])[:, None, None]
    # Where 0 is from the smallest to the largest value; a channel of one value is dark throughout.
    zero = np.clip(np.divide(-least, most - least, out=np.zeros_like(least), where=most > least), 0, 1)
    is_dropped = np.random.default_rng(0).random(found.maps.shape) < rate
    return np.where(is_dropped, np.rint(255 * zero).astype(np.uint8), found.maps)


def _select(layer: Layer, output: np.ndarray) -> FeatureMaps:
    """Return the channels of `output` that vary most; of two views the first, which is the image as it is."""
    view = output[0]
    if not layer.is_map:
        return FeatureMaps(layer, (), np.empty((0, 0, 0), np.uint8), view.reshape(-1))
    all_maps = view.transpose([layer.axes.index(axis) - 1 for axis in (AXES[3], *AXES[1:3])])
    chosen = np.argsort(-all_maps.std(axis=(1, 2)), kind="stable")[:SHOWN_CHANNELS].tolist()
    channels = [
        Channel(place, *(float(figure) for figure in (values.min(), values.mean(), values.max())))
        for place, values in ((place, all_maps[place]) for place in chosen)
    ]
    maps = np.stack([np.rint(255 * stretched(all_maps[place])).astype(np.uint8) for place in chosen])
    return FeatureMaps(layer, tuple(channels), maps, np.empty(0, np.float32))
