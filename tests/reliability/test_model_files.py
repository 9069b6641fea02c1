"""Hostile model files that only the worker refuses: where a network is built, its weights loaded, its output tried.

The others are refused before: see tests/models/test_model_file.py.
"""

import json
import subprocess
import sys

import pytest

from imgrec.settings import ROOT
from tests.models.test_model_file import BUILT

pytestmark = pytest.mark.slow


def test_only_the_worker_suffers() -> None:
    command = [sys.executable, "-m", "tests.reliability.model_files", "good", *sorted(BUILT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert set(found) == {"good", *BUILT}
    # Times depend on what else runs on the machine.
    wrong = {
        name: [sentence for sentence in row["wrong"] if not sentence.endswith(" s")] for name, row in found.items()
    }
    assert wrong == {name: [] for name in found}
    assert all("Received" in row["said"] for name, row in found.items() if name != "good")
