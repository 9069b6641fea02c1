"""`Options`: which models classify an image, how, and how their predictions are combined.

Command line, API and pages share the options, their checks with the same sentences, and the `Result` made with them.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Self, TypedDict

from imgrec.errors import ImgrecError, InputError, MemoryBudgetError, UnknownNameError
from imgrec.images.decoding import DecodedImage, decode
from imgrec.images.preprocessing import FRAMINGS
from imgrec.inference.calibrated_members import calibrate
from imgrec.inference.classify import classify
from imgrec.inference.pool import EnginePool
from imgrec.inference.precision import COMPACT, preferred
from imgrec.inference.preparation import state_of
from imgrec.metrics.calibration import Temperature
from imgrec.models.catalog import Catalog, ModelSpec
from imgrec.predictions import ensembles, hierarchy
from imgrec.predictions.class_groups import ClassGroups
from imgrec.predictions.ensembles import ENSEMBLE, RULES, Ensemble
from imgrec.predictions.hierarchy import DEFAULT_LEVEL, LEVELS
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import DEFAULT_TOP_K, MAX_TOP_K, Failure, Prediction
from imgrec.reports import sentences
from imgrec.reports.result import Result
from imgrec.settings import MIB, PRECISIONS, Settings

# The most models in one request: more cannot be compared side by side, and on a small public host each one makes
# others wait.
MAX_MODELS = 12
DEMO_MAX_MODELS = 5

# Enough for an ensemble, and still quick.
DEFAULT_MODELS = 3

DEFAULT_RULE = "mean"
WEIGHTED_RULE = "weighted_mean"  # the default with weights
DEFAULT_FRAMING = "crop"


class Words(TypedDict, total=False):
    """The options of `Options.parse` as they are typed: each None, or left out, for its default.

    `k`: classes for each model. `rule`, `weights` (by model) and `calibrated` (measured temperatures are applied): of
    the ensemble. `framing`: how images are cut. `level`: of generality. `classes`: groups of WordNet words.
    """

    k: str | int | None
    rule: str | None
    framing: str | None
    weights: str | None
    level: str | None
    classes: str | None
    calibrated: str | bool | None


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a classification: `specs` in the order of the catalog, `weights` by model name, 1 where absent.

    Results are shown at `level`, a key of `hierarchy.LEVELS`, or as the visitor's `classes`, which go before.
    `temperatures`, by the sha256 of weights, are applied to the members of the ensemble; None for members as they are.
    """

    specs: tuple[ModelSpec, ...]
    k: int = DEFAULT_TOP_K
    rule: str = DEFAULT_RULE
    framing: str = DEFAULT_FRAMING
    weights: Mapping[str, float] = field(default_factory=dict)
    level: str = DEFAULT_LEVEL
    classes: ClassGroups | None = None
    temperatures: Mapping[str, Temperature] | None = None

    @classmethod
    def parse(
        cls,
        specs: Iterable[ModelSpec],
        *,
        k: str | int | None = None,
        rule: str | None = None,
        framing: str | None = None,
        weights: str | None = None,
        level: str | None = None,
        classes: str | None = None,
        calibrated: str | bool | None = None,
        get_temperatures: Callable[[], Mapping[str, Temperature]] = dict,
    ) -> Self:
        """Read options as they are typed; None or an empty text stands for the default.

        `get_temperatures` is called for calibrated members only.

        Raises:
            InputError: A number out of its range, weights for a rule without them, neither true nor false, or classes
                that cannot be read.
            UnknownNameError: No such rule, framing, level, class or chosen model.
        """
        specs = tuple(specs)
        named = _parse_weights(weights or "", specs)
        rule = rule or (WEIGHTED_RULE if named else DEFAULT_RULE)
        framing, level = framing or DEFAULT_FRAMING, level or DEFAULT_LEVEL
        if rule not in RULES:
            raise UnknownNameError.of("rule", rule, list(RULES))
        if framing not in FRAMINGS:
            raise UnknownNameError.of("framing", framing, list(FRAMINGS))
        if level not in LEVELS:
            raise UnknownNameError.of("level", level, list(LEVELS))
        if named and not RULES[rule].takes_weights:
            raise InputError(f"Expected no weights for the rule {rule}. Received: {weights}.")
        groups = ClassGroups.parse(classes) if classes else None
        temperatures = get_temperatures() if _parse_bool("calibrated", calibrated) else None
        return cls(specs, _parse_k(k), rule, framing, named, level, groups, temperatures)

    def to_result(self, name: str, image: DecodedImage, outcomes: Iterable[Prediction | Failure]) -> Result:
        """Return the result for the image of the file `name`, rolled up, with the ensemble of all predictions."""
        notes = (*image.notes, *sentences.describe_groups(self.classes, self.specs))
        result = Result(name, image.sha256, notes, tuple(map(self.roll_up, outcomes)))
        return replace(result, ensemble=self.combine(result.predictions))

    def roll_up(self, outcome: Prediction | Failure) -> Prediction | Failure:
        """Return a prediction of a model's own classes as `classes` or at `level`; a failure where it has none."""
        if isinstance(outcome, Failure):
            return outcome
        try:
            found = self.classes.roll_up(outcome) if self.classes else hierarchy.roll_up(outcome, self.level)
        except ImgrecError as error:
            return Failure(outcome.model, error, outcome.title)
        return outcome if found is outcome else replace(found, own=outcome)

    def shown_space(self, space: LabelSpace) -> LabelSpace | None:
        """Return the label space in which predictions of `space` are shown; None where they cannot be."""
        if self.classes:
            return self.classes.label_space(space)
        mapped = hierarchy.map_to_level(space, self.level)
        return mapped.target if mapped else space

    def combine(
        self,
        members: Sequence[Prediction],
        roll_up: Callable[[Prediction], Prediction | Failure] | None = None,
    ) -> Ensemble | Failure | None:
        """Return the ensemble of `members`, a failure where they cannot be combined, None for no members.

        `roll_up` is what made the members of predictions of the networks' own classes, by default the method.
        """
        try:
            if not members:
                return None
            found = ensembles.combine(members, self.rule, self.weights_of(members))
            return found if self.temperatures is None else calibrate(found, self.temperatures, roll_up or self.roll_up)
        except ImgrecError as error:
            return Failure(ENSEMBLE, error)

    def to_arguments(self) -> list[str]:
        """Return the options as words of the command line, without defaults: what `parse` reads back."""
        words = ["--models", ",".join(spec.name for spec in self.specs)]
        weights = {spec.name: self.weights.get(spec.name, 1.0) for spec in self.specs}
        is_weighted = RULES[self.rule].takes_weights and any(weights.values()) and set(weights.values()) != {1.0}
        # With weights and without a rule, the rule is the weighted mean.
        if self.rule != (WEIGHTED_RULE if is_weighted else DEFAULT_RULE):
            words += ["--rule", self.rule]
        if is_weighted:
            words += ["--weights", ",".join(f"{name}={weight:g}" for name, weight in weights.items() if weight != 1)]
        if self.k != DEFAULT_TOP_K:
            words += ["--top", str(self.k)]
        if self.framing != DEFAULT_FRAMING:
            words += ["--framing", self.framing]
        if self.level != DEFAULT_LEVEL:
            words += ["--level", self.level]
        if self.classes:
            words += ["--classes", self.classes.to_link()]
        return words if self.temperatures is None else [*words, "--calibrated"]

    def weights_of(self, members: Sequence[Prediction]) -> list[float] | None:
        """Return the weights of `members`, None where none are given."""
        return [self.weights.get(member.model, 1.0) for member in members] if self.weights else None


