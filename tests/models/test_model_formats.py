"""Files of every format: the good ones are accepted, each hostile one is refused before a library sees it."""

import random
import time
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from imgrec.errors import CorruptWeightsError, ImgrecError, InputError, StorageError
from imgrec.models import model_file, model_formats
from imgrec.settings import MIB
from tests.models import hostile_formats, hostile_models, small_network

GOOD = small_network.FOLDER


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    zipfile.ZipFile(GOOD / "saved_model.zip").extractall(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("name", small_network.FILES)
def test_a_good_file_is_accepted(name: str) -> None:
    found = model_formats.check(GOOD / name)
    assert found.size_bytes == (GOOD / name).stat().st_size
    assert len(found.sha256()) == 64


def test_the_folder_of_a_saved_model_is_accepted(saved_model: Path) -> None:
    (saved_model / "README.txt").write_text("not read")
    found = model_formats.check(saved_model)
    assert found.files[0].name == "saved_model.pb"
    assert len(found.files) == 3
    before = found.sha256()
    (saved_model / "variables" / "variables.index").write_bytes(b"another")
    assert model_formats.check(saved_model).sha256() != before


def test_arrays_beside_an_onnx_file_belong_to_it(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(32))
    path = hostile_formats._outside("weights.bin", offset=16)(tmp_path)
    assert [file.name for file in model_formats.check(path).files] == ["hostile.onnx", "weights.bin"]
    with pytest.raises(CorruptWeightsError, match="does not have"):
        model_formats.check(hostile_formats._outside("weights.bin", offset=17)(tmp_path))


@pytest.mark.parametrize("name", hostile_formats.CONTAINERS)
def test_a_hostile_container_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = hostile_formats.CONTAINERS[name](tmp_path)
    before = set(tmp_path.rglob("*"))
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises((CorruptWeightsError, InputError), match="Received") as refused:
            model_formats.check(path)
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 10
    assert len(str(refused.value)) < 1000
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", hostile_formats.KERAS)
def test_a_hostile_whole_model_in_hdf5_is_refused(name: str, tmp_path: Path) -> None:
    path = hostile_formats.KERAS[name](tmp_path)
    with pytest.raises((CorruptWeightsError, InputError), match="Received"):
        read_hdf5(path)


def read_hdf5(path: Path) -> dict[str, Any]:
    model_file.check_arrays(path)
    return model_file.read_hdf5_config(path)


def test_a_whole_model_in_hdf5_is_accepted() -> None:
    assert read_hdf5(GOOD / "small.h5")["class_name"] == "Sequential"


@pytest.mark.parametrize("name", ["small.onnx", "small.tflite", "saved_model.zip", "small.keras"])
def test_damage_of_any_byte_is_a_sentence_or_nothing(name: str, tmp_path: Path) -> None:
    data = (GOOD / name).read_bytes()
    generator = random.Random(name)  # noqa: S311 (the same damage each time)
    path = tmp_path / name
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged[: generator.choice((len(data), generator.randrange(len(data))))])
        with suppress(ImgrecError):
            model_formats.check(path)


def test_what_is_no_model_has_a_sentence_that_helps(tmp_path: Path) -> None:
    for name, help in (
        ("net.pt", "torch.onnx.export"),
        ("net.bin", ".xml"),
        ("net.pb", "folder"),
        ("net.txt", ".onnx"),
    ):
        (tmp_path / name).write_bytes(b"1")
        with pytest.raises(InputError, match=help):
            model_formats.check(tmp_path / name)
    with pytest.raises(InputError, match="not there"):
        model_formats.check(tmp_path / "none.onnx")


def test_hostile_names_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        model_formats.check("a\0b.onnx")
    with pytest.raises((InputError, StorageError)):
        model_formats.check("x" * 300 + ".onnx")
    with pytest.raises(InputError, match="pipe"):
        model_formats.check(hostile_models.pipe(tmp_path / "pipe.tflite"))
