"""What is asked of a image, and the answer: what the command line and the API have in common.

They take the same words (models by name, a rule, weights, a framing, k), check them here with the same
sentences, and give the same `Report`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from imgrec.errors import ImgrecError, InputError, MemoryBudgetError, UnknownNameError
from imgrec.images.decoding import decode
from imgrec.images.preprocessing import FRAMINGS
from imgrec.inference.classify import FailedModel, classify
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import state_of
from imgrec.models.catalog import Catalog, ModelSpec
from imgrec.predictions.ensembles import ENSEMBLE, RULES, combine
from imgrec.predictions.prediction import DEFAULT_TOP_K, MAX_TOP_K, Prediction
from imgrec.reports.result import Failure, Report
from imgrec.settings import MIB, Settings

# The most models that one question may name: more side by side nobody reads, and on a small public host each one
# makes others wait.
MAX_MODELS = 12
DEMO_MAX_MODELS = 4

# Who names no models gets an ensemble that is worth the name and still quick.
DEFAULT_MODELS = 3

# The rule for who gives no rule, and for who gives weights.
DEFAULT_RULE = "mean"
WEIGHTED_RULE = "weighted_mean"


@dataclass(frozen=True, slots=True)
class Question:
    """Which models look at a image, how, and how their answers become one.

    `specs` are in the order of the catalog; `weights` is model name → weight, 1 for who is not named.
    """

    specs: tuple[ModelSpec, ...]
    k: int = DEFAULT_TOP_K
    rule: str = DEFAULT_RULE
    framing: str = "crop"
    weights: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        specs: Iterable[ModelSpec],
        *,
        k: str | int | None = None,
        rule: str | None = None,
        framing: str | None = None,
        weights: str | None = None,
    ) -> Self:
        """A question in the words that people type; None or nothing stands for the default.

        Raises `InputError` or `UnknownNameError` with the sentence for them.
        """
        specs = tuple(specs)
        named = _parse_weights(weights or "", specs)
        rule = rule or (WEIGHTED_RULE if named else DEFAULT_RULE)
        framing = framing or "crop"
        if rule not in RULES:
            raise UnknownNameError.of("rule", rule, list(RULES))
        if framing not in FRAMINGS:
            raise UnknownNameError.of("framing", framing, list(FRAMINGS))
        if named and not RULES[rule].takes_weights:
            raise InputError(f"Expected no weights for the rule {rule}. Received: {weights}.")
        return cls(specs, _parse_k(k), rule, framing, named)


def parse_models(names: str, catalog: Catalog) -> list[ModelSpec]:
    """The rows for names with commas between them; raises `UnknownNameError`."""
    return catalog.get_specs(name.strip() for name in names.split(",") if name.strip())


def get_default_specs(catalog: Catalog, settings: Settings) -> list[ModelSpec]:
    """Return the models to ask when none is named: at most `DEFAULT_MODELS` on this machine that go together.

    Those installed with imgrec, so that every machine begins with the same. Without them the best variant of each
    architecture, the smallest of these; where there is only one architecture, its best variants, since one answer
    compares with nothing. Raises `InputError` when there is no model.
    """
    states = {spec: state_of(spec, settings) for spec in catalog.values()}
    installed = [spec for spec, state in states.items() if state == "installed"]
    if installed:
        return installed[:DEFAULT_MODELS]
    here = [spec for spec, state in states.items() if state != "missing"]
    if not here:
        smallest = min(catalog.values(), key=lambda spec: spec.weights.size_bytes)
        usual = catalog.get("mobilenet", smallest)
        raise InputError(
            "Expected a model on this machine. Received: none yet. "
            f"`imgrec fetch {usual.name}` downloads one ({usual.weights.size_bytes / MIB:.0f} MiB)."
        )
    # The catalog has ImageNet's thousand classes before the ten that the bundled models know.
    space = here[0].label_space
    best: dict[str, ModelSpec] = {}
    ranked = sorted((spec for spec in here if spec.label_space == space), key=_accuracy)
    for spec in ranked:
        best[spec.architecture] = spec
    chosen = sorted(best.values(), key=lambda spec: spec.parameters) if len(best) > 1 else ranked[::-1]
    return catalog.get_specs(spec.name for spec in chosen[:DEFAULT_MODELS])


def check_budget(specs: Iterable[ModelSpec], pool: EnginePool) -> None:
    """Raise `MemoryBudgetError` for models that can never be loaded here, before anything is downloaded for them."""
    plan = pool.plan(specs)
    if plan.too_large:
        raise MemoryBudgetError(
            f"Expected models that fit the budget of {plan.budget_bytes / MIB:,.0f} MiB. "
            f"Received: {', '.join(plan.too_large)}. A smaller model fits, or a larger IMGREC_MEMORY_MIB."
        )


def describe(spec: ModelSpec, state: str) -> dict[str, object]:
    """One model as JSON values: the documented shape of `imgrec models --json` and of the API."""
    published = spec.published
    return {
        "name": spec.name,
        "title": spec.title,
        "architecture": spec.architecture,
        "label_space": spec.label_space,
        "parameters": spec.parameters,
        "input_size": list(spec.input_size),
        "crop_fraction": spec.crop_fraction,
        "preprocess": spec.preprocess,
        "state": state,
        "licence": spec.licence,
        "published": None
        if published is None
        else {"top1": published.top1, "top5": published.top5, "source": published.source},
        "weights": {
            "url": spec.weights.url,
            "filename": spec.weights.filename,
            "hash": spec.weights.hash,
            "size_bytes": spec.weights.size_bytes,
        },
    }


def answer(data: bytes, name: str, question: Question, pool: EnginePool, *, max_bytes: int) -> Report:
    """What the models say about the image in `data`, in the order of the catalog, and their ensemble.

    A model that fails is a `Failure` in the report. Raises `ImageError` when the image cannot be used, and
    what the first model raised when not one of them could answer.
    """
    image = decode(data, max_bytes=max_bytes, name=name)
    outcomes = {outcome.model: outcome for outcome in classify(image, question.specs, pool, question.framing)}
    found = [outcomes[spec.name] for spec in question.specs]
    predictions = [outcome for outcome in found if isinstance(outcome, Prediction)]
    if not predictions:
        raise next(outcome.error for outcome in found if isinstance(outcome, FailedModel))
    ensemble: object
    try:
        weights = [question.weights.get(prediction.model, 1.0) for prediction in predictions]
        ensemble = combine(predictions, question.rule, weights if question.weights else None)
    except ImgrecError as error:
        ensemble = Failure(ENSEMBLE, str(error))
    return Report(
        image=name,
        sha256=image.sha256,
        notes=image.notes,
        outcomes=tuple(
            Failure(outcome.model, str(outcome.error)) if isinstance(outcome, FailedModel) else outcome
            for outcome in found
        ),
        ensemble=ensemble,
    )


def _parse_k(k: str | int | None) -> int:
    text = str(DEFAULT_TOP_K if k is None or k == "" else k).strip()
    if not (text.isdecimal() and text.isascii() and 1 <= int(text) <= MAX_TOP_K):
        raise InputError(f"Expected a number of classes from 1 to {MAX_TOP_K}. Received: {text!r}.")
    return int(text)


def _parse_weights(text: str, specs: tuple[ModelSpec, ...]) -> dict[str, float]:
    """`mobilenet=2,vgg16=0.5` as a dict."""
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


def _accuracy(spec: ModelSpec) -> float:
    return 0.0 if spec.published is None else spec.published.top1
