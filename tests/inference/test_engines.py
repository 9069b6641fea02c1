import csv
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import EngineError, InputError
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame
from imgrec.inference.engine import check_batch
from imgrec.inference.process_info import anonymous_bytes, give_back_memory, usable_cores
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.models.weights import find
from imgrec.settings import ASSETS, MIB, ROOT, Settings
from tests.conftest import Ask
from tests.data import families

# What two runtimes may differ by in a probability, in float32.
TOLERANCE = 1e-4

# Two probabilities nearer than this may change places.
INDISTINGUISHABLE = 2e-6

# Of 500 images, so many are left to compare on; their figures on all are in assets/benchmarks.
EACH = 4

# Larger ones need more memory than a test machine has to spare, and were run once by hand (bench/README.md).
LARGEST_PARAMETERS = int(os.environ.get("IMGREC_TEST_LARGEST_PARAMETERS", "100_000_000"))

WITH_IMGREC = [spec for spec in BUILT_IN.values() if spec.bundled or spec.weights.package_file]

# Those whose weights are beside the project; without any, one skipped test says so.
_MODELS = Path(os.environ.get("KERAS_HOME", "/nonexistent")) / "models"
WITH_WEIGHTS = [spec for spec in BUILT_IN.values() if (_MODELS / spec.weights.filename).exists()]


def images_for(spec: ModelSpec, files: list[Path]) -> np.ndarray:
    """uint8 (N, H, W, 3): the files as `spec` sees them."""
    images = [decode(file.read_bytes(), max_bytes=20 * MIB) for file in files]
    return np.stack([frame(image, spec.input_size, spec.crop_fraction) for image in images])


def assert_parity(served: np.ndarray, expected: np.ndarray) -> None:
    """Both float32 (N, C); the same top five, in the same order unless two are as good as equal."""
    assert np.abs(served - expected).max() <= TOLERANCE
    for row, truth in zip(served, expected, strict=True):
        order, true_order = np.argsort(-row)[:5], np.argsort(-truth)[:5]
        assert np.allclose(truth[order], truth[true_order], atol=INDISTINGUISHABLE)


