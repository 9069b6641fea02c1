"""Fixtures shared by all tests. What needs data beside the project skips with a sentence when it is absent."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from imgrec.models import weights
from imgrec.settings import ROOT, Settings

# Asks a process of `keras_process`: the name of a command and its arguments; returns its answer.
Ask = Callable[..., object]

# Without a deadline: a busy machine must not fail a property.
hypothesis_settings.register_profile("imgrec", deadline=None, max_examples=50)
hypothesis_settings.load_profile("imgrec")


# A slow test may start TensorFlow, train a network or drive a browser.
SLOW_TIMEOUT_S = 900


# Files whose slow tests take a minute or more, the longest first. They begin before all others: at the end, one of two
# processes would wait for the other.
LONGEST = (
    "reliability/test_soak.py",
    "browser/test_dashboard.py",
    "browser/test_accessibility.py",
    "inference/test_engines.py",
    "training/test_networks.py",
    "training/test_training_worker.py",
    "training/test_transfer_worker.py",
    "reliability/test_floods.py",
    "reliability/test_kills.py",
    "reliability/test_full_disks.py",
    "browser/test_around.py",
    "browser/test_training.py",
    "reports/test_reproduce.py",
    "server/test_serving.py",
    "export/test_bundle.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {ROOT / "tests" / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        if any(item.get_closest_marker(name) for name in ("slow", "browser", "exhaustive")):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))


@pytest.fixture
def test_data() -> Path:
    """The folder of IMGREC_TEST_DATA: real images (gallery, imagenet_sample_even, imagenet_val_a)."""
    folder = Path(os.environ.get("IMGREC_TEST_DATA", "/nonexistent"))
    if not folder.is_dir():
        pytest.skip("IMGREC_TEST_DATA names no folder with real images")
    return folder


@pytest.fixture
def keras_home() -> Path:
    """The folder of KERAS_HOME, if it holds any weights."""
    folder = Path(os.environ.get("KERAS_HOME", "/nonexistent"))
    if not list((folder / "models").glob("*.h5")):
        pytest.skip("KERAS_HOME names no folder with weights under models/")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose folders are fresh and whose network is off."""
    return Settings.from_env(
        {
            "IMGREC_HOME": str(tmp_path / "imgrec"),
            "KERAS_HOME": str(tmp_path / "keras"),
            "IMGREC_MEMORY_MIB": "2048",
            "IMGREC_OFFLINE": "1",
        }
    )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of compiled networks that slow tests share, in every process of a run: a conversion takes seconds."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def ready(compiled: Path, settings: Settings) -> Settings:
    """Fresh settings as after the first use: what any test compiled is there, and weights are in KERAS_HOME."""
    home = with_compiled(settings.home, compiled)
    return replace(settings, home=home, keras_home=Path(os.environ.get("KERAS_HOME") or settings.keras_home))


def with_compiled(home: Path, compiled: Path) -> Path:
    """Let the new IMGREC_HOME `home` have the compiled networks of other tests, and return it."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "compiled").symlink_to(compiled, target_is_directory=True)
    return home


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Python package carries weights."""
    monkeypatch.setattr(weights, "_find_package", lambda name: None)


@pytest.fixture(scope="session")
def keras_processes() -> Iterator[Callable[[str], Ask]]:
    """Backend → what asks a process with Keras on that backend; each is started once, when first asked.

    Shared by all tests: importing TensorFlow takes as long as most of what they ask.
    """
    with ExitStack() as stack:
        running: dict[str, subprocess.Popen[str]] = {}

        def start(backend: str) -> subprocess.Popen[str]:
            environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.inference.keras_process"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        def ask_of(backend: str) -> Ask:
            def ask(do: str, **arguments: object) -> object:
                process = running.get(backend) or running.setdefault(backend, start(backend))
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps({"do": do} | arguments, default=str) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                assert answer, f"Keras on {backend} died; its last words are above"
                return json.loads(answer)

            return ask

        yield ask_of
