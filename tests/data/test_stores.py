"""Files at addresses: what lies there, what is refused and why, and writing whole files."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from imgrec.data import stores
from imgrec.data.archives import files, survey
from imgrec.data.stores import Store, is_address
from imgrec.errors import InputError, StorageError
from tests.data.s3_server import KEY, S3, served


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with served() as found:
            found.objects.update({"data/cats/1 ä.png": b"one", "data/dogs/2.png": b"two", "data/.git/x": b""})
            yield found


def test_what_is_an_address() -> None:
    assert [is_address(text) for text in ("s3://a/b", "file:///a", "https://a/b", "/a/b", "a://", "C:\\a")] == [
        True, True, False, False, True, False,
    ]  # fmt: skip


def test_a_folder_of_this_machine_and_one_in_a_bucket_read_the_same(s3: S3, tmp_path: Path) -> None:
    for key, data in s3.objects.items():
        file = tmp_path / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    there, here = Store.of(s3.address("data")), Store.of(tmp_path / "data")
    expected = (PurePosixPath("cats/1 ä.png"), PurePosixPath("dogs/2.png"))
    for store in (there, here):
        assert survey(store).names == expected
        assert dict(files(store, max_bytes=9)) == {expected[0]: b"one", expected[1]: b"two"}
        assert store.name == "data"
        assert store.read(expected[0], 1) == b"on", "one byte more than allowed, and no more"
        # One that has gone is left out, as in a folder.
        assert [name for name, _ in files(store, max_bytes=9, only={expected[1], PurePosixPath("gone")})] == [
            expected[1]
        ]
    assert str(here) == str(tmp_path / "data")
    one = Store.of(s3.address("data/dogs/2.png"))
    assert [file.name.name for file in one.list()] == ["2.png"]
    assert one.read(PurePosixPath("2.png"), 9) == b"two"


def test_what_is_written_is_there_whole_by_one_request(s3: S3, tmp_path: Path) -> None:
    before = len(s3.requests)
    Store.of(s3.address("out")).put(PurePosixPath("a/1.bin"), b"data" * 1000)
    assert s3.objects["out/a/1.bin"] == b"data" * 1000
    assert [request for request in s3.requests[before:] if not request.startswith("HEAD")] == [
        "PUT /bucket/out/a/1.bin"
    ]
    Store.of(tmp_path).put(PurePosixPath("a/1.bin"), b"data")
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "a").iterdir()] == [("1.bin", b"data")]


def test_what_is_not_there_or_closed_is_told(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for address in (s3.address("nothing"), s3.address("data", bucket="none"), f"file://{tmp_path}/none"):
        with pytest.raises(InputError, match=r"Expected files at \S+\. Received: no such folder, file or bucket\."):
            Store.of(address).list()
    s3.closed.add("data/dogs/2.png")
    with pytest.raises(StorageError, match="Received: a refusal; credentials come from AWS_ACCESS_KEY_ID"):
        list(files(Store.of(s3.address("data")), max_bytes=9))
    s3.closed.clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    stores._connect.cache_clear()
    with pytest.raises(StorageError, match="Received: a refusal; credentials come from AWS_ACCESS_KEY_ID"):
        Store.of(s3.address("data")).list()
    stores._connect.cache_clear()


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ftp://host/folder", r"with s3, gs, hdfs, abfss, file\. Received: 'ftp://host/folder'"),
        ("s3://", "such as s3://bucket/folder"),
        ("s3://key:hidden@bucket/folder", "Expected an address without a password: AWS_ACCESS_KEY_ID"),
        ("hdfs://user:hidden@host/folder", "Expected an address without a password"),
        ("s3://bucket/a?nonsense=1", "Expected an address that can be used. Received: s3://bucket/a, .*nonsense"),
        ("hdfs://localhost:1/a", "Expected access to hdfs://localhost:1/a. Received: .*"),
    ],
)
def test_addresses_that_cannot_be_used_are_told_without_their_passwords(address: str, sentence: str) -> None:
    with pytest.raises((InputError, StorageError), match=sentence) as raised:
        Store.of(address).list()
    assert "hidden" not in str(raised.value)
