"""WordNet: hypernyms, what a word means, search."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec.errors import InputError, UnknownNameError
from imgrec.predictions import wordnet
from imgrec.predictions.labels import LABEL_SPACES, get_label_space
from imgrec.predictions.wordnet import ancestors, describe, is_known, name_of, resolve, search
from imgrec.settings import ASSETS

IMAGENET = get_label_space("imagenet_1k")
ENTITY = "n00001740"
CAT, DOG, CANINE = "n02121620", "n02084071", "n02083346"


def test_every_class_reaches_entity_by_known_synsets() -> None:
    table = json.loads((ASSETS / "labels" / "imagenet_1k.json").read_text(encoding="utf-8"))["synsets"]
    for synset in IMAGENET.synsets:
        above = ancestors(str(synset))
        assert above[0] == synset
        assert ENTITY in above
        assert set(above) <= table.keys()


def test_the_committed_table_is_small_and_names_source_and_license() -> None:
    file = ASSETS / "labels" / "imagenet_1k.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    assert file.stat().st_size < 150_000
    assert "WordNet 3.0" in table["source"]
    assert "WordNet 3.0 Copyright" in (file.parent / "WORDNET-LICENSE.txt").read_text()
    assert "WORDNET-LICENSE.txt" in table["licence"]


def test_the_committed_table_is_what_wordnet_says() -> None:
    data_noun = Path("/usr/share/wordnet/data.noun")
    if not data_noun.is_file():
        pytest.skip("WordNet is not installed (Debian: wordnet-base)")
    spec = importlib.util.spec_from_file_location("build", ASSETS / "labels" / "build.py")
    assert spec
    assert spec.loader
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    classes = list(IMAGENET.synsets)
    rebuilt = build.render(classes, build.with_ancestors(classes, build.read_nouns(data_noun)))
    assert rebuilt == (ASSETS / "labels" / "imagenet_1k.json").read_text(encoding="utf-8")


def test_importing_reads_no_table() -> None:
    code = "import imgrec.predictions.labels as L; assert L.wordnet.table.cache_info().currsize == 0"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ASSETS.parent)


def test_a_synset_outside_the_table_stands_for_itself() -> None:
    assert ancestors("n00000000") == ("n00000000",)
    assert name_of("n00000000") == "n00000000"
    assert describe("n00000000") == "n00000000 (n00000000)"


def test_ancestors_come_nearest_first_and_by_every_hypernym() -> None:
    above = ancestors(DOG)
    assert above[:3] == (DOG, CANINE, "n01317541")  # a domestic animal, too
    assert len(above) == len(set(above))


@pytest.mark.parametrize("space", LABEL_SPACES)
def test_the_table_has_the_classes_of_all_known_spaces(space: str) -> None:
    assert all(map(is_known, filter(None, get_label_space(space).synsets)))


@pytest.mark.parametrize(
    ("word", "synset"),
    [
        pytest.param("cat", CAT, id="a usual name goes before that of the big cats"),
        pytest.param(" Cat ", CAT, id="in any case"),
        pytest.param("true_cat", CAT, id="another name"),
        pytest.param("motor vehicle", "n03791235", id="two words"),
        pytest.param(CAT, CAT, id="an id"),
        pytest.param("automobile", "n02958343", id="another name of one synset"),
    ],
)
def test_a_word_with_one_meaning(word: str, synset: str) -> None:
    assert resolve(word) == synset


def test_a_word_with_several_meanings_lists_them() -> None:
    with pytest.raises(InputError) as error:
        resolve("crane")
    assert str(error.value) == (
        "Expected one meaning of 'crane': crane: wading bird (n02012849); crane: lifting device (n03126707). "
        "Received: the word."
    )


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        pytest.param("zebraa", "such as zebra", id="a slip"),
        pytest.param("n99999999", "Expected a WordNet id of a class that a model knows", id="an unknown id"),
        pytest.param("", "such as cat, dog, vehicle", id="nothing"),
    ],
)
def test_a_word_without_meaning(word: str, sentence: str) -> None:
    with pytest.raises(UnknownNameError, match=sentence):
        resolve(word)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        pytest.param("cat", ["cat", "big cat"], id="names before parts of names"),
        pytest.param("vehic", ["vehicle"], id="the beginning"),
        pytest.param("automobile", ["car"], id="another name"),
        pytest.param(DOG, ["dog"], id="an id"),
        pytest.param("retriever", ["retriever"], id="general before special"),
    ],
)
def test_search_finds_the_best_first(text: str, first: list[str]) -> None:
    assert [name_of(synset) for synset in search(text)][: len(first)] == first


def test_search_finds_all_and_nothing() -> None:
    found = search("terrier")
    assert len(found) == len(set(found)) > 20
    assert search("  ") == search("no such thing") == []


def test_synsets_are_found_by_their_names() -> None:
    for synset in list(wordnet.table()["synsets"])[::7]:
        assert synset in search(name_of(synset))


def test_classes_below_a_synset_are_counted() -> None:
    counts = wordnet.class_counts()
    assert (counts[ENTITY], counts[DOG], counts["n02430045"]) == (1000, 118, 0)
    assert all(counts[str(synset)] == 1 for synset in IMAGENET.synsets)
