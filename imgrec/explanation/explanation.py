"""The maps of all models for one image, and those of their ensembles: what command line and API answer with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imgrec.errors import ImgrecError, InputError
from imgrec.explanation import attribution
from imgrec.explanation import target as targets
from imgrec.explanation.alignment import fuse
from imgrec.explanation.attribution import DEFAULT_METHOD, Attribution
from imgrec.explanation.perturbation import OnProgress
from imgrec.explanation.subject import Subject
from imgrec.explanation.target import Target
from imgrec.images.decoding import DecodedImage
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options
from imgrec.predictions.ensembles import RULES, Ensemble, by_label_space
from imgrec.predictions.labels import LabelSpace
from imgrec.predictions.prediction import Failure, Prediction


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """The maps of one image: those of ensembles before those of models, and the models without one."""

    maps: tuple[Attribution, ...]
    failures: tuple[Failure, ...]


def explain(
    image: DecodedImage,
    options: Options,
    pool: EnginePool,
    *,
    word: str = "",
    method: str = DEFAULT_METHOD,
    on_progress: OnProgress = lambda done, total: None,
) -> Explanation:
    """Explain one image.

    Args:
        image: The whole image.
        options: Models, framing, rule and weights.
        pool: The networks.
        word: A class, or what is above classes, as `target.find` reads it; empty for the first class of the ensemble
            of each label space.
        method: A key of `attribution.METHODS`.
        on_progress: See `perturbation.OnProgress`.

    Raises:
        UnknownNameError: No model has that class, or another method.
        InputError: The word has several meanings.
        ImgrecError: No model has a map: the error of the first one.
    """
    spaces = {spec.label_space: spec.get_label_space() for spec in options.specs}
    subjects = attribution.frame_subjects(image, options.specs, pool, options.framing)
    failures: list[Failure] = []
    if word:
        found_targets = find_everywhere(word, spaces)
    else:
        outcomes = [_predict(subject) for subject in subjects]
        failures = [one for one in outcomes if isinstance(one, Failure)]
        found_targets = first_targets([one for one in outcomes if isinstance(one, Prediction)], options)
        subjects = [one for one, outcome in zip(subjects, outcomes, strict=True) if isinstance(outcome, Prediction)]
    outcome = list(
        attribution.explain(
            image, subjects, found_targets, framing=options.framing, method=method, on_progress=on_progress
        )
    )
    maps = [one for one in outcome if isinstance(one, Attribution)]
    failures += [one for one in outcome if isinstance(one, Failure)]
    if not maps:
        raise failures[0].error
    return Explanation((*fuse_by_label_space(maps, options), *maps), tuple(failures))


def _predict(subject: Subject) -> Prediction | Failure:
    """Return what a network answers; its activations stay in `subject`, for the map."""
    spec = subject.spec
    try:
        seen = subject.seen
    except ImgrecError as error:
        return Failure(spec.name, error, spec.title)
    return Prediction(spec.name, spec.get_label_space(), seen.probabilities, subject.inference_ms, title=spec.title)


def find_everywhere(word: str, spaces: Mapping[str, LabelSpace]) -> dict[str, Target]:
    """Return what `word` means in each label space by name; one without that class is left out.

    Raises as `target.find` does where no space has it.
    """
    found: dict[str, Target] = {}
    problems: list[InputError] = []
    for name, space in spaces.items():
        try:
            found[name] = targets.find(word, space)
        except InputError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    return found


def first_targets(predictions: Sequence[Prediction], options: Options) -> dict[str, Target]:
    """Return the first class of the ensemble of each label space, by its name."""
    found: dict[str, Target] = {}
    for name, members in by_label_space(predictions).items():
        ensemble = options.combine(members)
        found[name] = targets.first_of(ensemble.prediction if isinstance(ensemble, Ensemble) else members[0])
    return found


def fuse_by_label_space(maps: Sequence[Attribution], options: Options) -> list[Attribution]:
    """Return the ensemble's map of each label space with two maps or more, with the weights of the ensemble."""
    groups: dict[str, list[Attribution]] = {}
    for one in maps:
        groups.setdefault(one.target.label_space.name, []).append(one)
    fused = []
    for members in groups.values():
        given = [options.weights.get(one.model, 1.0) for one in members]
        counts = RULES[options.rule].takes_weights and any(given)
        if len(members) > 1:
            fused.append(fuse(members, given if counts else None))
    return fused
