"""`imgrec evaluate` as its user meets it: sets are opened for real, and every image looks like a tabby."""

import csv
import hashlib
import io
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgrec.cli import main, watch
from imgrec.data import reader
from imgrec.errors import ImageError, OfflineError, StorageError
from imgrec.evaluation import evaluate, shard_work, shards, stored_predictions
from imgrec.explanation import severity
from imgrec.explanation.corruptions import CORRUPTIONS
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.settings import Settings
from tests.data.s3_server import KEY, S3, served, use_key

Run = Callable[..., tuple[int, str, str]]


def png(color: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 120, (20, 20, 3), dtype=np.uint8)
    pixels[..., color] += 100
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def imgrec(
    no_packages: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs the command in an empty folder."""
    monkeypatch.setenv("IMGREC_OFFLINE", "1")
    monkeypatch.setenv("IMGREC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "bundled")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["imgrec", "evaluate", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every image is answered at once, with equal probabilities of all classes but a little more for a tabby."""
    row = np.full(1000, 0.5 / 999, np.float32)
    row[281] = 0.5

    def flow(spec: object, items: object, *_: object, **__: object) -> object:
        for position, item in items:  # type: ignore[attr-defined]
            try:
                reader.decode(item, SETTINGS)
                yield position, row
            except ImageError as error:
                yield position, str(error)

    def ensure(_: object, spec: ModelSpec) -> Path:
        if spec.name == "vgg16":
            raise OfflineError("Expected a network connection. Received: none.")
        return Path("compiled.xml")

    def no_time(*_: object, **__: object) -> evaluate.Timing:
        return evaluate.Timing(1.0, 2.0, 3.0, 4.0, None, "a machine", "now")

    monkeypatch.setattr(shard_work, "stream_predictions", flow)
    monkeypatch.setattr(evaluate, "stream_predictions", flow)
    monkeypatch.setattr(evaluate, "time_model", no_time)
    monkeypatch.setattr(evaluate.Preparations, "ensure", ensure)
    monkeypatch.setattr(evaluate.weights, "sha256", lambda *_: "0" * 64)


SETTINGS = evaluate.Settings.from_env({})


def pets(folder: Path, broken: bool = False) -> None:
    for i in range(4):
        path = folder / "pets" / ("cats", "dogs")[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no image" if broken and i == 3 else png(i % 3, i))


def test_a_set_is_measured_and_what_was_found_is_said(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path, broken=True)
    code, out, err = imgrec("--data", "pets", "--models", "mobilenet,mobilenet_v2", "--out", "measured")
    assert code == 0
    assert out.count("3 images   top-1 66.7%") == 2
    assert "pets/dogs/3.png" in err or "dogs/3.png" in err
    rows = stored_predictions.read_summary(tmp_path / "measured")["rows"]
    assert [row["model"] for row in rows] == ["mobilenet", "mobilenet_v2"]
    assert rows[0]["command"] == "imgrec evaluate --data pets --models mobilenet --framing crop --out measured"
    assert rows[0]["closed"]["top_1"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_dataset_on_standard_input(
    imgrec: Run, answers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(tmp_path)
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "tar", tmp_path / "pets")).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(archive)))
    code, out, _ = imgrec("--data", "-", "--models", "mobilenet", "--out", "measured")
    assert (code, "4 images" in out) == (0, True)
    summary = stored_predictions.read_summary(tmp_path / "measured")
    digest = hashlib.sha256(archive).hexdigest()
    assert summary["datasets"]["standard input"]["source"] == f"standard input, sha256 {digest}"
    (row,) = summary["rows"]
    assert shlex.split(row["command"])[:4] == ["imgrec", "evaluate", "--data", "-"]
    assert imgrec("--data", "-", "--watch")[0] == 2


def test_figures_for_programs(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path, broken=True)
    words = ("--data", "pets", "--models", "mobilenet,mobilenet_v2", "--out", "measured")
    code, out, err = imgrec(*words, "--format", "json")
    rows = json.loads(out)
    assert (code, [row["model"] for row in rows]) == (0, ["mobilenet", "mobilenet_v2"])
    assert rows[0]["top_1"] == pytest.approx(2 / 3, abs=1e-6)
    assert "dogs/3.png" in err
    _, text, _ = imgrec(*words, "--format", "csv")
    table = list(csv.DictReader(io.StringIO(text)))
    assert json.loads(table[0]["versions"]) == rows[0]["versions"]
    assert imgrec(*words, "--format", "yaml")[0] == 2


