"""Every Streamlit cache, and the process-wide resources behind them: settings, pool, preparations.

Keys are digests and names, never arrays: Streamlit hashes large arrays by sampling and would return another
picture's result. Arguments with a leading underscore are not part of a key.
"""

import logging
from collections.abc import Sequence

import numpy as np
import streamlit as st

from imgrec.errors import ImgrecError, InputError
from imgrec.export.bundle import Exports
from imgrec.formatting import size
from imgrec.images import decoding, gallery, preprocessing
from imgrec.images.decoding import DecodedImage
from imgrec.inference import classify, conversion, preparation
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.inference.request import get_default_specs
from imgrec.models import cards
from imgrec.models.catalog import CATALOG, ModelSpec
from imgrec.settings import Settings
from imgrec.ui.image_store import DEMO_MAX_BYTES, MAX_BYTES, ImageStore

log = logging.getLogger(__name__)

# A conversion holds the weights about three times: MobileNets take 60 MiB, which a host of 1 GiB has to spare.
DEMO_MAX_PARAMETERS = 6_000_000

# A tile is shown at 56 and 96 px, on screens with two pixels a px.
TILE_SIDE_PX = 160

# A thumbnail takes 5 to 100 kB. Those of a visit are deleted when it ends.
MAX_THUMBNAILS = 100


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    """What the environment says. From the first look on, models of the user's own training are in the catalog."""
    found = Settings.from_env()
    cards.register(found)
    return found


@st.cache_resource(show_spinner=False)
def pool() -> EnginePool:
    """The loaded models of this process, shared by all visitors and the API."""
    return classify.open_pool(settings(), preparations())


@st.cache_resource(show_spinner=False)
def image_store() -> ImageStore:
    """The images of each browser tab, kept for a reload."""
    return ImageStore(DEMO_MAX_BYTES if settings().demo else MAX_BYTES)


@st.cache_resource(show_spinner=False)
def preparations() -> Preparations:
    """Downloads and conversions under way; they outlive the click that started them."""
    return Preparations(settings())


@st.cache_resource(show_spinner=False)
def exporting() -> Exports:
    """Exports under way, which outlive the click too, and those that lie ready."""
    return Exports(settings(), preparations())


def state_of(spec: ModelSpec) -> str:
    """bundled, downloaded or missing; loaded where it is in memory."""
    if any(row.name == spec.name for row in pool().loaded()):
        return "loaded"
    return preparation.state_of(spec, settings())


def is_here(spec: ModelSpec) -> bool:
    """Whether the weights of `spec` are on this machine."""
    return preparation.state_of(spec, settings()) != "missing"


def is_ready(spec: ModelSpec) -> bool:
    """Whether `spec` can answer at once: on this machine, converted, and within the budget."""
    return is_here(spec) and conversion.find_memory_bytes(spec, settings()) is not None and refusal(spec) is None


def is_offered(spec: ModelSpec) -> bool:
    """Whether a visitor may choose `spec`: what is there or can be had.

    On a public demo only what is there, or small to get and to convert.
    """
    if not (is_here(spec) or spec.weights.is_published):
        return False
    if not settings().demo:
        return True
    return refusal(spec) is None and (is_here(spec) or spec.parameters <= DEMO_MAX_PARAMETERS)


def refusal(spec: ModelSpec) -> str | None:
    """Why `spec` cannot be loaded here at all, known before anything is fetched; None where it can."""
    plan = pool().plan([spec])
    if not plan.too_large:
        return None
    return (
        f"{spec.title} needs about {size(plan.total_bytes)} of memory; the budget for loaded models is "
        f"{size(plan.budget_bytes)}. A smaller model fits, or a larger IMGREC_MEMORY_MIB."
    )


def load_milliseconds(model: str) -> float | None:
    return pool().load_milliseconds(model)


@st.cache_data(max_entries=MAX_THUMBNAILS, scope="session", show_spinner=False)
def thumbnail(sha256: str, side_px: int, _image: DecodedImage) -> bytes:
    """An encoded thumbnail of the decoded image: what is shown is what the models are given."""
    return decoding.thumbnail(_image, side_px)


@st.cache_resource(show_spinner=False)
def sample_image(file: str) -> DecodedImage:
    """A sample image, decoded."""
    data = gallery.read(gallery.get_sample(file))
    return decoding.decode(data, max_bytes=len(data))


@st.cache_data(show_spinner=False)
def sample_thumbnail(file: str, side_px: int = TILE_SIDE_PX) -> bytes:
    """An encoded thumbnail of a sample image."""
    return decoding.thumbnail(sample_image(file), side_px)


@st.cache_data(max_entries=MAX_THUMBNAILS, scope="session", show_spinner=False)
def framed(sha256: str, size: tuple[int, int], crop_fraction: float, framing: str, _image: DecodedImage) -> np.ndarray:
    """The exact uint8 (H, W, 3) input of every model with this size and crop."""
    return preprocessing.frame(_image, size, crop_fraction, framing)


def warm_up() -> None:
    """Do what the first visitor would otherwise wait for: compile and load the default models, draw thumbnails."""
    defaults = default_specs()
    for spec in defaults:
        preparations().start(spec)
    import imgrec.charts.top_k  # noqa: F401 (imports Altair: 0.2 to 0.6 s)

    for sample in gallery.get_samples():
        sample_thumbnail(sample.file)
    _load_what_fits(defaults)
    import pandas  # noqa: F401 (0.4 to 3 s, in which little else runs; Streamlit imports it for the first table)

    # The networks trained here are on every machine too, but not yet compiled for it.
    for spec in CATALOG.values():
        if spec.bundled:
            preparations().start(spec)


def default_specs() -> list[ModelSpec]:
    """Return the models to ask when none is named; none where no model is on this machine."""
    try:
        return get_default_specs(settings())
    except InputError:
        return []


def _load_what_fits(specs: Sequence[ModelSpec]) -> None:
    """Load `specs`, the smallest first, as long as they fit the budget together; a failure is left to its card."""
    loaded: list[ModelSpec] = []
    for spec in sorted(specs, key=lambda spec: spec.parameters):
        try:
            preparations().ensure(spec)
            if not pool().plan([*loaded, spec]).fits:
                return
            pool().load(spec)
        except ImgrecError as error:
            log.warning("%s is not warmed up: %s", spec.name, error)
        else:
            loaded.append(spec)
