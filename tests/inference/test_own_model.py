"""Models of other origin: their answers are those of the file's author, and hostile ones cost the worker alone."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from imgrec.errors import ConversionError, CorruptWeightsError, ImgrecError, InputError, UnknownNameError
from imgrec.export import bundle
from imgrec.inference import conversion, own_model
from imgrec.inference.openvino_engine import OpenVINOEngine
from imgrec.models import cards, ir_file
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import LabelSpace, get_label_space
from imgrec.settings import Settings
from tests.models import hostile_formats, hostile_models, small_network
from tests.test_architecture import imports, modules, room

GOOD = small_network.FOLDER
ANSWERS = np.load(GOOD / "answers.npy")
SPACE = LabelSpace("own", ("a", "b", "c", "d", "e"), (None,) * 5)

# Of float32, with another order of sums.
TOLERANCE = 1e-5


def answers(file: Path | str, settings: Settings, **options: object) -> np.ndarray:
    """Return what the catalog's model answers to the images, once `file` was added and compiled."""
    with own_model.examine(file) as found:
        card = own_model.add(found, SPACE, settings, **({"preprocess": "tf"} | options))  # type: ignore[arg-type]
    spec = cards.load_catalog(settings).get_spec(card.name)
    engine = OpenVINOEngine(conversion.convert(spec, card.weights, settings), 0)
    answer = engine.predict(small_network.images())
    engine.close()
    return answer


@pytest.fixture(scope="module")
def examined() -> Iterator[own_model.Examined]:
    """The small network, examined once; it may be added any number of times."""
    with own_model.examine(GOOD / "small.onnx") as found:
        yield found


def test_a_network_is_described(examined: own_model.Examined) -> None:
    assert examined.input_size == (small_network.HEIGHT, small_network.WIDTH)
    assert (examined.classes, examined.outputs, examined.layout) == (5, "probabilities", "NHWC")
    assert examined.has_feature_map
    assert set(examined.modes) == {"caffe", "tf", "torch", "identity", "unit"}


@pytest.mark.parametrize("name", ["small.tflite", "saved_model.zip"])
def test_the_answers_are_those_of_the_author(name: str, settings: Settings) -> None:
    assert np.abs(answers(GOOD / name, settings) - ANSWERS).max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small.keras", "small.h5", "small.onnx", "folder", "openvino"])
def test_the_answers_are_those_of_the_author_in_other_formats(name: str, settings: Settings, tmp_path: Path) -> None:
    file = GOOD / name
    if name == "folder":
        zipfile.ZipFile(GOOD / "saved_model.zip").extractall(tmp_path / name)
        file = tmp_path / name
    if name == "openvino":
        with own_model.examine(GOOD / "small.tflite") as found:
            for suffix in (".xml", ".bin"):
                (tmp_path / f"net{suffix}").write_bytes((found.folder / f"network{suffix}").read_bytes())
        file = tmp_path / "net.xml"
    assert np.abs(answers(file, settings) - ANSWERS).max() < TOLERANCE


def test_logits_channels_first_and_in_the_other_order(settings: Settings, tmp_path: Path) -> None:
    """A dense layer on the mean color, in BGR: the answer is known."""
    random = np.random.default_rng(0)
    dense = random.normal(0, 3, (3, 5)).astype(np.float32)
    model = hostile_formats.network(tmp_path, classes=5, shape=("n", 3, small_network.HEIGHT, small_network.WIDTH))
    model.graph.initializer[0].CopyFrom(helper.make_tensor("dense", TensorProto.FLOAT, [3, 5], dense.ravel()))
    path = hostile_formats.write(tmp_path, model, "logits.onnx")
    with own_model.examine(path) as found:
        assert (found.layout, found.outputs) == ("NCHW", "logits")
    given = answers(path, settings, channels="bgr")
    logits = (small_network.images().astype(np.float64)[..., ::-1] / 127.5 - 1).mean(axis=(1, 2)) @ dense
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.abs(given - expected).max() < TOLERANCE
    card = cards.find("logits", settings)
    assert card is not None
    assert card.fields["imported"]["softmax_added"] is True
    assert card.fields["imported"]["channels"] == "bgr"


def test_each_preprocessing_is_tried_as_it_will_serve(examined: own_model.Examined) -> None:
    found = own_model.predict(examined, small_network.images(), [("tf", False), ("tf", True)])
    assert np.abs(found[0] - ANSWERS).max() < TOLERANCE
    turned = own_model.predict(examined, small_network.images()[..., ::-1], [("tf", True)])
    assert np.abs(turned[0] - ANSWERS).max() < TOLERANCE


def test_an_added_model_stands_in_the_catalog_until_it_is_removed(
    examined: own_model.Examined, settings: Settings
) -> None:
    card = own_model.add(examined, SPACE, settings, preprocess="tf", title="My network")
    assert card.name == "small"
    catalog = cards.load_catalog(settings)
    spec = catalog["small"]
    assert spec.title == "My network"
    assert catalog.own == {"small"}
    assert not catalog.problems
    assert spec.get_label_space().labels == SPACE.labels
    assert card not in cards.all_cards(settings), "nothing is known of its training"
    # The same network again makes the same file, and another name.
    again = own_model.add(examined, SPACE, settings, preprocess="tf")
    assert again.name == "small_2"
    assert again.fields["weights"]["sha256"] == card.fields["weights"]["sha256"]
    with pytest.raises(InputError, match="no model has yet"):
        own_model.add(examined, SPACE, settings, preprocess="tf", name="small")
    with pytest.raises(InputError, match="kept in that format alone"):
        bundle.export(spec, ["keras"], settings.home / "out", settings)
    cards.remove("small", settings)
    assert "small" not in cards.load_catalog(settings)
    assert [file.name for file in sorted(cards.home(settings).iterdir())] == ["small_2.json", "small_2.zip"]


