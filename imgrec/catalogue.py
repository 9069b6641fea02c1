"""The models that imgrec knows: each one row of data, with everything that its weights expect."""

from collections.abc import Iterable
from dataclasses import dataclass

from imgrec.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Where a model's weights are published.

    `hash` is the publisher's own (md5 has 32 hexadecimal digits, sha256 has 64), None where there is none;
    `filename` is the name under `KERAS_HOME/models/`.
    """

    url: str
    filename: str
    hash: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Published:
    """Accuracy as its publisher states it, in [0, 1], on ImageNet's 50,000 validation pictures."""

    top1: float
    top5: float | None
    source: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model: how to build it, what to feed it, what its outputs mean."""

    name: str  # what people type: architecture in snake case, variants say what differs
    title: str  # what people read: "MobileNet 0.50 160"
    architecture: str  # the constructor in keras.applications, or a recipe of ours
    arguments: tuple[tuple[str, object], ...]  # keyword arguments of the constructor, beyond input_shape
    input_size: tuple[int, int]  # (height, width) in px
    preprocess: str  # caffe, tf, torch, identity or unit: see preprocessing.PREPROCESS
    crop_fraction: float  # side of the centre crop / short side of the resized picture
    label_space: str  # name in labels.LABEL_SPACES
    parameters: int
    weights: WeightsSource
    published: Published | None
    cam_layer: str | None  # last convolutional activation, for heat-maps
    licence: str
    bundled: bool = False  # its weights lie in assets/models/


def get_spec(name: str) -> ModelSpec:
    """The row called `name`; raises `UnknownNameError` with the nearest names."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise UnknownNameError.of("model", name, list(CATALOGUE)) from None


def get_specs(names: Iterable[str]) -> list[ModelSpec]:
    """The rows of `names`, in the order of the catalogue (which fixes each model's colour), each once."""
    wanted = {get_spec(name).name for name in names}
    return [spec for spec in CATALOGUE.values() if spec.name in wanted]


CATALOGUE: dict[str, ModelSpec] = {}
