"""Exports as their receiver meets them: the script is run in a process of its own and says what imgrec says."""

import getpass
import json
import os
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgrec.cli import main
from imgrec.cli.terminal import BAD_INPUT
from imgrec.errors import ConversionError, ImgrecError, InputError, MemoryBudgetError, StorageError, UnknownNameError
from imgrec.export import bundle, scripts
from imgrec.export.bundle import Exports, check_formats, export, without_paths
from imgrec.export.scripts import FORMATS
from imgrec.images.decoding import decode
from imgrec.images.gallery import SAMPLES_FOLDER
from imgrec.images.preprocessing import frame
from imgrec.inference import classify as classification
from imgrec.inference import preparation
from imgrec.inference.preparation import Preparations
from imgrec.models import training_images
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.prediction import Prediction
from imgrec.settings import MIB, Settings

SPEC = BUILT_IN.get_spec("cifar_vgg")
CAT = SAMPLES_FOLDER / "cat.jpg"
SIDEWAYS = SAMPLES_FOLDER / "cat_sideways.jpg"

# What two runtimes may differ by in a probability; the script prints six digits.
TOLERANCE = 1e-4

# Workers for the tests: what they do after the request has come. `say` answers, `FOLDER` is where files belong.
PRELUDE = """
    import json, os, pathlib, signal, sys, time
    request = json.loads(sys.stdin.readline())
    FOLDER = pathlib.Path(request["folder"])
    def say(**answer):
        print(json.dumps(answer), flush=True)
"""
WORKING = """
    for name, file in (("keras", "model.keras"), ("onnx", "model.onnx"), ("litert", "model.tflite")):
        if name in request["formats"]:
            say(format=name)
            (FOLDER / file).write_bytes(name.encode())
    say(done=True)
"""


def run_script(folder: Path, format_name: str, picture: Path, **environment: str) -> list[tuple[float, str]]:
    """(probability, label) rows of the script in `folder`, run from elsewhere, with nothing of imgrec to import."""
    done = subprocess.run(
        [sys.executable, "-P", folder / scripts.file_name(format_name), picture],
        cwd=folder.parent,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split("  ", 1) for line in done.stdout.splitlines()]
    return [(float(probability), label) for probability, label in rows]


def assert_same(
    rows: list[tuple[float, str]], probabilities: np.ndarray, spec: ModelSpec, tolerance: float = TOLERANCE
) -> None:
    names = scripts.labels(spec.get_label_space()).splitlines()
    order = np.argsort(-probabilities)[:5]
    assert rows[0][1] == names[order[0]]
    said = {label: probability for probability, label in rows}
    assert len(rows) == 5
    assert max(abs(said.get(names[i], 0.0) - probabilities[i]) for i in order[:3]) <= tolerance


def assert_names_nobody(folder: Path, *paths: Path) -> None:
    """No file of the export holds a folder of this machine, or of its user."""
    secrets = [str(path) for path in (*paths, Path.home(), Path.cwd(), Path(sys.prefix)) if len(str(path)) > 5]
    secrets.append(f"/{getpass.getuser()}/")
    for file in folder.iterdir():
        content = file.read_bytes()
        assert [secret for secret in secrets if secret.encode() in content] == [], file.name


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiled network that was made in no time stands in for those of the cache; its model.xml."""
    from imgrec.inference import openvino_engine

    runtime = openvino_engine.runtime()
    ops = runtime.opset13
    rng = np.random.default_rng(0)
    picture = ops.parameter([1, 32, 32, 3], runtime.Type.u8, name="picture")
    pixels = ops.reshape(ops.convert(picture, "f32"), np.array([1, 3072]), False)
    matrix = ops.constant(rng.normal(0, 1e-4, (3072, 10)).astype(np.float32))
    network = runtime.Model([ops.softmax(ops.matmul(pixels, matrix, False, False), 1)], [picture])
    path = tmp_path / "compiled" / "model.xml"
    path.parent.mkdir()
    runtime.save_model(network, path, compress_to_fp16=False)
    monkeypatch.setattr(preparation.Preparations, "ensure", lambda self, spec, on_progress=None: path)
    return path


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replaces the worker by Python code."""

    def replace_by(code: str) -> None:
        file = tmp_path / "worker.py"
        file.write_text(textwrap.dedent(PRELUDE) + textwrap.dedent(code))
        monkeypatch.setattr(bundle, "WORKER", (str(file),))

    return replace_by


