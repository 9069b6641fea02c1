import json
from pathlib import Path

import pytest

from imgrec.evaluation import compact_loss, stored_predictions
from imgrec.evaluation.aligned_results import load
from imgrec.evaluation.contact_sheet import Row
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.prediction import Classification
from tests.evaluation.measured import measure

SPEC = BUILT_IN["mobilenet"]
TWIN = "mobilenet.int8"


def choice(index: int) -> Classification:
    return Classification(str(index), None, index, 0.5)


def test_a_loss_is_counted_on_the_same_images(tmp_path: Path) -> None:
    measure(tmp_path, ("mobilenet", TWIN, "mobilenet_v2"))
    [loss] = compact_loss.measured(tmp_path)
    results = load([tmp_path], "cifar10")
    exact, twin = results.per_image["mobilenet"], results.per_image[TWIN]
    assert (loss.model, loss.dataset, loss.images) == ("mobilenet", "cifar10", 200)
    assert loss.same == (exact.choice == twin.choice).sum()
    assert loss.lost == (exact.right & ~twin.right).sum()
    assert loss.won == (~exact.right & twin.right).sum()
    assert loss.share == pytest.approx(results.top_1("mobilenet") - results.top_1(TWIN))
    assert loss.is_too_large == (loss.share > 0.01)
    assert f"{loss.lost} lost and {loss.won} won" in compact_loss.sentence(loss, "MobileNet Compact")


def test_other_images_and_other_machines_are_not_compared(tmp_path: Path) -> None:
    measure(tmp_path, ("mobilenet", TWIN))
    path = tmp_path / stored_predictions.SUMMARY
    summary = json.loads(path.read_text())
    for row in summary["rows"]:
        row["hardware"] = row["model"]
    path.write_text(json.dumps(summary))
    [loss] = compact_loss.measured(tmp_path)
    assert (loss.exact_ms, loss.compact_ms) == (None, None)
    summary["rows"][0]["framing"] = "squash" if summary["rows"][0].get("framing") != "squash" else "crop"
    path.write_text(json.dumps(summary))
    assert compact_loss.measured(tmp_path) == []


def test_a_sheet_says_on_how_many_images_a_twin_has_the_same_first_answer() -> None:
    rows = [
        Row(0, "a.jpg", choices={"mobilenet": choice(1), TWIN: choice(1)}),
        Row(1, "b.jpg", choices={"mobilenet": choice(1), TWIN: choice(2)}),
        Row(2, "c.jpg", choices={"mobilenet": choice(1)}),
    ]
    assert compact_loss.on_sheet(rows, [SPEC, SPEC.compact()]) == [
        "MobileNet Compact: the first answer of MobileNet on 1 of your 2 images"
    ]
    assert compact_loss.on_sheet(rows, [SPEC.compact()]) == compact_loss.on_sheet(rows, [SPEC]) == []
