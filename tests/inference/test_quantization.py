import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec import extras
from imgrec.errors import ConversionError, ImgrecError, InputError, MissingExtraError, StorageError
from imgrec.images import gallery
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame
from imgrec.inference import conversion, openvino_engine, precision, quantization
from imgrec.inference.network_graph import find_parts
from imgrec.inference.openvino_head import OpenVINOHead
from imgrec.models import training_images, weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from tests.fakes import fake_spec
from tests.inference.test_network_graph import DENSE, IMAGE, save

SPEC = fake_spec("tiny", parameters=1000)
DIGEST = "0" * 64

WORKER = """
    import json, pathlib, sys
    request = json.loads(sys.stdin.readline())
    folder = pathlib.Path(request["folder"])
    (folder / "model.xml").write_text("<net/>")
    (folder / "model.bin").write_bytes(request["exact"].encode() if "exact" in request else b"weights")
    print(json.dumps({"memory_bytes": 123} | ({"float32": 3.0, "int8": 1.0} if "exact" in request else {})))
"""


@pytest.fixture
def weights_path(tmp_path: Path) -> Path:
    path = tmp_path / "weights.h5"
    path.write_bytes(b"not read by these workers")
    return path


def use(code: str, module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / f"{module.__name__}.py"  # type: ignore[attr-defined]
    script.write_text(textwrap.dedent(code))
    monkeypatch.setattr(module, "WORKER", (str(script),))


def test_a_twin_is_made_of_the_original_and_is_an_entry_of_its_own(
    weights_path: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(WORKER, conversion, tmp_path, monkeypatch)
    use(WORKER, quantization, tmp_path, monkeypatch)
    twin = conversion.convert(SPEC.compact(), weights_path, settings)
    exact = conversion.convert(SPEC, weights_path, settings)
    assert twin != exact
    assert twin.parent.name.startswith("tiny.int8-")
    assert twin.with_suffix(".bin").read_text() == str(exact)
    manifest = conversion.read_intact(twin)
    assert manifest is not None
    assert manifest.milliseconds == conversion.find_milliseconds(SPEC, settings) == {"float32": 3.0, "int8": 1.0}
    assert {path.name for path in twin.parent.parent.iterdir()} == {
        name for path in (twin, exact) for name in (path.parent.name, f"{path.parent.name}.lock")
    }


def test_other_calibration_images_make_another_twin_and_the_same_original(settings: Settings, tmp_path: Path) -> None:
    other = replace(settings, calibration=tmp_path)
    path = conversion.compiled_path
    assert path(SPEC.compact(), DIGEST, settings) != path(SPEC.compact(), DIGEST, other)
    assert path(SPEC, DIGEST, settings) == path(SPEC, DIGEST, other)


def test_a_model_of_ones_own_is_made_with_the_images_that_it_was_trained_on(
    weights_path: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(WORKER, conversion, tmp_path, monkeypatch)
    use(WORKER.replace('request["exact"]', 'request["training_images"]'), quantization, tmp_path, monkeypatch)
    before = conversion.compiled_path(SPEC.compact(), DIGEST, settings)
    assert quantization.describe_images(SPEC.compact(), settings) == "crops of imgrec's sample gallery"
    kept = training_images.keep("tiny", np.zeros((40, 8, 8, 3), np.uint8), settings)
    assert conversion.compiled_path(SPEC.compact(), DIGEST, settings) != before
    assert conversion.convert(SPEC.compact(), weights_path, settings).with_suffix(".bin").read_text() == str(kept)
    assert quantization.describe_images(SPEC.compact(), settings) == "some of the images that it was trained on"
    # A folder that was named is meant.
    other = replace(settings, calibration=tmp_path)
    assert quantization.describe_images(SPEC.compact(), other) == f"images of the folder {tmp_path.name}"
    training_images.remove("tiny", settings)
    assert conversion.compiled_path(SPEC.compact(), DIGEST, settings) == before


def test_a_host_without_nncf_knows_a_twin_that_was_made_elsewhere(
    weights_path: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(WORKER, conversion, tmp_path, monkeypatch)
    use(WORKER, quantization, tmp_path, monkeypatch)
    twin = conversion.convert(SPEC.compact(), weights_path, settings)
    monkeypatch.setattr(extras, "missing", lambda extra: ["NNCF"])
    assert conversion.convert(SPEC.compact(), weights_path, settings) == twin
    shutil.rmtree(twin.parent)
    with pytest.raises(MissingExtraError, match=r"imgrec\[int8\]"):
        conversion.convert(SPEC.compact(), weights_path, settings)


def test_the_version_of_nncf_is_the_one_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["optional-dependencies"]["int8"] == [f"nncf~={quantization.NNCF}"]


def test_a_network_that_cannot_be_quantized_is_named_and_its_original_stays(
    weights_path: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(WORKER, conversion, tmp_path, monkeypatch)
    error = {"error": "ConversionError", "message": "Expected tiny.int8 to be a network that NNCF can quantize."}
    use(f"import sys; sys.stdin.readline(); print({json.dumps(error)!r})", quantization, tmp_path, monkeypatch)
    with pytest.raises(ConversionError, match=r"tiny\.int8"):
        conversion.convert(SPEC.compact(), weights_path, settings)
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: conversion.sha256_of(weights_path))
    assert conversion.find_refusal(SPEC.compact(), settings) == error["message"]
    assert conversion.read_intact(conversion.convert(SPEC, weights_path, settings)) is not None


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("os.kill(os.getpid(), 9)", ConversionError, "killed by the system.*it takes about"),
        ("say('InputError', 'Expected 32 images or more. Received: 3.')", InputError, "32 images or more"),
        ("say('StorageError', 'Expected more room. Received: a full disk.')", StorageError, "a full disk"),
    ],
    ids=["killed", "too few images", "full disk"],
)
def test_what_fails_leaves_the_original_and_is_served_by_it_for_a_day(
    code: str,
    error: type[ImgrecError],
    words: str,
    weights_path: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compact, twin = replace(settings, precision="compact"), SPEC.compact()
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: conversion.sha256_of(weights_path))
    assert precision.preferred(SPEC, compact) == twin
    use(WORKER, conversion, tmp_path, monkeypatch)
    exact = conversion.convert(SPEC, weights_path, settings)
    use(
        f"""
    import json, os, sys
    sys.stdin.readline()
    def say(error, message): print(json.dumps({{"error": error, "message": message}}))
    {code}
    """,
        quantization,
        tmp_path,
        monkeypatch,
    )
    with pytest.raises(error, match=words):
        conversion.convert(twin, weights_path, settings)
    assert conversion.read_intact(exact) is not None
    assert not list((settings.home / "compiled").glob("*.part"))
    assert precision.preferred(SPEC, compact) is SPEC
    refused = precision.why_not(SPEC, compact)
    assert re.search(words, refused)
    # On the next day it is tried again; whoever asks for it by name need not wait.
    [file] = (settings.home / "compiled").glob("*.refused")
    yesterday = file.stat().st_mtime - conversion.REFUSAL_S
    os.utime(file, (yesterday, yesterday))
    assert precision.preferred(SPEC, compact) == twin
    file.touch()
    use(WORKER, quantization, tmp_path, monkeypatch)
    conversion.convert(twin, weights_path, settings)
    assert precision.preferred(SPEC, compact) == twin


def test_a_disk_without_room_for_the_reason_still_gives_it(
    weights_path: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, needed_bytes: int, purpose: str) -> None:
        if purpose == " to convert tiny.int8":
            raise StorageError("Expected room. Received: a full disk.")

    def no_room(self: Path, *words: object, **more: object) -> int:
        raise OSError(28, "No space left on device")

    use(WORKER, conversion, tmp_path, monkeypatch)
    exact = conversion.convert(SPEC, weights_path, settings)
    monkeypatch.setattr(conversion, "check_disk", full)
    monkeypatch.setattr(Path, "write_text", no_room)
    with pytest.raises(StorageError, match="a full disk"):
        conversion.convert(SPEC.compact(), weights_path, settings)
    assert conversion.read_intact(exact) is not None


def test_a_folder_of_images_that_is_not_there_is_a_reason_not_an_error(
    weights_path: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: conversion.sha256_of(weights_path))
    compact = replace(settings, precision="compact", calibration=tmp_path / "nowhere")
    assert precision.preferred(SPEC, compact) is SPEC
    assert "nowhere" in precision.why_not(SPEC, compact)
    with pytest.raises(StorageError, match="nowhere"):
        conversion.convert(SPEC.compact(), weights_path, compact)


def test_without_nncf_a_twin_that_is_not_there_is_no_default(
    weights_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: conversion.sha256_of(weights_path))
    compact = replace(settings, precision="compact")
    assert precision.preferred(SPEC, compact).is_compact
    monkeypatch.setattr(extras, "missing", lambda extra: ["NNCF"])
    assert precision.preferred(SPEC, compact) is SPEC
    assert "without NNCF it cannot be made here" in precision.why_not(SPEC, compact)


@pytest.mark.slow
def test_a_twin_gives_nearly_the_same_answers_and_loads_without_leaving_more_files(ready: Settings) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    spec = BUILT_IN["capstone_cnn"]
    found = weights.find(spec, ready)
    assert found is not None
    stages: list[str] = []
    exact, twin = (conversion.convert(one, found, ready, stages.append) for one in (spec, spec.compact()))
    assert "quantizing" in stages
    assert twin.with_suffix(".bin").stat().st_size < 0.35 * exact.with_suffix(".bin").stat().st_size
    taken = conversion.find_milliseconds(spec, ready)
    assert taken is not None
    assert min(taken.values()) > 0
    images = [decode(sample.path.read_bytes(), max_bytes=10**7) for sample in gallery.get_samples()]
    batch = np.stack([frame(image, spec.input_size, spec.crop_fraction, "crop") for image in images])
    blobs = set(twin.parent.glob("*.blob"))
    engines = [OpenVINOEngine(path, 1) for path in (exact, twin, twin)]
    answers = [engine.predict(batch) for engine in engines]
    activations = engines[1].observe(batch[0])
    for engine in engines:
        engine.close()
    # Of images like those that it learned; of others, as of waves, anything may come.
    assert 0 < np.median(np.abs(answers[0] - answers[1]).max(axis=1)) < 0.1
    assert np.array_equal(answers[1], answers[2])
    assert activations.logits is not None
    assert activations.features is not None
    assert set(twin.parent.glob("*.blob")) == blobs


@pytest.mark.slow
def test_a_twin_of_a_network_of_two_views_has_the_head_the_map_and_the_sums_of_its_original(ready: Settings) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    spec = BUILT_IN["cifar_resnet"]
    found = weights.find(spec, ready)
    assert found is not None
    shapes = []
    images = [decode(sample.path.read_bytes(), max_bytes=10**7) for sample in gallery.get_samples()]
    batch = np.stack([frame(image, spec.input_size, spec.crop_fraction) for image in images])
    for one in (spec, spec.compact()):
        path = conversion.convert(one, found, ready)
        engine = OpenVINOEngine(path, 1)
        np.testing.assert_allclose(engine.predict(batch).sum(axis=1), 1, atol=1e-5)
        seen = engine.observe(np.zeros((*spec.input_size, 3), np.uint8))
        assert seen.features is not None
        shapes.append((seen.features.shape, OpenVINOHead(path).locate(seen.features).logits.shape))
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("many", "group", "found"), [(DENSE.size, 32, 1), (DENSE.size + 1, 32, 0), (DENSE.size, 64, 0), (1, 1, 2)]
)
def test_dense_layers_with_many_weights_in_whole_groups_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int, group: int, found: int
) -> None:
    monkeypatch.setattr(quantization, "MANY_WEIGHTS", many)
    monkeypatch.setattr(quantization, "FOUR_BIT_GROUP", group)
    nodes = openvino_engine.read_graph(save(tmp_path, "dense and a ReLU")).get_ordered_ops()
    large = quantization._large_dense_layers(nodes)
    assert large == [node.get_friendly_name() for node in nodes if node.get_type_name() == "MatMul"][:found]


