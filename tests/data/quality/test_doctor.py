"""The doctor on sets of files and arrays: each image once, nothing lost, and the truth that is known of real sets."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec.cli import main
from imgrec.data import features, reader, training_arrays
from imgrec.data.dataset import Images
from imgrec.data.features import Features
from imgrec.data.quality import doctor
from imgrec.data.quality.checks import CHECKS
from imgrec.data.quality.doctor import examine
from imgrec.data.quality.report import Diagnosis
from imgrec.errors import InputError, StorageError
from imgrec.inference import preparation
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings


def photo(seed: int, kind: str = "JPEG", side: int = 64) -> bytes:
    """Soft noise, which JPEG and resizing leave as it is."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, kind)
    return buffer.getvalue()


def make(folder: Path, counts: dict[str, int]) -> Path:
    seed = 0
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for i in range(count):
            (folder / label / f"{i}.jpg").write_bytes(photo(seed := seed + 1))
    return folder


def kinds(diagnosis: Diagnosis) -> set[str]:
    return {finding.kind for finding in diagnosis.findings}


def examined(path: Path, settings: Settings) -> Diagnosis:
    return examine(str(path), settings, input_size=(32, 32), backbone=None)


GOOD = {"train/cats": 20, "train/dogs": 20, "test/cats": 3, "test/dogs": 3}


def test_a_good_set(tmp_path: Path, settings: Settings) -> None:
    told: list[tuple[str, int, int]] = []
    path = make(tmp_path / "set", GOOD)
    diagnosis = examine(
        str(path), settings, input_size=(32, 32), backbone=None, on_progress=lambda *step: told.append(step)
    )
    assert diagnosis.findings == ()
    assert diagnosis.may_train
    assert diagnosis.counts == {"cats": (20, 3), "dogs": (20, 3)}
    assert doctor.ONE_FEEDING in diagnosis.passed
    # Three test images of a class are too few to say that they are like the others.
    assert len(diagnosis.passed) == len(CHECKS)
    assert not any("have similar brightness" in sentence for sentence in diagnosis.passed)
    assert diagnosis.not_made == ("Label errors were not checked.",)
    assert told == [("reading", i, 46) for i in range(1, 47)]


def test_flaws_of_files(tmp_path: Path, settings: Settings) -> None:
    path = make(tmp_path / "set", GOOD)
    (path / "test" / "cats" / "0.jpg").write_bytes((path / "train" / "cats" / "5.jpg").read_bytes())
    (path / "test" / "dogs" / "0.jpg").write_bytes(photo(25, "PNG", 90))  # train/dogs/4.jpg, stored otherwise
    (path / "train" / "dogs" / "9.jpg").write_bytes((path / "train" / "cats" / "6.jpg").read_bytes())
    (path / "train" / "dogs" / "broken.jpg").write_bytes(photo(1)[:300])
    (path / "train" / "papers.pdf").write_bytes(b"%PDF")
    found = {finding.kind: finding for finding in examined(path, settings).findings}
    assert found.keys() == {
        "duplicates_across_parts",
        "near_duplicates_across_parts",
        "duplicates_across_classes",
        "unreadable",
        "left_out",
    }
    assert found["duplicates_across_parts"].files == ("train/cats/5.jpg", "test/cats/0.jpg")
    assert found["near_duplicates_across_parts"].files == ("train/dogs/4.jpg", "test/dogs/0.jpg")
    assert set(found["duplicates_across_classes"].files) == {"train/cats/6.jpg", "train/dogs/9.jpg"}
    assert found["unreadable"].cases[0].remark.startswith("The JPEG is incomplete")
    assert str(found["left_out"].cases[0]) == "train/papers.pdf: not in a class folder"


def test_a_zip_is_the_folder_in_it(tmp_path: Path, settings: Settings) -> None:
    path = make(tmp_path / "set", GOOD)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(path.rglob("*.jpg")):
            archive.write(file, file.relative_to(path))
    from_zip, from_folder = examined(tmp_path / "set.zip", settings), examined(path, settings)
    assert (from_zip.counts, from_zip.findings) == (from_folder.counts, from_folder.findings)


@pytest.mark.parametrize(
    ("counts", "kind"),
    [({"cats": 5}, "one_class"), ({"cats": 25, "dogs": 1}, "single_picture"), ({}, "one_class")],
    ids=["one class", "one image", "empty"],
)
def test_what_cannot_be_trained_on_is_a_finding(
    counts: dict[str, int], kind: str, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "set").mkdir()
    diagnosis = examine(str(make(tmp_path / "set", counts)), settings)
    assert not diagnosis.may_train
    assert diagnosis.findings[0].kind == kind
    assert "not ready to train" in diagnosis.not_made[0]


def test_nothing_readable_at_all(tmp_path: Path, settings: Settings) -> None:
    for label in ("cats", "dogs"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "a.jpg").write_bytes(b"")
    assert kinds(examined(tmp_path / "set", settings)) == {"one_class", "unreadable", "no_class"}


