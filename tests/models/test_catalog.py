"""The catalog: rows that fit together, and (slow) what Keras itself says of each of them.

Run as a script with names of rows, this file prints what Keras says of them, as JSON: one process builds them all.
"""

import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from imgrec.errors import InputError, UnknownNameError
from imgrec.images.preprocessing import PREPROCESS
from imgrec.images.working_size import WORKING_SIDE_PX
from imgrec.models.catalog import BUILT_IN, ModelSpec, WeightsSource
from imgrec.settings import ROOT
from tests.data import families

FIRST_EIGHT = [
    "vgg16",
    "vgg19",
    "resnet50",
    "inception_v3",
    "densenet121",
    "mobilenet",
    "mobilenet_v2",
    "efficientnet_b0",
]

# md5 or sha256.
HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


def each_spec() -> Any:
    return pytest.mark.parametrize("spec", BUILT_IN.values(), ids=list(BUILT_IN))


@each_spec()
def test_a_row_fits_together(spec: ModelSpec) -> None:
    assert BUILT_IN[spec.name] is spec
    assert spec.preprocess in PREPROCESS
    assert spec.get_label_space().name == spec.label_space
    assert spec.parameters > 0
    assert spec.license
    assert spec.title


@each_spec()
def test_one_decoded_image_is_large_enough_for_every_model(spec: ModelSpec) -> None:
    assert round(max(spec.input_size) / spec.crop_fraction) <= WORKING_SIDE_PX


@each_spec()
def test_weights_can_be_fetched(spec: ModelSpec) -> None:
    if spec.bundled:
        pytest.skip("its weights come with the project")
    weights = spec.weights
    if weights.package_file is not None:
        assert Path(weights.package_file.path).name == weights.filename
        assert weights.hash is not None
        return
    assert weights.url.startswith("https://storage.googleapis.com/")
    assert weights.filename == Path(weights.filename).name
    assert weights.filename.endswith(".h5")
    assert weights.hash is None or HASH.fullmatch(weights.hash)
    assert 0.95 <= weights.size_bytes / (4 * spec.parameters) <= 1.15


@each_spec()
def test_published_accuracies_are_fractions_with_a_source(spec: ModelSpec) -> None:
    if spec.published is None:
        pytest.skip("home-trained")
    assert 0.4 < spec.published.top1 < 0.9
    assert spec.published.top5 is None or spec.published.top1 < spec.published.top5 < 1
    assert spec.published.source


def test_titles_files_and_addresses_are_told_apart() -> None:
    for values in (
        [spec.title for spec in BUILT_IN.values()],
        [spec.weights.filename for spec in BUILT_IN.values()],
        [spec.weights.url for spec in BUILT_IN.values() if spec.weights.url],
    ):
        assert len(values) == len(set(values))


def test_the_famous_eight_come_first() -> None:
    assert list(BUILT_IN)[:8] == FIRST_EIGHT


