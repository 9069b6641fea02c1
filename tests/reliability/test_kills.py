"""Three kills of each step; thirty are for the driver itself."""

import json
import subprocess
import sys

import pytest

from imgrec.settings import ROOT

pytestmark = pytest.mark.slow


def test_kills_at_random_moments_lose_nothing() -> None:
    command = [sys.executable, "-m", "tests.reliability.kills", "--kills", "3", "--fast"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert [sentence for step in found.values() for sentence in step["wrong"]] == []
    assert len(found) == 6
    assert sum(step["hits"] for step in found.values()) > len(found)