@pytest.mark.parametrize("spoil", ["empty", "unreadable"])
def test_a_class_folder_that_yields_nothing_is_no_class(spoil: str, tmp_path: Path, settings: Settings) -> None:
    path = make(tmp_path / "set", {"cats": 20, "dogs": 20, "frogs": 1})
    (path / "frogs" / "0.jpg").write_bytes(b"no image")
    if spoil == "empty":
        (path / "frogs" / "0.jpg").unlink()
    found = examined(path, settings)
    assert found.counts == {"cats": (20, 0), "dogs": (20, 0)}
    assert found.verdict.startswith("40 images of 2 classes: ready to train, with")
    [finding] = [finding for finding in found.findings if finding.kind == "no_class"]
    assert finding.sentence == "frogs: no readable image to learn from, so it is no class."


def test_images_that_are_tested_and_not_learned_do_not_count(tmp_path: Path, settings: Settings) -> None:
    found = examined(make(tmp_path / "set", GOOD | {"test/frogs": 2}), settings)
    assert found.images == 46
    assert "missing_in_training" in kinds(found)


def test_a_validation_part_beside_a_test_part_is_mentioned(tmp_path: Path, settings: Settings) -> None:
    found = examined(make(tmp_path / "set", GOOD | {"val/cats": 2, "val/dogs": 2}), settings)
    assert found.counts == {"cats": (20, 3), "dogs": (20, 3)}
    assert [finding.sentence[:39] for finding in found.findings] == ["The validation part (4 files) is left o"]


def test_what_is_not_there_is_no_set(settings: Settings) -> None:
    with pytest.raises(InputError, match="Received: '/nowhere'"):
        examine("/nowhere", settings)


def test_arrays(tmp_path: Path, settings: Settings) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 16, 18, 3), dtype=np.uint8)
    test = rng.integers(0, 256, (4, 16, 18, 3), dtype=np.uint8)
    test[3] = pixels[7]
    np.savez(tmp_path / "set.npz", x_train=pixels, y_train=np.arange(50) % 2, x_test=test, y_test=np.arange(4) % 2)
    diagnosis = examined(tmp_path / "set.npz", settings)
    assert diagnosis.counts == {"class 0": (25, 2), "class 1": (25, 2)}
    leak = next(finding for finding in diagnosis.findings if finding.kind == "duplicates_across_parts")
    assert leak.files == ("train/00007", "test/00003")


