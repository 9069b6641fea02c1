"""Cards: what is known of a model that was trained here, beside its weights.

    assets/models/             or IMGREC_HOME/models/
    ├── <name>.keras     network and weights, float32
    └── <name>.json      recipe, data, seed, curves, metrics, sha256, machine, versions, date

A card makes a model one of the catalogue's: the bundled ones when imgrec starts, the user's own whenever `register`
finds them new, changed or gone. Models with the same classes in the same order share a label space, whatever their
cards call it, and can be combined. Times are derived from the curves, never typed in.
"""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.files import replacing, sha256_of, storage_errors
from imgrec.models.catalog import CATALOG, ModelSpec, spec_of_card
from imgrec.settings import ASSETS, Settings

if TYPE_CHECKING:
    from imgrec.predictions.labels import LabelSpace

BUNDLED = ASSETS / "models"

# Counted up when a card's fields change their meaning.
VERSION = 1

# What the pages show of each model, besides its row of the catalog.
_SHOWN = {"data": ("trained_on",), "metrics": ("set", "pictures", "accuracy", "confusion")}

# A card takes some kB, and is read with every look at the Train page.
_MAX_KEPT = 128


@dataclass(frozen=True, slots=True)
class Card:
    """`fields` as they stand in the file at `path`."""

    path: Path
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.fields["model"]["name"])

    @property
    def weights(self) -> Path:
        """The model beside the card."""
        return self.path.with_suffix(".keras")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(str(label) for label in self.fields["classes"])

    @property
    def curves(self) -> list[dict[str, Any]]:
        """One row an epoch: epoch, seconds, loss, accuracy, validation_loss, validation_accuracy, …"""
        return list(self.fields["curves"])

    @property
    def training_seconds(self) -> float:
        """The sum of what the epochs took."""
        return float(sum(row["seconds"] for row in self.curves))

    @property
    def metrics(self) -> dict[str, Any]:
        return dict(self.fields["metrics"])

    def spec(self, *, bundled: bool) -> ModelSpec:
        """The card's row of the catalog."""
        file = self.weights.name if bundled else str(self.weights.resolve())
        return spec_of_card(self.fields, file, bundled=bundled)


def read(path: Path) -> Card:
    """The card at `path`; raises `InputError` on one that cannot be used, `StorageError` where there is none."""
    with storage_errors(path):
        text = path.read_text(encoding="utf-8")
    try:
        card = Card(path, json.loads(text))
        if card.fields["card_version"] != VERSION:
            raise InputError(f"Expected a card of version {VERSION}. Received: {card.fields['card_version']}.")
        card.spec(bundled=False)
        if not (card.classes and card.metrics):
            raise InputError(f"Expected classes and metrics in {path.name}. Received: neither, or one of them.")
        _check_shown(card)
        return card
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"Expected {path} to be a model's card. Received: {error!r}.") from error


def _check_shown(card: Card) -> None:
    """Raise `InputError` unless all is there that a page shows of every model."""
    fields = card.fields
    missing = [name for name in ("curves", "data", "finished_at") if not fields.get(name)]
    for part, names in _SHOWN.items():
        missing += [f"{part}.{name}" for name in names if name not in fields.get(part, {})]
    if missing:
        raise InputError(f"Expected {', '.join(missing)} in {card.path.name}. Received: a card without.")


def write(path: Path, fields: dict[str, Any]) -> Card:
    """Write the card beside its model, with the model's size and sha256; whole or not at all."""
    weights = path.with_suffix(".keras")
    with replacing(path) as beside:
        fields = {
            "card_version": VERSION,
            **fields,
            "weights": {"file": weights.name, "sha256": sha256_of(weights), "size_bytes": weights.stat().st_size},
        }
        beside.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return read(path)


def home(settings: Settings) -> Path:
    """Where the models of this user's own training lie."""
    return settings.home / "models"


def all_cards(settings: Settings) -> list[Card]:
    """Of the bundled models and of this user's own, in the order of their names; unusable ones are left out."""
    found = []
    for path in [*sorted(BUNDLED.glob("*.json")), *sorted(home(settings).glob("*.json"))]:
        with suppress(ImgrecError):  # such as one that was removed meanwhile
            found.append(_read_once(path))
    return found


