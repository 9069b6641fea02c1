"""A contact sheet: rows as of single images, in a thread that goes on, can be stopped, and fails in words."""

import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imgrec.data.image_paths import ImageList
from imgrec.evaluation import contact_sheet
from imgrec.evaluation.contact_sheet import BLOCK, ContactSheet, Row, classify_images
from imgrec.images.decoding import decode
from imgrec.inference.classify import classify
from imgrec.inference.request import Options
from imgrec.metrics.calibration import Temperature
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.ensembles import Ensemble
from imgrec.settings import MIB, Settings
from tests.evaluation.sheets import BLUE, GREEN, RED, SPECS, images, photo, pool_of

OPTIONS = Options.parse(SPECS)
FILES = {"red.png": RED, "green.png": GREEN, "blue.png": BLUE}


def finished(found: ImageList, settings: Settings, options: Options = OPTIONS, *broken: str) -> ContactSheet:
    run = ContactSheet(found, options, pool_of(*broken), settings)
    run.start()
    assert run.wait(60)
    return run


def by_image(run: ContactSheet) -> dict[str, Row]:
    return {row.image: row for row in run.rows}


def test_a_row_has_every_first_choice_and_how_the_models_agree(tmp_path: Path, settings: Settings) -> None:
    rows = by_image(finished(images(tmp_path, FILES), settings))
    red, green = rows["red.png"], rows["green.png"]
    assert (red.answer.label, red.agreeing, red.members) == ("tabby", 3, tuple(spec.name for spec in SPECS))
    assert red.disagreement == 0
    assert not red.is_unsure
    assert {model: choice.label for model, choice in green.choices.items()} == {
        "mobilenet": "beagle",
        "mobilenet_v2": "tabby",
        "mobilenet_v3_small": "tiger cat",
    }
    assert (green.agreeing, green.disagreement) == (1, 1.0)
    assert green.mutual_information_bits > red.mutual_information_bits
    assert decode(green.thumbnail, max_bytes=MIB).size_px == (48, 48)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(OPTIONS, id="mean"),
        pytest.param(Options.parse(SPECS, rule="rank_vote", framing="squash"), id="votes"),
        pytest.param(Options.parse(SPECS, weights="mobilenet=3,mobilenet_v2=0"), id="weights"),
        pytest.param(Options.parse(SPECS, level="kind"), id="kinds"),
        pytest.param(Options.parse(SPECS, classes="cat;dog"), id="own classes"),
    ],
)
def test_a_row_is_what_the_compare_page_says_of_the_image(tmp_path: Path, settings: Settings, options: Options) -> None:
    rows = by_image(finished(images(tmp_path, FILES), settings, options))
    for name, color in FILES.items():
        image = decode(photo(color), max_bytes=MIB)
        alone = options.to_result(name, image, classify(image, SPECS, pool_of(), options.framing))
        row = rows[name]
        assert isinstance(alone.ensemble, Ensemble)
        assert row.sha256 == alone.sha256
        assert row.answer.label == alone.ensemble.prediction.first.label
        assert row.answer.probability == pytest.approx(alone.ensemble.prediction.first.probability, abs=1e-6)
        assert row.entropy_bits == pytest.approx(alone.ensemble.uncertainty.entropy_bits, abs=1e-4)
        assert {m: c.label for m, c in row.choices.items()} == {p.model: p.first.label for p in alone.predictions}


def test_files_that_are_no_images_get_a_sentence_and_the_rest_goes_on(tmp_path: Path, settings: Settings) -> None:
    files = {"a.png": RED, "b.png": b"hello, this is text", "c.png": photo(BLUE)[:60], "d.png": BLUE}
    rows = by_image(finished(images(tmp_path, files), settings))
    assert "text file" in str(rows["b.png"].error)
    assert "incomplete" in str(rows["c.png"].error)
    assert [rows[name].answer.label for name in ("a.png", "d.png")] == ["tabby", "espresso"]


def test_an_image_above_the_limit_gets_a_sentence(tmp_path: Path, settings: Settings) -> None:
    found = images(tmp_path, {"a.png": RED, "b.png": np.random.default_rng(0).bytes(5000)})
    rows = by_image(finished(found, replace(settings, max_upload_bytes=2000)))
    assert rows["a.png"].answer is not None
    assert "larger than" in str(rows["b.png"].error)


def test_a_model_that_fails_is_asked_once_and_the_others_answer(tmp_path: Path, settings: Settings) -> None:
    found = images(tmp_path, {f"{i:02d}.png": RED for i in range(BLOCK + 8)})
    run = finished(found, settings, OPTIONS, "mobilenet_v2")
    assert all(row.failures == {"mobilenet_v2": "mobilenet_v2 is broken"} for row in run.rows)
    assert {row.members for row in run.rows} == {("mobilenet", "mobilenet_v3_small")}


def test_without_any_model_each_row_has_the_reason(tmp_path: Path, settings: Settings) -> None:
    run = finished(images(tmp_path, FILES), settings, OPTIONS, *(spec.name for spec in SPECS))
    assert [row.error for row in run.rows] == ["mobilenet is broken"] * 3


