"""The part of WordNet 3.0 above the known classes: names, hypernyms, and what a word can mean.

It is read from `assets/labels/imagenet_1k.json` at first use. A synset that is not in the table stands for itself.
"""

import difflib
import json
import re
from functools import cache
from typing import Any

from imgrec.errors import InputError, UnknownNameError
from imgrec.settings import ASSETS

# A WordNet id: "n" and eight digits.
SYNSET = re.compile(r"n\d{8}")


# Of a word that is suggested: a slip of a letter or two, not another word of the same length.
LEAST_NEARNESS = 0.8


@cache
def table() -> dict[str, Any]:
    """Return the table: "classes" of ImageNet, "synsets" (id → name, hypernyms), "words" (id → other names)."""
    found: dict[str, Any] = json.loads((ASSETS / "labels" / "imagenet_1k.json").read_text(encoding="utf-8"))
    return found


def is_known(synset: str) -> bool:
    """Whether the table has this synset."""
    return synset in table()["synsets"]


def name_of(synset: str) -> str:
    """Return the usual name of a synset, its id where the table does not have it."""
    found = table()["synsets"].get(synset)
    return str(found[0]) if found else synset


@cache
def ancestors(synset: str) -> tuple[str, ...]:
    """Return `synset` and all its WordNet hypernyms, nearest first, main hypernyms before others.

    A synset that is not in the table stands for itself alone.
    """
    above = table()["synsets"]
    found = [synset]
    for step in found:  # grows during the loop: breadth first
        found += [one for one in above.get(step, ())[1:] if one not in found]
    return tuple(found)


def describe(synset: str) -> str:
    """Return name, nearest hypernym and id, which tell the meanings of a word apart.

    >>> describe("n02012849")
    'crane: wading bird (n02012849)'
    """
    above = ancestors(synset)[1:2]
    return f"{name_of(synset)}{f': {name_of(above[0])}' if above else ''} ({synset})"


def names_of(synset: str) -> tuple[str, ...]:
    """Return all names of a synset, the usual one first."""
    return (name_of(synset), *table()["words"].get(synset, ()))


@cache
def class_counts() -> dict[str, int]:
    """Return the number of ImageNet's classes below each synset of the table."""
    counts = dict.fromkeys(table()["synsets"], 0)
    for one in table()["classes"]:
        for synset in ancestors(one):
            counts[synset] += 1
    return counts


def search(text: str) -> list[str]:
    """Return the synsets with a name or id that has `text` in it, the best first.

    Usual names come before other names, whole names before beginnings and parts, general meanings before special ones.

    >>> [name_of(synset) for synset in search("tabby")]
    ['tabby']
    """
    wanted = _plain(text)
    if not wanted:
        return []
    found: list[tuple[int, int, int, str]] = []
    for synset, names in _names().items():
        ranks = [(_rank(wanted, name), int(place > 0)) for place, name in enumerate(names) if wanted in name]
        if wanted == synset or ranks:
            rank, is_other = min(ranks, default=(0, 0))
            found.append((rank, is_other, len(ancestors(synset)), synset))
    return [synset for *_, synset in sorted(found)]


def resolve(word: str) -> str:
    """Return the synset that `word` means: an id of the table, or a name in any case.

    A usual name goes before other names: "cat" is not the big cat, which WordNet calls a cat too.

    Raises:
        UnknownNameError: The table has no such name.
        InputError: The name has several meanings; the sentence lists them.
    """
    wanted = _plain(word)
    if is_known(wanted):
        return wanted
    if SYNSET.fullmatch(wanted):
        raise UnknownNameError(
            f"Expected a WordNet id of a class that a model knows, or of what is above it. Received: {wanted!r}."
        )
    usual = [synset for synset, names in _names().items() if names[0] == wanted]
    found = usual or [synset for synset, names in _names().items() if wanted in names]
    if not found:
        every = [name for names in _names().values() for name in names]
        near = ", ".join(difflib.get_close_matches(wanted, every, 3, LEAST_NEARNESS) or ("cat", "dog", "vehicle"))
        raise UnknownNameError(
            f"Expected a word of WordNet for classes of a model, such as {near}. Received: {word!r}."
        )
    if len(found) > 1:
        raise InputError(f"Expected one meaning of {word!r}: {'; '.join(map(describe, found))}. Received: the word.")
    return found[0]


@cache
def _names() -> dict[str, tuple[str, ...]]:
    """Return the names of each synset in lower case, the usual one first."""
    more = table()["words"]
    return {
        synset: tuple(_plain(name) for name in (found[0], *more.get(synset, ())))
        for synset, found in table()["synsets"].items()
    }


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").lower().split())


def _rank(wanted: str, name: str) -> int:
    """Return how well `wanted`, which is in `name`, fits: 0 the whole, 1 its beginning, 2 a word of it, 3 a part."""
    if name == wanted:
        return 0
    if name.startswith(wanted):
        return 1
    return 2 if f" {wanted}" in name else 3
