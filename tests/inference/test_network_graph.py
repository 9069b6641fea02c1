"""Small networks made here, of each form: what is cut out of them is compared with arithmetic in numpy."""

from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import EngineError, InputError
from imgrec.inference import openvino_engine
from imgrec.inference.network_graph import find_parts
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.inference.openvino_head import OpenVINOHead

SIDE, GRID, CHANNELS, UNITS, CLASSES = 8, 4, 6, 7, 5
RANDOM = np.random.default_rng(5)
KERNEL = RANDOM.normal(0, 0.02, (CHANNELS, 3, 2, 2)).astype(np.float32)
DENSE = RANDOM.normal(0, 0.3, (GRID * GRID * CHANNELS, UNITS)).astype(np.float32)
TOP = {units: RANDOM.normal(0, 1, (units, CLASSES)).astype(np.float32) for units in (CHANNELS, UNITS)}
BIAS = RANDOM.normal(0, 1, CLASSES).astype(np.float32)
IMAGE = RANDOM.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)

# Name → pooling, whether a ReLU stands before the last layer, whether the last layer is a convolution.
FORMS = {
    "mean": ("mean", False, False),
    "mean and a convolution": ("mean", False, True),
    "max": ("max", False, False),
    "dense": ("dense", False, False),
    "mean and a ReLU": ("mean", True, False),
    "dense and a ReLU": ("dense", True, False),
}
LINEAR = [name for name, (_, relu, _) in FORMS.items() if not relu]


