"""Whether default models compute exactly, in float32, or are the compact twins in 8-bit integers: one choice a host."""

import json

from imgrec import json_files
from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.files import replacing, storage_errors
from imgrec.inference import conversion
from imgrec.models.catalog import ModelSpec
from imgrec.settings import PRECISIONS, Settings

EXACT, COMPACT = PRECISIONS

_FILE = "precision.json"


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

    A twin that was measured to be slower here than its original, or that could not be made, is not preferred.
    """
    if of_host(settings) == EXACT or spec.is_compact or why_not(spec, settings):
        return spec
    return spec.compact()


def why_not(spec: ModelSpec, settings: Settings) -> str:
    """Return the reason for which the twin of `spec` is no default here, in a sentence; "" where it may be one."""
    if (reason := conversion.find_refusal(spec.compact(), settings)) is not None:
        return reason
    taken = conversion.find_milliseconds(spec, settings)
    if taken is None or taken["int8"] <= taken["float32"]:
        return ""
    times = f"{taken['int8']:.3g} ms, and {spec.title} {taken['float32']:.3g}"
    return f"On this processor {spec.compact().title} took {times}."
