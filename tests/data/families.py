"""Which rows of the catalog stand for the others in a run of minutes; the rest is marked `exhaustive`."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

from imgrec.models.catalog import ModelSpec

# The smallest of each family of keras.applications, and of the two whose sizes are built differently (MobileNetV3,
# NASNet) the one on every phone: a layer that a runtime gets wrong is wrong in the whole family.
REPRESENTATIVES = frozenset(
    {
        "vgg16",
        "resnet50",
        "resnet50_v2",
        "inception_v3",
        "inception_resnet_v2",
        "xception",
        "densenet121",
        "mobilenet_a025_128",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "nasnet_mobile",
        "efficientnet_b0",
        "efficientnet_lite0",
        "efficientnet_v2_b0",
        "convnext_tiny",
    }
)


# Of those the ones that, with what comes with imgrec, have each kind of layer (see `tests.models.test_catalog`): a kind
# that a runtime gets wrong is wrong in one of them. They take most of the time.
EACH_KIND_OF_LAYER = frozenset(
    {
        "inception_resnet_v2",
        "mobilenet_a025_128",
        "mobilenet_v3_small",
        "nasnet_mobile",
        "convnext_tiny",
    }
)


def params(specs: Iterable[ModelSpec], chosen: Collection[str] = REPRESENTATIVES) -> list[Any]:
    """One parameter a row: slow for the `chosen` ones, exhaustive for the others."""
    return [
        pytest.param(spec, id=spec.name, marks=pytest.mark.slow if spec.name in chosen else pytest.mark.exhaustive)
        for spec in specs
    ]
