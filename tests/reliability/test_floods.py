"""Floods of images, uploads and tabs, each smaller than what the driver sends by hand, against one server."""

import asyncio
import urllib.parse
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.reliability import aborted_uploads, forgotten_uploads, many_tabs, tall_images
from tests.reliability.attacked_server import attacked

pytestmark = pytest.mark.slow

SESSION_MIB, SESSIONS_MIB, TABS = 24, 40, 7


def apart(attack: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Run an attack in a thread: a browser of other tests keeps the loop of this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, attack).result()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("floods") / "log.txt"


@pytest.fixture(scope="module")
def place(log: Path) -> Iterator[tuple[str, int]]:
    """The host and the port of a demo with little room."""
    limits = {"SESSION_MIB": SESSION_MIB, "SESSIONS_MIB": SESSIONS_MIB, "MAX_SESSIONS": TABS}
    with attacked(None, log, **{f"IMGREC_{name}": str(value) for name, value in limits.items()}) as address:
        found = urllib.parse.urlsplit(address)
        yield found.hostname or "", found.port or 0


@pytest.mark.exhaustive  # a minute of waiting
def test_tall_images_are_small_in_memory_and_gone_with_their_tab(place: tuple[str, int]) -> None:
    found = apart(tall_images.attack(*place, images=8, closed_s=55.0))
    assert found["accepted"] == 8
    assert found["peak_mib"] <= found["idle_mib"] + tall_images.MOST_MIB, found
    assert found["closed_mib"] <= found["idle_mib"] + tall_images.MOST_AFTER_MIB, found


def test_aborted_uploads_leave_a_line_each(place: tuple[str, int], log: Path) -> None:
    found = apart(aborted_uploads.attack(*place, log, after_s=1.0))
    assert found["log_lines_each"] == 1.0
    assert "Traceback" not in log.read_text()


def test_uploads_beyond_the_quota_are_refused(place: tuple[str, int]) -> None:
    found = apart(forgotten_uploads.attack(*place, file_mib=4, files=8, gone_s=0.0))
    assert found["accepted_of_one_tab_mib"] == SESSION_MIB
    assert found["accepted_of_all_tabs_mib"] == SESSIONS_MIB
    assert set(found["statuses"]) == {"204", "413", "429"}


def test_a_full_server_says_so_and_those_inside_go_on(place: tuple[str, int]) -> None:
    found = apart(many_tabs.attack(*place, tabs=TABS + 2))
    assert (found["inside"], found["statuses"], found["those_inside_go_on"]) == (TABS, [503], True)
    assert found["page"] == (503, "20", True)
    assert found["page_when_they_have_gone"] == 200
