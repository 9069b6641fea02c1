import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.errors import ConversionError, CorruptWeightsError, ImgrecError, StorageError
from imgrec.inference import conversion
from imgrec.inference.conversion import (
    STAGES,
    Manifest,
    compiled_path,
    convert,
    discard,
    find_memory_bytes,
    read_intact,
    read_manifest,
)
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import ROOT, Settings
from tests.conftest import Ask
from tests.fakes import fake_spec

SPEC = fake_spec("tiny", parameters=1000)
DIGEST = "0" * 64

# Workers for the tests: what they do after the request has come. `say` answers, `FOLDER` is where files belong.
PRELUDE = """
    import json, os, pathlib, signal, sys, time
    request = json.loads(sys.stdin.readline())
    FOLDER = pathlib.Path(request["folder"])
    def say(**answer):
        print(json.dumps(answer), flush=True)
"""
WORKING = """
    say(stage="building")
    (FOLDER / "model.xml").write_text("<net/>")
    (FOLDER / "model.bin").write_bytes(b"weights")
    say(memory_bytes=123)
"""


@pytest.fixture
def weights_path(tmp_path: Path) -> Path:
    path = tmp_path / "weights.h5"
    path.write_bytes(b"not read by these workers")
    return path


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Replaces the worker by Python code; returns the file to which each one adds a line when it starts."""

    def replace_by(code: str) -> Path:
        starts = tmp_path / "starts"
        script = tmp_path / "worker.py"
        note = f"\nopen({str(starts)!r}, 'a').write('x\\n')\n"
        script.write_text(textwrap.dedent(PRELUDE) + note + textwrap.dedent(code))
        monkeypatch.setattr(conversion, "WORKER", (str(script),))
        return starts

    return replace_by


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"title": "Another"}, True),
        ({"crop_fraction": 0.5}, True),
        ({"name": "another"}, False),
        ({"arguments": (("alpha", 0.5),)}, False),
        ({"input_size": (128, 128)}, False),
        ({"preprocess": "caffe"}, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_path_depends_on_what_changes_the_graph(change: dict[str, object], same: bool, settings: Settings) -> None:
    path = compiled_path(SPEC, DIGEST, settings)
    assert (compiled_path(replace(SPEC, **change), DIGEST, settings) == path) == same
    assert path.parent.parent == settings.home / "compiled"


def test_the_path_depends_on_weights_and_versions(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {compiled_path(SPEC, DIGEST, settings), compiled_path(SPEC, "1" * 64, settings)}
    monkeypatch.setattr(conversion, "versions", lambda: {"openvino": "2099.1"})
    assert len(paths | {compiled_path(SPEC, DIGEST, settings)}) == 3


def test_convert_builds_once_and_tells_its_stages(
    weights_path: Path, settings: Settings, worker: Callable[[str], Path]
) -> None:
    starts, stages = worker(WORKING), list[str]()
    path = convert(SPEC, weights_path, settings, stages.append)
    assert convert(SPEC, weights_path, settings, stages.append) == path
    assert starts.read_text() == "x\n"
    assert stages == ["building"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["manifest.json", "model.bin", "model.xml"]
    manifest = read_intact(path)
    assert manifest is not None
    assert (manifest.model, manifest.memory_bytes, manifest.files["model.bin"][0]) == ("tiny", 123, 7)
    assert find_memory_bytes(SPEC, settings) == 123
    assert find_memory_bytes(fake_spec("other"), settings) is None
    assert [entry.name for entry in path.parent.parent.iterdir() if entry.is_dir()] == [path.parent.name]


def test_many_threads_cause_one_conversion(
    weights_path: Path, settings: Settings, worker: Callable[[str], Path]
) -> None:
    starts = worker("time.sleep(0.3)\n" + textwrap.dedent(WORKING))
    stages: list[str] = []
    with ThreadPoolExecutor(8) as threads:
        paths = set(threads.map(lambda _: convert(SPEC, weights_path, settings, stages.append), range(8)))
    assert len(paths) == 1
    assert starts.read_text() == "x\n"
    assert "waiting" in stages


def break_manifest(path: Path) -> None:
    (path.parent / "manifest.json").write_text("{")


def shorten_weights(path: Path) -> None:
    path.with_suffix(".bin").write_bytes(b"weight")


def flip_a_bit(path: Path) -> None:
    path.with_suffix(".bin").write_bytes(b"weightz")


def lose_weights(path: Path) -> None:
    path.with_suffix(".bin").unlink()


def lose_graph(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [break_manifest, shorten_weights, flip_a_bit, lose_weights, lose_graph, discard])
def test_a_damaged_entry_is_built_again(
    damage: Callable[[Path], object], weights_path: Path, settings: Settings, worker: Callable[[str], Path]
) -> None:
    starts = worker(WORKING)
    path = convert(SPEC, weights_path, settings)
    damage(path)
    assert read_intact(path) is None
    assert convert(SPEC, weights_path, settings) == path
    assert read_intact(path) is not None
    assert starts.read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("say(error='CorruptWeightsError', message='bad file')", CorruptWeightsError, "^bad file$"),
        ("say(error='StorageError', message='no room')", StorageError, "^no room$"),
        ("raise ZeroDivisionError('deep inside')", ConversionError, "exit code 1. .*deep inside"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            ConversionError,
            "memory ran out; .* takes about 400 MiB",
        ),
        ("say(stage='building'); os._exit(3)", ConversionError, "exit code 3"),
        ("print('{\"half'); os._exit(0)", ConversionError, "exit code 0"),
        ("say(memory_bytes=1); os._exit(5)", ConversionError, "exit code 5"),
        ("time.sleep(60)", ConversionError, "nothing within"),
    ],
    ids=["corrupt", "full", "a bug", "out of memory", "dies midway", "half a line", "dies at the end", "hangs"],
)
def test_a_worker_that_fails_is_a_sentence_and_leaves_nothing(
    code: str,
    error: type[ImgrecError],
    words: str,
    weights_path: Path,
    settings: Settings,
    worker: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker(code)
    monkeypatch.setattr(conversion, "TIMEOUT_S", 1.0 if "sleep" in code else 60.0)
    with pytest.raises(error, match=r"(?s)" + words):
        convert(SPEC, weights_path, settings)
    assert [entry for entry in (settings.home / "compiled").iterdir() if entry.is_dir()] == []
    worker(WORKING)
    assert read_intact(convert(SPEC, weights_path, settings)) is not None


def test_what_on_progress_raises_ends_the_worker(
    weights_path: Path, settings: Settings, worker: Callable[[str], Path]
) -> None:
    worker("say(stage='building')\ntime.sleep(60)")

    def cancel(stage: str) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        convert(SPEC, weights_path, settings, cancel)
    assert time.monotonic() - start < 20


def test_a_full_disk_is_told_before_anything_is_converted(
    weights_path: Path, settings: Settings, worker: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = worker(WORKING)
    usage = shutil.disk_usage(settings.home.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5))
    with pytest.raises(StorageError, match=r"MiB of room in .*compiled to convert tiny"):
        convert(SPEC, weights_path, settings)
    assert not starts.exists()


def test_a_cache_that_cannot_be_written_is_a_sentence_with_its_path(
    weights_path: Path, settings: Settings, worker: Callable[[str], Path]
) -> None:
    worker(WORKING)
    settings.home.parent.mkdir(exist_ok=True)
    settings.home.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=str(settings.home)):
        convert(SPEC, weights_path, settings)


def test_weights_that_are_not_there_are_a_sentence(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"gone\.h5"):
        convert(SPEC, tmp_path / "gone.h5", settings)


def test_a_manifest_survives_the_way_through_json(tmp_path: Path) -> None:
    manifest = Manifest("tiny", DIGEST, {"keras": "3"}, 5, {"model.xml": (1, "a")})
    (tmp_path / "manifest.json").write_text(json.dumps(conversion.asdict(manifest)))
    assert read_manifest(tmp_path / "model.xml") == manifest


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [b"", b"<html>Not Found</html>", b"\x89HDF\r\n\x1a\n" + bytes(500), "truncated", "other"],
    ids=["empty", "a web page", "only a signature", "truncated", "of another model"],
)
def test_broken_weights_are_named(
    content: bytes | str, keras_processes: Callable[[str], Ask], tmp_path: Path, keras_home: Path
) -> None:
    path = tmp_path / "broken.h5"
    whole = keras_home / "models" / "mobilenet_2_5_128_tf.h5"
    spec = BUILT_IN.get_spec("mobilenet_a025_128")
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "truncated":
        path.write_bytes(whole.read_bytes()[:-100_000])
    else:
        path, spec = whole, BUILT_IN.get_spec("mobilenet")
    answer = keras_processes("openvino")("try_to_load", model=spec.name, weights=path)
    assert str(answer).startswith("CorruptWeightsError: Expected ")
    assert str(path) in str(answer)
    if content == "other":
        assert f"to hold the weights of {spec.name}" in str(answer)


@pytest.mark.slow
def test_the_worker_tells_what_is_broken(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "broken.h5"
    path.write_bytes(b"<html>Not Found</html>")
    with pytest.raises(CorruptWeightsError, match=f"Expected arrays in HDF5 in {path}"):
        convert(BUILT_IN.get_spec("mobilenet_a025_128"), path, settings)


@pytest.mark.slow
def test_the_worker_has_no_tensorflow_and_sends_no_reports(
    tmp_path: Path, settings: Settings, keras_home: Path
) -> None:
    code = """
        import sys, pathlib
        from imgrec.inference import conversion
        from imgrec.models.catalog import BUILT_IN
        weights, folder = map(pathlib.Path, sys.argv[1:])
        told = []
        spec = BUILT_IN.get_spec("mobilenet_a025_128")
        print(conversion._convert(spec, weights, folder, lambda **answer: told.append(answer["stage"])))
        print(told)
        unwanted = {"tensorflow", "openvino_telemetry", "torch", "jax", "scipy", "pandas"}
        print([name for name in sys.modules if name.split(".")[0] in unwanted])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), keras_home / "models" / "mobilenet_2_5_128_tf.h5", tmp_path],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "openvino"},
        capture_output=True,
        text=True,
        check=True,
    )
    memory_bytes, stages, loaded = done.stdout.splitlines()
    assert int(memory_bytes) > 1e6
    assert stages == str([stage for stage in STAGES if stage not in ("waiting", "quantizing")])
    assert loaded == "[]"


@pytest.mark.slow
def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path, settings: Settings, keras_home: Path) -> None:
    code = """
        import pathlib, sys
        from imgrec.inference import conversion
        from imgrec.models.catalog import BUILT_IN
        from imgrec.settings import Settings
        settings = Settings.from_env({"IMGREC_HOME": sys.argv[2]})
        weights = pathlib.Path(sys.argv[1])
        conversion.convert(BUILT_IN.get_spec("mobilenet"), weights, settings, lambda stage: print(stage, flush=True))
    """
    weights = keras_home / "models" / "mobilenet_1_0_224_tf.h5"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), weights, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "building\n"
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        if not children.exists():
            parent.kill()
            pytest.skip("needs /proc/…/children to find the worker")
        (worker,) = children.read_text().split()
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and "zombie" not in Path(f"/proc/{worker}/status").read_text():
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.05)
    # What it left does not stand in the way.
    path = convert(BUILT_IN.get_spec("mobilenet"), weights, replace(settings, home=tmp_path))
    assert read_intact(path) is not None
