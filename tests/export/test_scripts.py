"""The exported script step by step: it sees and feeds what imgrec sees and feeds. `test_exports` runs it whole."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgrec.export.scripts import FORMATS, file_name, labels, readme, script
from imgrec.images.decoding import decode
from imgrec.images.gallery import get_samples
from imgrec.images.preprocessing import PREPROCESS, frame, normalize
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.labels import LabelSpace, get_label_space
from imgrec.settings import MIB

SPEC = BUILT_IN.get_spec("cifar_vgg")


def jpeg(width: int, height: int, **options: Any) -> bytes:
    """Soft colors that go three ways: whatever is cut or resized differently shows."""
    ramp = Image.linear_gradient("L")
    channels = [ramp, ramp.rotate(90), ramp.rotate(45)]
    buffer = io.BytesIO()
    picture = Image.merge("RGB", channels).resize((width, height))
    picture.save(buffer, options.pop("kind", "JPEG"), **options)
    return buffer.getvalue()


def sideways() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(700, 500, exif=exif)


IMAGES = {sample.file: sample.path.read_bytes for sample in get_samples()} | {
    "of a phone": lambda: jpeg(1900, 1440),
    "larger still": lambda: jpeg(2705, 2570),
    "large PNG": lambda: jpeg(1330, 1300, kind="PNG"),
    "smaller than the input": lambda: jpeg(23, 17),
    "very wide": lambda: jpeg(900, 31),
    "turned by its EXIF tag": sideways,
}


VIEWS = [((32, 32), 1.0), ((224, 224), 0.875), ((331, 331), 0.911), ((96, 128), 0.9)]


def run_until(end: str, spec: ModelSpec, picture: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The variables of the script after the line before `end`; the runtime is not imported."""
    monkeypatch.setattr(sys, "argv", ["predict.py", str(picture)])
    text = script(spec, "onnx").replace(FORMATS["onnx"].statement + "\n", "")
    variables: dict[str, Any] = {"__file__": str(picture)}
    exec(compile(text[: text.index(end)], "predict.py", "exec"), variables)  # noqa: S102 (our own text)
    return variables


@pytest.mark.parametrize("name", IMAGES)
def test_the_script_sees_what_imgrec_sees(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(IMAGES[name]())
    image = decode(picture.read_bytes(), max_bytes=20 * MIB)
    for size, crop in VIEWS:
        spec = replace(SPEC, input_size=size, crop_fraction=crop)
        pixels = run_until("\nbatch = ", spec, picture, monkeypatch)["pixels"]
        assert np.array_equal(pixels, frame(image, size, crop)), (size, crop)


@pytest.mark.parametrize("mode", PREPROCESS)
def test_the_script_feeds_what_imgrec_feeds(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = tmp_path / "picture"
    picture.write_bytes(jpeg(60, 50))
    end = FORMATS["onnx"].lines[0]
    variables = run_until(end, replace(SPEC, preprocess=mode), picture, monkeypatch)
    assert variables["batch"].dtype == np.float32
    assert np.allclose(variables["batch"], normalize(variables["pixels"][np.newaxis], mode), atol=1e-5)


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_model_has_a_script_that_python_can_read(format_name: str) -> None:
    for spec in BUILT_IN.values():
        text = script(spec, format_name)
        compile(text, file_name(format_name), "exec")
        assert "imgrec" not in text
        assert max(map(len, text.splitlines())) <= 150


def test_labels_are_one_line_each_and_equal_names_are_told_apart() -> None:
    lines = labels(get_label_space("imagenet_1k")).splitlines()
    assert (len(lines), len(set(lines))) == (1000, 1000)
    assert lines[281] == "tabby"
    assert {line for line in lines if line.startswith("crane")} == {"crane (n02012849)", "crane (n03126707)"}
    odd = LabelSpace("odd", ("two\nlines", "a\u2028b", "<b>"), (None,) * 3)
    assert labels(odd) == "two lines\na b\n<b>\n"


def test_the_readme_says_how_to_run_it_and_what_goes_in() -> None:
    text = readme(replace(SPEC, preprocess="caffe"), get_label_space("cifar_10"), list(FORMATS))
    for name, kind in FORMATS.items():
        assert f"pip install numpy pillow {kind.packages}\n    python {file_name(name)} IMAGE\n" in text
    assert "float32 BGR, value - (103.939, 116.779, 123.68)" in text
    assert "model.xml                 uint8 RGB, 0 to 255" in text
    assert "float32 RGB, value / 255" in readme(SPEC, get_label_space("cifar_10"), ["onnx"])
    assert "float32 RGB, (value - 127.5) / 127.5" in readme(
        replace(SPEC, preprocess="tf"), get_label_space("cifar_10"), ["onnx"]
    )
