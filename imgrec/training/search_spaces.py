"""Search spaces: which settings of a recipe a search varies, and between which values, as data.

A setting is a field of the recipe (`batch_size`, `label_smoothing`), of its optimizer (`learning_rate`, `momentum`,
`weight_decay`), or an argument of its network (`Recipe.arguments`). A new space is one row in `SPACES`; any recipe
has one of its own besides. No Keras here: the page shows spaces, and the worker turns them into questions.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from imgrec.errors import InputError, UnknownNameError
from imgrec.training.recipes import MAX_BATCH_SIZE, RECIPES, Optimizer, Recipe

# Digits of a value that lies between two others: a tenth of a percent of a learning rate changes nothing, and what
# is read can be typed.
DIGITS = 3

# What a setting may be at all: (least, most). An argument of a network has no entry; Keras knows its limits.
LIMITS: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-8, 100.0),
    "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 1.0),
    "batch_size": (1, MAX_BATCH_SIZE),
    "label_smoothing": (0.0, 0.9),
}

# A wider dense layer or convolution than any of the published networks has.
MAX_WIDTH = 8192

# Around what a recipe says: a learning rate may be off by this factor, a batch by two.
RATE_FACTOR = 10.0
SMOOTHINGS = (0.0, 0.2, 0.05)
DROPOUTS = (0.0, 0.6, 0.1)

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `low` to `high`, both included, `step` apart; any number between them where `step` is 0.

    With `log`, each factor is as likely as the next, as learning rates need it.
    """

    name: str
    low: float
    high: float
    step: float = 0
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"Expected a range of {self.name} that rises. Received: {self.low:g} to {self.high:g}.")
        if not 0 <= self.step <= self.high - self.low:
            raise InputError(
                f"Expected steps of {self.name} above 0 and no wider than the range from {self.low:g} to "
                f"{self.high:g}. Received: {self.step:g}."
            )
        if self.log and (self.low <= 0 or self.step):
            raise InputError(
                f"Expected a logarithmic range of {self.name} to begin above 0 and to have no steps. "
                f"Received: {self.low:g} to {self.high:g}, steps of {self.step:g}."
            )

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return self.step > 0 and all(float(number).is_integer() for number in (self.low, self.high, self.step))

    @property
    def count(self) -> int | None:
        """How many values it holds; None for a continuous one."""
        return int((self.high - self.low) / self.step + 1e-9) + 1 if self.step else None

    def holds(self, value: Value) -> bool:
        if isinstance(value, str) or not self.low <= value <= self.high:
            return False
        return not self.step or math.isclose(round((value - self.low) / self.step) * self.step, value - self.low)

    def place(self, value: Value) -> float:
        """Where `value` lies between the ends: 0 to 1."""
        value = float(value)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def marks(self) -> tuple[Value, ...]:
        """Return what an axis of it says: the ends, and the middle where there is one to name."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        middle = float(f"{middle:.{DIGITS}g}")
        return tuple(number for number in (self.low, middle, self.high) if self.holds(number))

    def __str__(self) -> str:
        end = ":log" if self.log else f":{self.step:.12g}" if self.step else ""
        return f"{self.name}={self.low:.12g}:{self.high:.12g}{end}"

    @property
    def in_words(self) -> str:
        how = ", logarithmic" if self.log else f" in steps of {self.step:g}" if self.step else ""
        return f"{words(self.name)} {self.low:g} to {self.high:g}{how}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `values`, which are all numbers or all words."""

    name: str
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) < len(self.values):
            raise InputError(
                f"Expected different values of {self.name}. Received: {', '.join(map(str, self.values)) or 'none'}."
            )
        if len({isinstance(value, str) for value in self.values}) > 1:
            raise InputError(f"Expected numbers or words of {self.name}. Received: both.")

    @property
    def is_whole(self) -> bool:
        return all(isinstance(value, int) for value in self.values)

    @property
    def count(self) -> int:
        return len(self.values)

    def holds(self, value: Value) -> bool:
        return value in self.values

    def place(self, value: Value) -> float:
        return self.values.index(value) / max(1, len(self.values) - 1)

    def marks(self) -> tuple[Value, ...]:
        return self.values

    def __str__(self) -> str:
        return f"{self.name}={','.join(map(str, self.values))}"

    @property
    def in_words(self) -> str:
        *most, last = map(str, self.values)
        return f"{words(self.name)} {', '.join(most)}{' or ' if most else ''}{last}"


