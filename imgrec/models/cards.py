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
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.files import replacing, sha256_of, storage_errors
from imgrec.models.catalog import BUILT_IN, Catalog, ModelSpec, Problem, spec_of_card
from imgrec.settings import ASSETS, Settings

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
        """Return the card's row of the catalog."""
        file = self.weights.name if bundled else str(self.weights.resolve())
        return spec_of_card(self.fields, file, bundled=bundled)


def read(path: Path) -> Card:
    """Return the card at `path`; raises `InputError` on one that cannot be used, `StorageError` where there is none."""
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


def load_catalog(settings: Settings) -> Catalog:
    """Return the built-in models with this user's own.

    The same snapshot is returned until a file in the folder of the own models has another name, time or size. A card
    that cannot be used, or that has the name of another model, is one of the `problems`.
    """
    global _newest
    files = _look(home(settings))
    newest = _newest
    if newest is None or newest[0] != files:
        _newest = newest = (files, _read_catalog(settings))
    return newest[1]


# The files as they were seen, and the snapshot that they made.
_newest: tuple[object, Catalog] | None = None


def remove(name: str, settings: Settings) -> None:
    """Delete the model called `name` of this user's own training, with its card; nothing else.

    The run that made it stays. Raises `UnknownNameError` for a model that is not the user's own, `StorageError`.
    """
    catalog = load_catalog(settings)
    if name not in catalog.own:
        raise UnknownNameError.of("model of your own", name, sorted(catalog.own))
    weights = Path(catalog[name].weights.filename)
    with storage_errors(weights):
        # The card first: without it there is no model.
        weights.with_suffix(".json").unlink(missing_ok=True)
        weights.unlink(missing_ok=True)


def _look(folder: Path) -> object:
    """Return names, times and sizes of the files in `folder`; None where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith((".json", ".keras"))]
    except OSError:
        return None
    return str(folder), sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in found)


def _read_catalog(settings: Settings) -> Catalog:
    found: dict[str, Card] = {}
    problems = []
    for path in sorted(home(settings).glob("*.json")):
        try:
            card = read(path)
            _check(card, found)
            found[card.name] = card
        except ImgrecError as error:
            problems.append(Problem(path, str(error)))
    if not (found or problems):
        return BUILT_IN
    own = _with_label_spaces(found)
    return Catalog({**BUILT_IN, **own}, frozenset(own), tuple(problems))


def _check(card: Card, others: Container[str]) -> None:
    if not card.weights.is_file():
        raise InputError(f"Expected the model {card.weights.name} beside its card. Received: the card alone.")
    if card.name in BUILT_IN or card.name in others:
        raise InputError(f"Expected a name that no other model has in {card.path.name}. Received: {card.name}.")
    from imgrec.predictions.labels import LABEL_SPACES, get_label_space  # they import numpy

    named = card.spec(bundled=False).label_space
    if named in LABEL_SPACES and get_label_space(named).labels != card.classes:
        raise InputError(
            f"Expected the {len(get_label_space(named).labels)} classes of {named} in {card.path.name}. "
            f"Received: {len(card.classes)} classes, not the same."
        )


def _with_label_spaces(found: Mapping[str, Card]) -> dict[str, ModelSpec]:
    """Return the rows of `found`; those with the same classes, which are not built in, share a label space."""
    from imgrec.predictions.labels import LABEL_SPACES, EntropyLimit, LabelSpace, space_name

    limits: dict[str, float] = {}
    names = {name: space_name(card.classes) for name, card in found.items()}
    for name, card in found.items():
        if (bits := _entropy_limit(card)) is not None:
            # Of several models the largest: each keeps its share of images, or more.
            limits[names[name]] = max(bits, limits.get(names[name], bits))
    spaces = {
        names[name]: LabelSpace(
            names[name],
            card.classes,
            (None,) * len(card.classes),
            entropy_limit=EntropyLimit(limits[names[name]]) if names[name] in limits else None,
        )
        for name, card in found.items()
        if names[name] not in LABEL_SPACES
    }
    return {
        name: replace(card.spec(bundled=False), label_space=names[name], own_label_space=spaces.get(names[name]))
        for name, card in found.items()
    }


def _entropy_limit(card: Card) -> float | None:
    """Return the limit that the card brings; None where it was set on too few images, as older ones may be."""
    from imgrec.predictions.out_of_distribution import MIN_IMAGES

    bits = card.metrics.get("entropy_bits_95")
    return bits if isinstance(bits, float) and card.metrics["pictures"] >= MIN_IMAGES else None


def free_name(wanted: str, settings: Settings) -> str:
    """Return `wanted`, or it with the first number that makes it a name that no model has yet."""
    taken = {*load_catalog(settings), *(path.stem for path in home(settings).glob("*.json"))}
    names = [wanted, *(f"{wanted}_{number}" for number in range(2, 10_000))]
    return next(name for name in names if name not in taken)
