"""The command and the lines of Keras that repeat a prediction; the slow tests run them and compare."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.images import gallery
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import FRAMINGS, PREPROCESS, frame, normalize
from imgrec.inference.classify import classify, open_pool
from imgrec.inference.request import Options
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Prediction
from imgrec.reports.reproduce import LISTED_LABELS, command, keras_script, why_no_script
from imgrec.settings import MIB, ROOT, Settings
from tests.conftest import Ask
from tests.export.test_scripts import IMAGES


@given(st.text(min_size=1), st.lists(st.text()))
def test_a_shell_reads_the_command_as_it_was_meant(image: str, arguments: list[str]) -> None:
    words = shlex.split(command(image, arguments))
    assert words[:2] == ["imgrec", "predict"]
    assert words[2].removeprefix("./") == image.removeprefix("./")
    assert not words[2].startswith("-")
    assert words[3:] == arguments


@pytest.mark.parametrize("spec", BUILT_IN.values(), ids=lambda spec: spec.name)
def test_every_model_has_lines_that_compile_or_a_reason(spec: ModelSpec) -> None:
    script = keras_script(spec, "it's a \\'\"cat\".jpg")
    assert (script is None) == spec.architecture.startswith("EfficientNetLite")
    if script is None:
        assert f"imgrec export {spec.name} --format keras" in why_no_script(spec)
        return
    compile(script, spec.name, "exec")
    opened = next(line for line in script.splitlines() if line.startswith("image = Image.open("))
    assert eval(opened.removeprefix("image = Image.open(").removesuffix(")")) == "it's a \\'\"cat\".jpg"  # noqa: S307 (our own text)


def test_a_label_cannot_end_the_list_of_labels() -> None:
    labels = ('"]; import os #', "b\n")
    space = LabelSpace("mine", labels, (None, None))
    spec = replace(BUILT_IN["cifar_vgg"], bundled=False, own_label_space=space)
    script = keras_script(spec, "cat.jpg") or ""
    line = next(line for line in script.splitlines() if line.startswith("labels = "))
    assert eval(line.removeprefix("labels = ")) == list(labels)  # noqa: S307 (our own text)
    many = tuple(map(str, range(LISTED_LABELS + 1)))
    spec = replace(spec, own_label_space=LabelSpace("mine", many, (None,) * len(many)))
    assert 'open("labels.txt"' in (keras_script(spec, "cat.jpg") or "")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("model", ["mobilenet", "nasnet_large", "efficientnet_v2_s", "cifar_vgg"])
def test_the_lines_see_what_imgrec_sees(model: str, name: str, framing: str, tmp_path: Path) -> None:
    content = IMAGES[name]
    data = content if isinstance(content, bytes) else content()
    (tmp_path / "image").write_bytes(data)
    spec = BUILT_IN[model]
    script = keras_script(spec, str(tmp_path / "image"), framing) or ""
    lines = script[: script.index("\nmodel = ")].replace("import keras\n", "")
    variables: dict[str, np.ndarray] = {}
    exec(compile(lines, "lines", "exec"), variables)  # noqa: S102 (our own text)
    ours = frame(decode(data, max_bytes=20 * MIB), spec.input_size, spec.crop_fraction, framing)
    assert variables["batch"].shape == (1, *ours.shape)
    # Cut out before or after the resize: Pillow rounds the weights of a pixel once more.
    assert np.abs(variables["batch"][0] - ours).mean() < 0.2


@pytest.mark.parametrize("mode", PREPROCESS)
def test_own_models_are_normalized_as_imgrec_does(mode: str) -> None:
    script = keras_script(replace(BUILT_IN["cifar_vgg"], preprocess=mode), "cat.jpg") or ""
    line = next(line for line in script.splitlines() if "model.predict(" in line)
    expression = line.removeprefix("probabilities = model.predict(").removesuffix(", verbose=0)[0]")
    batch = np.random.default_rng(0).integers(0, 256, (1, 4, 5, 3), np.uint8)
    written = eval(expression, {"batch": batch.astype(np.float32)})  # noqa: S307 (our own text)
    np.testing.assert_allclose(written, normalize(batch, mode), rtol=1e-5, atol=1e-5)


# ── With Keras itself ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_keras_normalizes_each_published_model_as_imgrec_does(
    tmp_path: Path, keras_processes: Callable[[str], Ask]
) -> None:
    batch = np.random.default_rng(1).integers(0, 256, (1, 6, 7, 3), np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    specs = [s for s in BUILT_IN.values() if "preprocess_input" in (keras_script(s, "x") or "")]
    assert len(specs) > 30
    lines = ["import keras, numpy as np", "answers = {}"]
    for spec in specs:
        script = keras_script(spec, "x") or ""
        tools = next(line for line in script.splitlines() if line.startswith("tools = "))
        lines += [
            tools,
            f"assert hasattr(keras.applications, {spec.architecture!r})",
            f"batch = np.load({str(tmp_path / 'batch.npy')!r}).astype(np.float32)",
            f"answers[{spec.name!r}] = np.asarray(tools.preprocess_input(batch))",
        ]
    lines.append(f"np.savez({str(tmp_path / 'answers.npz')!r}, **answers)")
    keras_processes("openvino")("run", script="\n".join(lines))
    with np.load(tmp_path / "answers.npz") as answers:
        for spec in specs:
            np.testing.assert_allclose(answers[spec.name], normalize(batch, spec.preprocess), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", ["mobilenet", "mobilenet_v2", "mobilenet_a050_160", "cifar_vgg", "capstone_cnn"])
def test_the_lines_give_the_same_five_classes(
    name: str, framing: str, keras_home: Path, ready: Settings, keras_processes: Callable[[str], Ask]
) -> None:
    if BUILT_IN[name].weights.url and not (keras_home / "models" / "imagenet_class_index.json").is_file():
        pytest.skip("Keras' list of classes is not in KERAS_HOME/models")
    if BUILT_IN[name].weights.url and not (keras_home / "models" / BUILT_IN[name].weights.filename).is_file():
        pytest.skip(f"{name} is not in KERAS_HOME/models")
    spec, sample = BUILT_IN[name], gallery.get_sample("cat_and_espresso.jpg")
    script = keras_script(spec, sample.path.relative_to(ROOT).as_posix(), framing) or ""
    printed = [line.split(maxsplit=2) for line in str(keras_processes("tensorflow")("run", script=script)).splitlines()]
    image = decode(sample.path.read_bytes(), max_bytes=20 * MIB)
    (ours,) = classify(image, [spec], open_pool(ready), framing)
    assert isinstance(ours, Prediction)
    top = ours.top_k(5)
    assert [row[1] for row in printed] == [found.label if spec.bundled else found.synset for found in top]
    assert [float(row[0]) for row in printed] == pytest.approx([found.probability for found in top], abs=0.01)


@pytest.mark.slow
def test_the_command_gives_the_same_result(ready: Settings) -> None:
    spec = BUILT_IN["cifar_vgg"]
    options = Options((spec, BUILT_IN["cifar_dense"]), 3, "weighted_mean", "squash", {"cifar_vgg": 0.5})
    words = shlex.split(command("assets/samples/cat.jpg", options.to_arguments()))
    home = {"IMGREC_HOME": str(ready.home)}
    code = (
        f"import sys; sys.argv = {words[:1] + words[1:]!r} + ['--format', 'csv']; from imgrec.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    image = decode((ROOT / "assets/samples/cat.jpg").read_bytes(), max_bytes=20 * MIB)
    outcomes = {outcome.model: outcome for outcome in classify(image, options.specs, open_pool(ready), options.framing)}
    expected = options.to_result("cat.jpg", image, [outcomes[spec.name] for spec in options.specs])
    first = expected.ensemble.prediction.first  # type: ignore[union-attr]
    row = next(line for line in done.stdout.splitlines() if ",ensemble," in line).split(",")
    assert row[7] == first.label
    assert float(row[10]) == pytest.approx(first.probability, abs=1e-5)
