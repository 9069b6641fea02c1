"""Whether default models compute exactly, in float32, or are the compact twins in 8-bit integers: one choice a host."""

import functools
import json
from pathlib import Path

from imgrec import json_files
from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.files import replacing, storage_errors
from imgrec.formatting import percent
from imgrec.inference import conversion
from imgrec.models.catalog import COMPACT_SUFFIX, ModelSpec
from imgrec.settings import ASSETS, PRECISIONS, Settings

EXACT, COMPACT = PRECISIONS

# A twin that loses more of the top-1 accuracy, where that was measured, is no default.
MAX_LOSS = 0.01

_FILE = "precision.json"

# Of folders of measurements: those that come with imgrec, and the owner's.
_SUMMARIES = ("benchmarks", "summary.json")


def of_host(settings: Settings) -> str:
    """Return "exact" or "compact": IMGREC_PRECISION where it is set, else what was chosen last, else exact."""
    if settings.precision is not None:
        return settings.precision
    path = settings.home / _FILE
    try:
        chosen = json_files.read(path)["precision"] if path.exists() else EXACT
    except (ImgrecError, KeyError, TypeError):
        return EXACT
    return COMPACT if chosen == COMPACT else EXACT


def choose(precision: str, settings: Settings) -> None:
    """Make `precision` the choice of this host, kept in IMGREC_HOME.

    Raises:
        UnknownNameError: It is neither "exact" nor "compact".
        InputError: IMGREC_PRECISION decides.
        StorageError: The choice cannot be written.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError.of("precision", precision, list(PRECISIONS))
    if settings.precision is not None:
        raise InputError(
            f"Expected IMGREC_PRECISION not to be set, for another choice. Received: {settings.precision}."
        )
    path = settings.home / _FILE
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(json.dumps({"precision": precision}) + "\n", encoding="utf-8")


def preferred(spec: ModelSpec, settings: Settings) -> ModelSpec:
    """Return `spec` as it runs by default on this host: its twin where compact ones were chosen.

    A twin that could not be made, that was measured to be slower here than its original, or to lose more than
    `MAX_LOSS`, is not preferred.
    """
    if of_host(settings) == EXACT or spec.is_compact or why_not(spec, settings):
        return spec
    return spec.compact()


def why_not(spec: ModelSpec, settings: Settings) -> str:
    """Return the reason for which the twin of `spec` is no default here, in a sentence; "" where it may be one."""
    if (reason := conversion.find_refusal(spec.compact(), settings)) is not None:
        return reason
    loss = max(_losses_in(folder).get(spec.name, 0.0) for folder in (ASSETS, settings.home))
    if loss > MAX_LOSS:
        return f"{spec.compact().title} was measured to lose {percent(loss)} of the answers."
    taken = conversion.find_milliseconds(spec, settings)
    if taken is None or taken["int8"] <= taken["float32"]:
        return ""
    times = f"{taken['int8']:.3g} ms, and {spec.title} {taken['float32']:.3g}"
    return f"On this processor {spec.compact().title} took {times}."


def _losses_in(folder: Path) -> dict[str, float]:
    """Return by how much the top-1 accuracy of twins was measured to be lower, at most, by the names of originals."""
    path = folder.joinpath(*_SUMMARIES)
    try:
        return _read_losses(path, path.stat().st_mtime_ns)
    except OSError:
        return {}


@functools.lru_cache(maxsize=8)
def _read_losses(path: Path, changed_at_ns: int) -> dict[str, float]:
    found: dict[str, float] = {}
    try:
        rows = json_files.read(path)["rows"]
        top_1 = {(row["model"], row["dataset"], row.get("dataset_digest")): float(row["top_1"]) for row in rows}
    except (ImgrecError, KeyError, TypeError, ValueError, AttributeError):  # of another version, or damaged
        return {}
    for (model, *images), compact in top_1.items():
        name = str(model).removesuffix(COMPACT_SUFFIX)
        if name != model and (exact := top_1.get((name, *images))) is not None:
            found[name] = max(found.get(name, 0.0), exact - compact)
    return found
