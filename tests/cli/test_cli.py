"""The command line as its user meets it: words in, results on stdout, sentences on stderr, exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from imgrec.cli import main, serve
from imgrec.cli.terminal import READER_GONE, bar, complain, say
from imgrec.errors import AddressError, OfflineError
from imgrec.evaluation import temperatures
from imgrec.images import remote
from imgrec.inference import classify, preparation
from imgrec.inference.preparation import OnProgress, Preparation
from imgrec.metrics.calibration import Temperature
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.scale import cluster, driver, serving
from imgrec.settings import MIB, ROOT, Settings
from tests.data.quality.test_doctor import make
from tests.inference.test_request import image, pool_of

ADDRESS = "IMGREC_RAY_ADDRESS"

ENVIRONMENT = {"IMGREC_OFFLINE": "1", "IMGREC_MAX_UPLOAD_MIB": "1"}


@dataclass
class Run:
    code: int
    out: str
    err: str


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_packages: None) -> Path:
    """A home and a current folder of our own, without weights and network."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def imgrec(
    environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Runs a command; every model can be had but VGG16, and engines are fakes (MobileNetV2 disagrees)."""

    def ensure(self: object, spec: ModelSpec, on_progress: OnProgress | None = None, *, repair: bool = False) -> Path:
        if spec.name == "vgg16":
            raise OfflineError("Expected a network connection. Received: none.")
        if on_progress is not None:
            preparing = Preparation(spec)
            for preparing.stage in ("queued", "downloading", "downloading", "converting", "ready"):
                on_progress(preparing)
        return Path("model.xml")

    monkeypatch.setattr(preparation.Preparations, "ensure", ensure)
    monkeypatch.setattr(classify, "open_pool", lambda settings, preparations=None: pool_of())

    def run(*words: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["imgrec", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Run(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def cat(environment: Path) -> str:
    (environment / "cat.png").write_bytes(image())
    return "cat.png"


def test_calibration_images_that_cannot_be_used_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"IMGREC_HOME": tmp_path / "home", "IMGREC_CALIBRATION": tmp_path / "nowhere"}.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "cat.png").write_bytes(image())
    monkeypatch.setattr(sys, "argv", ["imgrec", "predict", str(tmp_path / "cat.png"), "--models", "capstone_cnn.int8"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "nowhere. Received: No such file or directory" in capsys.readouterr().err


def test_version_and_help(imgrec: Callable[..., Run]) -> None:
    assert imgrec("--version").out == "0.1.0\n"
    shown = imgrec("--help")
    assert all(command in shown.out for command in ("models", "fetch", "predict", "serve"))
    assert imgrec().code == 2


def test_models(imgrec: Callable[..., Run], environment: Path) -> None:
    path = environment / "keras" / "models" / BUILT_IN["mobilenet"].weights.filename
    path.parent.mkdir(parents=True)
    path.touch()
    table = imgrec("models").out.splitlines()
    assert len(table) == 1 + len(BUILT_IN)
    assert max(map(len, table)) <= 80
    states = {row["name"]: row["state"] for row in json.loads(imgrec("models", "--json").out)}
    rows = csv.DictReader(io.StringIO(imgrec("models", "--format=csv").out))
    assert {row["name"]: row["state"] for row in rows} == states
    assert imgrec("models", "--format=xml").code == 2
    assert states.keys() == BUILT_IN.keys()
    assert states["mobilenet"] == "downloaded"
    assert states["vgg16"] == "missing"


@pytest.mark.parametrize(
    ("words", "code"),
    [pytest.param([], 0, id="beside each other"), pytest.param(["--rule", "mean"], 2, id="as one")],
)
def test_models_of_different_label_spaces(imgrec: Callable[..., Run], cat: str, words: list[str], code: int) -> None:
    done = imgrec("predict", cat, "--models", "mobilenet,cifar_vgg", "--format", "json", *words)
    assert done.code == code
    assert [row["model"] for row in json.loads(done.out)[0]["models"]] == ["mobilenet", "cifar_vgg"]
    assert done.err.splitlines()[-1].startswith("imgrec: Expected members of one label space. Received: ")


def test_predict_as_a_table(imgrec: Callable[..., Run], cat: str) -> None:
    done = imgrec("predict", cat, "--models", "mobilenet,mobilenet_v2", "--top", "2")
    assert done.code == 0
    assert "tabby" in done.out
    assert "tiger cat" in done.out
    assert done.err.splitlines() == [
        "mobilenet: downloading",
        "mobilenet: converting",
        "mobilenet_v2: downloading",
        "mobilenet_v2: converting",
    ]


def test_predict_at_a_level(imgrec: Callable[..., Run], cat: str) -> None:
    done = imgrec("predict", cat, "--models", "mobilenet,mobilenet_v2", "--level=kind")
    assert done.code == 0
    assert "Ensemble: cat 100.0 % · both agree" in done.out
    assert "tabby" not in done.out


@pytest.mark.parametrize("in_file", [True, False], ids=["file", "short"])
def test_predict_classes_of_a_visitor(imgrec: Callable[..., Run], cat: str, environment: Path, in_file: bool) -> None:
    (environment / "cats_dogs.json").write_text('{"cat": ["n02121620"], "dog": ["dog"]}')
    classes = "cats_dogs.json" if in_file else "cat;dog"
    done = imgrec("predict", cat, "--models=mobilenet,cifar_vgg", "--classes", classes, "--format=json")
    assert done.code == 0
    found = json.loads(done.out)[0]
    assert [row["label"] for row in found["ensemble"]["top"]] == ["cat", "dog", "something else"]
    assert found["ensemble"]["top"][0]["probability"] == pytest.approx(1)


def test_what_must_be_known_of_classes_is_said(imgrec: Callable[..., Run], cat: str) -> None:
    done = imgrec("predict", cat, "--models=mobilenet", "--classes=animal;cat;deer")
    assert "animal and cat overlap: 7 classes, such as tabby, count in both." in " ".join(done.out.split())
    assert "None of these models knows a class of deer." in done.out


@pytest.mark.parametrize(
    ("classes", "sentence"),
    [
        pytest.param("crane", "Expected one meaning of 'crane': crane: wading bird (n02012849)", id="two meanings"),
        pytest.param("none.json", "Expected a JSON file with classes. Received: none.json, No such file", id="no file"),
        pytest.param("bad.json", "Expected groups of classes as JSON such as", id="no JSON"),
        pytest.param("binary.json", "Received: binary.json, which is no text", id="no text"),
    ],
)
def test_classes_that_cannot_be_read(
    imgrec: Callable[..., Run], cat: str, environment: Path, classes: str, sentence: str
) -> None:
    (environment / "bad.json").write_text("{cat: dog}")
    (environment / "binary.json").write_bytes(b"\xff\xfe\x00")
    done = imgrec("predict", cat, "--models=mobilenet", "--classes", classes)
    assert done.code == 2
    assert sentence in done.err


def test_predict_as_json(imgrec: Callable[..., Run], cat: str) -> None:
    done = imgrec(
        "predict", cat, cat, "--models=mobilenet_v2,mobilenet", "--format=json", "--top=1", "--weights=mobilenet=3"
    )
    first, second = json.loads(done.out)
    assert done.code == 0
    assert first["image"] == second["image"] == "cat.png"
    assert [model["model"] for model in first["models"]] == ["mobilenet", "mobilenet_v2"]
    assert [model["top"][0]["synset"] for model in first["models"]] == ["n02123045", "n02123159"]
    assert first["ensemble"]["rule"] == "weighted_mean"
    assert first["ensemble"]["top"] == [
        {"label": "tabby", "synset": "n02123045", "index": 281, "probability": pytest.approx(0.75)}
    ]


def test_predict_with_calibrated_members(imgrec: Callable[..., Run], cat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = {"sha256 of mobilenet": Temperature(1.5, "photos", "Photos", 300, 300, 0.9, 0.8)}
    monkeypatch.setattr(temperatures, "measured", lambda settings: measured)
    words = ("predict", cat, "--models=mobilenet,mobilenet_v2", "--format=json")
    found = {on: json.loads(imgrec(*words, *on).out)[0]["ensemble"]["temperatures"] for on in ((), ("--calibrated",))}
    assert found == {(): None, ("--calibrated",): {"mobilenet": 1.5, "mobilenet_v2": None}}
    table = imgrec(*words[:-1], "--calibrated").out
    assert "No temperature was measured for MobileNetV2." in " ".join(table.split())


def test_predict_as_csv(imgrec: Callable[..., Run], cat: str) -> None:
    rows = list(csv.DictReader(io.StringIO(imgrec("predict", cat, "--models=mobilenet", "--format=csv").out)))
    assert [row["model"] for row in rows] == ["mobilenet"] * 5 + ["ensemble"] * 5


def test_predict_as_a_report(imgrec: Callable[..., Run], cat: str, environment: Path) -> None:
    (environment / "not.jpg").write_text("words")
    done = imgrec("predict", cat, "not.jpg", "--models=mobilenet,mobilenet_v2", "--format=html", "--top=2")
    assert done.code == 2  # of the second one
    assert done.out.startswith("<!doctype html>")
    assert done.out.endswith("</html>\n")
    assert "imgrec predict cat.png --models mobilenet,mobilenet_v2 --top 2" in done.out
    assert "Both see a domestic cat" in done.out
    assert "This is a text file." in done.out


def test_predict_from_an_address(imgrec: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, settings: Settings) -> tuple[str, bytes]:
        assert settings.max_upload_bytes == MIB
        if url.endswith("none"):
            raise AddressError("example.org answered with 404 Not Found.")
        return "cat.jpg", image()

    monkeypatch.setattr(remote, "fetch", fetch)
    words = ("--models=mobilenet", "--format=json")
    done = imgrec("predict", "https://example.org/cat.jpg?size=1", "https://example.org/none", *words)
    assert done.code == 2
    found, missing = json.loads(done.out)
    assert found["image"] == "https://example.org/cat.jpg?size=1"
    assert found["notes"] == ["named .jpg but is a PNG"]
    assert missing["error"] == "example.org answered with 404 Not Found."
    assert "imgrec: https://example.org/none: example.org answered with 404 Not Found." in done.err


def test_predict_from_standard_input(imgrec: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(image())))
    done = imgrec("predict", "-", "--models=mobilenet", "--format=json")
    assert (done.code, json.loads(done.out)[0]["image"]) == (0, "standard input")


def test_broken_images_do_not_stop_the_others(imgrec: Callable[..., Run], cat: str, environment: Path) -> None:
    (environment / "text.jpg").write_text("not an image")
    (environment / "large.png").write_bytes(bytes(MIB + 1))
    (environment / "folder").mkdir()
    names = ["text.jpg", "gone.jpg", "large.png", "folder", cat]
    done = imgrec("predict", *names, "--models=mobilenet", "--format=json")
    assert done.code == 2
    found = json.loads(done.out)
    assert [row["image"] for row in found] == names
    assert [bool(row.get("error")) for row in found] == [True, True, True, True, False]
    complaints = [line for line in done.err.splitlines() if line.startswith("imgrec: ")]
    assert [line.split(": ")[1] for line in complaints] == names[:4]
    assert "at most 1 MiB. Received: 1.0 MiB" in complaints[2]
    assert imgrec("predict", *names, "--models=mobilenet").out.count("tabby") == 2  # the verdict and the row


def test_a_model_that_cannot_be_had_does_not_stop_the_others(imgrec: Callable[..., Run], cat: str) -> None:
    done = imgrec("predict", cat, "--models=vgg16,mobilenet", "--format=json")
    assert done.code == 2
    assert "imgrec: vgg16: Expected a network connection" in done.err
    (row,) = json.loads(done.out)
    assert {model["model"]: "error" in model for model in row["models"]} == {"mobilenet": False, "vgg16": True}

    alone = imgrec("predict", cat, "--models=vgg16")
    assert (alone.code, alone.out) == (2, "")
    assert alone.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["predict", "cat.png", "--models=vgg61"], "imgrec: Expected the name of a model", id="model"),
        pytest.param(["predict", "cat.png", "--rule=meen", "--models=mobilenet"], "name of a rule", id="rule"),
        pytest.param(
            ["predict", "cat.png", "--format=xml"], "table, json, csv, parquet or html. Received: 'xml'", id="format"
        ),
        pytest.param(["predict", "cat.png", "--top=99", "--models=mobilenet"], "from 1 to 10", id="top"),
        pytest.param(["predict", "cat.png"], "Received: none yet. `imgrec fetch mobilenet`", id="no model here"),
        pytest.param(["predict"], "Missing argument", id="no image"),
        pytest.param(["fetch", "nothing"], "imgrec: Expected the name of a model", id="fetch unknown"),
        pytest.param(["fetch", "vgg16"], "imgrec: vgg16: Expected a network connection", id="fetch offline"),
        pytest.param(["serve", "--port=0"], "--port", id="port"),
        pytest.param(["dance"], "dance", id="command"),
    ],
)
def test_wrong_input_is_said_in_a_sentence(
    imgrec: Callable[..., Run], cat: str, words: list[str], sentence: str
) -> None:
    done = imgrec(*words)
    assert done.code == 2
    assert done.out == ""
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_a_wrong_setting_is_said(imgrec: Callable[..., Run], cat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_MAX_UPLOAD_MIB", "lots")
    done = imgrec("predict", cat, "--models=mobilenet")
    assert (done.code, "IMGREC_MAX_UPLOAD_MIB" in done.err) == (2, True)


def test_fetch_says_what_it_has(imgrec: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, environment: Path) -> None:
    record = weights.Record("somewhere.h5", 1, 1, "0" * 64, None)
    monkeypatch.setattr(weights, "get_record", lambda spec, settings: record)
    done = imgrec("fetch", "mobilenet", "vgg16")
    assert done.code == 2
    assert done.out == f"mobilenet is ready: somewhere.h5 (sha256 {'0' * 64})\n"


def test_a_bug_stays_loud(imgrec: Callable[..., Run], cat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "open_pool", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        imgrec("predict", cat, "--models=mobilenet")


def test_interrupted(imgrec: Callable[..., Run], cat: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(preparation.Preparations, "ensure", interrupt)
    done = imgrec("predict", cat, "--models=mobilenet")
    assert (done.code, done.out, "Traceback" in done.err) == (130, "", False)


def test_serve_starts_streamlit_in_its_place(imgrec: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.append(command))
    assert imgrec("serve", "--port", "8765").code == 0
    assert imgrec("serve", "--host", "0.0.0.0").code == 0
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py")]
    assert started == [
        [*command, "--server.port=8765", "--server.address=127.0.0.1"],
        [*command, "--server.port=8501", "--server.address=0.0.0.0"],
    ]

    monkeypatch.setattr(serve, "APP", Path("/nowhere"))
    assert imgrec("serve").code == 2


def test_serve_checks_a_cluster_before_it_starts_and_passes_it_on(
    imgrec: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str | None, ...]] = []
    monkeypatch.setattr(serving.deployments, "load_serve", lambda: None)
    monkeypatch.setattr(cluster, "load", lambda: SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.setattr(serving.DriverProcess, "start", staticmethod(driver.Driver))
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
    monkeypatch.setattr(
        os, "execv", lambda path, command: started.append(tuple(map(os.environ.get, ("IMGREC_ENGINE", ADDRESS))))
    )
    for name in ("IMGREC_ENGINE", ADDRESS):  # which the command sets: put back after the test
        monkeypatch.setenv(name, "")
    for words, sentence in (
        (["--engine", "spark"], "Expected the engine local or ray. Received: 'spark'."),
        (["--address", "head:1"], "Expected --address with --engine ray."),
        (["--engine", "ray", "--address", "somewhere"], "Expected the address of a Ray cluster such as"),
        (
            ["--engine", "ray", "--address", "127.0.0.1:1"],
            "Expected a Ray cluster at 127.0.0.1:1. Received: Connection",
        ),
    ):
        done = imgrec("serve", *words)
        assert done.code == 2
        assert sentence in done.err
        monkeypatch.setenv("IMGREC_ENGINE", "")
        monkeypatch.setenv(ADDRESS, "")
    assert not started
    monkeypatch.setattr(serving, "check", lambda settings, tell: None)
    assert imgrec("serve", "--engine", "ray", "--address", "head:6379").code == 0
    assert started == [("ray", "head:6379")]


@pytest.mark.parametrize(
    ("done", "total", "drawn"),
    [
        pytest.param(0, 4 * MIB, f"[{'·' * 24}]   0 % of 4.0 MiB", id="nothing"),
        pytest.param(MIB, 4 * MIB, f"[{'█' * 6}{'·' * 18}]  25 % of 4.0 MiB", id="a quarter"),
        pytest.param(5 * MIB, 4 * MIB, f"[{'█' * 24}] 100 % of 4.0 MiB", id="more than announced"),
        pytest.param(MIB, None, "1.0 MiB", id="nobody knows"),
    ],
)
def test_bar(done: int, total: int | None, drawn: str) -> None:
    assert bar(done, total) == drawn


def command(*words: str, **named: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "imgrec", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **named,  # type: ignore[call-overload]
    )


def test_a_reader_that_goes_away_is_no_error(environment: Path) -> None:
    with command("models", "--json") as child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == ""
        assert child.wait(60) in {0, READER_GONE}


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        pytest.param(["--help"], ("numpy", "PIL", "openvino", "streamlit", "keras", "rich"), id="help"),
        pytest.param(["models"], ("PIL", "openvino", "streamlit", "keras", "rich"), id="models"),
        # OpenVINO is imported beside the reading of the image, on purpose.
        pytest.param(["predict", "x.jpg"], ("streamlit", "keras", "pandas", "altair", "rich"), id="predict"),
    ],
)
def test_a_command_imports_only_what_it_needs(environment: Path, words: list[str], heavy: tuple[str, ...]) -> None:
    code = (
        "import sys; from imgrec.cli import main\n"
        f"sys.argv = ['imgrec', *{words!r}]\n"
        "try: main()\n"
        f"except SystemExit: print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_nothing_is_prepared_for_what_is_no_image(
    imgrec: Callable[..., Run], environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (environment / "text.jpg").write_text("not an image")
    monkeypatch.setattr(preparation.Preparations, "ensure", lambda *_: 1 / 0)
    done = imgrec("predict", "text.jpg", "gone.jpg", "--models=mobilenet", "--format=json")
    assert done.code == 2
    assert [row["image"] for row in json.loads(done.out)] == ["text.jpg", "gone.jpg"]
    assert done.err.count("\n") == 2


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "cat.png", "--models=capstone_cnn"],
        ["fetch", "capstone_cnn"],
        ["evaluate", "--data=pictures", "--models=capstone_cnn"],
        ["export", "capstone_cnn", "--format=onnx", "--out=exported"],
        ["train", "cifar_vgg", "--data=pictures"],
    ],
    ids=lambda words: words[0],
)
def test_a_home_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "home").write_text("a file in place of the folder")
    make(tmp_path / "pictures", {"cat": 4, "dog": 4})
    (tmp_path / "cat.png").write_bytes(image())
    env = os.environ | {"IMGREC_HOME": str(tmp_path / "home"), "IMGREC_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "imgrec", *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert f"Expected access to {tmp_path / 'home'}" in done.stderr


@pytest.mark.parametrize(
    ("name", "times"),
    [
        pytest.param("gone.jpg", 50, marks=pytest.mark.exhaustive),
        pytest.param("text.jpg", 50, marks=pytest.mark.exhaustive),
        pytest.param("damaged.jpg", 50, marks=pytest.mark.exhaustive),
        pytest.param("damaged.jpg", 12, marks=pytest.mark.slow),
    ],
)
def test_a_wrong_image_ends_with_a_sentence_however_busy_the_machine_is(tmp_path: Path, name: str, times: int) -> None:
    """Many times, four at a time: none may end in another way, whatever its threads are at."""
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    env = os.environ | {"IMGREC_HOME": str(tmp_path / "home"), "IMGREC_OFFLINE": "1"}
    words = ["predict", str(tmp_path / name), "--models=efficientnet_lite0"]

    def once(_: int) -> tuple[int, list[str]]:
        with command(*words, env=env) as child:
            _, err = child.communicate(timeout=120)
        return child.returncode, [line for line in err.splitlines() if "converting" not in line]

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(once, range(times)))
    assert {code for code, _ in ends} == {2}
    assert {len(lines) for _, lines in ends} == {1}
    assert all(lines[0].startswith(f"imgrec: {tmp_path / name}: ") for _, lines in ends)


@pytest.mark.slow
def test_a_real_network_sees_a_real_image(keras_home: Path, test_data: Path, tmp_path: Path) -> None:
    """From an empty cache, offline: convert, then answer; the second time without converting."""
    env = os.environ | {"IMGREC_HOME": str(tmp_path), "KERAS_HOME": str(keras_home), "IMGREC_OFFLINE": "1"}
    words = ["predict", str(test_data / "gallery" / "photos" / "airplane.jpg")]
    words += ["--models=mobilenet,mobilenet_v2", "--format=json"]
    errors = []
    for _ in range(2):
        with command(*words, env=env) as child:
            out, err = child.communicate(timeout=120)
            assert child.returncode == 0, err
        (found,) = json.loads(out)
        assert {model["top"][0]["label"] for model in found["models"]} <= {"warplane", "airliner", "wing"}
        errors.append(err)
    assert errors == ["mobilenet: converting\nmobilenet_v2: converting\n", ""]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat\x1b[2J\x07.jpg", "cat�[2J�.jpg"),
        ("cat\r\x9b31m.jpg\x7f", "cat��31m.jpg�"),
        ("cat\u202egpj.exe", "cat�gpj.exe"),
        ("12.3\u202f%\n\t猫 👩\u200d💻", "12.3\u202f%\n\t猫 👩\u200d💻"),
    ],
    ids=["escape", "return and C1", "right to left", "nothing of the kind"],
)
def test_no_name_moves_the_terminals_cursor(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    complain(text)
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{shown}\n", f"imgrec: {shown}\n")
