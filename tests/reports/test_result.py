"""The files that leave imgrec: their exact shape, their safety, and that one failure hides nothing else."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.errors import InputError, WeightsError
from imgrec.predictions.ensembles import combine
from imgrec.predictions.labels import CIFAR_10, LabelSpace
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.reports.result import CSV_COLUMNS, TABLE_WIDTH, Result, to_csv, to_dict, to_json, to_rows, to_table

PETS = LabelSpace("pets", ("tabby", "lynx", "beagle"), ("n02123045", "n02127052", None))

VGG16 = Prediction("vgg16", PETS, np.array([0.75, 0.25, 0.0]), milliseconds=223.4)
MINE = Prediction("mine", PETS, np.array([0.25, 0.5, 0.25]), milliseconds=9.0)
NO_WEIGHTS = "Expected a weights file. Received: none at /home/me/.keras/models/x.h5."
BROKEN = Failure("xception", WeightsError(NO_WEIGHTS))
ENSEMBLE = combine([VGG16, MINE], "weighted_mean", [3, 1])

GOOD = Result("cat.jpg", "ab12", ("rotated by its EXIF tag",), (VGG16, BROKEN, MINE), ENSEMBLE)
BAD = Result("not.jpg", None, error="This is an empty file.")


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_json_has_the_documented_shape() -> None:
    assert json.loads(to_json([GOOD], k=2)) == [
        {
            "image": "cat.jpg",
            "sha256": "ab12",
            "notes": ["rotated by its EXIF tag"],
            "models": [
                {
                    "model": "vgg16",
                    "label_space": "pets",
                    "milliseconds": 223.4,
                    "top": [
                        {"label": "tabby", "synset": "n02123045", "index": 0, "probability": 0.75},
                        {"label": "lynx", "synset": "n02127052", "index": 1, "probability": 0.25},
                    ],
                    "none_of_these": None,
                    "unsure": None,
                },
                {"model": "xception", "error": NO_WEIGHTS},
                {
                    "model": "mine",
                    "label_space": "pets",
                    "milliseconds": 9.0,
                    "top": [
                        {"label": "lynx", "synset": "n02127052", "index": 1, "probability": 0.5},
                        {"label": "tabby", "synset": "n02123045", "index": 0, "probability": 0.25},
                    ],
                    "none_of_these": None,
                    "unsure": None,
                },
            ],
            "ensemble": {
                "rule": "weighted_mean",
                "weights": {"vgg16": 0.75, "mine": 0.25},
                "top": [
                    {"label": "tabby", "synset": "n02123045", "index": 0, "probability": 0.625},
                    {"label": "lynx", "synset": "n02127052", "index": 1, "probability": 0.3125},
                ],
                "uncertainty": {
                    "entropy_bits": pytest.approx(ENSEMBLE.uncertainty.entropy_bits),
                    "mutual_information_bits": pytest.approx(ENSEMBLE.uncertainty.mutual_information_bits),
                    "disagreement": 1.0,
                },
                "none_of_these": None,
                "unsure": None,
                "temperatures": None,
            },
        }
    ]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        pytest.param(
            BAD,
            {"image": "not.jpg", "sha256": None, "notes": [], "models": [], "ensemble": None, "error": BAD.error},
            id="an image that cannot be used",
        ),
        pytest.param(
            Result("a", "b", ensemble=Failure("ensemble", InputError("no."))),
            {"image": "a", "sha256": "b", "notes": [], "models": [], "ensemble": {"error": "no."}},
            id="an ensemble that cannot be",
        ),
        pytest.param(
            Result("a", "b"),
            {"image": "a", "sha256": "b", "notes": [], "models": [], "ensemble": None},
            id="nothing asked for",
        ),
    ],
)
def test_json_where_something_failed(report: Result, expected: dict[str, object]) -> None:
    assert to_dict(report) == expected


def test_csv_has_a_row_for_each_rank_and_each_failure() -> None:
    rows = cells(to_csv([GOOD, BAD], k=2))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert [(row["model"], row["rank"], row["label"], row["probability"]) for row in rows] == [
        ("vgg16", "1", "tabby", "0.75"),
        ("vgg16", "2", "lynx", "0.25"),
        ("xception", "", "", ""),
        ("mine", "1", "lynx", "0.5"),
        ("mine", "2", "tabby", "0.25"),
        ("ensemble", "1", "tabby", "0.625"),
        ("ensemble", "2", "lynx", "0.3125"),
        ("", "", "", ""),
    ]
    assert [row["error"] for row in rows if row["error"]] == [NO_WEIGHTS, BAD.error]
    assert {row["rule"] for row in rows} == {"", "weighted_mean"}


@given(st.floats(0, 1, width=32))
def test_probabilities_keep_their_precision(value: float) -> None:
    space = LabelSpace("two", ("a", "b"), (None, None), exclusive=False)
    report = Result("x", "y", (), (Prediction("m", space, np.array([value, 0.0])),))
    written = {float(row["probability"]) for row in cells(to_csv([report]))}
    assert np.float32(value) in {np.float32(found) for found in written}
    assert json.loads(to_json([report]))[0]["models"][0]["top"][0]["probability"] == value


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("=cmd|' /C calc'!A0", id="equals"),
        pytest.param("+1+1.jpg", id="plus"),
        pytest.param("-2+3.jpg", id="minus"),
        pytest.param("@SUM(A1).jpg", id="at"),
        pytest.param("\t=1.jpg", id="tab"),
        pytest.param("\r=1.jpg", id="carriage return"),
        pytest.param("  =1.jpg", id="behind blanks"),
        pytest.param("＝1.jpg", id="full width"),
    ],
)
def test_csv_runs_no_formula(name: str) -> None:
    row = cells(to_csv([Result(name, "ab", (), (VGG16,))], k=1))[0]
    assert row["image"].startswith("'")
    assert name.strip() in row["image"]


@pytest.mark.parametrize("name", ["cat.jpg", 'a,"b".jpg', "猫.jpg", "2024-01-01 10:00.jpg"])
def test_csv_leaves_other_names_alone(name: str) -> None:
    assert cells(to_csv([Result(name, "ab", (), (VGG16,))], k=1))[0]["image"] == name


@given(st.text())
def test_csv_has_one_line_a_row(name: str) -> None:
    assert len(to_csv([Result(name, "ab", (), (VGG16,))], k=3).splitlines()) == 4


def test_negative_numbers_stay_numbers() -> None:
    assert "'" not in to_csv([Result("a", "b", (), (Prediction("m", PETS, np.array([1, 0, -1e-7])),))])


def test_rows_have_one_set_of_columns() -> None:
    assert {tuple(row) for row in to_rows([GOOD, BAD])} == {CSV_COLUMNS}


def test_table_reads_well() -> None:
    assert to_table([GOOD, BAD], k=2) == (Path(__file__).parent / "table.txt").read_text().rstrip("\n")


@given(st.text(max_size=200), st.sampled_from([0.0, 0.0004, 0.03, 0.9999, 1.0]))
def test_table_stays_within_the_terminal(name: str, probability: float) -> None:
    space = LabelSpace("two", (name, "b"), (None, None))
    prediction = Prediction(name, space, np.array([probability, 1 - probability]), milliseconds=12345.6)
    for line in to_table([Result(name, "ab", (), (prediction, MINE))]).split("\n"):
        assert line.isprintable()
        # A sentence is wrapped at its blanks; a single word that is longer than a line is left whole.
        assert len(line) <= TABLE_WIDTH or len(max(line.split(), key=len)) > TABLE_WIDTH / 2


def test_table_lets_no_file_name_move_the_cursor() -> None:
    table = to_table([Result("\x1b[2J\u202egpj.exe", "ab", (), (VGG16,))])
    assert "\x1b" not in table
    assert "\u202e" not in table


def test_a_single_models_ensemble_is_not_repeated() -> None:
    assert to_table([Result("a", "b", (), (VGG16,), combine([VGG16]))]).count("223 ms") == 1


def unsure(model: str, *probabilities: float) -> Prediction:
    """A prediction of CIFAR-10's classes; what is left goes to the last two."""
    rest = (1 - sum(probabilities)) / 2
    row = np.array([*probabilities, *[0.0] * (8 - len(probabilities)), rest, rest])
    return Prediction(model, CIFAR_10, row, milliseconds=1.0)


def test_none_of_these_stands_in_every_form() -> None:
    sure, doubting = unsure("cifar_vgg", 0.98), unsure("cifar_resnet", 0.2, 0.2, 0.2, 0.2)
    together = combine([sure, unsure("cifar_resnet", 0.0, 0.3, 0.3, 0.2, 0.1)])
    image = Result("x.jpg", "ab", (), (sure, doubting), combine([doubting, doubting]))
    fields = to_dict(image)
    assert [model["none_of_these"] for model in fields["models"]] == [False, True]  # type: ignore[attr-defined]
    assert fields["ensemble"]["none_of_these"] is True  # type: ignore[index]
    assert [row["none_of_these"] for row in cells(to_csv([image], k=1))] == ["false", "true", "true"]
    assert "Most likely none of these: both models are unsure (airplane 20.0 %" in to_table([image])
    assert to_dict(Result("x.jpg", "ab", (), (sure,), together))["ensemble"]["none_of_these"] is False  # type: ignore[index]