def test_the_script_of_the_default_format_says_what_the_engine_says(
    tiny: Path, tmp_path: Path, settings: Settings
) -> None:
    from imgrec.inference.openvino_engine import OpenVINOEngine

    folder = export(SPEC, ["openvino"], tmp_path / "out" / "mine", settings)
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.txt",
        "card.json",
        "labels.txt",
        "model.bin",
        "model.xml",
        "predict_openvino.py",
    ]
    image = decode(SIDEWAYS.read_bytes(), max_bytes=MIB)
    probabilities = OpenVINOEngine(tiny, 0).predict(frame(image, (32, 32), 1.0)[np.newaxis])[0]
    assert_same(run_script(folder, "openvino", SIDEWAYS), probabilities, SPEC)
    assert_names_nobody(folder, tmp_path)
    assert [file.name for file in (settings.home / "exports").iterdir()] == ["cifar_vgg.lock"]


def test_a_zip_holds_one_folder(tiny: Path, tmp_path: Path, settings: Settings, worker: Callable[[str], None]) -> None:
    worker(WORKING)
    told: list[tuple[float, str]] = []
    path = export(
        SPEC, ["litert", "onnx", "keras"], tmp_path / "m.zip", settings, on_progress=lambda *step: told.append(step)
    )
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("cifar_vgg/model.onnx") == b"onnx"
        assert archive.read("cifar_vgg/model.tflite") == b"litert"
        assert len(archive.read("cifar_vgg/model.keras")) > MIB  # the file that it was trained to, not the worker's
        assert {Path(name).parts[0] for name in archive.namelist()} == {"cifar_vgg"}
    assert [words for _, words in told] == [
        "looking for the weights",
        "starting Keras",
        "writing ONNX",
        "writing LiteRT",
        "putting it together",
    ]
    shares = [share for share, _ in told]
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("say(error='ConversionError', message='no such layer')", ConversionError, "^no such layer$"),
        ("say(error='StorageError', message='no room')", StorageError, "^no room$"),
        ("raise ZeroDivisionError('deep inside')", ConversionError, "written as ONNX.*exit code 1. .*deep inside"),
        ("os.kill(os.getpid(), signal.SIGKILL)", ConversionError, "memory ran out; it takes about [0-9,]+ MiB"),
        ("say(format='onnx'); os._exit(3)", ConversionError, "exit code 3"),
        ("say(format='onnx')", ConversionError, "a worker with exit code 0"),
        ("time.sleep(60)", ConversionError, "nothing within"),
        ("say(done=True)", StorageError, r"model\.onnx|out"),
    ],
    ids=["a layer", "full", "a bug", "out of memory", "dies midway", "stops midway", "hangs", "writes nothing"],
)
def test_a_worker_that_fails_is_a_sentence_and_leaves_nothing(
    code: str,
    error: type[ImgrecError],
    words: str,
    tmp_path: Path,
    settings: Settings,
    worker: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker(code)
    monkeypatch.setattr(bundle, "TIMEOUT_S", 1.0 if "sleep" in code else 60.0)
    target = tmp_path / "out"
    with pytest.raises(error, match=r"(?s)" + words):
        export(SPEC, ["onnx"], target, settings)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("out")] == []
    assert [file.name for file in (settings.home / "exports").iterdir()] == ["cifar_vgg.lock"]


def test_what_on_progress_raises_ends_the_export(
    tmp_path: Path, settings: Settings, worker: Callable[[str], None]
) -> None:
    worker("say(format='onnx')\ntime.sleep(60)")

    def cancel(share: float, words: str) -> None:
        if words == "writing ONNX":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(SPEC, ["onnx"], tmp_path / "out", settings, on_progress=cancel)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["file.zip", "folder"])
def test_what_stands_there_is_not_touched(target: str, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "file.zip").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").touch()
    with pytest.raises(InputError, match="a place where nothing is yet"):
        export(SPEC, ["openvino"], tmp_path / target, settings)


