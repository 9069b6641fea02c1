"""Groups of classes that a visitor names: cat or dog from any model whose classes WordNet has.

A group is a name with synsets, each of which stands for everything below it in WordNet. As text, groups are JSON, or
short as in a link:

    {"cat": ["n02121620"], "dog": ["dog"], "car": ["n02958343", "-minivan"]}
    cat;dog;pet:n02121808,dog

A word of WordNet stands for its synset where it has one meaning; in the short form, a name without synsets is such a
word. A "-" takes out what is below. Classes outside all groups become "something else". Groups may overlap: then
probabilities do not sum to 1, and models cannot be averaged.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any, Self

import numpy as np

from imgrec.errors import InputError, LabelSpaceError
from imgrec.predictions import wordnet
from imgrec.predictions.labels import NO_TARGET, LabelSpace
from imgrec.predictions.prediction import Prediction

# The class of everything that is in no group.
REST = "something else"

# More groups make no chart; longer names no label. All of it must fit a field of the API and a link.
MAX_GROUPS = 40
MAX_SYNSETS = 100
MAX_NAME = 40
MAX_CHARACTERS = 4_000

# Nothing that the forms of groups, Markdown or a terminal would take for theirs: a link may come from a stranger.
NAME = re.compile(r"\w[\w .,'&/+()-]*")

EXAMPLE = '{"cat": ["n02121620"], "dog": ["n02084071"]}'

_NAME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ClassGroup:
    """A group: the classes below `synsets`, but not those below `without`."""

    name: str
    synsets: tuple[str, ...]
    without: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str, words: Sequence[str]) -> Self:
        """Return the group of these ids and words of WordNet; raise `InputError` where they mean no synset."""
        name = " ".join(name.split())
        if len(name) > MAX_NAME or not NAME.fullmatch(name):
            raise InputError(
                f"Expected a name of 1 to {MAX_NAME} letters, digits, spaces and . , ' & / + ( ) -. Received: "
                f"{name[: MAX_NAME + 1]!r}."
            )
        if name.casefold() == REST:
            raise InputError(f"Expected another name than {REST!r}, which all other classes become. Received: it.")
        if not 0 < len(words) <= MAX_SYNSETS:
            raise InputError(f"Expected 1 to {MAX_SYNSETS} synsets in {name!r}. Received: {len(words)}.")
        found = [(word.strip().startswith("-"), wordnet.resolve(word.strip().removeprefix("-"))) for word in words]
        group = cls(
            name,
            tuple(dict.fromkeys(synset for is_out, synset in found if not is_out)),
            tuple(dict.fromkeys(synset for is_out, synset in found if is_out)),
        )
        if not group.synsets:
            raise InputError(f"Expected a synset in {name!r} to take others out of. Received: none.")
        return group

    def has(self, synset: str | None, label: str) -> bool:
        """Whether a class counts: by its synset, or, without one, by its label, which is the name of the group."""
        if synset is None:
            return _singular(label) == _singular(self.name)
        above = wordnet.ancestors(synset)
        return not set(self.synsets).isdisjoint(above) and set(self.without).isdisjoint(above)

    @property
    def words(self) -> tuple[str, ...]:
        """The synsets as they are written in a file: ids, those taken out with a "-"."""
        return (*self.synsets, *(f"-{synset}" for synset in self.without))


@dataclass(frozen=True, slots=True)
class ClassGroups:
    """Named groups of classes, in the order in which they were named; see `parse`."""

    groups: tuple[ClassGroup, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.groups) <= MAX_GROUPS:
            raise InputError(f"Expected 1 to {MAX_GROUPS} groups of classes. Received: {len(self.groups)}.")
        names = [group.name.casefold() for group in self.groups]
        if repeated := next((group.name for group in self.groups if names.count(group.name.casefold()) > 1), None):
            raise InputError(f"Expected each name once. Received: {repeated!r} twice.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read groups from JSON, or from the short form of a link.

        Raises:
            InputError: Another form, too much of it, or a word with several meanings.
            UnknownNameError: A word or id that is not in the table of WordNet.
        """
        return cls(tuple(ClassGroup.parse(name, words) for name, words in _read(text)))

    @classmethod
    def parse_known(cls, text: str) -> tuple[Self | None, list[str]]:
        """Read groups as `parse`, and return those that can be meant, with a sentence for each other one.

        Raises:
            InputError: Another form, too much of it, or a name that comes twice.
        """
        groups, sentences = [], []
        for name, words in _read(text):
            try:
                groups.append(ClassGroup.parse(name, words))
            except InputError as error:
                sentences.append(str(error))
        return (cls(tuple(groups)) if groups or not sentences else None), sentences

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(group.name for group in self.groups)

    def to_json(self) -> str:
        """Return the groups as a file."""
        return json.dumps({group.name: list(group.words) for group in self.groups}, ensure_ascii=False, indent=2) + "\n"

    def to_link(self) -> str:
        """Return the groups in the short form; a name that alone means the group stands alone."""
        return ";".join(_short(group) for group in self.groups)

    def with_group(self, group: ClassGroup, place: int | None = None) -> Self:
        """Return the groups with one more, or with `group` in place of another."""
        before, after = (self.groups, ()) if place is None else (self.groups[:place], self.groups[place + 1 :])
        return replace(self, groups=(*before, group, *after))

    def roll_up(self, prediction: Prediction) -> Prediction:
        """Return `prediction` with the groups as classes, of those that the model knows, and the rest.

        Models that know the same groups get the same label space, and can be combined where groups do not overlap.

        Raises:
            LabelSpaceError: The model knows none of the groups, or its own classes do not exclude each other.
        """
        if not prediction.label_space.exclusive:
            raise LabelSpaceError(
                f"Expected a model whose classes exclude each other, so that they can be added up. Received: "
                f"{prediction.title or prediction.model}."
            )
        mapped = _mapping(self, prediction.label_space)
        if mapped is None:
            raise LabelSpaceError(
                f"Expected a model that knows a class of {_in_words(group.name for group in self.groups)}. Received: "
                f"{prediction.title or prediction.model}, with {_in_words(prediction.label_space.labels)}."
            )
        target, membership = mapped
        sums = np.clip(prediction.probabilities.astype(np.float64) @ membership, 0, 1)
        return replace(prediction, label_space=target, probabilities=sums, tie_breaker=None)

    def label_space(self, space: LabelSpace) -> LabelSpace | None:
        """Return the label space that predictions of `space` roll up to; None where it has no class of any group."""
        mapped = _mapping(self, space)
        return None if mapped is None else mapped[0]

    def unknown(self, space: LabelSpace) -> tuple[str, ...]:
        """Return the names of the groups of which `space` has no class."""
        members = _members(self, space)
        return tuple(group.name for place, group in enumerate(self.groups) if not members[:, place].any())

    def places(self, space: LabelSpace) -> np.ndarray:
        """Return int64 (C,): the position of the group of each class, `NO_TARGET` for none.

        Raises:
            LabelSpaceError: A class is in two groups.
        """
        for one, other, _, example in self.overlaps(space):
            raise LabelSpaceError(
                f"Expected groups that do not overlap, so that each class counts once. Received: {example} in "
                f"{one} and {other}."
            )
        members = _members(self, space)
        return np.where(members.any(axis=1), members.argmax(axis=1), NO_TARGET)

    def overlaps(self, space: LabelSpace) -> Iterator[tuple[str, str, int, str]]:
        """Yield the names of two groups, the number of classes of `space` that count in both, and one of these."""
        members = _members(self, space)
        counts = members.T.astype(np.int64) @ members
        for one, other in combinations(range(len(self.groups)), 2):
            if count := int(counts[one, other]):
                example = space.labels[int((members[:, one] & members[:, other]).argmax())]
                yield self.groups[one].name, self.groups[other].name, count, example


