"""Fetching a backbone: told while it lasts, stopped when asked to. Building one is in test_transfers."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imgrec.errors import OfflineError, UnknownNameError
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.models.downloads import Progress
from imgrec.settings import Settings
from imgrec.training import backbones
from imgrec.training.recipes import get_recipe

RECIPE = get_recipe("mobilenet_frozen")


class StoppedError(Exception):
    pass


class Listener(list[dict[str, Any]]):
    """Hears all, and stops after so many looks."""

    def __init__(self, looks: int = 1000) -> None:
        super().__init__()
        self._looks = looks

    def tell(self, event: str, **fields: Any) -> None:
        self.append({"event": event, **fields})

    def check(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            raise StoppedError


@pytest.fixture
def slow_download(monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """`weights.fetch` takes some looks; returns the progresses that it was given."""
    seen: list[Progress] = []

    def fetch(spec: ModelSpec, settings: Settings, progress: Progress) -> Path:
        seen.append(progress)
        progress.total_bytes = 300
        for done in (100, 200, 300):
            progress.done_bytes = done
            time.sleep(0.05)
            progress.check()
        return Path("weights.h5")

    monkeypatch.setattr(weights, "fetch", fetch)
    monkeypatch.setattr(weights, "sha256", lambda spec, settings: "5" * 64)
    monkeypatch.setattr(backbones, "REPORT_S", 0.01)
    return seen


def test_a_download_is_told_and_ends_with_what_it_brought(settings: Settings, slow_download: list[Progress]) -> None:
    listener = Listener()
    backbone = backbones.fetch(replace(RECIPE, trainable_layers=4), settings, listener)
    assert backbone is not None
    assert (backbone.spec.name, backbone.weights_path, backbone.trainable_layers) == (
        "mobilenet",
        Path("weights.h5"),
        4,
    )
    *during, last = listener
    assert last == {"event": "weights", "model": "mobilenet", "sha256": "5" * 64}
    assert {event["total_bytes"] for event in during} <= {300, None}
    done = [event["done_bytes"] for event in during]
    assert done == sorted(done)
    assert done[-1] >= 200


def test_who_is_asked_to_stop_stops_the_download(settings: Settings, slow_download: list[Progress]) -> None:
    with pytest.raises(StoppedError):
        backbones.fetch(RECIPE, settings, Listener(looks=2))
    [progress] = slow_download
    assert progress.done_bytes < 300


def test_a_recipe_from_scratch_has_no_backbone(settings: Settings) -> None:
    assert backbones.fetch(get_recipe("simple_cnn"), settings, Listener()) is None


def test_weights_that_cannot_be_had_are_a_sentence(settings: Settings) -> None:
    with pytest.raises(OfflineError, match="vgg16"):
        backbones.fetch(replace(RECIPE, backbone="vgg16"), settings, Listener())


def test_an_unknown_backbone_names_the_nearest(settings: Settings) -> None:
    with pytest.raises(UnknownNameError, match="vgg16"):
        backbones.fetch(replace(RECIPE, backbone="vgg_16"), settings, Listener())
