"""The rows of a contact sheet in an order, filtered, and summed up in sentences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from imgrec.evaluation.contact_sheet import Row
from imgrec.formatting import interval, percent
from imgrec.metrics.significance import wilson


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are shown: all conditions together.

    `differ` are two models with different first choices; `label` is a part of the answer, in small or capital letters.
    """

    differ: tuple[str, str] | None = None
    only_unsure: bool = False
    only_wrong: bool = False
    label: str = ""

    def describe(self, title_of: Callable[[str], str] = str) -> str:
        """Return what is filtered: "only unsure, label contains 'cat'"; `title_of` gives the title of a model."""
        parts = [f"{' and '.join(map(title_of, self.differ))} differ"] if self.differ else []
        parts += ["only unsure"] if self.only_unsure else []
        parts += ["only wrong"] if self.only_wrong else []
        parts += [f"label contains {self.label.strip()!r}"] if self.label.strip() else []
        return ", ".join(parts)

    def takes(self, row: Row) -> bool:
        """Whether `row` is shown; one without an answer only where nothing is filtered."""
        if self == Filter():
            return True
        return (
            row.answer is not None
            and (self.differ is None or _differ(row, *self.differ))
            and (not self.only_unsure or row.is_unsure)
            and (not self.only_wrong or row.is_right is False)
            and self.label.strip().casefold() in row.answer.label.casefold()
        )


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many answers are `right`, of those with a known true class."""

    right: int
    images: int

    @property
    def sentence(self) -> str:
        """The share with its Wilson interval at 95 %: "46 of 50 right: 92.0 % (95 % interval: 81.2–96.8 %)"."""
        bounds = interval(*astuple(wilson(self.right, self.images)))
        share = percent(self.right / self.images)
        return f"{self.right:,} of {self.images:,} right: {share} (95\u202f% interval: {bounds})"

    @property
    def short(self) -> str:
        """The share and its interval: "92.0 % (81.2–96.8 %)"."""
        bounds = interval(*astuple(wilson(self.right, self.images)))
        return f"{percent(self.right / self.images)} ({bounds})"


def arrange(rows: Iterable[Row], order: str, chosen: Filter | None = None) -> list[Row]:
    """Return the rows that `chosen` takes in an order of `ORDERS`; those without an answer come last."""
    key = ORDERS[order][1]
    taken = [row for row in rows if (chosen or Filter()).takes(row)]
    return sorted(taken, key=lambda row: (row.answer is None, key(row) if row.answer else (), row.position))


def accuracy(rows: Iterable[Row], model: str | None = None) -> Accuracy | None:
    """Return the accuracy of the ensemble, or of `model`; None where no true class is known."""
    if model is None:
        right = [row.is_right for row in rows if row.is_right is not None]
    else:
        scored = [row for row in rows if row.target is not None and model in row.choices]
        right = [row.choices[model].index == row.target for row in scored]
    return Accuracy(sum(right), len(right)) if right else None


def most_disputed(rows: Iterable[Row]) -> Row | None:
    """Return the image that the models disagree about most; None where they agree on all."""
    first = next(iter(arrange(rows, "disputed")), None)
    return first if first is not None and first.disagreement > 0 else None


def summary(rows: Sequence[Row]) -> str:
    """Return the counts in a sentence: "55 images · all agree on 40 · 9 unsure · 2 without an answer"."""
    answered = [row for row in rows if row.answer is not None]
    parts = [f"{len(rows):,} {'image' if len(rows) == 1 else 'images'}"]
    if any(len(row.members) > 1 for row in answered):
        parts.append(f"all models agree on {sum(row.agreeing == len(row.members) for row in answered):,}")
    parts.append(f"{sum(row.is_unsure for row in answered):,} unsure")
    if left := len(rows) - len(answered):
        parts.append(f"{left:,} without an answer")
    return " · ".join(parts)


def agreement(row: Row) -> str:
    """Return how many of the models have the answer of the ensemble: "3 of 4 agree", "all 4 agree"."""
    count = len(row.members)
    if count < 2:
        return ""
    if row.agreeing == count:
        return "both agree" if count == 2 else f"all {count} agree"
    return f"{row.agreeing} of {count} agree" if row.agreeing > 1 else f"{row.agreeing} of {count} says so"


def result(row: Row) -> str:
    """Return "right" or "wrong (is cat)"; empty where the truth is not known."""
    if row.is_right is None:
        return ""
    return "right" if row.is_right else f"wrong (is {row.truth})"


def note(row: Row) -> str:
    """Return what a page about one image says of its row: answer, result, and that other classes were asked for."""
    if row.answer is None:
        return ""
    words = ", ".join(filter(None, [result(row), agreement(row)]))
    return (
        f"On the contact sheet: {row.answer.label} {percent(row.answer.probability)}, {words}. Its classes there are "
        "the names of your folders."
    )


def _differ(row: Row, one: str, other: str) -> bool:
    return (
        one in row.choices
        and other in row.choices
        and (row.choices[one].index, row.choices[one].label) != (row.choices[other].index, row.choices[other].label)
    )


def _likelihood(row: Row) -> float:
    return row.answer.probability if row.answer else 0.0


def _label(row: Row) -> str:
    return row.answer.label.casefold() if row.answer else ""


# Title, and what is sorted by.
ORDERS: Mapping[str, tuple[str, Callable[[Row], object]]] = {
    "disputed": ("Most disputed first", lambda row: (-row.disagreement, -row.mutual_information_bits)),
    "unsure": ("Most uncertain first", lambda row: -row.entropy_bits),
    "likely": ("Most likely first", lambda row: -_likelihood(row)),
    "label": ("By label", lambda row: (_label(row), -_likelihood(row))),
    "given": ("As they came", lambda row: 0),
}
