"""What calibration changes, in words."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from imgrec.metrics.calibration import Temperature
from imgrec.predictions.ensembles import Ensemble, combine
from imgrec.predictions.labels import CIFAR_10
from imgrec.predictions.prediction import Prediction
from imgrec.reports.calibration_effect import describe, describe_origin, rows
from imgrec.reports.result import Result, to_csv, to_dict, to_table

MEASURED = {"a": Temperature(2.0, "cifar10", "CIFAR-10's test set", 2000, 4932, 0.3, 0.2)}


def prediction(name: str, cat: float, dog: float) -> Prediction:
    rest = np.full(10, (1 - cat - dog) / 8)
    rest[3], rest[5] = cat, dog
    return Prediction(name, CIFAR_10, rest, title=name.upper(), weights_sha256=name)


def calibrated(before: list[Prediction], after: list[Prediction], *temperatures: float | None) -> Ensemble:
    return replace(combine(after), before=combine(before), temperatures=temperatures)


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("after", "temperatures", "sentence"),
    [
        pytest.param((0.5, 0.3), (2.0, 2.0), "Calibrated: cat 50.0 %, 60.0 % before.", id="same class"),
        pytest.param((0.3, 0.5), (2.0, 2.0), "Calibrated: dog 50.0 %, instead of cat 60.0 %.", id="another class"),
        pytest.param(
            (0.5, 0.3),
            (2.0, None),
            "Calibrated: cat 50.0 %, 60.0 % before. No temperature was measured for B.",
            id="one without",
        ),
        pytest.param(
            (0.6, 0.2),
            (None, None),
            "Calibrated: nothing changes, no temperature was measured for these weights.",
            id="none measured",
        ),
    ],
)
def test_the_sentence(after: tuple[float, float], temperatures: tuple[float | None, ...], sentence: str) -> None:
    before = [prediction(name, 0.6, 0.2) for name in "ab"]
    assert plain(describe(calibrated(before, [prediction(name, *after) for name in "ab"], *temperatures))) == sentence


def test_nothing_is_said_of_members_as_they_are() -> None:
    ensemble = combine([prediction("a", 0.6, 0.2)])
    assert describe(ensemble) == ""
    assert rows(ensemble) == []


def test_rows_have_each_member_before_and_after() -> None:
    ensemble = calibrated(
        [prediction("a", 0.6, 0.2), prediction("b", 0.4, 0.2)],
        [prediction("a", 0.5, 0.2), prediction("b", 0.4, 0.2)],
        2.0,
        None,
    )
    assert [plain(" ".join(row.values())) for row in rows(ensemble)] == [
        "A 2.00 cat 60.0 % cat 50.0 %",
        "B – cat 40.0 % cat 40.0 %",
        "Ensemble – cat 50.0 % cat 45.0 %",
    ]


def test_it_says_where_the_temperatures_were_measured() -> None:
    ensemble = combine([prediction(name, 0.6, 0.2) for name in "abc"])
    assert describe_origin(ensemble, {}) == ""
    assert describe_origin(ensemble, MEASURED) == "Temperatures fitted on 2,000 images of: CIFAR-10's test set."
    others = MEASURED | {"c": replace(MEASURED["a"], source="Photos", fitted=310)}
    assert describe_origin(ensemble, others) == (
        "A: fitted on 2,000 images of: CIFAR-10's test set. C: fitted on 310 images of: Photos."
    )


def test_files_say_which_members_are_calibrated() -> None:
    before, after = ([prediction(name, cat, 0.2) for name in "ab"] for cat in (0.6, 0.5))
    results = {
        "off": Result("x.jpg", "ab", (), tuple(before), combine(before)),
        "on": Result("x.jpg", "ab", (), tuple(before), calibrated(before, after, 2.0, None)),
    }
    fields = {name: to_dict(one)["ensemble"]["temperatures"] for name, one in results.items()}  # type: ignore[index]
    assert fields == {"off": None, "on": {"a": 2.0, "b": None}}
    last = {name: list(csv.DictReader(to_csv([one], k=1).splitlines()))[-1] for name, one in results.items()}
    assert {name: row["calibrated"] for name, row in last.items()} == {"off": "false", "on": "true"}
    assert "Calibrated: cat 50.0 %, 60.0 % before." in plain(to_table([results["on"]]))
    assert "Calibrated" not in to_table([results["off"]])
