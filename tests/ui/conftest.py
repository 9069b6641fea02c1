"""The pages with a pool of fake engines: no runtime, no weights, no network."""

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from imgrec.errors import EngineError
from imgrec.inference import classify, conversion
from imgrec.inference.engine import Activations, Contributions
from imgrec.inference.pool import EnginePool
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.settings import MIB, ROOT, Settings

SHELL = ROOT / "imgrec" / "ui" / "main.py"

# On the machine of these tests; everything else is missing.
HERE = ("mobilenet", "mobilenet_v2", "mobilenet_v3_small")

TABBY, TIGER_CAT = 281, 282
TEN_CLASS_MODELS = [spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10" and spec.bundled][:2]
TEN_CLASSES = TEN_CLASS_MODELS[0]


class CatEngine:
    """Says tabby, and by a smaller margin tiger cat; `mobilenet_v2` says it the other way round."""

    memory_bytes = 20 * MIB

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def predict(self, batch: np.ndarray) -> np.ndarray:
        assert batch.shape == (1, *self.spec.input_size, 3)
        space = self.spec.get_label_space()
        classes = len(space.labels)
        first, second = (TABBY, TIGER_CAT) if classes > TIGER_CAT else (0, 1)
        if self.spec.name == "mobilenet_v2":
            first, second = second, first
        probabilities = np.full((1, classes), 0.1 / (classes - 2), np.float32)
        probabilities[0, [first, second]] = [0.6, 0.3]
        return probabilities

    def predict_values(self, values: np.ndarray) -> np.ndarray:
        """Take what is no byte for the last class."""
        row = self.predict(values)
        return row if values.min() > -1 and values.max() < 256 else row[:, ::-1]

    def observe(self, image: np.ndarray) -> Activations:
        probabilities = self.predict(image[np.newaxis])[0]
        return Activations(probabilities, np.log(probabilities), np.ones((1, 2, 2, 1), np.float32))

    def close(self) -> None:
        pass


class CatHead:
    """Finds tabby in the upper left quarter, and in the lower right one what speaks against it."""

    memory_bytes = 0

    def __init__(self, spec: ModelSpec) -> None:
        self.classes = len(spec.get_label_space().labels)

    def locate(self, features: np.ndarray) -> Contributions:
        logits = np.zeros((2, 2, self.classes), np.float32)
        logits[[0, 1], [0, 1], TABBY if self.classes > TABBY else 0] = [3, -1]
        return Contributions(logits, None)

    def close(self) -> None:
        pass


class DoubtingEngine(CatEngine):
    """Finds every class nearly as likely as the next."""

    def predict(self, batch: np.ndarray) -> np.ndarray:
        row = np.linspace(2, 1, len(self.spec.get_label_space().labels), dtype=np.float32)
        return (row / row.sum())[np.newaxis]


class BrokenEngine(CatEngine):
    """Loads, and cannot run."""

    def predict(self, batch: np.ndarray) -> np.ndarray:
        raise EngineError("Expected the engine to run. Received: a refusal.")


@pytest.fixture
def engines() -> dict[str, Callable[[ModelSpec], CatEngine]]:
    """What is made for each model instead of `CatEngine`; tests put theirs in."""
    return {}


@pytest.fixture
def identities() -> dict[str, str]:
    """The sha256 of each model's weights; tests put theirs in."""
    return {}


@pytest.fixture
def here() -> set[str]:
    """The models on this machine; tests may change it before they run a page."""
    return set(HERE)


@pytest.fixture(autouse=True)
def no_scan_for_components(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Streamlit from reading the metadata of all packages for each `AppTest`, which finds nothing."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", list)


@pytest.fixture(autouse=True)
def machine(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    engines: dict[str, Callable[[ModelSpec], CatEngine]],
    identities: dict[str, str],
    here: set[str],
) -> Iterator[None]:
    """A machine with the models `here`, a pool of `engines`, no network, and empty caches."""
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "imgrec"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("IMGREC_MEMORY_MIB", "100")
    monkeypatch.setenv("IMGREC_MAX_UPLOAD_MIB", "1")
    monkeypatch.setenv("IMGREC_OFFLINE", "1")

    def open_pool(settings: Settings, preparations: object) -> EnginePool:
        return EnginePool(
            settings.memory_bytes,
            load=lambda spec: engines.get(spec.name, CatEngine)(spec),
            estimate=lambda spec: 4 * spec.parameters,
            load_head=CatHead,
            identify=lambda spec: identities.get(spec.name, ""),
        )

    monkeypatch.setattr(classify, "open_pool", open_pool)
    monkeypatch.setattr(
        weights, "locate", lambda spec, settings: tmp_path / spec.weights.filename if spec.name in here else None
    )
    monkeypatch.setattr(conversion, "find_memory_bytes", lambda spec, settings: 20 * MIB if spec.name in here else None)
    _clear()
    yield
    _clear()


def _clear() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def page() -> Callable[[str], AppTest]:
    """Opens a page by its file name, as a link to it does."""

    def open_page(name: str = "compare.py", **query: str | list[str]) -> AppTest:
        app = AppTest.from_file(str(SHELL), default_timeout=30)
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        if name != "compare.py":
            app.switch_page(f"../../pages/{name}").run()
        return app

    return open_page


def photo(color: str = "orange", size: tuple[int, int] = (320, 240), **save: object) -> bytes:
    """A JPEG of one color."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "JPEG", **save)
    return file.getvalue()


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Drop `files` and let the page run."""
    for name, data in files:
        app.file_uploader[0].upload(name, data)
    return app.run()


def words(app: AppTest) -> str:
    """Everything that the page says, in one string."""
    said = [element.value for kind in ("markdown", "caption", "subheader", "header") for element in app.get(kind)]
    alerts = [alert.value for kind in ("error", "warning", "info") for alert in app.get(kind)]
    return "\n".join(map(str, [*said, *alerts]))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
