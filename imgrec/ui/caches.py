"""All Streamlit caches, and the resources of the process behind them: settings, pool, preparations, predictions.

Keys are digests and names, never arrays: Streamlit hashes only samples of large arrays, and could return the result
of another image. Arguments with a leading underscore are not part of a key.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import streamlit as st

from imgrec.evaluation import stored_predictions, twin_facts
from imgrec.evaluation import temperatures as measured_temperatures
from imgrec.explanation import feature_maps
from imgrec.explanation.attribution import Attribution
from imgrec.explanation.faithfulness import Faithfulness
from imgrec.explanation.feature_maps import FeatureMaps
from imgrec.explanation.layers import Layer, read_layers
from imgrec.explanation.training_layers import with_dropout
from imgrec.export.bundle import Exports
from imgrec.formatting import size
from imgrec.images import decoding, gallery, preprocessing
from imgrec.images.decoding import DecodedImage
from imgrec.inference import conversion, preparation
from imgrec.inference import warm_up as warming
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.metrics.calibration import Temperature
from imgrec.models import cards
from imgrec.models.catalog import Catalog, ModelSpec
from imgrec.predictions.prediction import Prediction
from imgrec.scale import serving
from imgrec.settings import ASSETS, Settings
from imgrec.ui.image_quota import ImageQuota
from imgrec.ui.image_store import SHARE, ImageStore

Kept = TypeVar("Kept")

log = logging.getLogger(__name__)

# The key of the session's snapshot.
_CATALOG = "catalog_of_rerun"

# A conversion holds the weights about three times: MobileNets take 60 MiB, which a host of 1 GiB has to spare.
DEMO_MAX_PARAMETERS = 6_000_000

# A tile is shown at 56 and 96 px, on screens with two pixels a px.
TILE_SIDE_PX = 160

# A thumbnail takes 5 to 100 kB. Those of a visit are deleted when it ends.
MAX_THUMBNAILS = 100

# The layers of a network take some 20 kB, the maps of a group of layers 1 to 8 MB.
MAX_GRAPHS = 50
MAX_FEATURE_MAPS = 8

# A prediction of 1,000 classes takes 4 kB.
MAX_PREDICTIONS = 5_000

# A map takes 1 to 4 kB.
MAX_MAPS = 2_000

_REMEMBERING = threading.Lock()


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """Return the settings of the environment."""
    return Settings.from_env()


def renew_catalog() -> Catalog:
    """Take a new snapshot of the models for this rerun, with those that were trained or removed since the last."""
    st.session_state[_CATALOG] = found = cards.load_catalog(settings())
    return found


def catalog() -> Catalog:
    """Return the snapshot of this rerun: every component sees the same models."""
    found: Catalog | None = st.session_state.get(_CATALOG)
    return renew_catalog() if found is None else found


@st.cache_resource(show_spinner=False)
def pool() -> EnginePool:
    """Return the models of this process, or of the cluster that it uses, shared by all visitors and the API."""
    return serving.open_pool(settings(), preparations(), log.warning)


@st.cache_resource(show_spinner=False)
def image_store() -> ImageStore:
    """Return the images of each browser tab, kept for a reload."""
    return ImageStore(settings().sessions_bytes // SHARE)


@st.cache_resource(show_spinner=False)
def image_quota() -> ImageQuota:
    """Return the count of all images that visitors have added."""
    return ImageQuota(settings().sessions_bytes)


@st.cache_resource(show_spinner=False)
def preparations() -> Preparations:
    """Return the running downloads and conversions, which outlive the click that started them."""
    return Preparations(settings())


@st.cache_resource(show_spinner=False)
def exporting() -> Exports:
    """Return the running exports, which outlive the click that started them, and the finished ones."""
    return Exports(settings(), preparations(), lambda spec, show: twin_facts.describe(spec, settings(), show))


def state_of(spec: ModelSpec) -> str:
    """Return loaded, or the state of the weights: bundled, downloaded, missing and such."""
    if any(row.name == spec.name for row in pool().loaded()):
        return "loaded"
    return preparation.state_of(spec, settings())


def is_here(spec: ModelSpec) -> bool:
    """Whether the weights of `spec` are on this machine."""
    return preparation.state_of(spec, settings()) != "missing"


def is_ready(spec: ModelSpec) -> bool:
    """Whether `spec` is on this machine, converted, and within the memory budget."""
    return is_here(spec) and conversion.find_memory_bytes(spec, settings()) is not None and refusal(spec) is None


def is_offered(spec: ModelSpec) -> bool:
    """Whether `spec` can be chosen: it is on this machine or published; in a demo the published ones must be small."""
    if not (is_here(spec) or spec.weights.is_published):
        return False
    if not settings().demo:
        return True
    if spec.is_compact:  # only a host that starts has the memory to make one
        return is_ready(spec)
    return refusal(spec) is None and (is_here(spec) or spec.parameters <= DEMO_MAX_PARAMETERS)


def refusal(spec: ModelSpec) -> str | None:
    """Return why `spec` can never be loaded here, known before anything is fetched; None where it can."""
    plan = pool().plan([spec])
    if not plan.too_large:
        return None
    return (
        f"{spec.title} needs about {size(plan.total_bytes)} of memory; the budget for loaded models is "
        f"{size(plan.budget_bytes)}. A smaller model fits, or a larger IMGREC_MEMORY_MIB."
    )


@st.cache_resource(show_spinner=False)
def predictions() -> dict[tuple[object, ...], Prediction]:
    """Return the predictions of this process by model, hash of its weights, image and framing; see `remember`."""
    return {}


def remember(key: tuple[object, ...], prediction: Prediction) -> None:
    """Add to `predictions`; of more than `MAX_PREDICTIONS` the oldest one is dropped."""
    _keep(predictions(), key, prediction, MAX_PREDICTIONS)


@st.cache_resource(show_spinner=False)
def maps() -> dict[tuple[object, ...], Attribution | Faithfulness]:
    """Return the maps of this process, and how faithful they are, by everything that they depend on."""
    return {}


def remember_map(key: tuple[object, ...], found: Attribution | Faithfulness) -> None:
    """Add to `maps`; of more than `MAX_MAPS` the oldest one is dropped."""
    _keep(maps(), key, found, MAX_MAPS)


def _keep(kept: dict[tuple[object, ...], Kept], key: tuple[object, ...], value: Kept, most: int) -> None:
    with _REMEMBERING:
        kept[key] = value
        if len(kept) > most:
            del kept[next(iter(kept))]


@st.cache_data(show_spinner=False)
def measured_latencies() -> dict[str, tuple[float, str]]:
    """Return the measured median latency in ms and the machine by the sha256 of the weights."""
    rows = stored_predictions.read_summary(ASSETS / "benchmarks")["rows"]
    by_images = sorted(rows, key=lambda row: row["images"])  # the row with most images stays
    return {
        row["weights_sha256"]: (row["latency_p50_ms"], row["hardware"]) for row in by_images if row["latency_p50_ms"]
    }


def temperatures() -> dict[str, Temperature]:
    """Return the measured temperatures by the sha256 of the weights, read again if something was measured meanwhile."""
    own = stored_predictions.own_folder(settings()) / stored_predictions.SUMMARY
    return _temperatures(own.stat().st_mtime_ns if own.exists() else 0)


@st.cache_resource(max_entries=1, show_spinner=False)
def _temperatures(changed_at: int) -> dict[str, Temperature]:
    return measured_temperatures.measured(settings())


@st.cache_data(max_entries=MAX_THUMBNAILS, scope="session", show_spinner=False)
def thumbnail(sha256: str, side_px: int, _image: DecodedImage) -> bytes:
    """Return an encoded thumbnail of the decoded image."""
    return decoding.thumbnail(_image, side_px)


@st.cache_resource(show_spinner=False)
def sample_image(file: str) -> DecodedImage:
    """Return a decoded sample image."""
    data = gallery.get_sample(file).path.read_bytes()
    return decoding.decode(data, max_bytes=len(data))


@st.cache_data(show_spinner=False)
def sample_thumbnail(file: str, side_px: int = TILE_SIDE_PX) -> bytes:
    """Return an encoded thumbnail of a sample image."""
    return decoding.thumbnail(sample_image(file), side_px)


@st.cache_data(max_entries=MAX_THUMBNAILS, scope="session", show_spinner=False)
def framed(sha256: str, size: tuple[int, int], crop_fraction: float, framing: str, _image: DecodedImage) -> np.ndarray:
    """Return the exact uint8 (H, W, 3) input of every model with this size and crop."""
    return preprocessing.frame(_image, size, crop_fraction, framing)


@st.cache_data(max_entries=MAX_GRAPHS, show_spinner=False)
def layers(path: str, saved: str | None) -> tuple[Layer, ...]:
    """Return the layers of the compiled network at `path`, whose folder is named after a digest of it.

    `saved` is the path of its weights, for the layers that work in training alone.
    """
    return with_dropout(read_layers(Path(path)), None if saved is None else Path(saved))


@st.cache_resource(max_entries=MAX_FEATURE_MAPS, show_spinner=False)
def feature_map_group(
    path: str,
    title: str,
    sha256: str,
    framing: str,
    start: int,
    stop: int,
    _layers: Sequence[Layer],
    _pixels: np.ndarray,
) -> list[FeatureMaps]:
    """Return what `_layers` from `start` to `stop` of a compiled network compute for the framed image `_pixels`."""
    with pool().borrow(title, feature_maps.needed_bytes(_layers, range(start, stop))):
        return feature_maps.compute(Path(path), _pixels, _layers[start:stop])


def warm_up() -> None:
    """Compile and load the default models and draw thumbnails, so that the first visitor does not wait for them."""
    defaults = default_specs()
    for spec in defaults:
        preparations().start(spec)
    import imgrec.charts.top_k  # noqa: F401 (imports Altair: 0.2 to 0.6 s)

    for sample in gallery.get_samples():
        sample_thumbnail(sample.file)
    warming.load_what_fits(defaults, pool(), preparations())
    import pandas  # noqa: F401 (0.4 to 3 s, in which little else runs; Streamlit imports it for the first table)

    # The networks trained here are on every machine too, but not yet compiled for it.
    for spec in cards.load_catalog(settings()).values():
        if spec.bundled:
            preparations().start(spec)


def answers() -> bool:
    """Whether a default model answers an image; it is asked about a sample."""
    return warming.answers(default_specs(), pool(), sample_image(gallery.get_samples()[0].file))


def default_specs() -> list[ModelSpec]:
    """Return the models to ask when none is named; none where no model is on this machine."""
    return warming.default_specs(settings())
