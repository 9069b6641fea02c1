"""Model cards: what is known of a model that was trained here, or added from a file, beside its weights.

    assets/models/             or IMGREC_HOME/models/
    ├── <name>.keras     network and weights, float32
    └── <name>.json      recipe, data, seed, curves, metrics, sha256, machine, versions, date

An added model has `<name>.zip` with OpenVINO's network instead, and in its card where it comes from: `imported`.

A card makes a model a row of the catalog. Models with the same classes in the same order share a label space, whatever
name their cards have for it, and can be combined.
"""

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from imgrec import json_files
from imgrec.errors import ImgrecError, InputError, UnknownNameError
from imgrec.files import replacing, sha256_of, storage_errors
from imgrec.models import card_fields, training_images
from imgrec.models.catalog import BUILT_IN, Catalog, ModelSpec, Problem, spec_of_card
from imgrec.settings import ASSETS, Settings

BUNDLED = ASSETS / "models"

# Counted up when a card's fields change their meaning.
VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """`fields` as they stand in the file at `path`."""

    path: Path
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the model."""
        return str(self.fields["model"]["name"])

    @property
    def weights(self) -> Path:
        """The model beside the card."""
        return self.path.with_suffix(".zip" if self.is_added else ".keras")

    @property
    def is_added(self) -> bool:
        """Whether the model was added from a file, not trained here: nothing is known of its training."""
        return "imported" in self.fields

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels in the order of the model's outputs."""
        return tuple(str(label) for label in self.fields["classes"])

    @property
    def curves(self) -> list[dict[str, Any]]:
        """One row an epoch: epoch, seconds, loss, accuracy, validation_loss, validation_accuracy, and others."""
        return list(self.fields["curves"])

    @property
    def training_seconds(self) -> float:
        """The sum of the durations of the epochs."""
        return float(sum(row["seconds"] for row in self.curves))

    @property
    def metrics(self) -> dict[str, Any]:
        """The results on held-out images: accuracy, confusion and others."""
        return dict(self.fields["metrics"])

    def spec(self, *, bundled: bool) -> ModelSpec:
        """Return the card's row of the catalog."""
        file = self.weights.name if bundled else str(self.weights.resolve())
        return spec_of_card(self.fields, file, bundled=bundled)


def read(path: Path) -> Card:
    """Return the card at `path`; raises `InputError` on one that cannot be used, `StorageError` where there is none."""
    try:
        fields = json_files.read(path)
    except InputError as error:
        raise InputError(f"Expected {path} to be a model's card. Received: {error}") from error
    if isinstance(fields, dict) and (version := fields.get("card_version", VERSION)) != VERSION:
        raise InputError(f"Expected a card of version {VERSION}. Received: {version!r:.60}.")
    card = Card(path, card_fields.check(fields, path.name))
    try:
        card.spec(bundled=False)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"Expected {path} to be a model's card. Received: {error!r:.200}.") from error
    return card


