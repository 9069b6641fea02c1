"""Images from files, folders and archives as one list: what they hold, what is left out, how classes are called."""

import zipfile
from pathlib import Path

import pytest

from imgrec.data.image_paths import MAX_IMAGES, ImageList, find_images
from imgrec.errors import InputError
from imgrec.predictions.labels import get_label_space


def write(root: Path, *names: str, **tables: str) -> Path:
    """A folder with these files, whose content is their name, and tables by their stem."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    for stem, text in tables.items():
        (root / f"{stem}.csv").write_text(text)
    return root


def zipped(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return path


def words(found: ImageList) -> dict[str, str]:
    return {found.files[i].title: word for i, word in found.words.items()}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_folder_or_an_archive_names_classes_and_is_read_in_its_order(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path / "pets", "cats/a.jpg", "dogs/b.jpg", "loose.jpg")
    path = folder if kind == "folder" else zipped(tmp_path / "pets.zip", folder)
    found = find_images([path])
    assert words(found) == {"cats/a.jpg": "cats", "dogs/b.jpg": "dogs"}
    titles = [file.title for file in found.files]
    assert dict(found.read(100)) == {i: title.encode() for i, title in enumerate(titles)}
    assert list(found.read(100, only=titles.index("dogs/b.jpg"))) == [(titles.index("dogs/b.jpg"), b"dogs/b.jpg")]


def test_several_paths_are_one_list_and_the_same_path_counts_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "pets", "cats/a.jpg")
    single = write(tmp_path, "b.jpg") / "b.jpg"
    found = find_images([single, folder, folder])
    assert [file.title for file in found.files] == [str(single), "pets/cats/a.jpg"]
    assert [data for _, data in found.read(100)] == [b"b.jpg", b"cats/a.jpg"]


def test_a_content_above_the_limit_is_cut_one_byte_above(tmp_path: Path) -> None:
    found = find_images([write(tmp_path / "a", "x/long-name.jpg"), write(tmp_path, "other.jpg") / "other.jpg"])
    assert [len(data) for _, data in found.read(3)] == [4, 4]


def test_of_too_many_images_those_taken_are_spread_over_all_classes(tmp_path: Path) -> None:
    folder = write(tmp_path / "pets", *(f"{kind}/{i}.jpg" for kind in ("cats", "dogs") for i in range(5)))
    found = find_images([folder], most=4)
    assert sorted(words(found).values()) == ["cats", "cats", "dogs", "dogs"]
    assert found.remarks == (
        "Expected at most 4 images. Received: 10; 6 are left out, and the 4 here are evenly spread over all.",
    )


def test_the_501st_image_is_left_out_with_a_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path / "many", *(f"{i:04d}.jpg" for i in range(MAX_IMAGES + 1)))
    found = find_images([folder])
    assert len(found) == MAX_IMAGES == 500
    assert len({file.title for file in found.files}) == MAX_IMAGES
    assert "Received: 501; 1 is left out" in found.remarks[0]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param("file,label\na.jpg,espresso\n", {"a.jpg": "espresso"}, id="label"),
        pytest.param("file,wnid\na.jpg,n02123045\nmissing.jpg,n02123045\n", {"a.jpg": "n02123045"}, id="wnid"),
        pytest.param("file,index\na.jpg,281\n", {"a.jpg": get_label_space("imagenet_1k").synsets[281]}, id="index"),
    ],
)
def test_a_table_says_the_class_and_is_no_image(tmp_path: Path, table: str, expected: dict[str, str]) -> None:
    found = find_images([write(tmp_path / "set", "a.jpg", "b.jpg", labels=table)])
    assert [file.title for file in found.files] == ["a.jpg", "b.jpg"]
    assert words(found) == expected


def test_a_table_that_cannot_be_understood_gets_a_sentence_and_the_images_stay(tmp_path: Path) -> None:
    found = find_images([write(tmp_path / "set", "a.jpg", labels="name\na.jpg\n")])
    assert len(found) == 1
    assert not found.words
    assert "Expected the columns file and wnid, index or label in labels.csv" in found.remarks[0]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="Expected images in nothing"):
        find_images([tmp_path / "nothing"])


def test_a_name_that_leads_out_of_an_archive_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../../evil.jpg", b"x")
        archive.writestr("good.jpg", b"y")
    found = find_images([tmp_path / "bad.zip"])
    assert [file.title for file in found.files] == ["good.jpg"]
    assert "leads out of the archive" in found.remarks[0]


def test_files_that_have_gone_get_a_sentence_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", "a.jpg", "b.jpg")
    found = find_images([folder, tmp_path / "never.jpg"])
    (folder / "a.jpg").unlink()
    contents = dict(found.read(100))
    assert contents[0] == "The file is no longer there."
    assert contents[1] == b"b.jpg"
    assert "which is not there" in str(contents[2])


def test_an_archive_that_is_damaged_later_says_so_for_each_image(tmp_path: Path) -> None:
    path = zipped(tmp_path / "set.zip", write(tmp_path / "set", "a.jpg", "b.jpg"))
    found = find_images([path])
    path.write_bytes(b"PK\x03\x04 not any more")
    assert [isinstance(data, str) for _, data in found.read(100)] == [True, True]


def test_what_is_no_image_by_its_name_nor_by_its_content_does_not_count(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", "a.jpg", "notes.txt", "more/readme.md")
    (folder / "camera.dat").write_bytes(b"\xff\xd8\xff")
    found = find_images([zipped(tmp_path / "set.zip", folder)])
    assert [file.title for file in found.files] == ["a.jpg", "camera.dat"]
    assert found.remarks == ("2 other files are left out: more/readme.md, notes.txt.",)
    assert not found.words


def test_an_archive_of_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Expected images in text\.zip\. Received: 1 other file: readme\.txt\."):
        find_images([zipped(tmp_path / "text.zip", write(tmp_path / "text", "readme.txt"))])
