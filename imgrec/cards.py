"""Cards: what is known of a model that was trained here, beside its weights.

    assets/models/             or IMGREC_HOME/models/
    ├── <name>.keras     network and weights, float32
    └── <name>.json      recipe, data, seed, curves, metrics, sha256, machine, versions, date

A card makes a model one of the catalogue's: `register` reads all there are. Times are derived from the curves,
never typed in.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgrec.catalogue import CATALOGUE, ModelSpec, spec_of_card
from imgrec.downloads import storage_errors
from imgrec.errors import InputError
from imgrec.settings import ASSETS, Settings

if TYPE_CHECKING:
    from imgrec.labels import LabelSpace

BUNDLED = ASSETS / "models"

# Counted up when a card's fields change their meaning.
VERSION = 1


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
        """The card's row of the catalogue."""
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
        return card
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"Expected {path} to be a model's card. Received: {error!r}.") from error


def write(path: Path, fields: dict[str, Any]) -> Card:
    """Write the card beside its model, with the model's size and sha256; whole or not at all."""
    with storage_errors(path):
        weights = path.with_suffix(".keras")
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fields = {
            "card_version": VERSION,
            **fields,
            "weights": {"file": weights.name, "sha256": digest, "size_bytes": weights.stat().st_size},
        }
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(beside, path)
    return read(path)


def home(settings: Settings) -> Path:
    """Where the models of this user's own training lie."""
    return settings.home / "models"


def all_cards(settings: Settings) -> list[Card]:
    """Of the bundled models and of this user's own, in the order of their names; unusable ones are left out."""
    found = []
    for path in [*sorted(BUNDLED.glob("*.json")), *sorted(home(settings).glob("*.json"))]:
        with suppress(InputError):
            found.append(read(path))
    return found


def register(settings: Settings) -> None:
    """Make every model with a card one of the catalogue's. Cheap and harmless to repeat: call it before looking.

    A model of the user's own never takes the name of another.
    """
    for card in all_cards(settings):
        if card.name in CATALOGUE:
            continue
        from imgrec.labels import LABEL_SPACES, LabelSpace  # brings numpy; most who look have no model of their own

        spec = card.spec(bundled=card.path.parent == BUNDLED)
        if spec.label_space not in LABEL_SPACES:
            space = LabelSpace(spec.label_space, card.classes, (None,) * len(card.classes))
            LABEL_SPACES[spec.label_space] = partial(_same, space)
        CATALOGUE[card.name] = spec


def _same(space: "LabelSpace") -> "LabelSpace":
    return space


def free_name(wanted: str, settings: Settings) -> str:
    """`wanted`, or it with the first number that makes it a name that no model has yet."""
    register(settings)
    taken = {*CATALOGUE, *(path.stem for path in home(settings).glob("*.json"))}
    names = [wanted, *(f"{wanted}_{number}" for number in range(2, 10_000))]
    return next(name for name in names if name not in taken)