def get_result(data: bytes, name: str, options: Options, pool: EnginePool, *, max_bytes: int) -> Result:
    """Classify the image in `data` with all models of `options`.

    Raises:
        ImageError: The image cannot be used.
        ImgrecError: No model succeeded: the error of the first one.
    """
    return classify_decoded(decode(data, max_bytes=max_bytes, name=name), name, options, pool)


def classify_decoded(image: DecodedImage, name: str, options: Options, pool: EnginePool) -> Result:
    """Classify a decoded image, of the file `name`, as `get_result`."""
    outcomes = {outcome.model: outcome for outcome in classify(image, options.specs, pool, options.framing)}
    result = options.to_result(name, image, [outcomes[spec.name] for spec in options.specs])
    if not result.predictions:
        raise result.failures[0].error
    return result


def parse_models(names: str, catalog: Catalog, precision: str | None = None) -> list[ModelSpec]:
    """Return the models named with commas between them, in the order of the catalog, or raise `UnknownNameError`.

    With the `precision` "compact" they are the twins of the models named, with "exact" the originals of twins.
    """
    named = [catalog.get_spec(name.strip()) for name in names.split(",") if name.strip()]
    return catalog.get_specs(spec.name for spec in in_precision(named, precision))


def in_precision(specs: Iterable[ModelSpec], precision: str | None) -> list[ModelSpec]:
    """Return `specs`, or with a `precision` their twins or originals; raises `UnknownNameError` on another word."""
    if precision is None:
        return list(specs)
    if precision not in PRECISIONS:
        raise UnknownNameError.of("precision", precision, list(PRECISIONS))
    return [spec.compact() if precision == COMPACT else spec.exact() for spec in specs]


