"""An ensemble of calibrated members: each member's probabilities with the temperature measured for its weights."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from imgrec.metrics.calibration import Temperature, with_temperature
from imgrec.predictions.ensembles import Ensemble, combine
from imgrec.predictions.prediction import Failure, Prediction


def calibrate(
    ensemble: Ensemble,
    temperatures: Mapping[str, Temperature],
    roll_up: Callable[[Prediction], Prediction | Failure] = lambda prediction: prediction,
) -> Ensemble:
    """Return the same members combined in the same way, each as softmax(log p / T).

    `temperatures` are by the sha256 of the weights; a member without one stays as it is. Temperatures are of the
    network's own classes: members that are rolled up are calibrated before, and `roll_up` does it again. The
    uncertainty is that of the calibrated members. A temperature changes no member's first class of its own, but it may
    change that of the ensemble.
    """
    found = [temperatures.get(member.weights_sha256) for member in ensemble.members]
    members = [
        member if one is None else _checked(roll_up(_with_temperature(member.own or member, one.value)))
        for member, one in zip(ensemble.members, found, strict=True)
    ]
    after = combine(members, ensemble.rule, ensemble.weights)
    return replace(after, before=ensemble, temperatures=tuple(None if one is None else one.value for one in found))


def _checked(outcome: Prediction | Failure) -> Prediction:
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def _with_temperature(member: Prediction, temperature: float) -> Prediction:
    scaled = with_temperature(member.probabilities[np.newaxis], temperature)[0]
    return replace(member, probabilities=scaled.astype(np.float32))