def test_get_specs_keeps_the_order_of_the_catalog_and_each_once() -> None:
    assert [spec.name for spec in BUILT_IN.get_specs(["mobilenet", "vgg16", "mobilenet"])] == ["vgg16", "mobilenet"]


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        pytest.param("ResNet50", "resnet50", id="Keras' spelling"),
        pytest.param("mobilenetv2", "mobilenet_v2", id="underscore left out"),
        pytest.param("mobilenet_a050_224", "mobilenet_a075_224", id="no such variant"),
    ],
)
def test_an_unknown_model_names_the_near_ones(name: str, suggested: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{suggested}.*Received: '{name}'"):
        BUILT_IN.get_spec(name)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"name": "../evil"}, "Received: '../evil'", id="path in the name"),
        pytest.param({"name": "VGG16"}, "Received: 'VGG16'", id="capitals"),
        pytest.param({"name": ""}, "Received: ''", id="no name"),
        pytest.param({"input_size": (0, 224)}, r"Received: \(0, 224\)", id="no height"),
        pytest.param({"crop_fraction": 0.0}, "and 0.0", id="nothing left"),
        pytest.param({"crop_fraction": 87.5}, "and 87.5", id="percent"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(changed: dict[str, Any], message: str) -> None:
    row: dict[str, Any] = {
        "name": "mine",
        "title": "Mine",
        "architecture": "mine",
        "arguments": (),
        "input_size": (32, 32),
        "preprocess": "unit",
        "crop_fraction": 1.0,
        "label_space": "cifar_10",
        "parameters": 10,
        "weights": WeightsSource(url="", filename="mine.h5", hash=None, size_bytes=40),
        "published": None,
        "license": "MIT",
        "bundled": True,
    }
    assert ModelSpec(**row).bundled
    with pytest.raises(InputError, match=message):
        ModelSpec(**{**row, **changed})


# ── what Keras says ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def census(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What Keras says of each published row that is asked about; of all a minute and 2 GB, most of it the giants."""
    asked = families.REPRESENTATIVES | {
        item.callspec.params["spec"].name
        for item in request.session.items
        if hasattr(item, "callspec") and item.originalname == test_keras_agrees.__name__
    }
    asked -= {spec.name for spec in BUILT_IN.values() if not spec.weights.url}
    environment = {**os.environ, "KERAS_BACKEND": "openvino", "PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, __file__, *asked], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert process.returncode == 0, process.stderr[-3000:]
    answers: dict[str, dict[str, Any]] = json.loads(process.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize("spec", families.params(spec for spec in BUILT_IN.values() if spec.weights.url))
def test_keras_agrees(census: dict[str, dict[str, Any]], spec: ModelSpec) -> None:
    assert census[spec.name] == {
        "layers": census[spec.name]["layers"],
        "parameters": spec.parameters,
        "classes": 1000,
        "url": spec.weights.url,
        "filename": spec.weights.filename,
        "hash": spec.weights.hash,
        "preprocess": spec.preprocess,
    }


@pytest.mark.slow
def test_each_kind_of_layer_is_in_a_network_that_is_compared(census: dict[str, dict[str, Any]]) -> None:
    kinds = {name: set(census[name]["layers"]) for name in families.REPRESENTATIVES & census.keys()}
    compared = set().union(*(kinds[name] for name in families.EACH_KIND_OF_LAYER))
    # A network that comes with imgrec has it, and is compared too.
    assert set().union(*kinds.values()) - compared <= {"Flatten"}


@pytest.mark.slow
def test_no_network_of_keras_is_missing(census: dict[str, dict[str, Any]]) -> None:
    ours = {spec.architecture for spec in BUILT_IN.values() if spec.weights.url}
    assert set(census["keras.applications"]["constructors"]) == ours
    assert len(ours) == 40


def ask_keras(names: Collection[str]) -> dict[str, dict[str, Any]]:
    """Build each row of `names` with `weights="imagenet"`, the download recorded and not made."""
    import inspect

    import keras
    from keras.src.utils import file_utils

    asked: dict[str, Any] = {}

    def record(fname: str, origin: str, file_hash: str | None = None, **_: Any) -> str:
        asked.update(filename=fname, url=origin, hash=file_hash)
        return "not downloaded"

    file_utils.get_file = record
    keras.Model.load_weights = lambda *_, **__: None

    applications = inspect.getmembers(keras.applications, inspect.isfunction)
    answers: dict[str, dict[str, Any]] = {"keras.applications": {"constructors": [name for name, _ in applications]}}
    for spec in BUILT_IN.get_specs(names):
        keras.backend.clear_session()  # layers are numbered from the start again
        constructor = getattr(keras.applications, spec.architecture)
        # With its own weights, Keras refuses another input size than theirs: a wrong row stops here.
        model = constructor(input_shape=(*spec.input_size, 3), weights="imagenet", **dict(spec.arguments))
        answers[spec.name] = {
            "parameters": model.count_params(),
            "classes": model.output_shape[-1],
            "layers": sorted({type(layer).__name__ for layer in model._flatten_layers(include_self=False)}),
            **asked,
            "preprocess": preprocessing_mode(sys.modules[constructor.__module__]),
        }
        del model
        gc.collect()
    return answers


def preprocessing_mode(module: Any) -> str:
    """The mode that the module's `preprocess_input` works in, told from what it makes of one pixel."""
    import numpy as np
    from keras.src.applications import imagenet_utils

    pixel = np.array([[[[10.0, 100.0, 200.0]]]])
    made = module.preprocess_input(pixel.copy())
    known = {mode: imagenet_utils.preprocess_input(pixel.copy(), mode=mode) for mode in ("caffe", "tf", "torch")}
    return next(mode for mode, expected in {**known, "identity": pixel}.items() if np.allclose(made, expected))


if __name__ == "__main__":
    print(json.dumps(ask_keras(sys.argv[1:])))