@pytest.mark.slow
@pytest.mark.skipif(not quantization.has_four_bit_arithmetic(), reason="the processor has no AVX2")
def test_a_large_dense_layer_is_kept_in_four_bits_and_still_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "MANY_WEIGHTS", DENSE.size)
    monkeypatch.setattr(quantization, "FOUR_BIT_GROUP", 32)
    exact = save(tmp_path, "dense and a ReLU")
    (tmp_path / "twin").mkdir()
    images = list(np.random.default_rng(4).integers(0, 256, (40, *IMAGE.shape), np.uint8))
    twin = quantization._quantize("tiny", exact, tmp_path / "twin", images)

    model = openvino_engine.read_graph(twin)
    kinds = [node.get_element_type().get_type_name() for node in model.get_ordered_ops() if not node.get_input_size()]
    assert kinds.count("i4") == 1
    parts = find_parts(model)
    assert parts is not None
    assert parts.dense is not None
    differences = parts.dense.reshape(DENSE.shape) - DENSE
    assert 0 < differences.std() < 0.12 * DENSE.std()

    engines = [openvino_engine.OpenVINOEngine(path, 1) for path in (exact, twin)]
    answers = [engine.predict(np.stack(images)) for engine in engines]
    assert 0 < np.abs(answers[0] - answers[1]).mean() < 0.05
    seen = engines[1].observe(IMAGE)
    assert seen.features is not None
    located = [OpenVINOHead(path).locate(seen.features).logits for path in (exact, twin)]
    assert np.abs(located[0] - located[1]).mean() < 0.15 * located[0].std()


@pytest.mark.slow
def test_too_few_calibration_images_are_a_sentence(ready: Settings, tmp_path: Path) -> None:
    spec = BUILT_IN["capstone_cnn"]
    found = weights.find(spec, ready)
    assert found is not None
    with pytest.raises(InputError, match="Expected 32 images or more"):
        conversion.convert(spec.compact(), found, replace(ready, calibration=tmp_path))


@pytest.mark.slow
def test_nncf_reports_nothing() -> None:
    code = """
        import socket, sys
        def refuse(*words, **more): raise AssertionError("a connection")
        socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
        from imgrec.inference import openvino_engine
        openvino_engine.runtime()
        with openvino_engine.hidden("openvino_telemetry"):
            import nncf
        from nncf.telemetry import telemetry
        telemetry.start_session("nncf"); telemetry.send_event("a", "b", "c")
        print("openvino_telemetry" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