Knob = Range | Choice


@dataclass(frozen=True, slots=True)
class Space:
    """What a search varies in a recipe. `epochs` is how long each trial learns.

    `printed` are the values that the report printed for the best network of its own search, where there is one.
    """

    name: str
    title: str
    about: str
    recipe: str  # a key of recipes.RECIPES
    knobs: tuple[Knob, ...]
    epochs: int
    printed: tuple[tuple[str, Value], ...] = ()

    @property
    def count(self) -> int | None:
        """How many different networks it holds; None where a setting is continuous."""
        counts = [knob.count for knob in self.knobs]
        return None if None in counts else math.prod(count for count in counts if count is not None)

    def varied(self, texts: Sequence[str]) -> "Space":
        """Return the same space with the settings of `texts` (see `parse_knob`) instead of, or besides, its own."""
        knobs = {knob.name: knob for knob in self.knobs}
        knobs |= {knob.name: knob for knob in map(parse_knob, texts)}
        changed = replace(self, knobs=tuple(knobs.values()))
        for knob in changed.knobs:
            _check(knob, RECIPES[self.recipe])
        return changed


def parse_knob(text: str) -> Knob:
    """`name=low:high`, `name=low:high:step`, `name=low:high:log` or `name=a,b,c`; raises `InputError`.

    >>> parse_knob("batch_size=32,64")
    Choice(name='batch_size', values=(32, 64))
    >>> str(parse_knob("learning_rate=1e-4:1e-2:log"))
    'learning_rate=0.0001:0.01:log'
    """
    name, _, values = (part.strip() for part in text.partition("="))
    if not name.isidentifier() or not values:
        raise InputError(
            f"Expected what to vary as name=low:high, name=low:high:step, name=low:high:log or name=a,b,c. "
            f"Received: {text!r}."
        )
    if ":" not in values:
        return Choice(name, tuple(_value(part) for part in values.split(",")))
    parts = [part.strip() for part in values.split(":")]
    log = len(parts) == 3 and parts[2] == "log"
    numbers = [_value(part) for part in (parts[:2] if log else parts)]
    if len(numbers) not in {2, 3} or any(isinstance(number, str) for number in numbers):
        raise InputError(f"Expected numbers as low:high, low:high:step or low:high:log. Received: {text!r}.")
    low, high, *step = (float(number) for number in numbers)
    return Range(name, low, high, step[0] if step else 0, log=log)


