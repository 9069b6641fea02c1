import json
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.errors import ConversionError, InputError
from imgrec.images import gallery
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import frame
from imgrec.inference import conversion, quantization
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from tests.fakes import fake_spec

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