def _read_once(path: Path) -> Card:
    """As `read`, but only where the file has changed."""
    with storage_errors(path):
        stat = path.stat()
    return _kept(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(_MAX_KEPT)
def _kept(path: Path, mtime_ns: int, size_bytes: int) -> Card:
    return read(path)


@dataclass(frozen=True, slots=True)
class Problem:
    """A card in the folder of the user's own models that makes no model, and the sentence that says why."""

    path: Path
    sentence: str


@dataclass(slots=True)
class _Registered:
    """What `register` has put into catalog and label spaces, and the files that it saw then."""

    specs: dict[str, ModelSpec] = field(default_factory=dict)
    spaces: set[str] = field(default_factory=set)
    limits: set[str] = field(default_factory=set)
    problems: tuple[Problem, ...] = ()
    files: object = None


_registered = _Registered()
_registering = threading.Lock()


def register(settings: Settings) -> None:
    """Make the catalog agree with the folder of this user's own models: new ones join it, those that went leave it.

    Cheap where nothing has changed (a look at the names and times of the files): call it before looking. A card that
    cannot be used makes no model but a line in `problems`; nor does one that has the name of another model.
    """
    with _registering:
        files = _look(home(settings))
        if files == _registered.files and all(name in CATALOG for name in _registered.specs):
            return
        found = _read_own(settings)
        if found.specs or _registered.specs:
            _put_spaces(found.spaces, found.limits)
        CATALOG.change(remove=_registered.specs.keys() - found.specs.keys(), add=found.specs)
        _registered.specs, _registered.problems, _registered.files = found.specs, tuple(found.problems), files


def own(settings: Settings) -> dict[str, ModelSpec]:
    """The models of this user's own training that are in the catalog, by name."""
    register(settings)
    return dict(_registered.specs)


def problems(settings: Settings) -> tuple[Problem, ...]:
    """What lies among this user's own models and cannot be used."""
    register(settings)
    return _registered.problems


def remove(name: str, settings: Settings) -> None:
    """Delete the model called `name` of this user's own training, with its card; nothing else.

    The run that made it stays. Raises `UnknownNameError` for a model that is not the user's own, `StorageError`.
    """
    found = own(settings)
    if name not in found:
        raise UnknownNameError.of("model of your own", name, list(found))
    weights = Path(found[name].weights.filename)
    with storage_errors(weights):
        # The card first: it is what makes a model one of the catalog's.
        weights.with_suffix(".json").unlink(missing_ok=True)
        weights.unlink(missing_ok=True)
    register(settings)


def _look(folder: Path) -> object:
    """Names, times and sizes of the files in `folder`; None where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith((".json", ".keras"))]
    except OSError:
        return None
    return str(folder), sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


@dataclass(slots=True)
class _Own:
    """The user's own models as their cards describe them: rows, new label spaces, limits by space, problems."""

    specs: dict[str, ModelSpec] = field(default_factory=dict)
    spaces: dict[str, "LabelSpace"] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _read_own(settings: Settings) -> _Own:
    own = _Own()
    for path in sorted(home(settings).glob("*.json")):
        try:
            card = read(path)
            spec = _in_its_space(card)
            _check(card, spec, own.specs)
            if (space := _new_space(card, spec, own.spaces)) is not None:
                own.spaces[space.name] = space
            if (bits := _limit_of(card)) is not None:
                # Of several models the largest: so each lets through its share of images, or more.
                own.limits[spec.label_space] = max(bits, own.limits.get(spec.label_space, bits))
            own.specs[card.name] = spec
        except ImgrecError as error:
            own.problems.append(Problem(path, str(error)))
    return own


def _limit_of(card: Card) -> float | None:
    """The limit of entropy that the card brings; None where it was set on too few images, as older ones may be."""
    from imgrec.predictions.out_of_distribution import MIN_IMAGES

    bits = card.metrics.get("entropy_bits_95")
    return bits if isinstance(bits, float) and card.metrics["pictures"] >= MIN_IMAGES else None


def _check(card: Card, spec: ModelSpec, others: Mapping[str, ModelSpec]) -> None:
    if not card.weights.is_file():
        raise InputError(f"Expected the model {card.weights.name} beside its card. Received: the card alone.")
    if spec.name in others or (spec.name in CATALOG and spec.name not in _registered.specs):
        raise InputError(f"Expected a name that no other model has in {card.path.name}. Received: {spec.name}.")


def _put_spaces(spaces: Mapping[str, "LabelSpace"], limits: Mapping[str, float]) -> None:
    # They bring numpy; most who look have no model of their own.
    from imgrec.predictions.labels import LABEL_SPACES, get_label_map
    from imgrec.predictions.out_of_distribution import LIMITS, Limit

    gone = _registered.spaces, _registered.limits
    _registered.spaces = set(spaces)
    # What was measured of a known space stands.
    _registered.limits = {name for name in limits if name in gone[1] or name not in LIMITS}
    LABEL_SPACES.change(remove=gone[0], add={name: partial(_same, space) for name, space in spaces.items()})
    LIMITS.change(remove=gone[1], add={name: Limit(limits[name]) for name in _registered.limits})
    get_label_map.cache_clear()


def _in_its_space(card: Card) -> ModelSpec:
    """The card's row, in the label space that its classes have unless it names a known one."""
    from imgrec.predictions.labels import LABEL_SPACES, space_name

    spec = card.spec(bundled=False)
    is_known = spec.label_space in LABEL_SPACES and spec.label_space not in _registered.spaces
    return spec if is_known else replace(spec, label_space=space_name(card.classes))


def _new_space(card: Card, spec: ModelSpec, spaces: Mapping[str, "LabelSpace"]) -> "LabelSpace | None":
    """The label space that a card brings; None where it is known already. The classes must be the same then."""
    from imgrec.predictions.labels import LABEL_SPACES, LabelSpace, get_label_space

    known = spaces.get(spec.label_space)
    if known is None and spec.label_space in LABEL_SPACES and spec.label_space not in _registered.spaces:
        known = get_label_space(spec.label_space)
    if known is None:
        return LabelSpace(spec.label_space, card.classes, (None,) * len(card.classes))
    if known.labels != card.classes:
        raise InputError(
            f"Expected the {len(known.labels)} classes of {known.name} in {card.path.name}. "
            f"Received: {len(card.classes)} classes, not the same."
        )
    return None


def _same(space: "LabelSpace") -> "LabelSpace":
    return space


def free_name(wanted: str, settings: Settings) -> str:
    """`wanted`, or it with the first number that makes it a name that no model has yet."""
    register(settings)
    taken = {*CATALOG, *(path.stem for path in home(settings).glob("*.json"))}
    names = [wanted, *(f"{wanted}_{number}" for number in range(2, 10_000))]
    return next(name for name in names if name not in taken)
