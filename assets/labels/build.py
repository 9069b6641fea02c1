"""Write imagenet_1k.json: ImageNet's 1,000 classes, and the part of WordNet that lies above them.

    python assets/labels/build.py [--wordnet /usr/share/wordnet] [--class-index imagenet_class_index.json]

WordNet 3.0 comes with Debian's package wordnet-base; ImageNet's class ids are `n` + WordNet's noun offsets, and
the class index is the position in the sorted ids. The ids are taken from the JSON file that is there, or from
Keras' `imagenet_class_index.json`; with the latter, names are checked against Keras' too.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

OUTPUT = Path(__file__).with_name("imagenet_1k.json")

# Classes of other label spaces that ImageNet has not: CIFAR-10's deer.
MORE = ("n02430045",)

HEAD = {
    "source": "Classes: ILSVRC 2012, sorted by id. Names and hypernyms: WordNet 3.0, Princeton University (data.noun).",
    "licence": "WordNet 3.0 License, see WORDNET-LICENSE.txt",
    "layout": "classes: id of each index. synsets: id -> [name, main hypernym, further hypernyms ...]. "
    "words: id -> [other names ...].",
}


@dataclass(frozen=True)
class Noun:
    """A noun synset of WordNet: its words, the usual one first, and the ids of its hypernyms, the main one first."""

    words: list[str]
    hypernyms: list[str]


def read_nouns(data_noun: Path) -> dict[str, Noun]:
    """Each noun synset of WordNet by its id; the format is that of wndb(5WN)."""
    nouns = {}
    for line in data_noun.read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):  # the license at the head of the file
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], base=16)
        words = [word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        quads = [pointers[i : i + 4] for i in range(0, len(pointers), 4)]
        # "@" is a hypernym, "@i" that of an instance (a name of one thing).
        hypernyms = [f"n{offset}" for symbol, offset, _, _ in quads if symbol in {"@", "@i"}]
        nouns[f"n{fields[0]}"] = Noun(words, hypernyms)
    return nouns


def with_ancestors(classes: list[str], nouns: dict[str, Noun]) -> dict[str, Noun]:
    """Return the entries of `classes`, of `MORE`, and of everything above them, sorted by id."""
    found: dict[str, Noun] = {}
    waiting = [*classes, *MORE]
    while waiting:
        synset = waiting.pop()
        if synset not in found:
            found[synset] = nouns[synset]
            waiting.extend(nouns[synset].hypernyms)
    return dict(sorted(found.items()))


def render(classes: list[str], synsets: dict[str, Noun]) -> str:
    """Return the file's text: one synset a line, so that a change shows as one."""
    compact = {"separators": (",", ":"), "ensure_ascii": False}

    def rows(values: dict[str, list[str]]) -> str:
        return ",\n".join(f"{json.dumps(key)}:{json.dumps(value, **compact)}" for key, value in values.items())

    head = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in HEAD.items()]
    ids = json.dumps(classes, **compact)
    names = rows({synset: [noun.words[0], *noun.hypernyms] for synset, noun in synsets.items()})
    words = rows({synset: noun.words[1:] for synset, noun in synsets.items() if noun.words[1:]})
    parts = [*head, f'"classes": {ids}', f'"synsets": {{\n{names}\n}}', f'"words": {{\n{words}\n}}']
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    parser.add_argument("--class-index", type=Path, help="Keras' imagenet_class_index.json")
    options = parser.parse_args()

    nouns = read_nouns(options.wordnet / "data.noun")
    if options.class_index:
        keras = json.loads(options.class_index.read_text())
        classes = [keras[str(i)][0] for i in range(len(keras))]
        differing = [name for synset, name in keras.values() if name.replace("_", " ") != nouns[synset].words[0]]
        print(f"{len(classes)} classes; names that differ from Keras': {differing or 'none'}")
    else:
        classes = json.loads(OUTPUT.read_text(encoding="utf-8"))["classes"]
    if classes != sorted(classes):
        raise SystemExit("Expected the classes in the order of their ids. Received: another order.")
    OUTPUT.write_text(render(classes, with_ancestors(classes, nouns)), encoding="utf-8")
    print(f"{OUTPUT}: {OUTPUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
