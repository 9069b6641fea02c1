"""What a server does before its first visitor: the default models are loaded, and asked about a sample image."""

import logging
from collections.abc import Sequence

from imgrec.errors import ImgrecError, InputError
from imgrec.images.decoding import DecodedImage
from imgrec.inference.classify import classify
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.inference.request import get_default_specs
from imgrec.models import cards
from imgrec.models.catalog import ModelSpec
from imgrec.predictions.prediction import Prediction
from imgrec.settings import Settings

log = logging.getLogger(__name__)


def default_specs(settings: Settings) -> list[ModelSpec]:
    """Return the models to ask when none is named; none where no model is on this machine."""
    try:
        return get_default_specs(cards.load_catalog(settings), settings)
    except InputError:
        return []


def load_what_fits(specs: Sequence[ModelSpec], pool: EnginePool, preparations: Preparations) -> None:
    """Load `specs`, the smallest first, as long as they fit the budget together; requests show the failures later.

    In place of a twin that cannot be made, its original is loaded: visitors are given that, too.
    """
    loaded: list[ModelSpec] = []
    waiting = sorted(specs, key=lambda spec: spec.parameters)
    while waiting:
        spec = waiting.pop(0)
        try:
            preparations.ensure(spec)
            if not pool.plan([*loaded, spec]).fits:
                return
            pool.load(spec)
        except ImgrecError as error:
            log.warning("%s is not warmed up: %s", spec.name, error)
            if spec.is_compact:
                waiting.insert(0, spec.exact())
        else:
            loaded.append(spec)


def answers(specs: Sequence[ModelSpec], pool: EnginePool, image: DecodedImage) -> bool:
    """Whether one of `specs` classifies `image`."""
    for spec in specs:
        for outcome in classify(image, [spec], pool):
            if isinstance(outcome, Prediction):
                return True
            log.warning("%s does not answer: %s", spec.name, outcome.error)
    return False
