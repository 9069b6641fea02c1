"""Search spaces: which hyperparameters of a recipe a search varies, and between which values, as data.

A hyperparameter is a field of the recipe (`batch_size`, `label_smoothing`), of its optimizer (`learning_rate`,
`momentum`, `weight_decay`), or an argument of its network (`Recipe.arguments`). A new space is one row in `SPACES`;
every recipe also has one of its own. No Keras here: the page shows spaces, and the worker hands them to Keras Tuner.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imgrec import json_files
from imgrec.errors import InputError, UnknownNameError
from imgrec.training.recipes import MAX_BATCH_SIZE, RECIPES, Recipe

# Digits of a value that lies between two others: a tenth of a percent of a learning rate changes nothing, and what
# is read can be typed.
DIGITS = 3

# The limits of a hyperparameter: (least, most). An argument of a network has no entry; Keras knows its limits.
OPTIMIZER_LIMITS = {"learning_rate": (1e-8, 100.0), "momentum": (0.0, 0.999), "weight_decay": (0.0, 1.0)}
LIMITS = OPTIMIZER_LIMITS | {"batch_size": (1, MAX_BATCH_SIZE), "label_smoothing": (0.0, 0.9)}

# A wider dense layer or convolution than any of the published networks has.
MAX_WIDTH = 8192

# More steps than this have no use: the range can be continuous.
MAX_STEPS = 10_000

# The space around a recipe: its learning rate times and divided by this, and the ranges of the others.
RATE_FACTOR = 10.0
SMOOTHINGS = "0:0.2:0.05"
DROPOUTS = "0:0.6:0.1"

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """What a search varies: `values` are all its values, or, of a continuous one, its ends.

    `kind` is "choice" (in no order), "steps" (of equal width), "linear" or "log" (continuous; with "log", each factor
    is as likely as the next, as learning rates need it). See `parse`.
    """

    name: str
    kind: str
    values: tuple[Value, ...]

    @property
    def count(self) -> int | None:
        """The number of its values; None for a continuous one."""
        return len(self.values) if self.kind in {"choice", "steps"} else None

    @property
    def is_whole(self) -> bool:
        """Whether all its values are whole numbers."""
        return all(isinstance(value, int) for value in self.values)

    @property
    def largest(self) -> Value:
        """The largest number; of words the first."""
        return max((value for value in self.values if not isinstance(value, str)), default=self.values[0])

    @property
    def low(self) -> float:
        """The first number."""
        return float(self.values[0])

    @property
    def high(self) -> float:
        """The last number."""
        return float(self.values[-1])

    @property
    def step(self) -> float:
        """The width of a step; 0 where there is none."""
        return float(f"{float(self.values[1]) - self.low:.12g}") if self.kind == "steps" else 0.0

    @property
    def in_words(self) -> str:
        """The name and the values for people."""
        *most, last = map(str, self.values)
        end = {"steps": f" in steps of {self.step:g}", "log": ", logarithmic"}.get(self.kind, "")
        listed = f"{', '.join(most)}{' or ' if most else ''}{last}"
        return f"{words(self.name)} {listed if self.kind == 'choice' else f'{self.low:g} to {self.high:g}{end}'}"

    def __str__(self) -> str:
        end = {"steps": f":{self.step:.12g}", "log": ":log"}.get(self.kind, "")
        listed = ",".join(map(str, self.values))
        return f"{self.name}={listed if self.kind == 'choice' else f'{self.low:.12g}:{self.high:.12g}{end}'}"

    def place(self, value: Value) -> float:
        """Return where `value` lies between the ends of an axis, in [0, 1]."""
        if self.kind == "choice":
            return self.values.index(value) / max(1, len(self.values) - 1)
        low, at, high = (math.log(one) if self.kind == "log" else one for one in (self.low, float(value), self.high))
        return (at - low) / (high - low)

    def marks(self) -> tuple[Value, ...]:
        """Return the labels of an axis: all values, or the ends and the middle of a continuous range."""
        if self.count is not None:
            return self.values
        middle = math.sqrt(self.low * self.high) if self.kind == "log" else (self.low + self.high) / 2
        return self.low, min(max(float(f"{middle:.{DIGITS}g}"), self.low), self.high), self.high

    def rounded(self, value: Value) -> Value:
        """Return a value of Keras Tuner with the digits and the type that it has in a recipe."""
        if isinstance(value, str):
            return value
        if self.count is None:
            return float(f"{value:.{DIGITS}g}")
        return min(self.values, key=lambda one: abs(float(one) - value))


@dataclass(frozen=True, slots=True)
class Space:
    """What a search varies in a recipe. `epochs` is the length of each trial.

    `is_published`: the recipe is the published result of a search in this space.
    """

    name: str
    title: str
    about: str
    recipe: str  # a key of recipes.RECIPES
    hyperparameters: tuple[Hyperparameter, ...]
    epochs: int
    is_published: bool = False

    @property
    def count(self) -> int | None:
        """The number of different networks; None where a hyperparameter is continuous."""
        counts = [one.count for one in self.hyperparameters if one.count is not None]
        return math.prod(counts) if len(counts) == len(self.hyperparameters) else None

    def varied(self, texts: Sequence[str]) -> "Space":
        """Return the space with the hyperparameters of `texts` (see `parse`) instead of, or besides, its own."""
        found = {one.name: one for one in (*self.hyperparameters, *map(parse, texts))}
        for one in found.values():
            _check(one, RECIPES[self.recipe])
        return replace(self, hyperparameters=tuple(found.values()))


def parse(text: str) -> Hyperparameter:
    """Return `name=low:high`, `name=low:high:step`, `name=low:high:log` or `name=a,b,c`; raises `InputError`.

    >>> parse("batch_size=32,64")
    Hyperparameter(name='batch_size', kind='choice', values=(32, 64))
    >>> str(parse("learning_rate=1e-4:1e-2:log"))
    'learning_rate=0.0001:0.01:log'
    """
    name, _, values = (part.strip() for part in text.partition("="))
    if not name.isidentifier() or not values:
        raise InputError(
            f"Expected what to vary as name=low:high, name=low:high:step, name=low:high:log or name=a,b,c. "
            f"Received: {text!r}."
        )
    if ":" in values:
        return Hyperparameter(name, *_range(name, [_value(part) for part in values.split(":")], text))
    found = tuple(map(_value, values.split(",")))
    if len(set(found)) < len(found):
        raise InputError(f"Expected different values of {name}. Received: {values}.")
    if len({isinstance(value, str) for value in found}) > 1:
        raise InputError(f"Expected numbers or words of {name}. Received: both.")
    return Hyperparameter(name, "choice", found)


def _range(name: str, parts: Sequence[Value], text: str) -> tuple[str, tuple[Value, ...]]:
    """Return the kind and the values of a range, typed as `parts`."""
    kind = "log" if len(parts) == 3 and parts[2] == "log" else "steps" if len(parts) == 3 else "linear"
    numbers = [float(part) for part in parts[: 2 if kind == "log" else 3] if not isinstance(part, str)]
    if len(parts) > 3 or len(numbers) != (3 if kind == "steps" else 2):
        raise InputError(f"Expected numbers as low:high, low:high:step or low:high:log. Received: {text!r}.")
    low, high = numbers[:2]
    if not -math.inf < low < high < math.inf:
        raise InputError(f"Expected a range of {name} that rises. Received: {low:g} to {high:g}.")
    if kind == "log" and low <= 0:
        raise InputError(f"Expected a logarithmic range of {name} to begin above 0. Received: {low:g} to {high:g}.")
    if kind != "steps":
        return kind, (low, high)
    step = numbers[2]
    if not (high - low) / MAX_STEPS <= step <= high - low:
        raise InputError(
            f"Expected 1 to {MAX_STEPS:,} steps of {name} from {low:g} to {high:g}. Received: steps of {step:g}."
        )
    found = [float(f"{low + step * i:.12g}") for i in range(int((high - low) / step + 1e-9) + 1)]
    is_whole = low.is_integer() and step.is_integer()
    return kind, tuple(int(value) if is_whole else value for value in found)


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text.strip()


def _check(one: Hyperparameter, recipe: Recipe) -> None:
    """Raise `InputError` unless `recipe` has that hyperparameter, and all its values are allowed."""
    own = dict(recipe.arguments)
    if one.name not in LIMITS and one.name not in own:
        raise UnknownNameError.of(f"setting of {recipe.name}", one.name, [*LIMITS, *own])
    now = own[one.name] if one.name in own else getattr(recipe, one.name, 0.0)
    least, most = LIMITS.get(one.name, (1, MAX_WIDTH) if isinstance(now, int) else (0, math.inf))
    expected = ""
    if isinstance(now, str) != isinstance(one.values[0], str):
        expected = f"{'words' if isinstance(now, str) else 'numbers'} for {one.name}"
    elif isinstance(now, int) and not one.is_whole:
        expected = f"whole numbers, and steps of them, for {one.name}"
    elif any(not isinstance(end, str) and not least <= end <= most for end in one.values):
        expected = f"{one.name} from {least:g} to {most:g}"
    if expected:
        raise InputError(f"Expected {expected}. Received: {one}.")


def apply(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """Return `recipe` with `values` in their places; what is no field is an argument of the network.

    Raises `InputError` on what a recipe cannot be.
    """
    for name, value in values.items():
        if name in LIMITS and not json_files.fits(value, int if name == "batch_size" else float):
            raise InputError(f"Expected a number for {name}. Received: {value!r:.60}.")
    changes: dict[str, Any] = {name: value for name, value in values.items() if name in LIMITS}
    optimizer = {name: changes.pop(name) for name in OPTIMIZER_LIMITS if name in changes}
    arguments = dict(recipe.arguments) | {name: value for name, value in values.items() if name not in LIMITS}
    return replace(
        recipe, **changes, optimizer=replace(recipe.optimizer, **optimizer), arguments=tuple(arguments.items())
    )


def words(name: str) -> str:
    """Return the name of a hyperparameter for people."""
    return name.replace("_", " ")


def get_space(name: str) -> Space:
    """Return the space called `name`, or that of the recipe called so; raises `UnknownNameError`."""
    if name in SPACES:
        return SPACES[name]
    if name in RECIPES:
        return around(RECIPES[name])
    raise UnknownNameError.of("search space or recipe", name, [*SPACES, *RECIPES])


def around(recipe: Recipe) -> Space:
    """Return the space of any recipe: learning rate, batch size and regularization."""
    rate, batch = recipe.optimizer.learning_rate, recipe.batch_size
    slow, fast = (f"{end:.{DIGITS}g}" for end in (rate / RATE_FACTOR, rate * RATE_FACTOR))
    batches = sorted({max(1, batch // 2), batch, min(MAX_BATCH_SIZE, 2 * batch)})
    texts = [f"learning_rate={slow}:{fast}:log", f"batch_size={','.join(map(str, batches))}"]
    if recipe.label_smoothing:
        texts.append(f"label_smoothing={SMOOTHINGS}")
    texts += [f"{name}={DROPOUTS}" for name, _ in recipe.arguments if "dropout" in name]
    return Space(
        name=recipe.name,
        title=f"{recipe.title}: optimizer settings",
        about=f"Learning rate, batch size and regularization of {recipe.title}.",
        recipe=recipe.name,
        hyperparameters=tuple(map(parse, texts)),
        epochs=max(1, recipe.epochs // 5),
    )


# Springboard Capstone 2: the width of the first convolution, the others and the dense layer, and their kernel sizes.
LAYER_RANGES = (
    "conv_1_filter=32:128:16",
    "conv_1_kernel=3,5",
    "conv_2_filter=32:64:16",
    "conv_2_kernel=3,5",
    "dense_1_units=32:128:16",
)

SPACES: dict[str, Space] = {
    name: Space(
        name=name,
        title=f"Tuned CNN, {layers} layers: architecture",
        about=f"Filters, kernel sizes and dense units of one convolution and {layers - 2} blocks of convolution, "
        "dropout and batch normalization.",
        recipe=f"tuned_cnn_{layers}",
        hyperparameters=tuple(map(parse, LAYER_RANGES)),
        epochs=5,
        is_published=True,
    )
    for name, layers in (("six_layers", 6), ("five_layers", 5))
}