def get_default_specs(catalog: Catalog, settings: Settings) -> list[ModelSpec]:
    """Return the default models: at most `DEFAULT_MODELS` of one label space on this machine.

    Those installed with imgrec, the same on every machine. Without them the best variant of each architecture, the
    smallest of these; of a single architecture its best variants. On a host whose choice is compact, their
    twins. Raises `InputError` where there is no model.
    """
    states = {spec: state_of(spec, settings) for spec in catalog.values()}
    installed = [spec for spec, state in states.items() if state == "installed"]
    if installed:
        return [preferred(spec, settings) for spec in installed[:DEFAULT_MODELS]]
    here = [spec for spec, state in states.items() if state != "missing"]
    if not here:
        smallest = min(catalog.values(), key=lambda spec: spec.weights.size_bytes)
        usual = catalog.get("mobilenet", smallest)
        raise InputError(
            "Expected a model on this machine. Received: none yet. "
            f"`imgrec fetch {usual.name}` downloads one ({usual.weights.size_bytes / MIB:.0f} MiB)."
        )
    # The catalog lists ImageNet's models before the bundled ones with ten classes.
    same_space = [spec for spec in here if spec.label_space == here[0].label_space]
    ranked = sorted(same_space, key=lambda spec: spec.published.top1 if spec.published else 0.0)
    best = {spec.architecture: spec for spec in ranked}.values()
    chosen = sorted(best, key=lambda spec: spec.parameters) if len(best) > 1 else ranked[::-1]
    return catalog.get_specs(preferred(spec, settings).name for spec in chosen[:DEFAULT_MODELS])


def check_budget(specs: Iterable[ModelSpec], pool: EnginePool) -> None:
    """Raise `MemoryBudgetError` for models above the whole budget, before anything is downloaded for them."""
    plan = pool.plan(specs)
    if plan.too_large:
        raise MemoryBudgetError(
            f"Expected models that fit the budget of {plan.budget_bytes / MIB:,.0f} MiB. "
            f"Received: {', '.join(plan.too_large)}. A smaller model fits, or a larger IMGREC_MEMORY_MIB."
        )


def describe(spec: ModelSpec, state: str) -> dict[str, object]:
    """Return one model as JSON values: the documented shape of `imgrec models --json` and of the API."""
    values = asdict(spec)
    first = ("name", "title", "architecture", "label_space", "parameters", "input_size", "crop_fraction", "preprocess")
    weights = ("url", "filename", "hash", "size_bytes")
    return {
        **{name: values[name] for name in first},
        "state": state,
        "licence": spec.license,
        "published": values["published"],
        "weights": {name: values["weights"][name] for name in weights},
    }


def _parse_k(k: str | int | None) -> int:
    text = str(DEFAULT_TOP_K if k is None or k == "" else k).strip()
    if not (text.isdecimal() and text.isascii() and 1 <= int(text) <= MAX_TOP_K):
        raise InputError(f"Expected a number of classes from 1 to {MAX_TOP_K}. Received: {text!r}.")
    return int(text)


def _parse_bool(name: str, value: str | bool | None) -> bool:
    text = str(value or "false").strip().lower()
    if text not in ("true", "false"):
        raise InputError(f"Expected true or false for {name}. Received: {value!r}.")
    return text == "true"


def _parse_weights(text: str, specs: tuple[ModelSpec, ...]) -> dict[str, float]:
    """Return `mobilenet=2,vgg16=0.5` as a dict."""
    chosen = [spec.name for spec in specs]
    weights: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (part.strip() for part in item.partition("="))
        if name not in chosen:
            raise UnknownNameError.of("chosen model", name, chosen)
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"Expected weights such as {name}=2, a number of 0 or more. Received: {item!r}.")
        weights[name] = weight
    if weights and not any(weights.get(name, 1.0) for name in chosen):
        raise InputError(f"Expected a weight above 0 for at least one model. Received: {text}.")
    return weights