def test_what_cannot_be_added_leaves_nothing(examined: own_model.Examined, settings: Settings) -> None:
    with pytest.raises(UnknownNameError, match="preprocessing"):
        own_model.add(examined, SPACE, settings, preprocess="imagenet")
    with pytest.raises(UnknownNameError, match="channels"):
        own_model.add(examined, SPACE, settings, preprocess="tf", channels="gbr")
    with pytest.raises(InputError, match="model name"):
        own_model.add(examined, SPACE, settings, preprocess="tf", name="../up")
    with pytest.raises(InputError, match="no model has yet"):
        own_model.add(examined, SPACE, settings, preprocess="tf", name="mobilenet")
    with pytest.raises(InputError, match="markup"):
        own_model.add(examined, SPACE, settings, preprocess="tf", title="<b>")
    assert not list(cards.home(settings).glob("*"))


def test_labels(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("cat\ndog\n\n")
    assert own_model.read_labels(file, 2).name == "cats_and_dogs"
    for text, said in (
        ("a\nb\nc", "2 lines"),
        ("a\na", "once"),
        ("a\n<b>", "markup"),
        ("a\n\x07", "markup"),
        ("a", "1."),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=said):
            own_model.read_labels(file, 2)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        own_model.read_labels(file, 2)
    imagenet = get_label_space("imagenet_1k")
    for lines in (imagenet.synsets, imagenet.labels):
        file.write_text("\n".join(map(str, lines)))
        assert own_model.read_labels(file, 1000) is imagenet
    assert own_model.default_labels(1000) is imagenet
    with pytest.raises(InputError, match="background"):
        own_model.default_labels(1001)
    with pytest.raises(InputError, match="--labels"):
        own_model.default_labels(7)


def test_the_file_of_an_added_model_is_checked_again(examined: own_model.Examined, settings: Settings) -> None:
    card = own_model.add(examined, SPACE, settings, preprocess="tf")
    ir_file.check_pack(card.weights)
    data = card.weights.read_bytes()
    for changed in (data[:-100], data.replace(b'version="opset1"', b'version="extens"', 1), b"PK\x03\x04"):
        card.weights.write_bytes(changed)
        with pytest.raises(CorruptWeightsError, match="Received"):
            ir_file.check_pack(card.weights)


# One of each way to be too much, or nothing that can be used; all of them in the slow test below.
QUICK = ("onnx: a constant of 12 GB", "onnx: weights that are no numbers")


@pytest.mark.parametrize("name", QUICK)
def test_a_hostile_network_costs_the_worker_alone(name: str, tmp_path: Path) -> None:
    refused(hostile_formats.NETWORKS[name](tmp_path))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in hostile_formats.NETWORKS if name not in QUICK])
def test_every_hostile_network_is_refused(name: str, tmp_path: Path) -> None:
    refused(hostile_formats.NETWORKS[name](tmp_path))


@pytest.mark.exhaustive
@pytest.mark.parametrize("make", hostile_models.KERAS_FILES, ids=lambda make: make.__name__)
def test_every_hostile_keras_file_is_refused(make: hostile_formats.Make, tmp_path: Path) -> None:
    if make is hostile_models.other_input:
        pytest.skip("an image of another size than a card says: here there is no card")
    refused(make(tmp_path / "hostile.keras"))


def refused(path: Path) -> None:
    before = set(path.parent.rglob("*"))
    wrong = (ConversionError, CorruptWeightsError, InputError)
    with pytest.raises(wrong, match="Received") as error, own_model.examine(path):
        pass
    assert "last words" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert set(path.parent.rglob("*")) == before


@pytest.mark.exhaustive
@pytest.mark.parametrize("model", ["efficientnet_lite0", "mobilenet_a050_160"])
def test_real_weights_answer_as_those_of_the_catalog(model: str, settings: Settings, keras_home: Path) -> None:
    """Each format that imgrec writes, read back: the probabilities are those of the catalog's own row."""
    spec = BUILT_IN.get_spec(model)
    settings = Settings.from_env({"IMGREC_HOME": str(settings.home), "KERAS_HOME": str(keras_home)})
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 7, 7, 3)).astype(np.uint8)
    images = coarse.repeat(-(-spec.input_size[0] // 7), axis=1).repeat(-(-spec.input_size[1] // 7), axis=2)
    images = images[:, : spec.input_size[0], : spec.input_size[1]]
    from imgrec.inference.preparation import Preparations

    own = OpenVINOEngine(Preparations(settings).ensure(spec), 0).predict(images)
    out = bundle.export(spec, ["keras", "onnx", "litert"], settings.home / "out", settings)
    for name in ("model.keras", "model.onnx", "model.tflite"):
        with own_model.examine(out / name) as found:
            card = own_model.add(found, get_label_space("imagenet_1k"), settings, preprocess=spec.preprocess)
        added = cards.load_catalog(settings).get_spec(card.name)
        assert added.label_space == "imagenet_1k"
        given = OpenVINOEngine(Preparations(settings).ensure(added), 0).predict(images)
        assert np.abs(given - own).max() < 1e-4, name
        json.dumps(card.fields)


def test_errors_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ImgrecError, match="not there"), own_model.examine(tmp_path / "none.onnx"):
        pass


def test_no_visitor_can_add_a_model() -> None:
    """The rooms that visitors reach do not import the module that reads files of other origin."""
    readers = {"inference.own_model", "inference.foreign_network", "evaluation.preprocessing_probe"}
    for name, path in modules().items():
        if room(name) in {"ui", "api", "server", "app", "pages"}:
            found = {module.removeprefix("imgrec.") for module in imports(path, top_only=False)}
            assert not found & readers, name
