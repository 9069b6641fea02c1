"""How a job is followed: over each other on a terminal, line by line elsewhere."""

import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from imgrec.cli.terminal import Line, follow
from imgrec.jobs import Job

LINES = [
    Line("reading the images"),
    Line("epoch 1 of 2 · loss 2.000", 0.25, ("left out: cats/x.jpg: broken",)),
    Line("epoch 1 of 2 · loss 1.000 · validation 50.0 % · 8.0 s left", 0.5, ("left out: cats/x.jpg: broken",)),
    Line("epoch 2 of 2 " + 100 * "x", 1.0, ("left out: cats/x.jpg: broken",)),
]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "end.json").write_text('{"state": "finished"}')
    return Job(tmp_path)


def test_a_terminal_has_a_bar_and_what_was_left_out_above_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, 20)))
    follow(job, LINES, "imgrec train")
    drawn = screen.getvalue().split("\r\x1b[K")
    assert drawn[1:3] == ["reading the images", "imgrec: left out: cats/x.jpg: broken\n"]
    assert drawn[3] == "[██████··················] epoch 1 of 2 · loss 2.000"
    assert drawn[4] == "[████████████············] epoch 1 of 2 · 8.0 s left"
    assert len(drawn[5].rstrip("\n")) == 59, "a longer one could not be drawn over"
    assert len(drawn) == 6


def test_elsewhere_each_part_is_a_line(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    follow(job, LINES, "imgrec train")
    assert capsys.readouterr().err.splitlines() == [
        "reading the images",
        "imgrec: left out: cats/x.jpg: broken",
        LINES[1].text,
        LINES[3].text,
    ]
