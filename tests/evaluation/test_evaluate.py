"""Evaluating a network that knows colors: figures, what cannot be read, and a run that was killed."""

import io
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imgrec.data.dataset import Dataset
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.errors import InputError, LabelSpaceError
from imgrec.evaluation import aligned_results, evaluate, shards, stored_predictions
from imgrec.models import cards
from imgrec.models.catalog import BUILT_IN, Catalog, ModelSpec
from imgrec.predictions.labels import CATS_AND_DOGS, LABEL_SPACES, LabelSpace
from imgrec.settings import Settings

COLORS = LabelSpace("colours", ("red", "green", "blue"), (None, None, None))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled network, uint8 (1, 16, 16, 3) → softmax of the mean of each channel."""
    from imgrec.inference.openvino_engine import runtime

    openvino = runtime()
    ops = openvino.opset13
    image = ops.parameter([1, 16, 16, 3], openvino.Type.u8)
    means = ops.reduce_mean(ops.convert(image, "f32"), ops.constant(np.array([1, 2])), False)
    model = openvino.Model([ops.softmax(ops.multiply(means, ops.constant(np.float32(0.05))), 1)], [image])
    path = tmp_path_factory.mktemp("network") / "model.xml"
    openvino.save_model(model, path, compress_to_fp16=False)
    return path


@pytest.fixture
def spec(network: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    monkeypatch.setitem(LABEL_SPACES, "colours", lambda: COLORS)
    monkeypatch.setattr(evaluate.Preparations, "ensure", lambda self, spec, on_progress=None: network)
    monkeypatch.setattr(evaluate.weights, "sha256", lambda spec, settings: "0" * 64)
    monkeypatch.setattr(shards, "SHARD_IMAGES", 10)
    monkeypatch.setattr(evaluate, "TIMED", 5)
    return replace(
        BUILT_IN.get_spec("mobilenet"), name="colours", input_size=(16, 16), crop_fraction=1.0, label_space="colours"
    )


def image(color: int, seed: int, encoded: bool = True) -> bytes | np.ndarray:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 120, (20, 20, 3), dtype=np.uint8)
    pixels[..., color] += 100
    if not encoded:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def colors(count: int = 34, broken: tuple[int, ...] = (), encoded: bool = True, shift: int = 0) -> Dataset:
    """`count` images, every seventh of them mislabeled, those at `broken` no images; `shift` repaints all."""
    targets = tuple((i + (i % 7 == 0)) % 3 for i in range(count))

    def read(ids: Collection[str]) -> Iterator[tuple[str, bytes | np.ndarray]]:
        for i in sorted(map(int, ids)):
            yield f"{i:03d}", b"no image" if i in broken else image((i + shift) % 3, i, encoded)

    ids = tuple(f"{i:03d}" for i in range(count))
    return Dataset("toy", COLORS, ids, targets, (True,) * count, read, "made here")


@pytest.mark.parametrize("encoded", [True, False], ids=["encoded images", "arrays"])
def test_a_row_and_its_answers(spec: ModelSpec, settings: Settings, tmp_path: Path, encoded: bool) -> None:
    seen: list[tuple[int, int]] = []
    row = evaluate.evaluate(
        spec, colors(encoded=encoded), settings, tmp_path, note="A note.", on_progress=lambda *p: seen.append(p)
    )
    assert row["images"] == 34
    assert row["top_1"] == pytest.approx(29 / 34, abs=1e-6)
    assert row["failures"] == []
    assert row["weights_sha256"] == "0" * 64
    assert (row["framing"], row["preprocess"], row["note"]) == ("crop", "tf", "A note.")
    assert seen == [(i, 34) for i in range(1, 35)]
    stored = stored_predictions.read(stored_predictions.predictions_path(tmp_path, "colours", "toy"))
    assert stored.ids == colors().ids
    assert tuple(stored.targets) == colors().targets
    assert (stored.probabilities.argmax(1) == np.arange(34) % 3).all()
    summary = stored_predictions.read_summary(tmp_path)
    assert summary["rows"] == [row]
    assert summary["datasets"]["toy"]["labels"] == ["red", "green", "blue"]
    assert not list(tmp_path.rglob("*.parts"))


def test_the_row_is_recomputed_from_the_answers(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    row = evaluate.evaluate(spec, colors(), settings, tmp_path)
    again = evaluate.row_of(stored_predictions.predictions_path(tmp_path, "colours", "toy"))
    assert again.items() <= row.items()
    assert {"top_1", "ece", "macro_auc", "temperature", "weights_sha256"} <= again.keys()


def test_what_cannot_be_read_is_listed_and_the_rest_is_measured(
    spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    # All of the second part, too.
    row = evaluate.evaluate(spec, colors(broken=(3, *range(10, 20))), settings, tmp_path)
    assert row["images"] == 23
    assert [failure["id"] for failure in row["failures"]] == ["003", *(f"{i:03d}" for i in range(10, 20))]
    assert "This is a text file" in row["failures"][0]["reason"]


def test_images_that_cannot_be_read_at_the_start_do_not_stand_for_all(
    spec: ModelSpec, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "FLOWING", 12)
    row = evaluate.evaluate(spec, colors(broken=tuple(range(20))), settings, tmp_path)
    assert row["images"] == 14
    assert row["throughput_per_s"] > 0


def test_no_readable_image(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Received: none; This is"):
        evaluate.evaluate(spec, colors(12, broken=tuple(range(12))), settings, tmp_path)


class KilledError(Exception):
    """Stands for a kill at this moment."""


def test_a_killed_run_goes_on_where_it_was(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    def kill(done: int, count: int) -> None:
        if done == 27:
            raise KilledError

    with pytest.raises(KilledError):
        evaluate.evaluate(spec, colors(), settings, tmp_path, on_progress=kill)
    parts = list(tmp_path.rglob("*.parts/*.parquet"))
    assert 1 <= len(parts) <= 2
    # The last of them was cut off as well: it is made again.
    parts[-1].write_bytes(parts[-1].read_bytes()[:100])
    seen: list[int] = []
    row = evaluate.evaluate(spec, colors(), settings, tmp_path, on_progress=lambda done, _: seen.append(done))
    assert row["images"] == 34
    assert len(seen) == 34 - 10 * (len(parts) - 1)
    unbroken = stored_predictions.predictions_path(tmp_path / "unbroken", "colours", "toy")
    evaluate.evaluate(spec, colors(), settings, tmp_path / "unbroken")
    resumed = stored_predictions.read(stored_predictions.predictions_path(tmp_path, "colours", "toy"))
    assert resumed.ids == stored_predictions.read(unbroken).ids
    assert (resumed.probabilities == stored_predictions.read(unbroken).probabilities).all()


def test_answers_are_kept_unless_they_are_of_something_else(
    spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    first = evaluate.evaluate(spec, colors(), settings, tmp_path)
    calls: list[int] = []
    again = evaluate.evaluate(spec, colors(), settings, tmp_path, on_progress=lambda *_: calls.append(1))
    assert calls == []
    assert again["measured_at"] == first["measured_at"]
    other = evaluate.evaluate(
        spec, colors(), settings, tmp_path, framing="squash", on_progress=lambda *_: calls.append(1)
    )
    assert len(calls) == 34
    assert other["framing"] == "squash"


def test_answers_to_other_images_of_the_same_names_are_not_kept(
    spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    first = evaluate.evaluate(spec, colors(), settings, tmp_path)
    repainted = colors(shift=1)
    assert repainted.digest == colors().digest
    calls: list[int] = []
    row = evaluate.evaluate(spec, repainted, settings, tmp_path, on_progress=lambda *_: calls.append(1))
    assert len(calls) == 34
    assert row["top_1"] < first["top_1"]
    assert row["dataset_digest"] == first["dataset_digest"]
    assert row["pictures_sha256"] == repainted.images_sha256 != first["pictures_sha256"]


def test_a_killed_run_goes_on_with_the_same_images_only(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    def kill(done: int, count: int) -> None:
        if done == 27:
            raise KilledError

    with pytest.raises(KilledError):
        evaluate.evaluate(spec, colors(), settings, tmp_path, on_progress=kill)
    calls: list[int] = []
    evaluate.evaluate(spec, colors(shift=1), settings, tmp_path, on_progress=lambda *_: calls.append(1))
    assert len(calls) == 34


def test_another_set_of_the_same_name_is_refused_before_any_work(
    spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    first = evaluate.evaluate(spec, colors(), settings, tmp_path)
    elsewhere = replace(colors(30), source="made there")
    calls: list[int] = []
    with pytest.raises(InputError, match=r"34 from made here\. Received: 30 others of the same name, from made there"):
        evaluate.evaluate(spec, elsewhere, settings, tmp_path, on_progress=lambda *_: calls.append(1))
    assert calls == []
    assert stored_predictions.read_summary(tmp_path)["rows"] == [first]
    # The same images may lie anywhere, and what has changed where it lies takes its own place.
    evaluate.evaluate(spec, replace(colors(), source="made there"), settings, tmp_path)
    evaluate.evaluate(spec, replace(colors(30), source="made there"), settings, tmp_path)
    assert stored_predictions.read_summary(tmp_path)["datasets"]["toy"]["images"] == 30


def test_rows_of_earlier_images_do_not_stand_beside_new_ones(
    spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    evaluate.evaluate(spec, colors(), settings, tmp_path)
    evaluate.evaluate(replace(spec, name="newer", title="Newer"), colors(shift=1), settings, tmp_path)
    results = aligned_results.load([tmp_path], "toy")
    assert results.models == ["newer"]
    assert len(results.problems) == 1
    assert "measure it again" in results.problems[0]


def test_a_summary_that_cannot_be_used_is_told_before_any_work_and_its_rows_are_made_again(
    spec: ModelSpec, settings: Settings, tmp_path: Path
) -> None:
    first = evaluate.evaluate(spec, colors(), settings, tmp_path)
    summary = tmp_path / "summary.json"
    summary.write_text(summary.read_text()[:400])
    calls: list[int] = []
    other = replace(spec, name="other")
    with pytest.raises(InputError, match="Move it away: the answers beside it are kept"):
        evaluate.evaluate(other, colors(), settings, tmp_path, on_progress=lambda *_: calls.append(1))
    summary.rename(tmp_path / "summary.old.json")
    again = evaluate.evaluate(spec, colors(), settings, tmp_path, on_progress=lambda *_: calls.append(1))
    assert calls == []
    timed = {"cold_ms", "latency_p50_ms", "latency_p95_ms", "throughput_per_s", "timed_at"}
    assert {k: v for k, v in again.items() if k not in timed} == {k: v for k, v in first.items() if k not in timed}


def test_a_fine_tuned_model_names_its_backbone(
    spec: ModelSpec, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = {"model": "mobilenet", "sha256": "1" * 64}
    taught = cards.Card(tmp_path / "colours.json", {"model": {"name": "colours"}, "backbone": backbone})
    assert evaluate.evaluate(spec, colors(), settings, tmp_path / "before")["backbone"] is None
    monkeypatch.setattr(evaluate.cards, "all_cards", lambda settings: [taught])
    assert evaluate.evaluate(spec, colors(), settings, tmp_path)["backbone"] == backbone


def test_parts_of_another_run_are_not_used(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    parts = stored_predictions.predictions_path(tmp_path, "colours", "toy").with_suffix(".parts")
    stale = stored_predictions.Answers(("x",), np.array([0]), np.full((1, 3), 1 / 3, np.float16))
    stored_predictions.write_part(parts / "00000.parquet", stale, {"key": "another", "failures": []})
    assert evaluate.evaluate(spec, colors(), settings, tmp_path)["images"] == 34


def test_a_half_written_file_is_measured_again(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    evaluate.evaluate(spec, colors(), settings, tmp_path)
    path = stored_predictions.predictions_path(tmp_path, "colours", "toy")
    path.write_bytes(path.read_bytes()[:500])
    assert evaluate.evaluate(spec, colors(), settings, tmp_path)["images"] == 34


def test_label_spaces_are_compared_before_any_work(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    pets = replace(colors(3), label_space=CATS_AND_DOGS, targets=(0, 1, 0))
    with pytest.raises(LabelSpaceError, match="Not among them: cat, dog"):
        evaluate.evaluate(spec, pets, settings, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_nearest_model_and_the_classes_that_it_does_not_know_are_named(
    spec: ModelSpec, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog({"colours": spec})
    misspelt = replace(colors(3), label_space=LabelSpace("misspelt", ("blue", "gren", "red"), (None,) * 3))
    with pytest.raises(InputError, match=r"none\. Nearest is MobileNet\. Not among its classes: gren\."):
        evaluate.get_fitting_specs(misspelt, catalog, settings)
    with pytest.raises(InputError, match=r"Received: none\.$"):
        evaluate.get_fitting_specs(replace(colors(3), label_space=CATS_AND_DOGS), catalog, settings)


def test_an_unknown_framing_is_named(spec: ModelSpec, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected one of the framings crop, squash"):
        evaluate.evaluate(spec, colors(), settings, tmp_path, framing="zoom")


def test_a_set_without_images_is_named() -> None:
    with pytest.raises(InputError, match="Expected labeled images in toy"):
        colors().take([])


def test_times_are_of_the_intervals_between_predictions(
    spec: ModelSpec, settings: Settings, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Loading and the first prediction, five warm ones, then a stream of all images.
    clock = iter([0.0, 1.0, 1.01, 1.03, 1.06, 1.10, 1.15, 2.0, 4.0])
    monkeypatch.setattr(evaluate, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    found = evaluate.time_model(spec, colors(), settings, network)
    assert (found.cold_ms, found.latency_p50_ms, found.latency_p95_ms) == (1000.0, 30.0, 48.0)
    assert found.throughput_per_s == 34 / 2
    assert found.hardware == evaluate.hardware()


def test_what_the_hardware_is() -> None:
    assert "cores" in evaluate.hardware()


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["squash"])
def test_real_images(test_data: Path, keras_home: Path, ready: Settings, tmp_path: Path, framing: str) -> None:
    """MobileNet 0.25 on real validation images, as the committed row says."""
    found = open_evaluation_split(str(test_data / "imagenet_val_a"), ready)
    row = evaluate.evaluate(BUILT_IN.get_spec("mobilenet_a025_128"), found, ready, tmp_path, framing=framing)
    assert row["images"] == 668
    assert 0.45 < row["top_1"] < 0.57
