"""Where a file of a set belongs, and what a class may be called."""

import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgrec.data.folders import MAX_NAME_CHARACTERS, Layout, class_name, lay_out, place_of
from imgrec.errors import InputError


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param("cats/a.jpg", ("train", "cats"), id="a class folder"),
        pytest.param("deep/er/cats/a.jpg", ("train", "cats"), id="within others"),
        pytest.param("training_set/cats/a.jpg", ("train", "cats"), id="training"),
        pytest.param("Linnaeus 5 256X256/test/berry/1_256.jpg", ("test", "berry"), id="Linnaeus 5"),
        pytest.param("Valid/cats/a.jpg", ("validation", "cats"), id="validation"),
        pytest.param("train/cats/tabby/a.jpg", ("train", "cats"), id="folders within a class"),
        pytest.param("test/data/train/cats/a.jpg", ("train", "cats"), id="within a folder called test"),
        pytest.param("train/test/a.jpg", ("train", "test"), id="a class called test"),
        pytest.param("a.jpg", None, id="loose"),
        pytest.param("train/a.jpg", None, id="loose in a part"),
    ],
)
def test_folders_tell_part_and_class(name: str, place: tuple[str, str] | None) -> None:
    assert place_of(PurePosixPath(name)) == place


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        pytest.param("maine_coon (cat)", "maine_coon (cat)", id="an ordinary name"),
        pytest.param("  two \t\n lines ", "two lines", id="one line"),
        pytest.param("<script>alert(1)</script>", "＜script＞alert(1)＜／script＞", id="HTML"),
        pytest.param("[here](http://x)", "［here］(http：／／x)", id="a link"),
        pytest.param("**:red[$x$]**", "＊＊：red［＄x＄］＊＊", id="Markdown"),
        pytest.param("=1+1", "＝1+1", id="a formula"),
        pytest.param("- x", "－ x", id="a list"),
        pytest.param("a\x00\x1b[31mb", "a［31mb", id="control characters"),
        pytest.param("gpj.\u202ecat", "gpj.cat", id="turned round"),
        pytest.param("חתול", "חתול", id="right to left"),
        pytest.param("👩\u200d🚀", "👩\u200d🚀", id="joined emoji"),
        pytest.param("cafe\u0301", "caf\u00e9", id="accents apart"),
        pytest.param("\udcff", "(no name)", id="nothing left"),
    ],
)
def test_a_class_is_called_what_can_be_shown(name: str, shown: str) -> None:
    assert class_name(name) == shown


@given(st.text(st.characters(), max_size=200))
def test_any_name_becomes_one_short_harmless_line(name: str) -> None:
    shown = class_name(name)
    assert 0 < len(shown) <= MAX_NAME_CHARACTERS
    assert class_name(shown) == shown
    assert not set(shown) & set('\\`*[]<>$#~|:/"\n\r\t')
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in shown)
    shown.encode()


def test_long_names_stay_different() -> None:
    assert class_name("a" * 100) != class_name("a" * 101)
    assert class_name("a" * 100).startswith("aaaaaaaaaa")


def place_table(folder: Path, table: str) -> list[PurePosixPath]:
    (folder / "split.csv").write_text(table)
    return [PurePosixPath(name) for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "split.csv")]


def test_a_table_decides_part_and_class(tmp_path: Path) -> None:
    names = place_table(tmp_path, "file,split,label\na/1.jpg,train,x\nb/1.jpg,VAL,<y>\ngone.jpg,test,x\n")
    assert lay_out(tmp_path, names) == Layout(
        {PurePosixPath("a/1.jpg"): ("train", "x"), PurePosixPath("b/1.jpg"): ("test", "＜y＞")},
        ("a/2.jpg: not in split.csv", "gone.jpg: in split.csv, but not there"),
        remarks=("The validation part (1 file) is taken as the test part: there is no other.",),
    )


@pytest.mark.parametrize(
    ("names", "parts", "remark"),
    [
        pytest.param(["train/a/1", "test/a/1"], ["train", "test"], "", id="none"),
        pytest.param(["train/a/1", "val/a/1", "val/a/2"], ["train", "test", "test"], "(2 files) is taken", id="alone"),
        pytest.param(["train/a/1", "val/a/1", "test/a/1"], ["train", "test"], "(1 file) is left out", id="with a test"),
    ],
)
def test_a_validation_part_is_the_test_where_there_is_no_other(
    names: list[str], parts: list[str], remark: str, tmp_path: Path
) -> None:
    found = lay_out(tmp_path, [PurePosixPath(name) for name in names])
    assert [part for part, _ in found.places.values()] == parts
    assert remark in "".join(found.remarks)
    assert bool(found.remarks) == bool(remark)


def test_a_folder_without_files_is_an_empty_class(tmp_path: Path) -> None:
    names = [PurePosixPath(name) for name in ("train/cats/a.jpg", "train/dogs/a.jpg")]
    empty = [PurePosixPath(name) for name in ("train/frogs", "test/cats", "test/frogs", "val")]
    assert lay_out(tmp_path, names, empty).empty == ("frogs",)


def test_a_table_without_labels_takes_the_folders(tmp_path: Path) -> None:
    names = place_table(tmp_path, "file,split\na/1.jpg,train\na/2.jpg,test\nb/1.jpg,train\n")
    assert [*lay_out(tmp_path, names).places.values()] == [("train", "a"), ("test", "a"), ("train", "b")]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        pytest.param("name,split\na,train\n", "columns file and split .* Received: name, split", id="columns"),
        pytest.param("", "Received: none", id="empty"),
        pytest.param("file,split\na/1.jpg,fold 3\n", "Received: 'fold 3' for a/1.jpg", id="part"),
        pytest.param("file,split\n1.jpg,train\n", "Expected a class for each file", id="no class"),
        pytest.param('file,split\n"a/1.jpg,train\n', "table in CSV", id="quotes"),
        pytest.param("file,split\na/1.jpg\n", "Received: 'None'", id="short row"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, table: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        lay_out(tmp_path, place_table(tmp_path, table))