def test_classes_get_a_meaning(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "pets" / "cats").rename(tmp_path / "pets" / "felines")
    code, _, err = imgrec("--data", "pets", "--models", "mobilenet", "--out", "measured")
    assert code == 2
    assert "Not among them: dogs, felines" in err
    (tmp_path / "my.json").write_text('{"feline": ["feline"], "dogs": ["dog"]}')
    code, out, _ = imgrec("--data", "pets", "--models", "mobilenet", "--classes", "my.json", "--out", "measured")
    assert code == 0
    assert "Its classes, as WordNet has them: feline;dogs:n02084071." in out
    assert "top-1 50.0%" in out
    row = stored_predictions.read_summary(tmp_path / "measured")["rows"][0]
    assert row["classes"] == "feline;dogs:n02084071"
    assert "--classes my.json" in row["command"]
    code, _, err = imgrec("--data", "pets", "--models", "mobilenet", "--classes", "dog", "--out", "measured")
    assert code == 2
    assert "without felines" in err


def test_images_in_both_sets_are_said(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "seen" / "cats").mkdir(parents=True)
    (tmp_path / "seen" / "cats" / "0.png").write_bytes(png(0, 0))
    code, out, _ = imgrec("--data", "pets", "--models", "mobilenet", "--training", "seen", "--out", "benchmarks")
    assert code == 0
    assert "1 of its 4 images stand in seen too" in out
    dataset = stored_predictions.read_summary(tmp_path / "benchmarks")["datasets"]["pets"]
    assert "1 of its 4 images stand in seen too" in dataset["flaws"][-1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(("--data", "nowhere"), "Received: 'nowhere', which is not there", id="nothing there"),
        pytest.param(("--data", "empty"), "Received: 0 files and neither", id="an empty folder"),
        pytest.param(("--data", "pets", "--models", "mobilnet"), "mobilenet", id="an unknown model"),
        pytest.param(("--data", "pets", "--framing", "zoom"), "crop, squash", id="an unknown framing"),
        pytest.param(("--data", "flowers"), "Received: none", id="classes that no model has"),
        pytest.param(("--data", "pets", "--training", "nowhere"), "which is not there", id="no training set"),
        pytest.param(("--data", "pets", "--training", "empty"), "in empty. Received: none", id="an empty training set"),
    ],
)
def test_what_cannot_be_measured_gets_a_sentence(
    imgrec: Run, answers: None, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    pets(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("rose", "tulip"):
        (tmp_path / "flowers" / name).mkdir(parents=True)
        (tmp_path / "flowers" / name / "a.png").write_bytes(png(0, 0))
    code, _, err = imgrec(*words, *(() if "--models" in words or "flowers" in words else ("--models", "mobilenet")))
    assert code == 2
    assert "Expected" in err
    assert sentence in err
    assert "Traceback" not in err


def test_one_model_that_cannot_be_had_does_not_stop_the_others(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    code, out, err = imgrec("--data", "pets", "--models", "vgg16,mobilenet")
    assert code == 2
    assert "vgg16: Expected a network connection. Received: none." in err
    assert "mobilenet " in out


def test_an_older_summary_is_named(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "summary.json").write_text('{"version": 0, "datasets": {}, "rows": []}')
    code, _, err = imgrec("--data", "pets", "--models", "mobilenet", "--out", "benchmarks")
    assert code == 2
    assert "Received: version 0. Move it away" in err


@pytest.mark.parametrize("text", ['{"version": 1, "rows"', '{"version": 1, "datasets": {}, "rows": [{"model": "x"}]}'])
def test_half_a_summary_is_told_before_any_work(imgrec: Run, answers: None, tmp_path: Path, text: str) -> None:
    pets(tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "summary.json").write_text(text)
    code, _, err = imgrec("--data", "pets", "--models", "mobilenet,mobilenet_v2", "--out", "benchmarks")
    assert code == 2
    assert err.count("Move it away") == 1
    assert not list(tmp_path.rglob("*.parquet"))
    (tmp_path / "benchmarks" / "summary.json").unlink()
    assert imgrec("--data", "pets", "--models", "mobilenet", "--out", "benchmarks")[0] == 0


def test_another_folder_of_the_same_name_is_told(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "other").mkdir()
    pets(tmp_path / "other")
    (tmp_path / "other" / "pets" / "cats" / "9.png").write_bytes(png(1, 9))
    assert imgrec("--data", "pets", "--models", "mobilenet")[0] == 0
    code, _, err = imgrec("--data", "other/pets", "--models", "mobilenet")
    assert code == 2
    assert f"Received: 5 others of the same name, from {tmp_path / 'other' / 'pets'}." in err
    assert imgrec("--data", "other/pets", "--models", "mobilenet", "--out", "others")[0] == 0


def test_the_command_that_reproduces_it_is_what_was_typed(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    (tmp_path / "pets").rename(tmp_path / "my pets")
    typed = ("--data", "my pets", "--per-class", "1", "--training", "my pets", "--models", "mobilenet")
    typed += ("--framing", "squash", "--note", "Seen at 8 bit; it's said.", "--out", "a folder")
    assert imgrec(*typed)[0] == 0
    summary = stored_predictions.read_summary(tmp_path / "a folder")
    assert shlex.split(summary["rows"][0]["command"]) == ["imgrec", "evaluate", *typed]
    assert summary["datasets"]["my pets_first_1"]["per_class"] == 1


def test_without_a_folder_it_goes_where_the_page_looks(imgrec: Run, answers: None, tmp_path: Path) -> None:
    pets(tmp_path)
    code, _, _ = imgrec("--data", "pets", "--models", "mobilenet")
    assert code == 0
    [row] = stored_predictions.read_summary(stored_predictions.own_folder(Settings.from_env()))["rows"]
    assert row["command"] == "imgrec evaluate --data pets --models mobilenet --framing crop"


def test_damage_is_measured_on_request(imgrec: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path)
    asked = []

    def measure(spec: ModelSpec, found: Any, settings: Settings, folder: Path, **options: Any) -> severity.SeverityRow:
        asked.append((spec.name, folder.name, options["framing"], options["command"]))
        correct = {kind: [4, 3, 2, 1, 0] for kind in CORRUPTIONS}
        return severity.SeverityRow(
            model=spec.name, title=spec.title, dataset=found.name, base=found.name, images=4, clean=4, correct=correct,
            framing="crop", side_px=256, dataset_digest="", per_class=None, source="", flaws=[], weights_sha256="",
            versions={}, measured_at="", command="",
        )  # fmt: skip

    monkeypatch.setattr(severity, "measure_severity", measure)
    code, out, _ = imgrec("--data", "pets", "--models", "mobilenet", "--corruptions", "--out", "measured")
    assert code == 0
    command = "imgrec evaluate --data pets --models mobilenet --framing crop --out measured --corruptions"
    assert asked == [("mobilenet", "measured", "crop", command)]
    assert "4 images   top-1 at strength 0 to 5: 100.0%  100.0%  75.0%  50.0%  25.0%  0.0%" in out


def test_a_folder_that_grows_is_a_leaderboard_that_changes(
    imgrec: Run, answers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(tmp_path)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            for name in ("8.png", "9.png"):
                (tmp_path / "pets" / "cats" / name).write_bytes(png(0, 8))
        if len(pauses) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch.watch, "__defaults__", (pause,))
    code, out, err = imgrec("--data", "pets", "--models", "mobilenet,vgg16", "--out", "measured", "--watch")
    assert code == 0
    first, second = out.splitlines()
    assert "4 images   mobilenet 50.0% (" in first
    assert "6 images (+2)   mobilenet 66.7% (" in second
    assert err.count("vgg16: Expected a network connection.") == 2
    assert "stopped; the same command goes on" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--engine", "spark"), "Expected the engine local or ray. Received: 'spark'."),
        (("--actors", "2"), "Expected --actors with --engine ray."),
        (("--engine", "ray", "--address", "nowhere"), "such as head.example.org:6379. Received: 'nowhere'."),
        (("--watch", "--corruptions"), "Expected --corruptions alone."),
    ],
)
def test_engines_that_cannot_be_meant_are_told(
    imgrec: Run, answers: None, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    pytest.importorskip("ray")
    pets(tmp_path)
    code, _, err = imgrec("--data", "pets", "--models", "mobilenet", "--out", "measured", *words)
    assert code == 2
    assert sentence in err


def test_only_a_folder_can_grow(imgrec: Run, answers: None, tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(b"no folder")
    code, _, err = imgrec("--data", "pets.zip", "--models", "mobilenet", "--watch")
    assert code == 2
    assert "Expected a folder to watch." in err


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    use_key(monkeypatch)
    with served() as found:
        yield found


def puts(s3: S3) -> list[str]:
    """Return the names of what was written, without options, and forget the requests."""
    found = [request.split()[1].partition("?")[0] for request in s3.requests if request.startswith("PUT")]
    s3.requests.clear()
    return [name.removeprefix("/bucket/measured/") for name in found]


def test_what_is_measured_into_a_store_is_what_a_folder_would_have(
    imgrec: Run, answers: None, tmp_path: Path, s3: S3
) -> None:
    pets(tmp_path, broken=True)
    words = ("--data", "pets", "--models", "mobilenet", "--out")
    assert imgrec(*words, "measured")[0] == 0
    code, out, _ = imgrec(*words, s3.address("measured"))
    assert (code, "3 images   top-1 66.7%" in out) == (0, True)
    parts = "predictions/mobilenet.pets.parts"
    shard = next(name for name in s3.objects if ".parts/00000-" in name).removeprefix("measured/")
    assert puts(s3) == [
        f"{parts}/manifest.json",
        shard,
        "predictions/mobilenet.pets.parquet",
        f"{parts}/manifest.json",
        "summary.json",
    ]
    there = tmp_path / "there"
    for name in ("summary.json", "predictions/mobilenet.pets.parquet"):
        path = there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(s3.objects[f"measured/{name}"])
    figures = [
        {key: value for key, value in stored_predictions.read_summary(folder)["rows"][0].items() if key not in SAID}
        for folder in (tmp_path / "measured", there)
    ]
    assert figures[0] == figures[1]
    one, other = (
        list(stored_predictions.read_chunks(folder / "predictions" / "mobilenet.pets.parquet"))
        for folder in (tmp_path / "measured", there)
    )
    assert [chunk.ids for chunk in one] == [chunk.ids for chunk in other]
    assert all(np.array_equal(a.probabilities, b.probabilities) for a, b in zip(one, other, strict=True))

    # Another model is added; what is finished is neither computed nor read again.
    code, _, _ = imgrec("--data", "pets", "--models", "mobilenet_v2,mobilenet", "--out", s3.address("measured"))
    assert code == 0
    assert [name for name in puts(s3) if "mobilenet.pets" in name] == []
    rows = json.loads(s3.objects["measured/summary.json"])["rows"]
    assert [row["model"] for row in rows] == ["mobilenet", "mobilenet_v2"]


# What a row says of when and where it was measured.
SAID = {"command", "measured_at", "predictions_sha256", "timed_at"}


def test_a_run_into_a_store_that_was_stopped_goes_on_where_it_was(
    imgrec: Run, answers: None, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(tmp_path)
    monkeypatch.setattr(shards, "SHARD_IMAGES", 1)
    flow, seen = shard_work.stream_predictions, []

    def stopping(spec: object, items: object, *words: object, **more: object) -> object:
        for position, answer in flow(spec, items, *words, **more):  # type: ignore[arg-type]
            if len(seen) == 2:
                raise StorageError("Expected more room. Received: none.")
            seen.append(position)
            yield position, answer

    words = ("--data", "pets", "--models", "mobilenet", "--out", s3.address("measured"))
    monkeypatch.setattr(shard_work, "stream_predictions", stopping)
    assert imgrec(*words)[0] == 2
    first = [name for name in puts(s3) if ".parts/0" in name]
    assert len(first) == 2

    monkeypatch.setattr(shard_work, "stream_predictions", flow)
    assert imgrec(*words)[0] == 0
    second = [name for name in puts(s3) if ".parts/0" in name]
    assert len(second) == 2
    assert not set(first) & set(second)
    (row,) = json.loads(s3.objects["measured/summary.json"])["rows"]
    assert row["images"] == 4


def test_of_a_store_only_results_are_taken_and_into_the_folder_alone(
    imgrec: Run, answers: None, tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    hostile = ("../../evil", "predictions/../../../evil", "predictions/x.parts/../../../../evil")
    for name in ("notes.txt", "predictions/other.parquet", *hostile):
        s3.objects[f"measured/{name}"] = b"x"
    s3.objects["measured/predictions/y.parts/manifest.json"] = b"no JSON"
    assert imgrec("--data", "pets", "--models", "mobilenet", "--out", s3.address("measured"))[0] == 0
    read = [request.partition("?")[0] for request in s3.requests if request.startswith("GET /bucket/measured/")]
    assert {one.removeprefix("GET /bucket/measured/predictions/") for one in read} == {
        "other.parquet",
        "y.parts/manifest.json",
    }
    assert not list(tmp_path.rglob("evil"))
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize(
    ("key", "bucket", "words", "sentence"),
    [
        (
            "another",
            "bucket",
            (),
            "Expected access to s3://bucket/measured. Received: a refusal; credentials come from",
        ),
        (KEY, "elsewhere", (), "no such folder, file or bucket"),
        (KEY, "bucket", ("--corruptions",), "Expected a folder of this machine for --out with --corruptions."),
    ],
)
def test_a_store_that_cannot_be_used_is_told(
    imgrec: Run,
    answers: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    bucket: str,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    pets(tmp_path)
    use_key(monkeypatch, key)
    with served() as s3:
        address = s3.address("measured", bucket)
        code, _, err = imgrec("--data", "pets", "--models", "mobilenet", "--out", address, *words)
    assert code == 2
    assert sentence in err