def test_rows_come_in_order_and_none_is_lost(tmp_path: Path, settings: Settings) -> None:
    found = images(tmp_path, {f"{i:03d}.png": (RED, GREEN, BLUE)[i % 3] for i in range(2 * BLOCK + 7)})
    rows = list(classify_images(found, OPTIONS, pool_of(), settings))
    assert [row.position for row in rows] == list(range(len(found)))
    assert [row.answer.label for row in rows][2::3] == ["espresso"] * (len(found) // 3)


def test_class_folders_tell_right_from_wrong(tmp_path: Path, settings: Settings) -> None:
    found = images(tmp_path, {"cats/a.png": RED, "cats/b.png": GREEN, "dogs/c.png": GREEN, "dogs/d.png": BLUE})
    rows = by_image(finished(found, settings))
    # Two of three see a cat in green, and nobody a dog in blue.
    assert {name: row.is_right for name, row in rows.items()} == {
        "cats/a.png": True,
        "cats/b.png": True,
        "dogs/c.png": False,
        "dogs/d.png": False,
    }
    assert (rows["dogs/c.png"].truth, rows["dogs/c.png"].answer.label) == ("dog", "cat")
    assert rows["dogs/d.png"].answer.label == "something else"
    assert rows["cats/b.png"].agreeing == 2


def test_a_temperature_counts_before_the_roll_up(tmp_path: Path, settings: Settings) -> None:
    found = images(tmp_path, {"cats/a.png": RED, "dogs/b.png": BLUE})
    pool = pool_of()
    pool.identify = lambda spec: "the weights"
    options = replace(OPTIONS, temperatures={"the weights": Temperature(100.0, "a", "b", 10, 10, 2.0, 1.0)})
    run = ContactSheet(found, options, pool, settings)
    run.start()
    assert run.wait(60)
    # So hot that all classes are alike: 6 of 1,000 are cats, 118 dogs.
    assert run.rows[0].answer.label == "something else"
    assert run.rows[0].answer.probability == pytest.approx(0.876, abs=0.01)


def test_folders_that_are_no_classes_leave_the_truth_open_and_say_so(tmp_path: Path, settings: Settings) -> None:
    run = finished(images(tmp_path, {"work/a.png": RED, "holiday/b.png": RED}), settings)
    assert run.truth is None
    assert run.remarks == ["Right or wrong is not told: holiday, work are not classes of these models."]
    assert all(row.is_right is None for row in run.rows)


def test_a_folder_that_is_no_class_is_named_and_the_others_are_judged(tmp_path: Path, settings: Settings) -> None:
    files = {"cat/a.png": RED, "espresso/b.png": GREEN, "misc/c.png": BLUE}
    run = finished(images(tmp_path, files), settings)
    assert run.remarks == ["misc: no class of these models; 1 image is neither right nor wrong."]
    assert [row.is_right is None for row in sorted(run.rows, key=lambda row: row.image)] == [False, False, True]


def test_one_folder_is_just_where_images_are(tmp_path: Path, settings: Settings) -> None:
    assert finished(images(tmp_path, {"holiday/a.png": RED}), settings).remarks == []


def test_of_several_label_spaces_the_largest_group_answers(tmp_path: Path, settings: Settings) -> None:
    ten = next(spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("tests.evaluation.sheets", fromlist=["SAYS"]).SAYS, ten.name, (3, 5, 0))
        run = finished(images(tmp_path, FILES), settings, Options.parse([ten, *SPECS]))
    row = by_image(run)["red.png"]
    assert row.members == tuple(spec.name for spec in SPECS)
    assert row.choices[ten.name].label == "cat"
    assert row.answer.label == "tabby"


def test_a_sheet_that_is_stopped_keeps_what_it_has(tmp_path: Path, settings: Settings) -> None:
    gate = threading.Event()
    found = images(tmp_path, {f"{i:03d}.png": RED for i in range(4 * BLOCK)})
    run = ContactSheet(found, OPTIONS, pool_of(gate=gate), settings)
    run.start()
    assert run.is_running
    run.cancel()
    gate.set()
    assert run.wait(60)
    assert run.is_canceled
    assert 0 < len(run.rows) < len(found)
    assert run.error is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


def test_a_bug_is_said_and_logged(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(contact_sheet, "_row", explode)
    run = finished(images(tmp_path, FILES), settings)
    assert run.error == "Something went wrong here; it is in the log of the server."
    assert "ZeroDivisionError" in caplog.text


def test_memory_grows_by_thumbnails_and_figures_alone(tmp_path: Path, settings: Settings) -> None:
    """Decoded images of this size would take 480 kB each."""
    files = {f"{i:03d}.png": photo((RED, GREEN, BLUE)[i % 3], 400) for i in range(6 * BLOCK)}
    found = images(tmp_path, files)
    tracemalloc.start()
    try:
        rows = list(classify_images(found, OPTIONS, pool_of(), settings))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) == len(found)
    assert kept / len(rows) < 20_000
