"""Detectors of images without a class, in words and rows, as they are committed."""

import pytest

from imgrec.predictions import out_of_distribution
from imgrec.predictions.ensembles import ENSEMBLE
from imgrec.reports import detectors

MEASURED = out_of_distribution.measured()


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize("model", detectors.measured_models())
def test_rows_have_every_detector_and_every_kind_of_images(model: str) -> None:
    rows = detectors.detector_rows(model)
    assert [row["Detector"] for row in rows] == ["Entropy", "Highest probability", "Highest logit", "Energy"]
    outside = [about["title"] for about in MEASURED["sources"].values() if not about["has_class"]]
    assert [column.lower() for column in rows[0]][1:-2] == [title.lower() for title in outside]
    for row in rows:
        values = [float(value) for column, value in row.items() if column not in ("Detector", "Mean", "AURC")]
        assert float(row["Mean"]) == pytest.approx(sum(values) / len(values), abs=1e-3)


def test_each_kind_of_images_says_how_many_are_above_the_limit() -> None:
    rows = {row["Images"]: row for row in detectors.source_rows("mobilenet")}
    figures = MEASURED["models"]["mobilenet"]["detectors"]["entropy"]
    assert len(rows) == len(MEASURED["sources"])
    inside = rows[MEASURED["sources"][MEASURED["inside"]]["title"]]  # a capital already
    assert (plain(inside["Above the limit"]), inside["AUROC"]) == ("5 %", "–")
    flowers = rows["Flowers without a class"]
    assert flowers["ImageNet has a class"] == "no"
    assert plain(flowers["Above the limit"]) == f"{figures['flagged']['flowers']:.0%}".replace("%", " %")
    assert flowers["AUROC"] == f"{figures['auroc']['flowers']:.3f}"
    # The same folder has daisies, which ImageNet knows: doubt hardly tells these flowers apart.
    assert float(flowers["AUROC against the same origin"]) < float(flowers["AUROC"]) - 0.2


def test_the_limit_in_words() -> None:
    words = plain(detectors.describe_limit(ENSEMBLE))
    figures = MEASURED["ensemble"]["detectors"]["entropy"]
    assert words.startswith(f"Entropy above {figures['limit']:.2f} bits is called unsure. That keeps 95 % of 668 of")
    assert f"{figures['kept_of_other_half']:.1%}".replace("%", " %") in words


def test_the_choice_names_every_detector_with_its_figures() -> None:
    words = detectors.describe_choice()
    assert all(title.lower() in words.lower() for title in detectors.TITLES.values())
    assert all(
        f"{one['auroc']:.3f}" in words and f"{one['aurc']:.3f}" in words for one in MEASURED["detectors"].values()
    )
    assert "so the limits below are values of it" in words


def test_without_a_measurement_there_is_no_model_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out_of_distribution, "measured", dict)
    assert detectors.measured_models() == {}


def test_each_detector_says_what_its_number_is() -> None:
    lines = detectors.describe_detectors().split("\n\n")
    assert [line.split("**")[1] for line in lines] == list(detectors.TITLES.values())
    assert "Liu et al. 2020" in lines[-1]
