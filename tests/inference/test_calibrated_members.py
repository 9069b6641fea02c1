"""Calibrated members: softmax(log p / T) for those with a temperature, the others as they are."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.special

from imgrec.inference.calibrated_members import calibrate
from imgrec.inference.request import Options
from imgrec.metrics.calibration import Temperature
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.ensembles import RULES, Ensemble, combine
from imgrec.predictions.labels import CIFAR_10, get_label_space
from imgrec.predictions.prediction import Prediction

SPECS = BUILT_IN.get_specs(["cifar_vgg", "cifar_resnet"])


def temperature(value: float) -> Temperature:
    return Temperature(value, "cifar10", "CIFAR-10", 2000, 4932, 0.3, 0.2)


def members(seed: int = 0) -> list[Prediction]:
    rows = np.random.default_rng(seed).dirichlet(np.full(10, 0.4), 2)
    names = ("cifar_vgg", "aa"), ("cifar_resnet", "bb")
    return [
        Prediction(name, CIFAR_10, row, weights_sha256=digest) for (name, digest), row in zip(names, rows, strict=True)
    ]


@pytest.mark.parametrize("value", [0.4, 1.0, 3.0])
def test_a_member_gets_the_temperature_of_its_weights_and_the_others_stay(value: float) -> None:
    one, other = given = members()
    found = calibrate(combine(given), {"aa": temperature(value)})
    expected = scipy.special.softmax(np.log(one.probabilities.astype(np.float64)) / value)
    assert found.members[0].probabilities == pytest.approx(expected, abs=1e-6)
    assert found.members[1] is other
    assert found.temperatures == (value, None)
    assert found.prediction.probabilities == pytest.approx((expected + other.probabilities) / 2, abs=1e-6)
    assert found.before is not None
    assert found.before.members == tuple(given)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(5))
def test_no_member_changes_its_first_class_and_softening_raises_the_entropy(rule: str, seed: int) -> None:
    before = combine(members(seed), rule)
    softer, sharper = (calibrate(before, {"aa": temperature(t), "bb": temperature(t)}) for t in (2.5, 0.4))
    for found in (softer, sharper):
        assert [one.first.index for one in found.members] == [one.first.index for one in before.members]
        assert found.rule == rule
    assert softer.uncertainty.entropy_bits > before.uncertainty.entropy_bits > sharper.uncertainty.entropy_bits


def test_the_ensemble_may_change_its_mind() -> None:
    sure, doubting = np.full(10, 0.01), np.full(10, 0.01)
    sure[3], sure[5], doubting[3], doubting[5] = 0.70, 0.22, 0.31, 0.61
    pair = [Prediction(n, CIFAR_10, p / p.sum(), weights_sha256=n) for n, p in (("a", sure), ("b", doubting))]
    found = calibrate(combine(pair), {"a": temperature(4.0)})
    assert found.before is not None
    assert (found.before.prediction.first.label, found.prediction.first.label) == ("cat", "dog")


@pytest.mark.parametrize("calibrated", [None, "", "false", False])
def test_members_stay_as_they_are_unless_asked(calibrated: str | bool | None) -> None:
    options = Options.parse(SPECS, calibrated=calibrated, get_temperatures=lambda: pytest.fail("read in vain"))
    found = options.combine(members())
    assert isinstance(found, Ensemble)
    assert found.before is None
    assert found.temperatures == ()


@pytest.mark.parametrize("calibrated", ["true", "True", True])
def test_options_calibrate_on_request(calibrated: str | bool) -> None:
    options = Options.parse(SPECS, calibrated=calibrated, get_temperatures=lambda: {"bb": temperature(2.0)})
    found = options.combine(members())
    assert isinstance(found, Ensemble)
    assert found.temperatures == (None, 2.0)


@pytest.mark.parametrize("options", [{"level": "category"}, {"classes": "cat;dog"}])
def test_members_are_calibrated_before_they_are_rolled_up(options: dict[str, str]) -> None:
    """The temperature is of a thousand classes: of their sums it would be another."""
    space = get_label_space("imagenet_1k")
    row = np.random.default_rng(1).dirichlet(np.full(1000, 3.0))
    own = Prediction("mobilenet", space, row, weights_sha256="aa")
    chosen = Options.parse(
        BUILT_IN.get_specs(["mobilenet"]), **options, calibrated=True, get_temperatures=lambda: {"aa": temperature(2.5)}
    )
    rolled = chosen.roll_up(own)
    assert isinstance(rolled, Prediction)
    assert rolled.own is own
    found = chosen.combine([rolled])
    assert isinstance(found, Ensemble)
    softened = scipy.special.softmax(np.log(own.probabilities.astype(np.float64)) / 2.5)
    expected = chosen.roll_up(replace(own, probabilities=softened))
    assert isinstance(expected, Prediction)
    assert found.prediction.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert found.before is not None
    assert found.before.prediction.probabilities == pytest.approx(rolled.probabilities, abs=1e-6)
