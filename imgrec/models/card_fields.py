"""The fields of a model card with their types: a card is a file of the user, and pages show what it has."""

import unicodedata
from dataclasses import dataclass, field
from typing import Any

from imgrec import json_files
from imgrec.errors import InputError

# Characters that Markdown reads as links, images, code or formulas: no name that imgrec wrote has one of them.
_MARKUP = frozenset("[]<>`$\\")

# Control characters, halves of characters, and ends of lines.
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class _Card:
    card_version: int
    model: dict[str, Any]
    classes: list[str]
    curves: list[dict[str, Any]]
    data: dict[str, Any]
    metrics: dict[str, Any]
    weights: dict[str, Any]
    finished_at: str
    trained_parameters: int | None = None
    learning_rate_from_epoch: list[tuple[int, float]] = field(default_factory=list)
    chosen: dict[str, Any] | None = None
    tuned: dict[str, Any] | None = None
    lesson: dict[str, Any] = field(default_factory=dict)
    unknown_images: str | None = None
    backbone: dict[str, Any] | None = None
    started_at: str | None = None


@dataclass(frozen=True, slots=True)
class _Model:
    name: str
    title: str
    architecture: str
    input_size: tuple[int, int]
    preprocess: str
    crop_fraction: float
    label_space: str
    parameters: int
    licence: str


@dataclass(frozen=True, slots=True)
class _Epoch:
    epoch: int
    seconds: float
    loss: float = 0.0
    accuracy: float = 0.0
    validation_loss: float = 0.0
    validation_accuracy: float = 0.0
    images_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class _Data:
    trained_on: int


@dataclass(frozen=True, slots=True)
class _Metrics:
    set: str
    pictures: int
    accuracy: float
    confusion: list[list[int]] | None


@dataclass(frozen=True, slots=True)
class _Weights:
    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Added:
    """The card of a model that was added from a file: what is known of it."""

    card_version: int
    model: dict[str, Any]
    classes: list[str]
    weights: dict[str, Any]
    imported: dict[str, Any]
    finished_at: str


@dataclass(frozen=True, slots=True)
class _Imported:
    format: str
    file: str
    sha256: str
    size_bytes: int
    outputs: str
    channels: str


@dataclass(frozen=True, slots=True)
class _Chosen:
    epochs: int


@dataclass(frozen=True, slots=True)
class _Tuned:
    kept: int


def check(fields: Any, name: str) -> dict[str, Any]:
    """Return `fields` if they are those of a card; `name` is that of its file.

    Raises `InputError` where one is missing, of another type or out of its range.
    """
    if not isinstance(fields, dict):
        raise InputError(f"Expected {name} to be a model's card. Received: {type(fields).__name__}.")
    is_added = "imported" in fields
    _check(_Added if is_added else _Card, fields, name)
    parts: dict[str, type] = {"model": _Model, "weights": _Weights}
    parts |= {"imported": _Imported} if is_added else {"data": _Data, "metrics": _Metrics}
    parts |= {part: kind for part, kind in (("chosen", _Chosen), ("tuned", _Tuned)) if fields.get(part)}
    for part, kind in parts.items():
        _check(kind, fields[part], name)
    for row in () if is_added else fields["curves"]:
        _check(_Epoch, row, name)
    _check_ranges(fields, name)
    return fields


def _check(kind: type, values: dict[str, Any], name: str) -> None:
    if wrong := json_files.what_is_wrong(kind, values):
        raise InputError(f"Expected {name} to be a model's card with {wrong[0]}. Received: {wrong[1]}.")


def _check_ranges(fields: dict[str, Any], name: str) -> None:
    classes, counts = fields["classes"], [fields["model"]["parameters"], fields["weights"]["size_bytes"]]
    # Of ImageNet's names, which an added model may have, two occur twice.
    is_added = "imported" in fields
    rules = {
        "two classes or more, each once": len(classes) >= 2 and (is_added or len(classes) == len(set(classes))),
        "classes and a title without markup": all(map(is_plain, (*classes, fields["model"]["title"]))),
        "a time of the end": bool(fields["finished_at"]),
    }
    if not is_added:
        metrics = fields["metrics"]
        counts.append(fields["data"]["trained_on"])
        rules |= {
            "curves of one epoch or more": bool(fields["curves"]),
            "an accuracy in [0, 1] of one image or more": 0 <= metrics["accuracy"] <= 1 <= metrics["pictures"],
        }
    rules["parameters, bytes and images from 0 on"] = min(counts) >= 0
    if broken := [rule for rule, holds in rules.items() if not holds]:
        raise InputError(f"Expected {name} to be a model's card with {broken[0]}. Received: others.")


def is_plain(text: str) -> bool:
    """Return whether a text is a name that any page can show: without markup, control characters and ends of lines."""
    return bool(text.strip()) and not any(c in _MARKUP or unicodedata.category(c) in _BREAKS for c in text)
