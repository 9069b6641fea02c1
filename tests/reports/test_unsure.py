"""Unsure: in the headline, behind it, and in every file; never "none of these"."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from imgrec.predictions import hierarchy, out_of_distribution
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import get_label_space
from imgrec.predictions.prediction import Prediction
from imgrec.reports.result import Result, to_csv, to_dict, to_table
from imgrec.reports.sentences import describe_unsure, headline, is_none_of_these, is_unsure

MODELS = out_of_distribution.measured()["models"]


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


def member(name: str, spread: int) -> Prediction:
    """A prediction of a measured network that prefers tabby, and finds `spread` others nearly as likely."""
    row = np.zeros(1000)
    row[: spread + 1] = 1
    row[281] = 2 if spread else 1e6
    return Prediction(
        name, get_label_space("imagenet_1k"), row / row.sum(), weights_sha256=MODELS[name]["weights_sha256"]
    )


SURE, DOUBTING = ([member(name, spread) for name in ("mobilenet", "mobilenet_v2")] for spread in (0, 600))


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        pytest.param(SURE, "Ensemble: tabby >99.9 % · both agree", id="sure"),
        pytest.param(DOUBTING, "Unsure · Ensemble: tabby 0.3 % · both agree", id="unsure"),
        pytest.param(DOUBTING[:1], "Unsure · MobileNet: tabby 0.3 %", id="one model"),
    ],
)
def test_the_headline_says_unsure(members: list[Prediction], sentence: str) -> None:
    assert plain(headline(members, combine(members))) == sentence


def test_without_an_ensemble_each_model_says_it() -> None:
    words = plain(headline([DOUBTING[0], SURE[1]], None))
    assert words == "MobileNet: tabby 0.3 % (unsure) · MobileNetV2: tabby >99.9 %"


def test_nothing_new_is_said_of_networks_that_were_not_measured() -> None:
    others = [replace(one, weights_sha256="") for one in DOUBTING]
    assert plain(headline(others, combine(others))) == "Ensemble: tabby 0.3 % · both agree · high uncertainty"
    assert is_unsure(others[0]) is None
    assert describe_unsure(combine(others)) == ("", "")


def test_it_is_never_called_none_of_these() -> None:
    assert is_none_of_these(combine(DOUBTING)) is None
    assert is_unsure(combine(DOUBTING)) is True


def test_the_figures_stand_behind_the_sentence() -> None:
    limit = out_of_distribution.measured_limit(combine(DOUBTING))
    assert limit is not None
    entropy, about = describe_unsure(combine(DOUBTING))
    assert entropy.startswith("entropy 9.")
    assert entropy.endswith(f"bits, the limit is {limit.entropy_bits:.2f}")
    words = plain(about)
    assert words.startswith("The limit keeps 95 % of 668 of ImageNet's validation images.")
    for what, share in limit.flagged.items():
        assert f"- {share:.0%} of {what}".replace("%", " %") in words


def test_calibrated_members_are_judged_as_their_networks_gave_them() -> None:
    calibrated = replace(combine(SURE), before=combine(DOUBTING), temperatures=(0.1, 0.1))
    assert is_unsure(calibrated) is True
    assert describe_unsure(calibrated) == describe_unsure(combine(DOUBTING))


def test_every_file_has_it() -> None:
    result = Result("x.jpg", "ab", (), (SURE[0], DOUBTING[1]), combine(DOUBTING))
    fields = to_dict(result)
    assert [one["unsure"] for one in fields["models"]] == [False, True]  # type: ignore[attr-defined]
    assert fields["ensemble"]["unsure"] is True  # type: ignore[index]
    rows = list(csv.DictReader(to_csv([result], k=1).splitlines()))
    assert [row["unsure"] for row in rows] == ["false", "true", "true"]
    assert "Unsure · Ensemble: tabby 0.3 %" in plain(to_table([result]))
    unknown = Result("x.jpg", "ab", (), (replace(SURE[0], weights_sha256=""),), None)
    assert to_dict(unknown)["models"][0]["unsure"] is None  # type: ignore[index]


@pytest.mark.parametrize("level", ["kind", "category"])
def test_what_is_rolled_up_is_judged_by_the_classes_of_the_networks(level: str) -> None:
    rolled = [replace(hierarchy.roll_up(one, level), own=one) for one in DOUBTING]
    assert rolled[0].label_space.name != "imagenet_1k"
    assert describe_unsure(combine(rolled)) == describe_unsure(combine(DOUBTING))
    assert [is_unsure(one) for one in rolled] == [True, True]