def test_an_empty_folder_is_filled(tiny: Path, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "out").mkdir()
    assert (export(SPEC, ["openvino"], tmp_path / "out", settings) / "README.txt").exists()


def test_formats_come_in_one_order_and_each_once() -> None:
    assert check_formats(["litert", "keras", "litert"]) == ("keras", "litert")
    with pytest.raises(InputError, match="at least one format"):
        check_formats([])
    with pytest.raises(UnknownNameError, match="Expected the name of a format, such as onnx"):
        check_formats(["onx"])


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle.importlib.util, "find_spec", lambda name: None if "onnx" in name else object())
    assert check_formats(["litert"]) == ("litert",)
    with pytest.raises(
        InputError, match=r"tf2onnx and onnx on this machine to write ONNX.*pip install tf2onnx onnx\.$"
    ):
        check_formats(["onnx"])


def test_too_little_memory_is_told_before_tensorflow_starts(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "available_memory_bytes", lambda: 700 * MIB)
    with pytest.raises(MemoryBudgetError, match=r"MiB of memory to write cifar_vgg as LiteRT\. Received: 700 MiB"):
        export(SPEC, ["litert"], tmp_path / "out", settings)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/Jane Doe/my images", "my images"),
        (r"C:\Users\jane\pictures.zip", "pictures.zip"),
        ("~/pictures", "pictures"),
        ("a.jpg: damaged, from /home/jane/a.jpg", "a.jpg: damaged, from a.jpg"),
        ("CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html", None),
        ("train/test, 1/2 and 3/4", None),
        (12.5, None),
        ({"source": "/srv/x", "rows": [{"at": "/srv/y"}, None]}, {"source": "x", "rows": [{"at": "y"}, None]}),
    ],
    ids=str,
)
def test_a_path_is_cut_to_its_last_part(value: Any, expected: Any) -> None:
    assert without_paths(value) == (value if expected is None else expected)


