"""Fixtures shared by all tests. What needs data beside the project skips with a sentence when it is absent."""

import os
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from imgrec.settings import Settings

# Without a deadline: a busy machine must not fail a property.
hypothesis_settings.register_profile("imgrec", deadline=None, max_examples=50)
hypothesis_settings.load_profile("imgrec")


@pytest.fixture
def test_data() -> Path:
    """The folder of IMGREC_TEST_DATA: real pictures (gallery, imagenet_sample_even, imagenet_val_a)."""
    folder = Path(os.environ.get("IMGREC_TEST_DATA", "/nonexistent"))
    if not folder.is_dir():
        pytest.skip("IMGREC_TEST_DATA names no folder with real pictures")
    return folder


@pytest.fixture
def keras_home() -> Path:
    """The folder of KERAS_HOME, if it holds any weights."""
    folder = Path(os.environ.get("KERAS_HOME", "/nonexistent"))
    if not list((folder / "models").glob("*.h5")):
        pytest.skip("KERAS_HOME names no folder with weights under models/")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose folders are fresh and whose network is off."""
    return Settings.from_env(
        {
            "IMGREC_HOME": str(tmp_path / "imgrec"),
            "KERAS_HOME": str(tmp_path / "keras"),
            "IMGREC_MEMORY_MIB": "2048",
            "IMGREC_OFFLINE": "1",
        }
    )
