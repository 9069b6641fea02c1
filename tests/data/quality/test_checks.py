"""Each check on figures made for it: what is found, how severe it is, and what the sentence says."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest

from imgrec.data.quality import checks
from imgrec.data.quality.checks import CHECKS, check
from imgrec.data.quality.report import MAX_CASES, Case, Diagnosis, Finding
from imgrec.data.quality.scan import Examined
from imgrec.images.perceptual_hash import THUMBNAIL_SHAPE


def seen(train: dict[str, int], test: dict[str, int] | None = None) -> Examined:
    """A set without a flaw: every image is noise of its own, 300 × 300 px, a JPEG."""
    test = test or {}
    labels = tuple(sorted({*train, *test}))
    rows = [
        (label, part == "test")
        for part, of in (("train", train), ("test", test))
        for label in of
        for _ in range(of[label])
    ]
    rng = np.random.default_rng(0)
    count = len(rows)
    return Examined(
        labels=labels,
        files=[f"{'test' if is_test else 'train'}/{label}/{i}.jpg" for i, (label, is_test) in enumerate(rows)],
        targets=np.array([labels.index(label) for label, _ in rows], np.int64),
        is_test=np.array([is_test for _, is_test in rows], bool),
        digests=[hashlib.sha256(str(i).encode()).digest() for i in range(count)],
        sizes_px=np.full((count, 2), 300),
        formats=np.full(count, "JPEG"),
        thumbnails=rng.integers(0, 256, (count, *THUMBNAIL_SHAPE, 3), dtype=np.uint8),
        unreadable=(),
        left_out=(),
        input_size=(224, 224),
    )


GOOD = seen({"cat": 40, "dog": 40}, {"cat": 20, "dog": 20})


def findings(examined: Examined) -> dict[str, Finding]:
    found, passed = check(examined)
    assert len(passed) < len(CHECKS) or not found
    return {finding.kind: finding for finding in found}


def changed(array: np.ndarray, indices: object, value: object) -> np.ndarray:
    copy = array.copy()
    copy[indices] = value
    return copy


def copied(examined: Examined, *pairs: tuple[int, int]) -> Examined:
    """With the bytes of the second of each pair those of the first."""
    digests = list(examined.digests)
    for i, j in pairs:
        digests[j] = digests[i]
    thumbnails = examined.thumbnails.copy()
    for i, j in pairs:
        thumbnails[j] = thumbnails[i]
    return replace(examined, digests=digests, thumbnails=thumbnails)


def alike(examined: Examined, *pairs: tuple[int, int]) -> Examined:
    """With the second of each pair a little brighter than the first."""
    thumbnails = examined.thumbnails.copy()
    for i, j in pairs:
        thumbnails[j] = np.minimum(thumbnails[i].astype(int) + 9, 255)
    return replace(examined, thumbnails=thumbnails)


def test_nothing_is_found_in_a_good_set() -> None:
    assert findings(GOOD) == {}


@pytest.mark.parametrize(
    ("examined", "kind", "severity", "words"),
    [
        pytest.param(seen({"cat": 30}), "one_class", "stop", "only one, 'cat'", id="one class"),
        pytest.param(seen({}), "one_class", "stop", "none with a readable", id="none"),
        pytest.param(seen({"cat": 30, "dog": 1}), "single_picture", "stop", "'dog' has a single image", id="single"),
        pytest.param(
            seen(dict.fromkeys(map(str, range(1001)), 2)), "too_many_classes", "stop", "1,001 classes", id="too many"
        ),
        pytest.param(
            seen({"cat": 30, "dog": 7}), "few_pictures", "warn", "'dog' has fewer than 20 .* \\(minimum 7\\)", id="few"
        ),
        pytest.param(
            seen({"cat": 90, "dog": 30}),
            "imbalance",
            "warn",
            "3.0 times .* always predicting 'cat' gives 75.0\u202f% accuracy",
            id="imbalance",
        ),
        pytest.param(seen({"cat": 50, "dog": 30}), "imbalance", "note", "1.7 times", id="a little"),
        pytest.param(
            seen({"cat": 30, "dog": 30}, {"cat": 5}),
            "missing_in_test",
            "warn",
            "'dog' has no test image",
            id="untested",
        ),
        pytest.param(
            seen({"cat": 30, "dog": 30}, {"cat": 5, "dog": 5, "emu": 3}),
            "missing_in_training",
            "warn",
            "'emu' has test images \\(3\\)",
            id="untaught",
        ),
        pytest.param(
            replace(GOOD, unreadable=(("a.jpg", "The JPEG is incomplete, damaged or of an unsupported kind."),)),
            "unreadable",
            "warn",
            "1 file in class folders cannot be read and is skipped",
            id="unreadable",
        ),
        pytest.param(
            replace(GOOD, left_out=("a.txt: loose", "b.txt: loose")),
            "left_out",
            "note",
            "2 files outside class folders",
            id="left out",
        ),
        pytest.param(copied(GOOD, (0, 1), (0, 2)), "duplicates", "warn", "2 images are duplicates within", id="copies"),
        pytest.param(
            copied(seen({"a": 90, "b": 90}), (0, 1)), "duplicates", "note", "1 image is a duplicate", id="one copy"
        ),
        pytest.param(
            copied(GOOD, (0, 50)), "duplicates_across_classes", "warn", "1 image .* another class", id="contradiction"
        ),
        pytest.param(
            copied(GOOD, (0, 80), (0, 81)),
            "duplicates_across_parts",
            "warn",
            "2 of 40 test images \\(5.0\u202f%\\) are duplicates of training",
            id="leak",
        ),
        pytest.param(
            alike(GOOD, (0, 80)),
            "near_duplicates_across_parts",
            "warn",
            "1 of 40 .* \\(2.5\u202f%\\) is a near-duplicate",
            id="near leak",
        ),
        pytest.param(
            alike(GOOD, (0, 50)),
            "near_duplicates_across_classes",
            "warn",
            "near-duplicate of an image in another",
            id="near, other",
        ),
        pytest.param(alike(GOOD, (0, 1)), "near_duplicates", "note", "1 image is a near-duplicate", id="near"),
        pytest.param(
            replace(GOOD, sizes_px=changed(GOOD.sizes_px, slice(0, 30), 56)),
            "small",
            "warn",
            r"30 of 120 .* 224 × 224 px and are upscaled 4.0 times",
            id="small",
        ),
        pytest.param(
            replace(GOOD, sizes_px=changed(GOOD.sizes_px, slice(0, 30), 200)),
            "small",
            "note",
            "1.1 times",
            id="a little small",
        ),
        pytest.param(
            replace(GOOD, sizes_px=changed(GOOD.sizes_px, 3, (900, 300))),
            "extreme_shape",
            "note",
            "1 image is so elongated",
            id="tall",
        ),
        pytest.param(
            replace(GOOD, thumbnails=changed(GOOD.thumbnails, [1, 2], GOOD.thumbnails[[1, 2], :, :, :1])),
            "grey",
            "note",
            "2 of 120 images are grayscale",
            id="grey",
        ),
        pytest.param(
            replace(GOOD, thumbnails=changed(GOOD.thumbnails, slice(80, 120), GOOD.thumbnails[80:] // 4)),
            "parts_differ",
            "warn",
            "brightness 12[78] in training and 3[12] in test",
            id="darker test",
        ),
        pytest.param(
            replace(GOOD, sizes_px=changed(GOOD.sizes_px, slice(80, 120), 3000)),
            "parts_differ",
            "warn",
            "300 px .* 3000 px",
            id="larger test",
        ),
        pytest.param(
            replace(GOOD, formats=changed(GOOD.formats, slice(80, 120), "WebP")),
            "parts_differ",
            "warn",
            "0\u202f% WebP in training and 100\u202f% in test",
            id="other format",
        ),
        pytest.param(
            replace(GOOD, formats=changed(GOOD.formats, GOOD.targets == 1, "WebP")),
            "shortcut",
            "warn",
            "100\u202f% of '(cat|dog)' are (JPEG|WebP) files, and 0\u202f% of the others",
            id="told by format",
        ),
        pytest.param(
            alike(seen({"cat": 25, "dog": 40}), *((0, i) for i in range(1, 25))),
            "all_alike",
            "warn",
            "All images of 'cat' are near-duplicates",
            id="one image many times",
        ),
    ],
)
def test_finds(examined: Examined, kind: str, severity: str, words: str) -> None:
    found = findings(examined)
    assert kind in found, found
    assert found[kind].severity == severity
    assert re.search(words, found[kind].sentence), found[kind].sentence


def test_a_flaw_is_found_once_under_its_own_name() -> None:
    """What is the same file is not said to be nearly the same as well."""
    assert findings(copied(GOOD, (0, 80))).keys() == {"duplicates_across_parts"}
    assert findings(alike(GOOD, (0, 80))).keys() == {"near_duplicates_across_parts"}
    assert findings(copied(GOOD, (0, 110))).keys() == {"duplicates_across_parts", "duplicates_across_classes"}


def test_every_copy_in_the_test_is_counted_whatever_the_order() -> None:
    digests = list(GOOD.digests)
    for i in (119, 100, 90, 45):
        digests[i] = b"same"
    found = checks.copies(replace(GOOD, digests=digests[::1]))
    leak = next(finding for finding in found if finding.kind == "duplicates_across_parts")
    assert leak.count == 3
    assert all(case.files[0] == GOOD.files[45] for case in leak.cases)


def test_more_images_than_can_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (checks, checks):
        monkeypatch.setattr(module, "MAX_COMPARED", 100)
    found, passed = check(GOOD)
    assert [(finding.kind, finding.severity) for finding in found] == [("not_compared", "note")]
    assert not any("than near-duplicates" in sentence for sentence in passed)


def test_one_class_is_not_compared_with_others() -> None:
    passed = check(seen({"cat": 60}))[1]
    assert not any("balanced" in sentence or "reveal the class" in sentence for sentence in passed)


def test_copies_are_counted_as_images_not_as_pairs() -> None:
    found = findings(alike(GOOD, *((i, i + 1) for i in range(0, 9))))["near_duplicates"]
    assert found.count == 9
    assert found.sentence.startswith("9 images are near-duplicates")
    assert "Fine-tuning keeps them on one side of the validation split" in found.sentence
    pairs = [(i, j) for i in (0, 1) for j in (40, 41)]
    assert findings(alike(alike(GOOD, (0, 1)), *pairs))["near_duplicates_across_classes"].count == 2
    assert "training from scratch may not" in found.sentence


@pytest.mark.parametrize("test", [{}, {"cat": 5, "dog": 5}, {"cat": 20, "dog": 20}], ids=["none", "few", "many"])
def test_nothing_is_said_of_a_test_set_that_is_not_there(test: dict[str, int]) -> None:
    passed = check(seen({"cat": 30, "dog": 30}, test))[1]
    assert sum("test" in sentence for sentence in passed) == {0: 0, 10: 1, 40: 2}[sum(test.values())]


def test_half_of_a_class_may_be_told_by_its_format() -> None:
    formats = np.array(["JPEG"] * 15 + ["GIF"] * 15 + ["JPEG"] * 15 + ["PNG"] * 15 + ["TIFF"] * 15)
    found = findings(replace(seen({"daisy": 30, "rose": 45}), formats=formats))["shortcut"]
    assert (
        "The file format alone predicts the class of 80\u202f% of the images, the largest class 60\u202f%"
        in found.sentence
    )
    assert "15 of 15 GIF files show 'daisy'" in found.sentence
    even = np.array(["JPEG", "GIF", "PNG"] * 25)
    assert "shortcut" not in findings(replace(seen({"daisy": 30, "rose": 45}), formats=even))


def test_a_case_without_files_is_its_remark() -> None:
    assert str(Case((), "a.txt: loose")) == "a.txt: loose"
    assert str(Case(("a.jpg", "b.jpg"), "alike")) == "a.jpg = b.jpg: alike"
    assert str(Case(("a.jpg",))) == "a.jpg"


def test_no_more_cases_are_named_than_anybody_reads() -> None:
    finding = Finding.of("x", "note", "Many.", [Case((f"{i}.jpg",)) for i in range(200)])
    assert (len(finding.cases), finding.count) == (MAX_CASES, 200)
    assert finding.files[:2] == ("0.jpg", "1.jpg")


@pytest.mark.parametrize(
    ("severities", "may_train", "words"),
    [
        ([], True, "ready to train"),
        (["note"], True, "ready to train"),
        (["note", "warn"], True, "ready to train, with 1 warning"),
        (["warn", "stop"], False, "not ready to train"),
    ],
)
def test_the_verdict(severities: list[str], may_train: bool, words: str) -> None:
    found = tuple(Finding(f"kind {s}", s, "A sentence.") for s in severities)  # type: ignore[arg-type]
    diagnosis = Diagnosis("set", "/set", {"cat": (3, 1), "dog": (2, 0)}, found)
    assert diagnosis.may_train == may_train
    assert diagnosis.verdict.startswith("6 images of 2 classes: ")
    assert words in diagnosis.verdict
    order = [finding.severity for finding in diagnosis.findings]
    assert order == sorted(order, key=["stop", "warn", "note"].index)
    assert diagnosis.to_dict()["classes"] == {"cat": {"train": 3, "test": 1}, "dog": {"train": 2, "test": 0}}
