"""The demo image's promise: not root, no capabilities, a read-only root, one data folder."""

import re

import pytest

from imgrec.settings import ROOT
from tests.reliability import read_only_root

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_unprivileged_server_on_a_read_only_root_answers() -> None:
    if reason := read_only_root.why_not():
        pytest.skip(f"Not possible here: {reason}.")
    found = read_only_root.attack()
    assert read_only_root.is_held(found), found
    assert '"espresso"' in found["answer"]


def test_the_image_installs_what_the_lock_names_and_runs_as_another_user_than_root() -> None:
    assert "pip install --require-hashes --only-binary :all: -r requirements.lock" in DOCKERFILE
    assert DOCKERFILE.count("pip install") == 1
    assert re.search(r"^USER 1000$", DOCKERFILE, re.MULTILINE)
    assert "CMD" in DOCKERFILE.split("USER 1000")[1]


def test_the_lock_has_what_requirements_pin_each_with_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", lock.strip())
    locked = {}
    for block in blocks:
        name, version = re.match(r"([a-z0-9.-]+)==([^\s;\\]+)", block).groups()  # type: ignore[union-attr]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), name
        locked[name] = version
    wanted = {}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([A-Za-z0-9_-]+)==([^\s;#]+)", line):
            wanted[found[1].lower().replace("_", "-")] = found[2]
    trained_with = {"tensorflow", "tensorflow-cpu", "keras-tuner"}
    assert {name: locked.get(name) for name in wanted if name not in trained_with} == {
        name: version for name, version in wanted.items() if name not in trained_with
    }
    assert not trained_with & locked.keys()
    assert "nncf" in locked, "the demo makes compact twins"
    assert "://" not in lock