@pytest.mark.parametrize(
    ("batch", "fits"),
    [
        (np.zeros((1, 4, 5, 3), np.uint8), True),
        (np.zeros((7, 4, 5, 3), np.uint8), True),
        (np.zeros((0, 4, 5, 3), np.uint8), True),
        (np.zeros((4, 5, 3), np.uint8), False),
        (np.zeros((1, 5, 4, 3), np.uint8), False),
        (np.zeros((1, 4, 5, 1), np.uint8), False),
        (np.zeros((1, 4, 5, 3), np.float32), False),
    ],
    ids=["one", "seven", "none", "no batch", "width and height", "grey", "scaled already"],
)
def test_a_batch_is_checked(batch: np.ndarray, fits: bool) -> None:
    if fits:
        check_batch(batch, (4, 5))
    else:
        with pytest.raises(InputError, match=r"shape \(N, 4, 5, 3\). Received: "):
            check_batch(batch, (4, 5))


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [("200000 100000", 2), ("50000 100000", 1), ("150000 100000", 2), ("99900000 100000", None), ("max 100000", None)],
)
def test_cores_are_those_of_the_control_group(cpu_max: str, cores: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(cpu_max)
    bound_to = usable_cores(tmp_path / "absent")
    assert usable_cores(tmp_path / "cpu.max") == (bound_to if cores is None else min(cores, bound_to))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells anonymous memory apart")
def test_anonymous_memory_is_measured_and_given_back() -> None:
    before = anonymous_bytes() or 0
    held = np.ones(64 * MIB, np.uint8)
    assert (anonymous_bytes() or 0) - before > 60 * MIB
    del held
    give_back_memory()
    assert (anonymous_bytes() or 0) - before < 32 * MIB


def test_importing_openvino_sends_no_reports_and_loads_no_other_runtime() -> None:
    code = """
        import sys
        from imgrec.inference import openvino_engine
        assert "openvino" not in sys.modules
        openvino_engine.runtime()
        assert "openvino.tools.ovc" not in sys.modules
        unwanted = {"openvino_telemetry", "tensorflow", "keras", "torch", "jax"}
        print([name for name in sys.modules if name.split(".")[0] in unwanted], sys.meta_path[0])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("[] ")
    assert "Refusal" not in done.stdout


def test_what_is_no_network_is_an_engine_error(tmp_path: Path) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    (tmp_path / "model.xml").write_text("<net/>")
    with pytest.raises(EngineError, match=r"model\.xml to be a network that OpenVINO can run"):
        OpenVINOEngine(tmp_path / "model.xml", 1)


@pytest.mark.parametrize(
    "spec",
    families.params(
        (spec for spec in BUILT_IN.values() if not spec.bundled and spec.parameters <= LARGEST_PARAMETERS),
        families.EACH_KIND_OF_LAYER,
    ),
)
def test_random_weights_give_what_keras_gives(
    spec: ModelSpec, keras_processes: Callable[[str], Ask], tmp_path: Path
) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    weights, pictures, truth = tmp_path / "weights.h5", tmp_path / "pictures.npy", tmp_path / "truth.npy"
    np.save(pictures, images_for(spec, [ASSETS / "samples" / "cat.jpg", ASSETS / "samples" / "rocket.jpg"]))
    try:
        keras_processes("tensorflow")("randomise", model=spec.name, weights=weights)
        memory_bytes = keras_processes("openvino")("convert", model=spec.name, weights=weights, folder=tmp_path)
        keras_processes("tensorflow")("truth", model=spec.name, weights=weights, images=pictures, probabilities=truth)
        engine = OpenVINOEngine(tmp_path / "model.xml", int(str(memory_bytes)))
        served, expected = engine.predict(np.load(pictures)), np.load(truth)
        engine.close()
    finally:
        # Half a gigabyte for the largest; pytest keeps the folders of three runs.
        weights.unlink(missing_ok=True)
        (tmp_path / "model.bin").unlink(missing_ok=True)
    assert_parity(served, expected)
    # The image must make a difference, or nothing is tested; to the runtimes it must make none.
    assert np.abs(served - expected).max() < np.abs(expected[0] - expected[1]).max() / 100


@pytest.mark.slow
@pytest.mark.parametrize("spec", WITH_IMGREC, ids=lambda spec: spec.name)
def test_models_that_come_with_imgrec_give_what_keras_gives(
    spec: ModelSpec, settings: Settings, keras_processes: Callable[[str], Ask], tmp_path: Path
) -> None:
    from imgrec.inference import openvino_engine, openvino_head, transposes
    from imgrec.inference.openvino_engine import OpenVINOEngine

    weights = find(spec, settings)
    pictures, truth = tmp_path / "pictures.npy", tmp_path / "truth.npy"
    np.save(pictures, images_for(spec, sorted((ASSETS / "samples").glob("*.jpg"))))
    keras_processes("tensorflow")("truth", model=spec.name, weights=weights, images=pictures, probabilities=truth)
    memory_bytes = keras_processes("openvino")("convert", model=spec.name, weights=weights, folder=tmp_path)
    engine = OpenVINOEngine(tmp_path / "model.xml", int(str(memory_bytes)))
    batch = np.load(pictures)
    assert_parity(engine.predict(batch), np.load(truth))
    # One before the first layer and one before the last pooling; Keras exports up to 48.
    assert transposes.count(openvino_engine.read_graph(tmp_path / "model.xml")) <= 2
    # The feature map and the logits are further outputs of the same network: sums may be rounded in another order.
    settings_of_engine = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    plain = openvino_engine.runtime().Core().compile_model(tmp_path / "model.xml", "CPU", settings_of_engine)
    head = openvino_head.OpenVINOHead(tmp_path / "model.xml")
    constants: list[np.ndarray] = []
    for image in batch[:5]:
        seen = engine.observe(image)
        assert seen.logits is not None
        assert seen.features is not None
        np.testing.assert_allclose(seen.probabilities, plain([image[np.newaxis]])[0][0], rtol=1e-5, atol=1e-9)
        located = head.locate(seen.features)
        constants.append(seen.logits - located.logits.sum((0, 1)))
    if located.empty is None:  # what the positions add is the logit, less a constant of each class
        assert np.ptp(constants, axis=0).max() < 2e-4
    engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("spec", WITH_WEIGHTS, ids=lambda spec: spec.name)
def test_published_weights_give_what_keras_gives_and_are_as_accurate(
    spec: ModelSpec, keras_processes: Callable[[str], Ask], keras_home: Path, test_data: Path, tmp_path: Path
) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    weights = keras_home / "models" / spec.weights.filename
    folder = test_data / "imagenet_sample_even"
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::EACH]
    target = np.array([int(row["index"]) for row in rows])
    pictures, truth = tmp_path / "pictures.npy", tmp_path / "truth.npy"
    np.save(pictures, images_for(spec, [folder / row["file"] for row in rows]))
    keras_processes("tensorflow")("truth", model=spec.name, weights=weights, images=pictures, probabilities=truth)
    memory_bytes = keras_processes("openvino")("convert", model=spec.name, weights=weights, folder=tmp_path)
    engine = OpenVINOEngine(tmp_path / "model.xml", int(str(memory_bytes)))
    served, expected = engine.predict(np.load(pictures)), np.load(truth)
    engine.close()
    pictures.unlink()
    assert_parity(served, expected)
    top1, expected_top1 = ((one.argmax(axis=1) == target).mean() for one in (served, expected))
    assert abs(top1 - expected_top1) <= 0.01
    assert top1 > 0.3, "these weights, or what they are fed, are not right"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "side"),
    [("mobilenet", 160), ("mobilenet_v3_small", 96), ("efficientnet_lite1", 128)],
    ids=["MobileNet at another size", "MobileNetV3Small, random weights", "EfficientNet-Lite1 at another size"],
)
def test_a_network_without_its_top_has_the_weights_of_the_whole(
    settings: Settings, keras_processes: Callable[[str], Ask], tmp_path: Path, model: str, side: int
) -> None:
    ask, spec = keras_processes("tensorflow"), BUILT_IN[model]
    weights = find(spec, settings) if spec.weights.package_file else _MODELS / spec.weights.filename
    if weights is None or not weights.exists():
        weights = tmp_path / "random.h5"
        ask("randomise", model=model, weights=weights)
    difference = ask("headless", model=model, weights=weights, side=side)
    assert difference == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
def test_threads_share_an_engine(keras_processes: Callable[[str], Ask], keras_home: Path, tmp_path: Path) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    spec = BUILT_IN["mobilenet_a025_128"]
    weights = keras_home / "models" / spec.weights.filename
    keras_processes("openvino")("convert", model=spec.name, weights=weights, folder=tmp_path)
    assert list(tmp_path.glob("*.blob")), "a small network keeps OpenVINO's own form, which loads faster"
    engine = OpenVINOEngine(tmp_path / "model.xml", 1)
    batches = np.random.default_rng(0).integers(0, 256, (8, 2, 128, 128, 3), dtype=np.uint8)
    alone = [engine.predict(batch) for batch in batches]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda i: engine.predict(batches[i % 8]), range(64)))
    assert all(np.array_equal(answer, alone[i % 8]) for i, answer in enumerate(together))
    assert engine.predict(batches[0][:0]).shape == (0, 1000)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.predict(batches[0])


LOADING = """
import threading
from imgrec.inference import openvino_engine, shutdown

def load():
    with shutdown.foreign_call():
        openvino_engine.core().available_devices

threading.Thread(target=load, daemon=True).start()
"""

ASKING = """
import threading
from imgrec.inference import openvino_engine, shutdown

begun = threading.Event()

def go_on():
    while True:
        with shutdown.foreign_call():
            openvino_engine.core().available_devices
        begun.set()

threading.Thread(target=go_on, daemon=True).start()
begun.wait()
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(LOADING, id="while it is loaded"),
        pytest.param(ASKING, id="while it is asked"),
    ],
)
def test_the_end_of_the_program_waits_for_threads_in_openvino(program: str) -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, "terminate" in done.stderr) == (0, False)
