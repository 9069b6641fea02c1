"""Compute what models say about the sample images: `python -m assets.samples.compute [MODEL…]`.

`imgrec.predictions.gallery_predictions` reads the result.

Fetches the weights where they are missing. Writes predictions.npz (float16, samples × classes, for each model) and
predictions.json (which samples, which weights and what is to be known of them, which versions, when).
"""

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from bench.committed import note_on
from imgrec.images import decoding, gallery
from imgrec.inference import classify
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN, ModelSpec
from imgrec.predictions.gallery_predictions import FACTS, PROBABILITIES
from imgrec.predictions.prediction import Prediction
from imgrec.settings import Settings

FRAMING = "crop"
MODELS = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_a075_224",
    "mobilenet_a075_192",
    "mobilenet_a050_160",
    "mobilenet_a025_224",
    "mobilenet_a025_128",
)


def main(names: list[str]) -> None:
    settings = Settings.from_env()
    specs = BUILT_IN.get_specs(names or MODELS)
    pool = classify.open_pool(settings)
    bytes_of = [sample.path.read_bytes() for sample in gallery.get_samples()]
    images = [decoding.decode(data, max_bytes=len(data)) for data in bytes_of]
    answers: dict[str, list[np.ndarray]] = {spec.name: [] for spec in specs}
    for image in images:
        for found in classify.classify(image, specs, pool, FRAMING):
            if not isinstance(found, Prediction):
                raise found.error
            answers[found.model].append(found.probabilities.astype(np.float16))
    np.savez_compressed(PROBABILITIES, **{name: np.stack(rows) for name, rows in answers.items()})
    facts = {
        "framing": FRAMING,
        "samples": [image.sha256 for image in images],
        "models": {spec.name: describe(spec, settings) for spec in specs},
        "versions": {name: version(name) for name in ("imgrec", "keras", "openvino", "pillow")},
        "computed_at": datetime.now(UTC).date().isoformat(),
    }
    FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def describe(spec: ModelSpec, settings: Settings) -> dict[str, str | None]:
    digest = weights.sha256(spec, settings)
    return {"label_space": spec.label_space, "weights_sha256": digest, "note": note_on(digest, None)}


if __name__ == "__main__":
    main(sys.argv[1:])