def write(path: Path, fields: dict[str, Any]) -> Card:
    """Write the card beside its model, with the model's size and sha256; whole or not at all."""
    weights = Card(path, fields).weights
    with replacing(path) as beside:
        fields = {
            "card_version": VERSION,
            **fields,
            "weights": {"file": weights.name, "sha256": sha256_of(weights), "size_bytes": weights.stat().st_size},
        }
        beside.write_text(json.dumps(fields, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return read(path)


def home(settings: Settings) -> Path:
    """Return the folder of the models that this user trained."""
    return settings.home / "models"


def all_cards(settings: Settings) -> list[Card]:
    """Return the cards of the models that were trained: the bundled ones and the user's own, by name.

    Those that cannot be used are left out.
    """
    return _cards_in(BUNDLED)[0] + [card for card in _cards_in(home(settings))[0] if not card.is_added]


def find(name: str, settings: Settings) -> Card | None:
    """Return the card of the model called `name`, trained or added; None where there is none."""
    return next((card for card in _cards_in(BUNDLED)[0] + _cards_in(home(settings))[0] if card.name == name), None)


def load_catalog(settings: Settings) -> Catalog:
    """Return the built-in models with this user's own.

    The same snapshot is returned until a card appears, changes or goes. A card that cannot be used, or that has the
    name of another model, is one of the `problems`.
    """
    cards, problems = _cards_in(home(settings))
    complete = [card for card in cards if card.weights.is_file()]
    problems += [
        Problem(card.path, f"Expected the model {card.weights.name} beside its card. Received: the card alone.")
        for card in cards
        if card not in complete
    ]
    return _catalog_of(tuple(complete), tuple(problems))


def remove(name: str, settings: Settings) -> None:
    """Delete the user's own model called `name` with its card and images; the run that made it stays.

    Raises `UnknownNameError` for a model that is not the user's own, `StorageError`.
    """
    catalog = load_catalog(settings)
    if name not in catalog.own:
        raise UnknownNameError.of("model of your own", name, sorted(catalog.own))
    weights = Path(catalog[name].weights.filename)
    with storage_errors(weights):
        # The card first: without it there is no model.
        weights.with_suffix(".json").unlink(missing_ok=True)
        weights.unlink(missing_ok=True)
    training_images.remove(name, settings)


def free_name(wanted: str, settings: Settings) -> str:
    """Return `wanted`, or it with the first number that makes it a name that no model has yet."""
    taken = {*load_catalog(settings), *(path.stem for path in home(settings).glob("*.json"))}
    names = [wanted, *(f"{wanted}_{number}" for number in range(2, 10_000))]
    return next(name for name in names if name not in taken)


def _cards_in(folder: Path) -> tuple[list[Card], list[Problem]]:
    """Return the cards in `folder`, by name, and those that cannot be used; reads only what has changed."""
    cards: list[Card] = []
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.json")):
        try:
            with storage_errors(path):
                stat = path.stat()
            cards.append(_read_once(path, stat.st_mtime_ns, stat.st_size))
        except ImgrecError as error:  # also of a card that was removed meanwhile
            problems.append(Problem(path, str(error)))
    return cards, problems


@lru_cache(maxsize=128)  # a card takes some kB
def _read_once(path: Path, mtime_ns: int, size_bytes: int) -> Card:
    return read(path)


@lru_cache(maxsize=4)
def _catalog_of(cards: tuple[Card, ...], problems: tuple[Problem, ...]) -> Catalog:
    found: dict[str, Card] = {}
    for card in cards:
        if (sentence := _refusal(card, found)) is None:
            found[card.name] = card
        else:
            problems += (Problem(card.path, sentence),)
    if not (found or problems):
        return BUILT_IN
    return Catalog({**BUILT_IN, **_rows(found.values())}, frozenset(found), problems)


def _refusal(card: Card, others: Container[str]) -> str | None:
    """Return the sentence that says why `card` makes no model beside `others`; None if it does."""
    from imgrec.predictions.labels import LABEL_SPACES, get_label_space  # numpy, not needed without own models

    if card.name in BUILT_IN or card.name in others:
        return f"Expected a name that no other model has in {card.path.name}. Received: {card.name}."
    named = card.spec(bundled=False).label_space
    if named not in LABEL_SPACES or get_label_space(named).labels == card.classes:
        return None
    return (
        f"Expected the {len(get_label_space(named).labels)} classes of {named} in {card.path.name}. "
        f"Received: {len(card.classes)} classes, not the same."
    )


def _rows(cards: Iterable[Card]) -> dict[str, ModelSpec]:
    """Return the models by name; those with the same classes share a label space."""
    from imgrec.predictions.labels import LABEL_SPACES, EntropyLimit, LabelSpace, space_name
    from imgrec.predictions.out_of_distribution import MIN_IMAGES

    groups: dict[tuple[str, ...], list[Card]] = {}
    for card in cards:
        groups.setdefault(card.classes, []).append(card)
    rows = {}
    for classes, group in groups.items():
        name, space = space_name(classes), None
        if name not in LABEL_SPACES:
            # Older versions also set limits on few images.
            trained = [card.metrics for card in group if not card.is_added]
            enough = [metrics.get("entropy_bits_95") for metrics in trained if metrics["pictures"] >= MIN_IMAGES]
            # Of several limits the largest: each model keeps its share of images, or more.
            bits = max((bits for bits in enough if isinstance(bits, float)), default=None)
            limit = None if bits is None else EntropyLimit(bits)
            space = LabelSpace(name, classes, (None,) * len(classes), entropy_limit=limit)
        for card in group:
            rows[card.name] = replace(card.spec(bundled=False), label_space=name, own_label_space=space)
    return rows
