"""A comparison as one HTML file: readable offline, on paper and by a screen reader, without scripts and requests.

The layout is `assets/report.html`. Names of files and models, labels and errors are untrusted: every value is escaped.
"""

import functools
import importlib.metadata
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imgrec import __version__
from imgrec.errors import ImgrecError
from imgrec.formatting import milliseconds, percent
from imgrec.images.decoding import DecodedImage, thumbnail
from imgrec.images.encoding import data_url
from imgrec.images.preprocessing import FRAMINGS
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble, by_label_space
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports import calibration_effect
from imgrec.reports.result import Result, printable
from imgrec.reports.sentences import (
    describe_limit,
    describe_unsure,
    headline,
    is_none_of_these,
    is_unsure,
    label_of,
    space_title,
    title_of,
)
from imgrec.settings import ASSETS, Settings

if TYPE_CHECKING:
    import jinja2

TEMPLATE = ASSETS / "report.html"

# The color of what has none of its own.
NEUTRAL = "#7a8088"

# Sharp on paper at a quarter of its width, and about 80 kB.
IMAGE_SIDE_PX = 720

# What the numbers depend on, besides the weights.
PACKAGES = ("openvino", "keras", "numpy", "pillow")


@dataclass(frozen=True, slots=True)
class Map:
    """An image about a prediction, such as a heat-map: its title, a PNG, and what it shows in words."""

    title: str
    png: bytes
    alt: str


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One image of a report: its result, the image itself unless it cannot be used, and the command that repeats it.

    `groups` has the ensemble of each label space where there are several; `alt` says what the image shows, and
    `maps_note` how the maps were made, or why there are none.
    """

    result: Result
    image: DecodedImage | None
    command: str = ""
    alt: str = ""
    groups: tuple[Ensemble, ...] = ()
    maps: tuple[Map, ...] = ()
    maps_note: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of the numbers: sha256 of weights by model (None: unknown), versions by package, and the time."""

    weights_sha256: Mapping[str, str | None]
    versions: Mapping[str, str]
    made_at: datetime

    @classmethod
    def of(cls, specs: Iterable[ModelSpec], settings: Settings) -> "Origin":
        """Return the origin of what is computed now, in this process, with the weights on this machine."""
        found = {package: importlib.metadata.version(package) for package in PACKAGES}
        versions = {"imgrec": __version__, **found, "Python": platform.python_version()}
        return cls({spec.name: _sha256(spec, settings) for spec in specs}, versions, datetime.now(UTC))


def to_html(
    entries: Sequence[Entry],
    k: int,
    *,
    specs: Sequence[ModelSpec],
    framing: str,
    origin: Origin,
    colors: Mapping[str, str],
) -> str:
    """Return the whole file.

    Args:
        entries: The images, at least one.
        k: Classes for each model; the table of numbers has all classes that any model has among them.
        specs: The models that were asked.
        framing: A key of `FRAMINGS`.
        origin: Weights, versions and time.
        colors: The color of each model by its name, such as "#2864c8".
    """
    names = [printable(entry.result.image) for entry in entries]
    return _template().render(
        title=f"Comparison: {names[0]}" if len(names) == 1 else f"Comparison of {len(names)} images",
        made_on=f"{origin.made_at:%-d %B %Y, %H:%M} UTC",
        origin=origin,
        entries=[_entry(entry, name, k, colors) for entry, name in zip(entries, names, strict=True)],
        framing=f"{framing.capitalize()}: {FRAMINGS[framing]}",
        models=[_model(spec, origin) for spec in specs],
    )


@functools.cache
def _template() -> "jinja2.Template":
    import jinja2  # comes with Altair; a command without a report does not need it

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _entry(entry: Entry, name: str, k: int, colors: Mapping[str, str]) -> dict[str, Any]:
    result, image = entry.result, entry.image
    common = {"name": name, "error": result.error, "command": entry.command, "sha256": result.sha256}
    if image is None:
        return common
    height, width = image.size_px
    groups = _groups(entry)
    outcomes = [*(e.prediction for e, _ in groups if e is not None and len(e.members) > 1), *result.outcomes]
    if isinstance(result.ensemble, Failure) and not entry.groups:
        outcomes.append(result.ensemble)
    return common | {
        "sentences": [headline(members, ensemble) for ensemble, members in groups],
        "image": data_url(thumbnail(image, IMAGE_SIDE_PX)),
        "alt": entry.alt or f"The image that was classified: {name}",
        "facts": " · ".join([f"{width} × {height} px", image.format, *result.notes]),
        "cards": [_card(outcome, groups, k, colors) for outcome in outcomes],
        "tables": [_table(members, ensemble, k) for ensemble, members in groups],
        "maps_note": printable(entry.maps_note),
        "maps": [{"title": printable(m.title), "image": data_url(m.png), "alt": printable(m.alt)} for m in entry.maps],
    }


