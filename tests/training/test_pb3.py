"""The protocol of PB3: which runs follow each other, and what they are given."""

from pathlib import Path

import pytest

from imgrec.errors import InputError, UnknownNameError
from imgrec.models.cards import Card
from imgrec.training.pb3 import Protocol, best_head, best_rate, head_stages, next_stage, rate_stages, second_model
from tests.training import protocol_cards

PROTOCOL = Protocol()


def all_done(protocol: Protocol, folder: Path, accuracies: dict[str, float]) -> dict[str, Card]:
    """Carry out the protocol with cards alone."""
    done: dict[str, Card] = {}
    while (stage := next_stage(protocol, done)) is not None:
        done[stage.name] = protocol_cards.write(folder, stage, f"pb3_{stage.name}", accuracies.get(stage.name, 0.5))
    return done


def test_five_rates_then_three_heads_under_a_stepped_rate_then_the_last_layers(tmp_path: Path) -> None:
    done = all_done(PROTOCOL, tmp_path, {"mobilenet_1em04": 0.9, "resnet50_hidden": 0.8})
    rates = [f"mobilenet_1em0{digit}" for digit in (2, 3, 4, 5, 6)]
    assert [*done] == [*rates, "resnet50_linear", "resnet50_wide", "resnet50_hidden", "resnet50_last_4"]
    assert len(done) == PROTOCOL.count
    assert best_rate(PROTOCOL, done).config.learning_rates == (1e-4,)
    assert best_head(PROTOCOL, done) == "hidden"
    last = second_model(PROTOCOL, done)
    assert (last.config.head, last.config.fine_tune_layers, last.config.input_size) == ("hidden", 4, (256, 256))


def test_runs_are_given_the_printed_settings() -> None:
    for stage in rate_stages(PROTOCOL):
        assert (stage.config.epochs, stage.config.folds, stage.config.head) == (20, 5, "linear")
        assert stage.config.step_epochs == 0
    for stage in head_stages(PROTOCOL):
        assert (stage.config.learning_rates, stage.config.step_epochs, stage.config.folds) == ((1e-3,), 5, 5)


def test_without_layers_to_unfreeze_the_best_head_is_the_second_model(tmp_path: Path) -> None:
    protocol = Protocol(second="efficientnet_lite0", unfrozen_layers=0)
    done = all_done(protocol, tmp_path, {"efficientnet_lite0_wide": 0.7})
    assert len(done) == protocol.count == 8
    assert second_model(protocol, done).name == "efficientnet_lite0_wide"


def test_a_key_tells_settings_and_images_apart() -> None:
    keys = {PROTOCOL.key("a"), PROTOCOL.key("b"), Protocol(seed=1).key("a"), Protocol(folds=3).key("a")}
    assert len(keys) == 4
    assert PROTOCOL.key("a") == Protocol().key("a")


def test_two_rates_have_two_names() -> None:
    names = {stage.name for stage in rate_stages(Protocol(learning_rates=(1e-3, 1.4e-3, 1.0)))}
    assert names == {"mobilenet_1em03", "mobilenet_1p4em03", "mobilenet_1e00"}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        pytest.param({"folds": 1}, "Expected 2 folds or more. Received: 1", id="one fold"),
        pytest.param({"folds": 0}, "Expected 2 folds or more", id="no folds"),
        pytest.param({"unfrozen_layers": -1}, "0 layers or more", id="layers"),
        pytest.param({"learning_rates": ()}, "Received: none", id="no rates"),
        pytest.param({"learning_rates": (0.1, 0.1)}, "Expected different learning rates", id="a rate twice"),
        pytest.param({"learning_rates": (-0.1,)}, "learning rates above 0", id="a rate below 0"),
        pytest.param({"epochs": 0}, "epochs", id="no epochs"),
        pytest.param({"batch_size": 0}, "batches", id="no batch"),
        pytest.param({"second": "convnext_tiny"}, "normalizes them once more", id="a network that cannot be unfrozen"),
        pytest.param({"first": "cifar_vgg"}, "published weights", id="a network without published weights"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Protocol(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["first", "second"])
def test_an_unknown_network_is_named_with_those_near_to_it(name: str) -> None:
    with pytest.raises(UnknownNameError, match="mobilenet"):
        Protocol(**{name: "mobilenett"})  # type: ignore[arg-type]
