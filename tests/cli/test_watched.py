"""A command whose process Ray ends says how to go on; any other end is handed on."""

import subprocess
import sys

import pytest

from imgrec.cli import watched
from imgrec.settings import ROOT

HEAD = "import os, signal, sys; from imgrec.cli import watched; watched.leave_to_child(); "


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("evaluate --engine ray --data x", True),
        ("predict x --engine=ray", True),
        ("predict ray --engine local", False),
        ("evaluate --data ray", False),
        ("serve --engine ray", False),
        ("", False),
    ],
)
def test_what_is_watched(words: str, expected: bool) -> None:
    assert watched.uses_cluster(words.split()) is expected


@pytest.mark.parametrize(
    ("end", "code", "is_told"),
    [
        ("print('done')", 0, False),
        ("sys.exit(2)", 2, False),
        ("raise ValueError", 1, False),
        ("os._exit(1)", 2, True),
        ("os.kill(os.getpid(), signal.SIGABRT)", 2, True),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, False),
    ],
)
def test_only_an_end_that_is_not_pythons_own_is_told(end: str, code: int, is_told: bool) -> None:
    done = subprocess.run([sys.executable, "-c", HEAD + end], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert (watched.GONE in done.stderr) is is_told
    assert ("Traceback" in done.stderr) is (end == "raise ValueError")