def _groups(entry: Entry) -> list[tuple[Ensemble | None, list[Prediction]]]:
    """Return the predictions of each label space with their ensemble."""
    single = (entry.result.ensemble,) if isinstance(entry.result.ensemble, Ensemble) else ()
    ensembles = {found.prediction.label_space.name: found for found in entry.groups or single}
    return [(ensembles.get(space), members) for space, members in by_label_space(entry.result.predictions).items()]


def _card(
    outcome: Prediction | Failure,
    groups: Sequence[tuple[Ensemble | None, list[Prediction]]],
    k: int,
    colors: Mapping[str, str],
) -> dict[str, Any]:
    title = printable(title_of(outcome))
    card = {"title": title, "color": colors.get(outcome.model, NEUTRAL), "remark": "", "error": ""}
    if isinstance(outcome, Failure):
        return card | {"error": str(outcome.error)}
    remark = milliseconds(outcome.milliseconds)
    if outcome.model == ENSEMBLE:
        ensemble = next(found for found, _ in groups if found is not None and found.prediction is outcome)
        remark = f"{RULES[ensemble.rule].title.lower()} of {len(ensemble.members)}"
        if len(groups) > 1:
            remark += f" · {space_title(outcome.label_space)}"
    rows = [
        {
            "label": printable(label_of(outcome.label_space, found.index)),
            "share": f"{100 * min(max(found.probability, 0.0), 1.0):.2f}",
            "figure": percent(found.probability),
        }
        for found in outcome.top_k(k)
    ]
    return card | {"remark": remark, "rows": rows, "caption": f"{title}: the {len(rows)} most probable classes"}


def _table(members: Sequence[Prediction], ensemble: Ensemble | None, k: int) -> dict[str, Any]:
    """Return the probabilities of all classes that any of `members` has among its first `k`."""
    columns = [*([ensemble.prediction] if ensemble is not None and len(members) > 1 else []), *members]
    space = members[0].label_space
    indices = dict.fromkeys(found.index for column in columns for found in column.top_k(k))
    order = sorted(indices, key=lambda index: -float(columns[0].probabilities[index]))
    weighted = ensemble is not None and len(set(ensemble.weights)) > 1
    shares = dict(zip([m.model for m in ensemble.members], ensemble.weights, strict=True)) if ensemble else {}
    return {
        "title": f"All numbers, {space_title(space)}",
        "caption": f"The {len(order)} classes that are among the first {k} of any column",
        "columns": [
            printable(title_of(column))
            + (f" (weight {percent(shares[column.model])})" if weighted and column.model in shares else "")
            for column in columns
        ],
        "rows": [
            (printable(label_of(space, index)), [percent(float(column.probabilities[index])) for column in columns])
            for index in order
        ],
        "uncertainty": _uncertainty(ensemble),
    }


def _uncertainty(ensemble: Ensemble | None) -> list[str]:
    if ensemble is None:
        return []
    found = ensemble.uncertainty
    line = f"Entropy {found.entropy_bits:.2f} bits ({found.level})"
    if len(ensemble.members) > 1:
        line += (
            f", mutual information {found.mutual_information_bits:.2f} bits ({found.mutual_information_level}), "
            f"disagreement {percent(found.disagreement, 0)} ({found.disagreement_level})"
        )
        line += f". Combined by: {RULES[ensemble.rule].title.lower()}"
    entropy, kept = describe_unsure(ensemble)
    # The list of a tooltip, as a sentence.
    kept = kept.replace(":\n\n- ", ": ").replace("\n- ", ", ")
    unsure = f"Unsure: {entropy}. {kept}." if is_unsure(ensemble) else ""
    limit = describe_limit(ensemble.prediction.label_space) if is_none_of_these(ensemble) else ""
    return [words for words in (f"{line}.", calibration_effect.describe(ensemble), limit or unsure) if words]


def _model(spec: ModelSpec, origin: Origin) -> dict[str, Any]:
    height, width = spec.input_size
    return {
        "title": printable(spec.title),
        "name": spec.name,
        "input": f"{width} × {height} px, crop {percent(spec.crop_fraction)}",
        "preprocess": spec.preprocess,
        "license": printable(spec.license),
        "sha256": origin.weights_sha256.get(spec.name),
    }


def _sha256(spec: ModelSpec, settings: Settings) -> str | None:
    try:
        return weights.sha256(spec, settings)
    except ImgrecError:  # the file has gone or changed since it was loaded
        return None