def test_classes_of_arrays_without_images_are_findings(tmp_path: Path, settings: Settings) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    targets = np.arange(50) % 2 * 2
    np.savez(tmp_path / "set.npz", x_train=pixels, y_train=targets, x_test=pixels[:2] // 2, y_test=np.array([0, 1]))
    found = examined(tmp_path / "set.npz", settings)
    assert found.counts == {"class 0": (25, 1), "class 2": (25, 0)}
    assert [finding.sentence for finding in found.findings if finding.kind == "no_class"] == [
        "class 1: no readable image to learn from, so it is no class.",
        "x_test: 1 of 2 images left out, being of no class.",
    ]
    assert "missing_in_test" in kinds(found)
    assert "left_out" not in kinds(found)


# ── Label noise ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def network_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that sees nothing but the color in the middle: cats are red, and dogs are green."""

    def extract(spec: ModelSpec, images: Images, settings: Settings, **_: object) -> Features:
        middle = images.pixels[:, 112, 112].astype(np.float32)
        return Features(middle, 0.0, cached=False)

    monkeypatch.setattr(preparation, "state_of", lambda spec, settings: "downloaded")
    monkeypatch.setattr(features, "extract", extract)


def colors(folder: Path, wrong: int) -> Path:
    for label, color in (("cats", (200, 30, 30)), ("dogs", (30, 200, 30))):
        (folder / label).mkdir(parents=True)
        for i in range(30):
            shade = tuple(value + i for value in (color if label == "cats" or i >= wrong else (200, 30, 30)))
            buffer = io.BytesIO()
            Image.new("RGB", (40, 40), shade).save(buffer, "PNG")
            (folder / label / f"{i:02d}.png").write_bytes(buffer.getvalue())
    return folder


@pytest.mark.usefixtures("network_is_here")
def test_wrong_labels_are_named(tmp_path: Path, settings: Settings) -> None:
    found = examine(str(colors(tmp_path / "set", 2)), settings)
    finding = next(finding for finding in found.findings if finding.kind == "label_noise")
    assert set(finding.files) == {"dogs/00.png", "dogs/01.png"}
    assert {case.remark for case in finding.cases} == {"labeled dogs, looks like cats"}
    assert finding.sentence.startswith("2 of 60 training images may be mislabeled")


@pytest.mark.usefixtures("network_is_here")
def test_right_labels_pass(tmp_path: Path, settings: Settings) -> None:
    found = examine(str(colors(tmp_path / "set", 0)), settings)
    assert "label_noise" not in kinds(found)
    assert any("No likely label errors" in sentence for sentence in found.passed)


@pytest.mark.usefixtures("network_is_here")
def test_features_without_information_find_no_label_errors(tmp_path: Path, settings: Settings) -> None:
    found = examine(str(colors(tmp_path / "set", 30)), settings)
    assert "label_noise" not in kinds(found)
    assert "cannot be detected" in found.not_made[0]


def test_a_network_that_is_not_here_is_no_error(tmp_path: Path, settings: Settings) -> None:
    found = examine(str(make(tmp_path / "set", GOOD)), settings)
    assert found.not_made == ("Label errors were not checked: MobileNet is not downloaded (imgrec fetch mobilenet).",)


@pytest.mark.usefixtures("network_is_here")
def test_a_full_disk_costs_one_check_only(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("Expected room. Received: none.")

    monkeypatch.setattr(training_arrays, "load", full)
    found = examine(str(make(tmp_path / "set", GOOD)), settings)
    assert found.not_made == ("Label errors were not checked: Expected room. Received: none.",)


@pytest.mark.parametrize("limit", ["GLANCE_IMAGES", "GLANCE_BYTES"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_at_a_glance_a_large_set_is_not_read(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, limit: str, packed: bool
) -> None:
    path = make(tmp_path / "set", {"cats": 60, "dogs": 1})
    (path / "dogs" / "2.jpg").write_bytes((path / "cats" / "1.jpg").read_bytes())
    if packed:
        path = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", path))
    whole = doctor.glance(str(path), settings, input_size=(32, 32))
    assert {"imbalance", "few_pictures", "duplicates_across_classes"} <= kinds(whole)
    monkeypatch.setattr(doctor, limit, 10)
    monkeypatch.setattr(reader, "decode", None)
    listed = doctor.glance(str(path), settings, input_size=(32, 32))
    assert kinds(listed) == {"imbalance", "few_pictures"}
    assert (listed.counts, listed.not_made) == (whole.counts, (doctor.NOT_READ,))


def test_at_a_glance_one_class_stops(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "set", {"cats": 20})
    for _ in range(2):
        assert not doctor.glance(str(path), settings).may_train
        monkeypatch.setattr(doctor, "GLANCE_IMAGES", 10)


# ── The command ───────────────────────────────────────────────────────────────────────────────────────────────────


def run(monkeypatch: pytest.MonkeyPatch, settings: Settings, *words: str) -> int:
    monkeypatch.setenv("IMGREC_HOME", str(settings.home))
    monkeypatch.setenv("KERAS_HOME", str(settings.keras_home))
    monkeypatch.setattr("sys.argv", ["imgrec", "doctor", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command_says_the_same(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "set", GOOD)
    (path / "test" / "cats" / "0.jpg").write_bytes((path / "train" / "cats" / "5.jpg").read_bytes())
    (path / "train" / "cats" / "\x1b[31m.jpg").write_bytes(b"")
    wanted = examine(str(path), settings, input_size=(64, 64))
    words = ("--data", str(path), "--input-size", "64")
    assert run(monkeypatch, settings, *words, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(wanted.to_dict()))
    assert run(monkeypatch, settings, *words) == 0
    printed = capsys.readouterr().out
    for finding in wanted.findings:
        assert " ".join(finding.sentence.split()) in " ".join(printed.split())
    assert "train/cats/5.jpg = test/cats/0.jpg" in printed
    assert "\x1b" not in printed


def test_the_command_ends_with_2_when_training_cannot_start(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, settings, "--data", str(make(tmp_path / "set", {"cats": 3}))) == 2
    assert "STOP    At least two classes" in capsys.readouterr().out


# ── Real images ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_cats_and_dogs_have_one_pair_of_copies(test_data: Path, settings: Settings) -> None:
    if not (test_data / "catsdogs").is_dir():
        pytest.skip("IMGREC_TEST_DATA holds no catsdogs")
    found = examine(str(test_data / "catsdogs"), settings, backbone=None)
    assert found.counts == {"cats": (4000, 1000), "dogs": (4000, 1000)}
    copies = [finding for finding in found.findings if finding.kind.startswith("duplicates")]
    assert [(finding.kind, finding.count) for finding in copies] == [("duplicates", 1)]
    assert {Path(file).name for file in copies[0].files} == {"dog.2027.jpg", "dog.3082.jpg"}
    leak = next(finding for finding in found.findings if finding.kind == "near_duplicates_across_parts")
    assert {frozenset(Path(file).name for file in case.files) for case in leak.cases} == {
        frozenset({"cat.3411.jpg", "cat.4435.jpg"}),
        frozenset({"cat.2580.jpg", "cat.4726.jpg"}),
    }
