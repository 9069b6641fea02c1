"""`imgrec explain` as its user meets it; engines are fakes, so that the map is known."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imgrec.images.decoding import decode
from imgrec.settings import MIB
from tests.cli.test_cli import Run, cat, environment, imgrec  # noqa: F401 (fixtures)


def test_maps_of_the_first_class(imgrec: Callable[..., Run], cat: str) -> None:  # noqa: F811
    done = imgrec("explain", cat, "--models", "mobilenet,resnet50")
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Ensemble", "ResNet50", "MobileNet"]
    assert all("class tabby" in line for line in lines)
    assert "upper left 100" in lines[1]


def test_every_value_for_programs(imgrec: Callable[..., Run], cat: str) -> None:  # noqa: F811
    found = json.loads(imgrec("explain", cat, "--models", "mobilenet", "--class", "dog", "--format", "json").out)
    (one,) = found["maps"]
    assert (found["image"], one["model"], one["class"], len(one["indices"])) == ("cat.png", "mobilenet", "dog", 118)
    assert (len(one["values"]), len(one["values"][0]), one["unit"]) == (7, 7, "logits")
    rows = list(csv.DictReader(io.StringIO(imgrec("explain", cat, "--models", "mobilenet", "--format", "csv").out)))
    assert len(rows) == 49
    assert max(rows, key=lambda row: float(row["value"]))["row"] == "0"


def test_files_over_the_image(imgrec: Callable[..., Run], cat: str, environment: Path) -> None:  # noqa: F811
    done = imgrec("explain", cat, "--models", "mobilenet,resnet50", "--out", "maps")
    assert done.code == 0
    assert "3 maps are in maps" in done.err
    files = sorted((environment / "maps").iterdir())
    assert [file.name for file in files] == ["ensemble_cam.png", "mobilenet_cam.png", "resnet50_cam.png"]
    size = decode((environment / cat).read_bytes(), max_bytes=MIB).size_px
    assert {decode(file.read_bytes(), max_bytes=MIB).size_px for file in files} == {size}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--class", "zzz"], "Received: 'zzz'"),
        (["--class", "crane"], "Expected one meaning of 'crane'"),
        (["--method", "grad"], "Expected the name of a method"),
        (["--format", "yaml"], "Expected the format table, json, csv or parquet"),
        (["--models", "vgg16"], "Expected a network connection"),
    ],
)
def test_bad_input_has_a_sentence(
    imgrec: Callable[..., Run],  # noqa: F811
    cat: str,  # noqa: F811
    words: list[str],
    sentence: str,
) -> None:
    done = imgrec("explain", cat, *(words if "--models" in words else ["--models", "mobilenet", *words]))
    assert done.code == 2
    assert sentence in done.err
