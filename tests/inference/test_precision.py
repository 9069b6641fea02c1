import json
from dataclasses import replace
from pathlib import Path

import pytest

from imgrec.errors import InputError, SettingError, UnknownNameError
from imgrec.inference import conversion, precision
from imgrec.inference.conversion import Manifest
from imgrec.inference.request import in_precision, parse_models
from imgrec.models.catalog import BUILT_IN
from imgrec.settings import Settings

SPEC = BUILT_IN["efficientnet_lite0"]


def test_the_choice_of_a_host_is_kept_and_the_environment_decides_before_it(settings: Settings) -> None:
    assert precision.of_host(settings) == "exact"
    precision.choose("compact", settings)
    assert precision.of_host(settings) == "compact"
    decided = replace(settings, precision="exact")
    assert precision.of_host(decided) == "exact"
    with pytest.raises(InputError, match="IMGREC_PRECISION"):
        precision.choose("compact", decided)
    with pytest.raises(UnknownNameError, match="compact"):
        precision.choose("compacted", settings)


@pytest.mark.parametrize("text", ["", "[]", '{"precision": 8}', "{"])
def test_a_file_that_says_nothing_means_exact(text: str, settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "precision.json").write_text(text)
    assert precision.of_host(settings) == "exact"


def test_another_word_in_the_environment_is_refused() -> None:
    assert Settings.from_env({"IMGREC_PRECISION": "Compact"}).precision == "compact"
    with pytest.raises(SettingError, match="exact or compact"):
        Settings.from_env({"IMGREC_PRECISION": "int4"})


@pytest.mark.parametrize(("int8_ms", "wanted"), [(4.0, "efficientnet_lite0.int8"), (11.0, "efficientnet_lite0")])
def test_a_twin_that_is_slower_here_is_no_default(int8_ms: float, wanted: str, settings: Settings) -> None:
    compact = replace(settings, precision="compact")
    assert precision.preferred(SPEC, compact).name == "efficientnet_lite0.int8"  # before it was made
    folder = settings.home / "compiled" / f"{SPEC.compact().name}-0123"
    write_manifest(folder, {"float32": 10.0, "int8": int8_ms})
    assert precision.preferred(SPEC, compact).name == wanted
    assert precision.preferred(SPEC, settings) is SPEC
    assert ("11 ms" in precision.why_not(SPEC, compact)) == (wanted == SPEC.name)


@pytest.mark.parametrize(("top_1", "is_default"), [(0.80, True), (0.791, True), (0.789, False), (0.81, True)])
def test_a_twin_that_loses_more_than_a_point_is_no_default(top_1: float, is_default: bool, settings: Settings) -> None:
    compact = replace(settings, precision="compact")
    path = settings.home / "benchmarks" / "summary.json"
    path.parent.mkdir(parents=True)
    rows = [
        {"model": "resnet50", "dataset": "mine", "dataset_digest": "1", "top_1": 0.8},
        {"model": "resnet50.int8", "dataset": "mine", "dataset_digest": "1", "top_1": top_1},
        {"model": "resnet50.int8", "dataset": "mine", "dataset_digest": "2", "top_1": 0.1},  # of other images
        {"model": "vgg16.int8", "dataset": "mine", "dataset_digest": "1", "top_1": 0.1},
    ]
    path.write_text(json.dumps({"rows": rows}))
    spec = BUILT_IN["resnet50"]
    assert precision.preferred(spec, compact).is_compact == is_default
    assert ("lose" in precision.why_not(spec, compact)) != is_default
    assert precision.preferred(BUILT_IN["vgg16"], compact).is_compact


@pytest.mark.parametrize("text", ["", "[]", "{", '{"rows": 3}', '{"rows": [4]}', '{"rows": [{"model": 1}]}'])
def test_measurements_that_cannot_be_read_decide_nothing(text: str, settings: Settings) -> None:
    path = settings.home / "benchmarks" / "summary.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert precision.preferred(BUILT_IN["resnet50"], replace(settings, precision="compact")).is_compact


def write_manifest(folder: Path, milliseconds: dict[str, float]) -> None:
    folder.mkdir(parents=True)
    fields = {"model": "x", "weights_sha256": "0", "versions": {}, "memory_bytes": 1, "files": {}}
    (folder / "manifest.json").write_text(json.dumps(fields | {"milliseconds": milliseconds}))
    (folder / "model.xml").write_text("<net/>")
    assert isinstance(conversion.read_manifest(folder / "model.xml"), Manifest)


def test_a_twin_that_could_not_be_made_is_no_default(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "find_refusal", lambda spec, settings: f"NNCF cannot quantize {spec.name}")
    assert precision.preferred(SPEC, replace(settings, precision="compact")) is SPEC


def test_names_are_taken_in_a_precision() -> None:
    assert [spec.name for spec in parse_models("mobilenet.int8,mobilenet", BUILT_IN)] == ["mobilenet", "mobilenet.int8"]
    assert [spec.name for spec in parse_models("mobilenet", BUILT_IN, "compact")] == ["mobilenet.int8"]
    assert [spec.name for spec in parse_models("mobilenet.int8", BUILT_IN, "exact")] == ["mobilenet"]
    with pytest.raises(UnknownNameError):
        in_precision([SPEC], "int8")
