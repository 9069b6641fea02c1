"""The compiled network with input that no byte can hold, on a network whose answers numpy can compute."""

from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import InputError
from imgrec.images.preprocessing import PREPROCESS, denormalize, normalize
from imgrec.inference import openvino_engine
from imgrec.inference.openvino_engine import OpenVINOEngine

SIZE = (4, 5)
WEIGHTS = np.random.default_rng(1).normal(0, 0.05, (3, 6)).astype(np.float32)


def engine_with(mode: str, folder: Path) -> OpenVINOEngine:
    """The network softmax(mean over all positions · WEIGHTS), with the normalization `mode` folded in."""
    openvino = openvino_engine.runtime()
    ops = openvino.opset13
    values = ops.parameter([1, *SIZE, 3], openvino.Type.f32, name="image")
    pooled = ops.reduce_mean(values, ops.constant(np.array([1, 2])), keep_dims=False)
    logits = ops.matmul(pooled, ops.constant(WEIGHTS), False, False)
    model = openvino.Model([ops.result(ops.softmax(logits, 1))], [values], "tiny")
    openvino.save_model(model, folder / "exported.xml", compress_to_fp16=False)
    openvino_engine.fold(folder / "exported.xml", PREPROCESS[mode], SIZE, folder / "model.xml")
    return OpenVINOEngine(folder / "model.xml", 0)


def expected(values: np.ndarray) -> np.ndarray:
    logits = values.astype(np.float64).mean(axis=(1, 2)) @ WEIGHTS
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("mode", PREPROCESS)
def test_bytes_and_their_values_give_the_same_bits(mode: str, tmp_path: Path) -> None:
    engine = engine_with(mode, tmp_path)
    batch = np.random.default_rng(2).integers(0, 256, (3, *SIZE, 3), np.uint8)
    assert (engine.predict(batch) == engine.predict_values(batch.astype(np.float32))).all()
    assert engine.predict(batch) == pytest.approx(expected(normalize(batch, mode)), abs=1e-5)


@pytest.mark.parametrize("mode", PREPROCESS)
@pytest.mark.parametrize("wrong", PREPROCESS)
def test_a_wrong_normalization_reaches_the_network_whole(mode: str, wrong: str, tmp_path: Path) -> None:
    batch = np.random.default_rng(3).integers(0, 256, (2, *SIZE, 3), np.uint8)
    values = normalize(batch, wrong)
    found = engine_with(mode, tmp_path).predict_values(np.ascontiguousarray(denormalize(values, mode)))
    assert found == pytest.approx(expected(values), abs=1e-4)


@pytest.mark.parametrize("batch", [np.zeros((1, *SIZE, 3), np.uint8), np.zeros((1, 5, 4, 3), np.float32)])
def test_other_types_and_shapes_are_refused(batch: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"type float32 and shape \(N, 4, 5, 3\)"):
        engine_with("tf", tmp_path).predict_values(batch)