@lru_cache(maxsize=64)
def _members(groups: ClassGroups, space: LabelSpace) -> np.ndarray:
    """Return bool (C, G): whether a class counts in a group."""
    classes = zip(space.synsets, space.labels, strict=True)
    return np.array([[group.has(synset, label) for group in groups.groups] for synset, label in classes])


@lru_cache(maxsize=64)
def _mapping(groups: ClassGroups, space: LabelSpace) -> tuple[LabelSpace, np.ndarray] | None:
    """Return the label space of the groups that `space` knows, and float64 (C, G + 1): what counts as what."""
    members = _members(groups, space)
    known = np.flatnonzero(members.any(axis=0)).tolist()
    if not known:
        return None
    members = members[:, known]
    named = [groups.groups[i] for i in known]
    exclusive = bool((members.sum(axis=1) <= 1).all())
    digest = hashlib.sha256(json.dumps([[group.name, *group.words] for group in named]).encode()).hexdigest()
    single = [group.synsets[0] if len(group.synsets) == 1 and not group.without else None for group in named]
    target = LabelSpace(
        # Groups that overlap among the classes of one model and not of another make two label spaces.
        name=f"groups_{digest[:_NAME_DIGITS]}{'' if exclusive else '_overlapping'}",
        labels=(*(group.name for group in named), REST),
        synsets=(*(s if single.count(s) == 1 else None for s in single), None),
        exclusive=exclusive,
    )
    rest = ~members.any(axis=1, keepdims=True)
    return target, np.concatenate([members, rest], axis=1).astype(np.float64)


def _read(text: str) -> list[tuple[str, list[str]]]:
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"Expected groups in at most {MAX_CHARACTERS:,} characters. Received: {len(text):,}.")
    return _read_json(text) if text.startswith(("{", "[")) else _read_short(text)


def _read_json(text: str) -> list[tuple[str, list[str]]]:
    def pairs(found: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return found  # a dictionary would drop all but the last of a repeated name

    try:
        read = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        raise InputError(f"Expected groups of classes as JSON such as {EXAMPLE}. Received: other text.") from None
    if not text.startswith("{"):
        raise InputError(f"Expected groups of classes as JSON such as {EXAMPLE}. Received: a list.")
    groups: list[tuple[str, list[str]]] = []
    for name, value in read:
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"Expected a list of synsets for each name, as in {EXAMPLE}. Received: another value.")
        groups.append((name, words))
    return groups


def _read_short(text: str) -> list[tuple[str, list[str]]]:
    groups: list[tuple[str, list[str]]] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, words = part.partition(":")
        groups.append((name.strip(), [word for word in words.split(",") if word.strip()] or [name.strip()]))
    return groups


def _short(group: ClassGroup) -> str:
    """Return one group of the short form."""
    if not group.without and len(group.synsets) == 1:
        try:
            if wordnet.resolve(group.name) == group.synsets[0]:
                return group.name
        except InputError:
            pass  # the name is no word of WordNet, or has several meanings
    return f"{group.name}:{','.join(group.words)}"


def _singular(label: str) -> str:
    return label.strip().casefold().removesuffix("s")


def _in_words(names: Iterable[str], most: int = 4) -> str:
    """Return the first of `names`, and how many more there are."""
    listed = list(names)
    more = len(listed) - most
    return f"{', '.join(listed[:most])}{f' and {more:,} more' if more > 0 else ''}"
