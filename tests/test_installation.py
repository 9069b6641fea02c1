"""What `pip install` brings, and that imgrec runs from it, far from its repository."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from imgrec import extras
from imgrec.errors import MissingExtraError
from imgrec.settings import ROOT
from tests.server.test_serving import answers

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# An environment that serves, its own pip and byte code included: nothing that trains.
MAX_SERVING_BYTES = 1_000_000_000


def tracked(*places: str) -> set[str]:
    """The files of the repository in these places, as git knows them."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip("Git does not know this folder")
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def test_a_wheel_has_the_package_and_the_app_and_nothing_else() -> None:
    moved = {name: f"imgrec/_app/{name}" for name in tracked("app.py", "pages", "assets", ".streamlit")}
    wanted = tracked("imgrec") | set(moved.values())
    assert {"imgrec/_app/app.py", "imgrec/_app/.streamlit/config.toml", "imgrec/py.typed"} <= wanted
    held = {one.distribution_path for one in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {name for name in held if "__pycache__" not in name} == wanted


def test_a_source_archive_makes_the_same_wheel() -> None:
    held = {one.distribution_path for one in SdistBuilder(str(ROOT)).recurse_included_files()}
    assert tracked("imgrec", "app.py", "pages", "assets", ".streamlit") <= held


def pinned(file: str) -> dict[str, str]:
    """Package, without its extras → the version that a list of requirements pins."""
    lines = (line.split("#")[0].split(";")[0].strip() for line in (ROOT / file).read_text("utf-8").splitlines())
    return {Requirement(line).name: line.split("==", 1)[1] for line in lines if "==" in line}


def test_the_project_requires_what_is_tested() -> None:
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][name] for name in ("train", "int8"))]
    declared = [Requirement(line) for group in groups for line in group]
    versions = pinned("requirements.txt")
    assert {one.name for one in declared} == versions.keys()
    assert [str(one) for one in declared if not one.specifier.contains(versions[one.name])] == []
    development = {Requirement(line).name for line in PROJECT["optional-dependencies"]["dev"]} - {"imgrec"}
    assert development == pinned("requirements-dev.txt").keys()


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_a_missing_extra_names_the_command_that_adds_it(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert extra in PROJECT["optional-dependencies"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=re.escape(f"pip install 'imgrec[{extra}]'")):
        extras.check(extra, "to go on")


def test_an_extra_that_is_there_is_no_error() -> None:
    extras.check("train", "to train")


@pytest.mark.exhaustive
def test_the_wheel_serves_predicts_and_says_what_training_needs(tmp_path: Path) -> None:
    """Installs some 700 MB of packages, and needs a package index."""
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path / "dist")))
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([place / "bin" / "pip", "install", "--quiet", wheel], check=True)
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file() and not file.is_symlink())
    print(f"a serving installation takes {size / 1e6:,.0f} MB")
    assert size < MAX_SERVING_BYTES

    away = tmp_path / "elsewhere"
    away.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KERAS_HOME")}
    env = kept | {"IMGREC_HOME": str(tmp_path / "home"), "IMGREC_OFFLINE": "1"}

    def imgrec(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [place / "bin" / "imgrec", *words], cwd=away, env=env, capture_output=True, text=True, timeout=600
        )

    assert "bundled" in imgrec("models").stdout
    # A model that was trained here, and one whose weights are converted without TensorFlow.
    sample = str(ROOT / "assets" / "samples" / "espresso.jpg")
    assert "espresso" in imgrec("predict", sample, "--models", "efficientnet_lite0").stdout
    assert imgrec("predict", sample, "--models", "cifar_dense").returncode == 0
    for name, files in {"animals": ("cat", "galaxies"), "things": ("espresso", "photographer")}.items():
        (away / "two" / name).mkdir(parents=True)
        for file in files:
            shutil.copy(ROOT / "assets" / "samples" / f"{file}.jpg", away / "two" / name)
    refused = imgrec("train", "efficientnet_lite0", "--data", "two")
    assert refused.returncode == 2
    assert "pip install 'imgrec[train]'" in refused.stderr

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([place / "bin" / "imgrec", "serve", "--port", str(port)], cwd=away, env=env) as server:
        try:
            give_up_at = time.monotonic() + 60
            while not answers("127.0.0.1", port):
                assert server.poll() is None
                assert time.monotonic() < give_up_at
                time.sleep(0.2)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/models") as answer:
                assert answer.status == 200
        finally:
            server.terminate()
