"""How a printed rule for cats does on our answers: `python -m bench.label_rule DATA`, a minute.

DATA is a folder with `catsdogs` below it. The rule looks at the first of a thousand labels, which stored answers of
this set do not have: they are sums over WordNet. So the networks on this machine look at the images once more.
Writes assets/protocols/cats_by_label.json, which the Benchmarks page shows beside the printed figures.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from imgrec.data import reader
from imgrec.data.evaluation_split import open_evaluation_split
from imgrec.formatting import percent
from imgrec.inference import conversion
from imgrec.inference.preparation import Preparations
from imgrec.models import weights
from imgrec.models.catalog import BUILT_IN
from imgrec.predictions.labels import get_label_map, get_label_space
from imgrec.settings import ASSETS, Settings

TARGET = ASSETS / "protocols" / "cats_by_label.json"
PER_CLASS = 100


def is_cat(label: str) -> bool:
    """Return the rule as it was printed: "cat" in the label, or tabby, or lynx."""
    name = label.lower()
    return "cat" in name or name in {"tabby", "lynx"}


def main(data: Path) -> None:
    settings = Settings.from_env()
    os.chdir(data)
    found = open_evaluation_split("catsdogs", settings, per_class=PER_CLASS)
    labels, place = get_label_space("imagenet_1k").labels, get_label_map("imagenet_1k", found.label_space.name).index
    target, (cat, dog) = np.array(found.targets), (found.label_space.labels.index(name) for name in ("cat", "dog"))
    rows, sources = [], {}
    for spec in BUILT_IN.values():
        digest = weights.sha256(spec, settings) if weights.locate(spec, settings) is not None else None
        if spec.label_space != "imagenet_1k" or digest is None:
            continue
        compiled = Preparations(settings).ensure(spec)
        answers = dict(reader.stream_predictions(spec, enumerate(found.items()), settings, compiled, "crop"))
        first = np.array([int(np.argmax(answers[i])) for i in range(len(found))])
        by_rule = np.array([is_cat(labels[i]) for i in first])
        cells = (by_rule[target == cat], place[first[target == cat]] == cat, place[first[target == dog]] == dog)
        rows.append([spec.title, *(percent(float(cell.mean())) for cell in cells), int(by_rule[target == dog].sum())])
        sources[spec.title] = f"sha256 {digest[:12]}"
    table = {
        "title": "Its rule for cats, on our answers",
        "beside": "Cats and dogs, asked of networks for other classes",
        "columns": ["Model", "Cats by its rule", "Cats by WordNet", "Dogs by WordNet", "Dogs its rule takes for cats"],
        "rows": rows,
        "note": (
            "By the first label alone, not by sums: a cat is what has “cat” in its name or is tabby or lynx, "
            f"which takes in polecats and catamarans. What it did for dogs is not printed. {PER_CLASS} images each; "
            "most weights were restored from 8-bit ones, as Provenance says of each."
        ),
        "provenance": {
            "pictures": "the first 100 of each class of the test part of Kaggle's cats and dogs, reduced to 112 px",
            "weights": sources,
            "versions": conversion.versions(),
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": "python -m bench.label_rule DATA",
        },
    }
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
