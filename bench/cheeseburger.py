"""The probability of "cheeseburger" on one photo: `KERAS_HOME=… python -m bench.cheeseburger IMAGE`, a minute.

A publication prints it of ResNet50 and VGG19 on an image of its own, which could not be had. IMAGE is another
cheeseburger: here the photo `burger.jpg` of the gallery (CC0). Every ImageNet network on this machine looks at it once
with each framing. Writes assets/protocols/cheeseburger.json, which the Benchmarks page shows beside the printed
figures.
"""

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.committed import NOTES
from imgrec.images.decoding import decode
from imgrec.inference import classify, conversion
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import get_label_space
from imgrec.predictions.prediction import Prediction
from imgrec.settings import ASSETS, Settings

TARGET = ASSETS / "protocols" / "cheeseburger.json"
TITLE = "One cheeseburger, two networks"
LABEL = "cheeseburger"


def main(path: Path) -> None:
    settings = Settings.from_env()
    data = path.read_bytes()
    image = decode(data, max_bytes=settings.max_upload_bytes)
    preparations = Preparations(settings)
    pool = classify.open_pool(settings, preparations)
    place = get_label_space("imagenet_1k").labels.index(LABEL)
    rows, sources = [], {}
    for spec in BUILT_IN.values():
        digest = weights.sha256(spec, settings) if weights.locate(spec, settings) is not None else None
        if spec.label_space != "imagenet_1k" or digest is None:
            continue
        preparations.ensure(spec)
        cells = []
        for framing in ("crop", "squash"):
            (prediction,) = classify.classify(image, [spec], pool, framing)
            assert isinstance(prediction, Prediction), prediction
            cells.append(f"{prediction.probabilities[place]:.6f}")
        rows.append(
            [
                spec.title,
                *cells,
                prediction.first.label,
                "restored" if "8-bit" in NOTES.get(digest, "") else "published",
            ]
        )
        sources[spec.title] = f"sha256 {digest[:12]}"
    rows.sort(key=lambda row: row[1], reverse=True)
    table = {
        "title": "Our networks on another cheeseburger",
        "beside": TITLE,
        "columns": ["Model", "Cropped", "Squashed", "First choice, squashed", "Weights"],
        "rows": rows,
        "note": (
            "One photo of another cheeseburger: its figures are not to be ranked with the printed ones. Restored "
            "weights come from 8-bit files and are close to Keras' own, not equal to them."
        ),
        "provenance": {
            "image": f"{path.name}, {image.size_px[1]} × {image.size_px[0]} px, CC0, pexels.com photo 70497",
            "sha256": hashlib.sha256(data).hexdigest()[:12],
            "weights": sources,
            "versions": conversion.versions(),
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": "python -m bench.cheeseburger IMAGE",
        },
    }
    TARGET.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