def apply(recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
    """`recipe` with `values` in their places; what is no field is an argument of the network.

    Raises `InputError` on what a recipe cannot be.
    """
    known = {name: value for name, value in values.items() if name in LIMITS}
    optimizer = {name: value for name, value in known.items() if name in {field.name for field in fields(Optimizer)}}
    direct = {name: value for name, value in known.items() if name not in optimizer}
    arguments = dict(recipe.arguments) | {name: value for name, value in values.items() if name not in known}
    changes: dict[str, Any] = direct | {
        "optimizer": replace(recipe.optimizer, **optimizer),  # type: ignore[arg-type]  # numbers, by LIMITS
        "arguments": tuple(arguments.items()),
    }
    return replace(recipe, **changes)


def rounded(knob: Knob, value: Value) -> Value:
    """`value` as a person would write it, of the type that the setting has."""
    if isinstance(knob, Choice) or isinstance(value, str):
        return value
    return round(value) if knob.is_whole else float(f"{value:.{DIGITS}g}")


def words(name: str) -> str:
    """Return the name of a setting for people.

    >>> words("conv_1_filter")
    'conv 1 filter'
    """
    return name.replace("_", " ")


def get_space(name: str) -> Space:
    """The space called `name`, or that of the recipe called so; raises `UnknownNameError` with the nearest names."""
    if name in SPACES:
        return SPACES[name]
    if name in RECIPES:
        return around(RECIPES[name])
    raise UnknownNameError.of("search space or recipe", name, [*SPACES, *RECIPES])


def around(recipe: Recipe) -> Space:
    """Return the space of any recipe: how fast it learns, from how many images at once, and how it is held back."""
    rate, batch = recipe.optimizer.learning_rate, recipe.batch_size
    slow, fast = (float(f"{end:.{DIGITS}g}") for end in (rate / RATE_FACTOR, rate * RATE_FACTOR))
    batches = sorted({max(1, batch // 2), batch, min(MAX_BATCH_SIZE, 2 * batch)})
    knobs: list[Knob] = [Range("learning_rate", slow, fast, log=True), Choice("batch_size", tuple(batches))]
    if recipe.label_smoothing:
        knobs.append(Range("label_smoothing", *SMOOTHINGS))
    knobs += [Range(name, *DROPOUTS) for name, _ in recipe.arguments if "dropout" in name]
    return Space(
        name=recipe.name,
        title=f"{recipe.title}: optimizer settings",
        about=f"Learning rate, batch size and regularization of {recipe.title}.",
        recipe=recipe.name,
        knobs=tuple(knobs),
        epochs=max(1, recipe.epochs // 5),
    )


def _value(text: str) -> Value:
    text = text.strip()
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _check(knob: Knob, recipe: Recipe) -> None:
    """Raise `InputError` unless `recipe` has that setting, and it may be all that `knob` says."""
    own = dict(recipe.arguments)
    if knob.name not in LIMITS and knob.name not in own:
        raise UnknownNameError.of(f"setting of {recipe.name}", knob.name, [*LIMITS, *own])
    ends: tuple[Value, ...] = (knob.low, knob.high) if isinstance(knob, Range) else knob.values
    whole = isinstance(own[knob.name] if knob.name in own else getattr(recipe, knob.name, 0.0), int)
    if whole and not knob.is_whole:
        raise InputError(f"Expected whole numbers, and steps of them, for {knob.name}. Received: {knob}.")
    if isinstance(own.get(knob.name), str) != isinstance(ends[0], str):
        kind = "words" if isinstance(own.get(knob.name), str) else "numbers"
        raise InputError(f"Expected {kind} for {knob.name}. Received: {knob}.")
    least, most = LIMITS.get(knob.name, (1, MAX_WIDTH) if whole else (0, math.inf))
    if any(not isinstance(end, str) and not least <= end <= most for end in ends):
        raise InputError(f"Expected {knob.name} from {least:g} to {most:g}. Received: {knob}.")


def _layers(count: int, name: str, *, recipe: str, **printed: Value) -> Space:
    """Springboard Capstone 2's: how wide first convolution, others and dense layer are, how large their windows."""
    return Space(
        name=name,
        title=f"Tuned CNN, {count} layers: architecture",
        about=f"Filters, kernel sizes and dense units of one convolution and {count - 2} blocks of convolution, "
        "dropout and batch normalization.",
        recipe=recipe,
        knobs=(
            Range("conv_1_filter", 32, 128, 16),
            Choice("conv_1_kernel", (3, 5)),
            Range("conv_2_filter", 32, 64, 16),
            Choice("conv_2_kernel", (3, 5)),
            Range("dense_1_units", 32, 128, 16),
        ),
        epochs=5,
        printed=tuple(printed.items()),
    )


SPACES: dict[str, Space] = {
    space.name: space
    for space in (
        _layers(
            6,
            "six_layers",
            recipe="tuned_cnn_6",
            conv_1_filter=80,
            conv_1_kernel=5,
            conv_2_filter=48,
            conv_2_kernel=5,
            dense_1_units=96,
        ),
        _layers(
            5,
            "five_layers",
            recipe="tuned_cnn_5",
            conv_1_filter=112,
            conv_1_kernel=3,
            conv_2_filter=64,
            conv_2_kernel=5,
            dense_1_units=96,
        ),
    )
}
