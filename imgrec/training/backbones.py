"""Backbones: networks of the catalog without their classifier, as the start of new ones. Runs in workers only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgrec.inference import keras_networks
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.models.downloads import Progress
from imgrec.settings import Settings
from imgrec.training.events import Listener, WeightsFetched, write
from imgrec.training.recipes import Recipe

if TYPE_CHECKING:
    import keras

# Between two looks at a download.
REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class Backbone:
    """Makes the network of `spec` without its classifier, at any size, as often as it is called.

    `weights_path` is the file of the whole network; with None the weights are random ones. The last
    `trainable_layers` of its layers are trained, all others are frozen; None: all are trained. Frozen batch
    normalization uses its stored statistics, as in Keras, also while the layers behind it are trained.
    """

    spec: ModelSpec
    weights_path: Path | None
    trainable_layers: int | None = None

    def __call__(self, input_size: tuple[int, int]) -> keras.Model:
        """float32 (N, height, width, 3), preprocessed as `spec` says → feature maps (N, h, w, C)."""
        headless = replace(self.spec, arguments=(*self.spec.arguments, keras_networks.HEADLESS), input_size=input_size)
        path = self.weights_path
        model = keras_networks.build(headless) if path is None else keras_networks.load(headless, path)
        if self.trainable_layers is not None:
            for layer in model.layers[: max(0, len(model.layers) - self.trainable_layers)]:
                layer.trainable = False
        return model


def fetch(recipe: Recipe, settings: Settings, listener: Listener) -> Backbone | None:
    """Return the backbone of `recipe` with its published weights, found or downloaded; None of a recipe without one.

    Tells `weights` events: about once a second with `done_bytes` and `total_bytes` while they are downloaded, and
    the last one with the file's `sha256`. Raises what `weights.fetch` and `listener.check` raise.
    """
    if (name := recipe.backbone) is None:
        return None
    spec = BUILT_IN.get_spec(name)
    progress = Progress()
    with ThreadPoolExecutor(1, thread_name_prefix="fetching") as pool:
        fetching = pool.submit(weights.fetch, spec, settings, progress)
        try:
            while wait([fetching], REPORT_S).not_done:
                listener.check()
                write(listener, WeightsFetched(name, progress.done_bytes, progress.total_bytes))
        except BaseException:
            progress.cancel()  # what has arrived is kept
            raise
        path = fetching.result()
    write(listener, WeightsFetched(name, sha256=weights.sha256(spec, settings)))
    return Backbone(spec, path, recipe.trainable_layers)
