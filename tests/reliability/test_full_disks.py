"""Two steps on a disk with little room; all of them, with more sizes, are for the driver itself."""

import json
import subprocess
import sys

import pytest

from imgrec.settings import ROOT

pytestmark = pytest.mark.slow


def test_a_full_disk_is_a_sentence_and_leaves_nothing_partial() -> None:
    command = [sys.executable, "-m", "tests.reliability.full_disks", "--sizes", "2", "download", "registry"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert set(found) == {"download", "registry"}
    assert [sentence for step in found.values() for sentence in step["wrong"]] == []