def test_the_card_of_a_model_of_ones_own_names_no_folder(
    tiny: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = next(card for card in bundle.cards.all_cards(settings) if card.name == SPEC.name)
    fields = card.fields | {"data": {"source": "/home/Jane Doe/cats"}, "classes": ["/odd", "b"]}
    monkeypatch.setattr(bundle.cards, "find", lambda name, settings: replace(card, fields=fields))
    folder = export(SPEC, ["openvino"], tmp_path / "out", settings)
    written = json.loads((folder / "card.json").read_text())
    assert written["data"] == {"source": "cats"}
    assert written["classes"] == ["/odd", "b"]


FACTS: dict[str, Any] = {
    "made_of": "cifar_vgg",
    "calibration_images": "images of /home/jane/cats",
    "loss": [{"dataset": "cifar10", "images": 100, "lost": 2, "won": 1}],
    "not_measured": None,
}


def test_a_twin_has_its_loss_in_its_card_and_is_called_so(tiny: Path, tmp_path: Path, settings: Settings) -> None:
    told: list[str] = []

    def describe(spec: ModelSpec, on_progress: bundle.OnProgress) -> dict[str, Any]:
        on_progress(0.3, f"measuring {spec.name}")
        return FACTS

    path = export(
        SPEC.compact(),
        ["openvino"],
        tmp_path / "m.zip",
        settings,
        on_progress=lambda share, words: told.append(words),
        describe=describe,
    )
    assert told[0] == "measuring cifar_vgg.int8"
    facts = bundle.read_facts(path)
    assert facts == FACTS | {"calibration_images": "images of cats"}
    with zipfile.ZipFile(path) as archive:
        card = json.loads(archive.read("cifar_vgg.int8/card.json"))
        assert "loses in 8-bit integers" in archive.read("cifar_vgg.int8/README.txt").decode()
    assert (card["model"]["name"], card["model"]["title"]) == ("cifar_vgg.int8", SPEC.compact().title)
    assert len(card["classes"]) == 10
    exact = export(SPEC, ["openvino"], tmp_path / "e.zip", settings, describe=describe)
    assert bundle.read_facts(exact) == {}


def test_a_twin_is_in_one_format_as_the_others_would_hold_floats(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is in 8-bit integers, which the others would not keep\. Received: keras\."):
        export(SPEC.compact(), ["keras"], tmp_path / "out", settings)


def test_what_is_no_export_says_nothing_of_a_twin(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="an export with a card"):
        bundle.read_facts(tmp_path / "m.zip")


def test_an_export_is_found_again_though_images_were_kept_while_it_was_made(tiny: Path, settings: Settings) -> None:
    def describe(spec: ModelSpec, on_progress: bundle.OnProgress) -> dict[str, Any]:
        training_images.keep("cifar_vgg", np.zeros((32, 32, 32, 3), np.uint8), settings)
        return FACTS

    found = Exports(settings, Preparations(settings), describe)
    running = found.start(SPEC.compact(), ["openvino"])
    assert running.wait(60)
    assert running.error is None
    assert found.find(SPEC.compact(), ["openvino"]) == running.path
    assert found.find(SPEC, ["openvino"]) is None


def test_in_the_background_once_however_many_ask(
    tmp_path: Path, settings: Settings, worker: Callable[[str], None]
) -> None:
    worker("time.sleep(0.3)\n" + textwrap.dedent(WORKING))
    found = Exports(settings, Preparations(settings))
    assert found.find(SPEC, ["onnx"]) is None
    assert found.get(SPEC, ["onnx"]) is None
    running = found.start(SPEC, ["onnx"])
    assert found.start(SPEC, ["onnx"]) is running is found.get(SPEC, ["onnx"])
    assert running.wait(60)
    assert running.error is None
    assert found.find(SPEC, ["onnx"]) == running.path
    # Another process finds it too; another choice is another file.
    assert Exports(settings, Preparations(settings)).find(SPEC, ["onnx"]) == running.path
    assert found.find(SPEC, ["onnx", "keras"]) is None


def test_a_failure_in_the_background_is_told_and_can_be_tried_again(
    settings: Settings, worker: Callable[[str], None]
) -> None:
    worker("say(error='ConversionError', message='no such layer')")
    found = Exports(settings, Preparations(settings))
    running = found.start(SPEC, ["litert"])
    assert running.wait(60)
    assert str(running.error) == "no such layer"
    assert found.find(SPEC, ["litert"]) is None
    worker(WORKING)
    again = found.start(SPEC, ["litert"])
    assert again.wait(60)
    assert again.error is None


def test_old_zips_make_room_also_those_of_models_that_are_gone(
    settings: Settings, worker: Callable[[str], None]
) -> None:
    folder = settings.home / "exports"
    folder.mkdir(parents=True)
    ages_h = {"removed_model-1.zip": 25, "cifar_vgg-1.zip": 25, "other-1.zip": 23, "notes.txt": 25}
    for name, hours in ages_h.items():
        (folder / name).touch()
        os.utime(folder / name, (time.time() - 3600 * hours,) * 2)
    worker(WORKING)
    running = Exports(settings, Preparations(settings)).start(SPEC, ["onnx"])
    assert running.wait(60)
    assert running.error is None
    assert {path.name for path in folder.iterdir()} >= {"other-1.zip", "notes.txt", running.path.name}
    assert not {path.name for path in folder.iterdir()} & {"removed_model-1.zip", "cifar_vgg-1.zip"}


def test_weights_that_are_not_here_cannot_be_exported_in_the_background(settings: Settings) -> None:
    with pytest.raises(InputError, match="weights of VGG16 on this machine"):
        Exports(settings, Preparations(settings)).start(BUILT_IN.get_spec("vgg16"), ["openvino"])


# ── imgrec export ─────────────────────────────────────────────────────────────────────────────────────────────────


def command(monkeypatch: pytest.MonkeyPatch, settings: Settings, *words: str) -> int:
    """The exit code of `imgrec export *words`."""
    monkeypatch.setenv("IMGREC_HOME", str(settings.home))
    monkeypatch.setenv("KERAS_HOME", str(settings.keras_home))
    monkeypatch.setenv("IMGREC_OFFLINE", "1")
    monkeypatch.setattr(sys, "argv", ["imgrec", "export", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cifar_vgg", "--out", "here"], f"here: python {Path('here/predict_openvino.py')} IMAGE\n"),
        (["cifar_vgg", "--format", "onnx, openvino"], f"cifar_vgg: python {Path('cifar_vgg/predict_openvino.py')}"),
        (["cifar_vgg", "--format", "onnx", "--out", "a.zip"], "a.zip: unpack it, and see cifar_vgg/README.txt\n"),
    ],
    ids=["default format", "default place", "zip"],
)
def test_the_command_says_what_to_do_next(
    words: list[str],
    said: str,
    tiny: Path,
    tmp_path: Path,
    settings: Settings,
    worker: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker(WORKING)
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, settings, *words) == 0
    out, err = capsys.readouterr()
    assert out.startswith(said)
    assert "cifar_vgg: putting it together\n" in err


@pytest.mark.parametrize("words", [["cifar_vgg", "--precision", "int8"], ["cifar_vgg.int8"]], ids=["option", "name"])
def test_the_command_says_what_a_twin_loses(
    words: list[str],
    tiny: Path,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, settings, *words) == 0
    out, _ = capsys.readouterr()
    assert out.startswith(f"cifar_vgg.int8: python {Path('cifar_vgg.int8/predict_openvino.py')} IMAGE\n")
    assert "Made of cifar_vgg with crops of imgrec's sample gallery." in out
    # CIFAR-10 is not on this machine.
    assert "Its loss on held-out images was not measured: " in out
    card = json.loads((tmp_path / "cifar_vgg.int8" / "card.json").read_text())
    assert card["compact"]["not_measured"] in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["cifar_vgg", "--precision", "int4"], "Expected the name of a precision"),
        (["cifar_vgg", "--precision", "int8", "--format", "onnx"], "Expected the format openvino"),
        (["cifar_vgh"], "Expected the name of a model, such as cifar_vgg"),
        (["cifar_vgg", "--format", "onxx"], "Expected the name of a format, such as onnx"),
        (["cifar_vgg", "--format", ","], "Expected at least one format"),
        (["cifar_vgg", "--out", "there"], "Expected a place where nothing is yet"),
        (["vgg16", "--out", "here"], "IMGREC_OFFLINE=1"),
    ],
    ids=["precision", "floats only", "model", "format", "no format", "taken", "no weights"],
)
def test_the_command_complains_in_a_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("mine")
    assert command(monkeypatch, settings, *words) == BAD_INPUT
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "here").exists()


