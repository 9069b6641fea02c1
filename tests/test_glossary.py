"""The words of the field, in American spelling, in code, documents and on screens."""

import re
from pathlib import Path

import pytest

from imgrec.settings import ROOT

# What is not said here → what is said instead.
INSTEAD = {
    r"pictures?": "image",
    r"lessons?": "transfer learning, run",
    r"teach(es|ing|er)?|taught": "train, fine-tune",
    r"twin images?": "duplicate",
    r"albums?": "collection",
    r"chutes?": "uploader",
    r"knobs?": "hyperparameter",
    r"data[- ]sets?": "dataset",
    r"who(m|ever|soever)?|nobody|somebody|everybody": "a noun: the caller, the visitor, the process",
    r"\w*colour\w*": "color",
    r"\w*catalogue\w*": "catalog",
    r"\w*labelled": "labeled",
    r"cancell(ed|ing)": "canceled",
    r"\w*artefact\w*": "artifact",
    r"\w*neighbour\w*": "neighbor",
    r"\w*behaviour\w*": "behavior",
    r"(re)?centre[ds]?": "center",
    r"gr(ey)\w*": "gray",
    r"licences?": "license",
    r"\w*(normal|optim|recogn|random|initial|serial|summar|organ|minim|maxim|real)is(es?|ed|ers?|ing|ation)": "-ize",
}

# Parts of words that are written to files or spoken by others, and so keep their form.
KEPT: dict[str, set[str]] = {
    "imgrec/models/downloads.py": {"Cancelled"},  # concurrent.futures.CancelledError
    "imgrec/inference/preparation.py": {"Cancelled"},  # the same
    "imgrec/models/card_fields.py": {"lesson", "licence", "pictures"},  # fields of cards that were written earlier
    "docs/api.md": {"licence"},  # a member of a model that programs read
    "imgrec/images/color.py": {"grey"},  # a note in the JSON of `imgrec predict`
}

WORDS = re.compile("|".join(rf"(?P<w{i}>\b(?:{words})\b)" for i, words in enumerate(INSTEAD)), re.IGNORECASE)


def texts() -> list[Path]:
    """Return the documents and the code that people read."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md"), *ROOT.glob("pages/*.py")]
    return [*found, ROOT / "app.py", *ROOT.glob("bench/*.py"), *sorted((ROOT / "imgrec").rglob("*.py"))]


def spoken(path: Path) -> str:
    """Return the text without addresses and HTML; names are taken apart at their underscores."""
    text = re.sub(r"https?://\S+|</?picture>|<source [^>]*>|(?<=[\"'])[\w.-]+(?=[\"'])", " ", path.read_text())
    return re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", text)


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_words_of_the_field(path: Path) -> None:
    kept = KEPT.get(str(path.relative_to(ROOT)), set())
    found = {match.group() for match in WORDS.finditer(spoken(path))}
    assert kept <= found, "no word is kept that is not there"
    assert not found - kept, {
        word: next(INSTEAD[w] for w in INSTEAD if re.fullmatch(w, word, re.IGNORECASE)) for word in found - kept
    }
