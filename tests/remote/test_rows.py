"""Many images at once: a folder with classes, files that are no images, and what is written about them."""

import csv
import io
import json
from pathlib import Path

import pytest

from imgrec.data.image_paths import ImageList, find_images
from imgrec.predictions.class_groups import ClassGroups
from imgrec.remote import rows as remote_rows
from imgrec.remote.cloud_vision import CloudVision
from imgrec.settings import Settings
from tests.remote.conftest import CAT, DOG, Service, answered
from tests.ui.conftest import photo


@pytest.fixture
def found(tmp_path: Path) -> ImageList:
    for name, colors in {"cats": ("red", "green"), "dogs": ("blue", "white")}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for color in colors:
            (tmp_path / "data" / name / f"{color}.jpg").write_bytes(photo(color))
    (tmp_path / "data" / "cats" / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    return find_images([tmp_path / "data"])


@pytest.fixture
def answers(vision: CloudVision, service: Service, found: ImageList) -> list[remote_rows.Row]:
    service.respond = lambda count, body: answered(CAT, CAT, DOG, CAT)
    return list(remote_rows.ask(vision, found, ClassGroups.parse("cat;dog"), Settings.from_env({})))


def test_each_file_has_a_row_and_only_images_are_sent(answers: list[remote_rows.Row], service: Service) -> None:
    assert [len(request["requests"]) for request in service.requests] == [4]
    assert len(answers) == 5
    by_name = {Path(row.image).name: row for row in answers}
    assert by_name["broken.jpg"].error
    assert [by_name[name].scored.is_right for name in ("red.jpg", "white.jpg")] == [True, False]  # type: ignore[union-attr]


def test_the_summary_has_accuracy_and_times(answers: list[remote_rows.Row]) -> None:
    cats, dogs, times = remote_rows.summary(answers)
    assert cats.startswith("cat: 2 of 2 right, 100")
    assert dogs.startswith("dog: 1 of 2 right, 50.0")
    assert "median of 1 requests: 1.2 ms in the service" in times


def test_files_say_the_same(answers: list[remote_rows.Row]) -> None:
    objects = json.loads(remote_rows.to_json(answers, 2))
    lines = list(csv.DictReader(io.StringIO(remote_rows.to_csv(answers, 2))))
    assert len(objects) == 5
    assert len(lines) == 4 * 2 + 1
    assert {line["answer"] for line in lines if not line["error"]} == {"cat", "dog"}
    assert sorted(one["right"] for one in objects if "right" in one) == [False, True, True, True]
    table = [remote_rows.to_table(row, 2) for row in answers]
    assert any(line.endswith("Cat 99.0 %, Skin 92.0 % → cat, right") for line in table)
    assert any(line.endswith("→ cat, wrong") for line in table)