def save(folder: Path, form: str, *, mirrored: bool = False, ending: str = "softmax", compact: bool = False) -> Path:
    """Write a network of the form called `form` as conversion does, and return its path."""
    pooling, relu, convolution = FORMS[form]
    openvino = openvino_engine.runtime()
    ops = openvino.opset13
    rows = 2 if mirrored else 1
    source = ops.parameter([1, SIDE, SIDE, 3], openvino.Type.u8)
    node = ops.convert(source, "f32")
    if mirrored:
        turned = ops.gather(node, ops.constant(np.arange(SIDE)[::-1].copy()), ops.constant(2))
        node = ops.concat([node, turned], 0)
    node = ops.transpose(node, ops.constant([0, 3, 1, 2]))
    node = ops.relu(ops.convolution(node, ops.constant(KERNEL), [2, 2], [0, 0], [0, 0], [1, 1]))
    node = ops.transpose(node, ops.constant([0, 2, 3, 1]))
    if pooling == "dense":
        weights = ops.constant(DENSE)
        if compact:
            integers = ops.constant(np.rint(DENSE * 100).astype(np.int8))
            weights = ops.multiply(ops.convert(integers, "f32"), ops.constant(np.float32(0.01)))
        node = ops.matmul(ops.reshape(node, ops.constant([rows, DENSE.shape[0]]), False), weights, False, False)
    elif pooling == "mean":
        node = ops.reduce_mean(node, ops.constant([1, 2]), keep_dims=convolution)
    else:
        node = ops.reduce_max(node, ops.constant([1, 2]), False)
    units = UNITS if pooling == "dense" else CHANNELS
    if relu:
        node = ops.relu(ops.add(node, ops.constant(np.full(units, -0.5, np.float32))))
    if convolution:
        node = ops.transpose(node, ops.constant([0, 3, 1, 2]))
        kernel = ops.constant(TOP[units].T.reshape(CLASSES, units, 1, 1))
        node = ops.convolution(node, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        node = ops.reshape(node, ops.constant([rows, CLASSES]), False)
    else:
        node = ops.matmul(node, ops.constant(TOP[units]), False, False)
    node = ops.add(node, ops.constant(BIAS))
    node = ops.softmax(node, 1) if ending == "softmax" else ops.sigmoid(node)
    if mirrored:
        node = ops.reduce_mean(node, ops.constant([0]), True)
    path = folder / "model.xml"
    openvino.save_model(openvino.Model([node], [source]), path, compress_to_fp16=False)
    return path


def features_of(image: np.ndarray) -> np.ndarray:
    """float32 (GRID, GRID, CHANNELS): the convolution above, by hand."""
    patches = image.reshape(GRID, 2, GRID, 2, 3).astype(np.float32)
    return np.maximum(np.einsum("iajbc,kcab->ijk", patches, KERNEL), 0)


def logits_of(features: np.ndarray, form: str) -> np.ndarray:
    """float32 (CLASSES,): what follows the convolution, by hand."""
    pooling, relu, _ = FORMS[form]
    vector = {
        "mean": lambda: features.mean((0, 1)),
        "max": lambda: features.max((0, 1)),
        "dense": lambda: features.reshape(-1) @ DENSE,
    }[pooling]()
    vector = np.maximum(vector - 0.5, 0) if relu else vector
    return np.asarray(vector @ TOP[len(vector)] + BIAS)


@pytest.mark.parametrize("form", FORMS)
def test_features_and_logits_are_those_of_the_network(form: str, tmp_path: Path) -> None:
    engine = OpenVINOEngine(save(tmp_path, form), 0)
    seen = engine.observe(IMAGE)
    assert seen.features is not None
    assert seen.logits is not None
    np.testing.assert_allclose(seen.features[0], features_of(IMAGE), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(seen.logits, logits_of(features_of(IMAGE), form), rtol=1e-4, atol=1e-3)
    shares = np.exp(seen.logits - seen.logits.max())
    np.testing.assert_allclose(seen.probabilities, shares / shares.sum(), atol=1e-5)
    assert np.array_equal(seen.probabilities, engine.predict(IMAGE[np.newaxis])[0])


@pytest.mark.parametrize("form", ["mean", "mean and a convolution", "mean and a ReLU", "dense", "dense and a ReLU"])
def test_a_position_adds_what_the_head_gives_where_only_that_position_is_kept(form: str, tmp_path: Path) -> None:
    features = features_of(IMAGE)
    head = OpenVINOHead(save(tmp_path, form))
    found = head.locate(features[np.newaxis])
    assert found.logits.shape == (GRID, GRID, CLASSES)
    assert found.logits.dtype == np.float32
    empty = logits_of(np.zeros_like(features), form)
    assert (found.empty is None) == (form in LINEAR)
    if found.empty is not None:
        np.testing.assert_allclose(found.empty, empty, rtol=1e-4, atol=1e-4)
    for row, column in np.ndindex(GRID, GRID):
        kept = np.zeros_like(features)
        kept[row, column] = features[row, column]
        np.testing.assert_allclose(found.logits[row, column], logits_of(kept, form) - empty, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("form", LINEAR)
def test_what_positions_add_is_the_logit_of_a_linear_head(form: str, tmp_path: Path) -> None:
    engine, head = (kind(save(tmp_path, form)) for kind in (lambda path: OpenVINOEngine(path, 0), OpenVINOHead))
    seen = engine.observe(IMAGE)
    assert seen.features is not None
    assert seen.logits is not None
    np.testing.assert_allclose(head.locate(seen.features).logits.sum((0, 1)) + BIAS, seen.logits, rtol=1e-4, atol=1e-3)


def test_the_view_of_the_mirror_image_is_turned_back(tmp_path: Path) -> None:
    path = save(tmp_path, "mean", mirrored=True)
    engine, head = OpenVINOEngine(path, 0), OpenVINOHead(path)
    seen, turned = engine.observe(IMAGE), engine.observe(IMAGE[:, ::-1])
    assert seen.features is not None
    assert turned.features is not None
    assert seen.logits is not None
    np.testing.assert_allclose(seen.features[1], turned.features[0], rtol=1e-5)
    found = head.locate(seen.features).logits
    np.testing.assert_allclose(found, head.locate(turned.features).logits[:, ::-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.sum((0, 1)) + BIAS, seen.logits, rtol=1e-4, atol=1e-3)


def test_a_network_without_a_softmax_predicts_and_has_no_head(tmp_path: Path) -> None:
    path = save(tmp_path, "mean", ending="sigmoid")
    seen = OpenVINOEngine(path, 0).observe(IMAGE)
    assert seen.features is None
    assert seen.logits is None
    assert seen.probabilities.shape == (CLASSES,)
    with pytest.raises(EngineError, match="to end in a feature map, a pooling or dense layer, and a softmax"):
        OpenVINOHead(path)


def test_weights_are_computed_from_integers_where_they_are_wanted_and_counted(tmp_path: Path) -> None:
    model = openvino_engine.read_graph(save(tmp_path, "dense", compact=True))
    parts, bare = find_parts(model), find_parts(model, with_weights=False)
    assert parts is not None
    assert bare is not None
    assert parts.dense is not None
    np.testing.assert_allclose(parts.dense.reshape(DENSE.shape), DENSE, atol=0.006)
    assert parts.computed_bytes == DENSE.nbytes
    assert (bare.dense, bare.linear, bare.computed_bytes) == (None, None, 0)
    assert bare.logits.get_node().get_name() == parts.logits.get_node().get_name()
    assert OpenVINOHead(tmp_path / "model.xml").memory_bytes == DENSE.nbytes


def test_a_closed_head_and_a_wrong_image_are_errors(tmp_path: Path) -> None:
    path = save(tmp_path, "dense and a ReLU")
    head = OpenVINOHead(path)
    assert head.memory_bytes == 4 * (UNITS + UNITS * CLASSES + CLASSES)
    head.close()
    head.close()
    with pytest.raises(EngineError, match="closed"):
        head.locate(features_of(IMAGE)[np.newaxis])
    with pytest.raises(InputError, match="type uint8"):
        OpenVINOEngine(path, 0).observe(IMAGE.astype(np.float32))