# ── With the real runtimes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    keras_home = os.environ.get("KERAS_HOME", str(home))
    return Settings.from_env({"IMGREC_HOME": str(home), "KERAS_HOME": keras_home, "IMGREC_OFFLINE": "1"})


@pytest.fixture(scope="module")
def everything(real: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`SPEC` in every format, by one worker."""
    return export(SPEC, list(FORMATS), tmp_path_factory.mktemp("export") / "out", real)


def classify(spec: ModelSpec, picture: Path, settings: Settings) -> np.ndarray:
    image = decode(picture.read_bytes(), max_bytes=20 * MIB)
    (answer,) = classification.classify(image, [spec], classification.open_pool(settings))
    assert isinstance(answer, Prediction), answer
    return answer.probabilities


@pytest.mark.slow
@pytest.mark.parametrize("format_name", FORMATS)
def test_the_script_of_every_format_says_what_imgrec_says(format_name: str, everything: Path, real: Settings) -> None:
    assert_same(run_script(everything, format_name, SIDEWAYS), classify(SPEC, SIDEWAYS, real), SPEC)
    assert_names_nobody(everything, everything, real.home)


@pytest.mark.exhaustive
def test_a_published_network_can_be_taken_along_too(keras_home: Path, real: Settings, tmp_path: Path) -> None:
    spec = BUILT_IN.get_spec("mobilenet_a025_128")
    folder = export(spec, ["openvino", "keras"], tmp_path / "out", real)
    expected = classify(spec, CAT, real)
    assert_same(run_script(folder, "openvino", CAT), expected, spec)
    # Keras without TensorFlow takes half of the time, but computes in bfloat16 where the processor has it.
    assert_same(run_script(folder, "keras", CAT, KERAS_BACKEND="openvino"), expected, spec, tolerance=0.03)
    assert_names_nobody(folder, tmp_path, real.home, keras_home)
