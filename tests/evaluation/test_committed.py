"""The committed measurements: every figure follows from its stored answers, and no path of a machine is in them."""

import re

import numpy as np
import pytest
import sklearn.metrics as oracle

from bench import protocols
from bench.committed import FLOWERS, MEASUREMENTS, NOTES, command_of, note_on
from imgrec.evaluation import aligned_results, evaluate, stored_predictions
from imgrec.models.catalog import COMPACT_SUFFIX
from imgrec.settings import ASSETS
from imgrec.training.recipes import RECIPES

FOLDER = ASSETS / "benchmarks"
ROWS = stored_predictions.read_summary(FOLDER)["rows"]

# Bootstraps of thousands of images take a second a row: the default run takes the small sets, the slow one the rest.
SMALL = 700


FIRST_OF_EACH_SET = list({row["dataset"]: row for row in reversed(ROWS)}.values())


def recomputed(row: dict[str, object]) -> None:
    path = stored_predictions.predictions_path(FOLDER, str(row["model"]), str(row["dataset"]))
    again = evaluate.row_of(path)
    for key, value in again.items():
        expected = pytest.approx(row[key], abs=2e-6) if isinstance(value, float) else row[key]
        assert value == expected, key


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=f"{row['model']} on {row['dataset']}",
            # One of each set here; all of them before results are committed.
            marks=pytest.mark.slow if row in FIRST_OF_EACH_SET else pytest.mark.exhaustive,
        )
        for row in ROWS
    ],
)
def test_every_row_follows_from_its_answers(row: dict[str, object]) -> None:
    recomputed(row)


def test_the_smallest_rows_follow_from_their_answers() -> None:
    for row in [row for row in ROWS if row["images"] <= SMALL and row["label_space"] != "imagenet_1k"][:2]:
        recomputed(row)


def test_accuracies_follow_from_their_answers() -> None:
    for name in aligned_results.dataset_names([FOLDER]):
        results = aligned_results.load([FOLDER], name)
        assert results.problems == ()
        for model, found in results.per_image.items():
            assert results.rows[model]["top_1"] == pytest.approx(found.right.mean(), abs=1e-6)
            assert results.rows[model]["images"] == len(found)


def test_every_file_has_its_row() -> None:
    files = {path.name for path in (FOLDER / "predictions").glob("*.parquet")}
    assert files == {f"{row['model']}.{row['dataset']}.parquet" for row in ROWS}


def test_every_number_has_its_provenance() -> None:
    for row in ROWS:
        for key in (
            "weights_sha256",
            "preprocess",
            "framing",
            "runtime",
            "versions",
            "hardware",
            "measured_at",
            "command",
        ):
            assert row[key], (row["model"], row["dataset"], key)
        # A twin has the weights of its original, in another form.
        assert re.fullmatch(r"[0-9a-f]{64}(\.int8)?", row["weights_sha256"])
        assert row["weights_sha256"].endswith(COMPACT_SUFFIX) == row["model"].endswith(COMPACT_SUFFIX)


def test_what_must_be_said_of_weights_is_said() -> None:
    for row in ROWS:
        sha256 = row["weights_sha256"].removesuffix(COMPACT_SUFFIX)
        assert row["note"] == note_on(sha256, row["backbone"]), (row["model"], row["dataset"])
        # A model that started from a published one says from which; its card may be gone by now.
        recipe = RECIPES.get(row["model"])
        tuned = ", taught (" in row["title"] or ", fine-tuned (" in row["title"]
        assert (row["backbone"] is not None) == (tuned or bool(recipe and recipe.backbone)), row["model"]
    assert NOTES.keys() >= {row["backbone"]["sha256"] for row in ROWS if row["backbone"]}


def test_each_row_says_what_repeats_it() -> None:
    for row in ROWS:
        name, model = row["dataset"], row["model"]
        parts = {f"python -m bench.protocols DATA {part}" for part in protocols.PARTS}
        assert row["command"] in {command_of(name, model), *parts}
        if row["command"] not in parts:
            assert MEASUREMENTS[name].framing == row["framing"]


def test_sets_are_described_as_they_are_measured() -> None:
    sets = stored_predictions.read_summary(FOLDER)["datasets"]
    wanted = MEASUREMENTS | {FLOWERS.data: FLOWERS}
    assert {name: about["per_class"] for name, about in sets.items()} == {
        name: measurement.per_class for name, measurement in wanted.items()
    }
    for row in ROWS:
        about = sets[row["dataset"]]
        assert (row["dataset_digest"], row["pictures_sha256"]) == (about["digest"], about["pictures_sha256"])


def test_averages_are_those_of_scikit_learn() -> None:
    for row in FIRST_OF_EACH_SET:
        answers = stored_predictions.read(stored_predictions.predictions_path(FOLDER, row["model"], row["dataset"]))
        choices = answers.probabilities.argmax(axis=1)
        for how in ("macro", "weighted"):
            theirs = oracle.precision_recall_fscore_support(
                answers.targets, choices, labels=np.unique(answers.targets), average=how, zero_division=0
            )
            mine = [row[f"{how}_{figure}"] for figure in ("precision", "recall", "f1")]
            assert mine == pytest.approx(list(theirs[:3]), abs=1e-6), (row["model"], row["dataset"])
        assert row["micro_f1"] == row["top_1"]


def test_no_path_of_a_machine() -> None:
    text = (FOLDER / stored_predictions.SUMMARY).read_text()
    assert not re.search(r'"[^"]*(?<![\w.:/])/(?:home|work|tmp|root|Users)/', text)


def test_small_enough_for_a_repository() -> None:
    # A third of it are compact twins on one set.
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*") if path.is_file()) < 25 * 2**20
