"""Turns of threads: how many are at work, and what happens where one waits."""

import threading

import pytest

from imgrec.inference import turns


@pytest.fixture(autouse=True)
def one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_free", threading.Semaphore(1))


def test_one_at_a_time_and_others_while_it_waits() -> None:
    has_begun, may_leave, may_end = threading.Event(), threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        with turns.taken():
            has_begun.set()
            may_leave.wait(10)
            with turns.left():
                may_end.wait(10)
            done.append("first")

    def second() -> None:
        with turns.taken():
            done.append("second")
        may_end.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert has_begun.wait(10)
    threads[1].start()
    threads[1].join(0.05)
    assert done == []
    may_leave.set()
    for thread in threads:
        thread.join(10)
    assert done == ["second", "first"]
    assert turns._free.acquire(blocking=False), "all turns are given back"


def test_a_turn_is_given_back_where_a_page_fails() -> None:
    with pytest.raises(ZeroDivisionError), turns.taken():
        _ = 1 / 0
    assert turns._free.acquire(blocking=False)


def test_a_thread_without_a_turn_leaves_none() -> None:
    with turns.left():
        assert turns._free.acquire(blocking=False)
    assert not turns._free.acquire(blocking=False)


def test_a_page_that_hangs_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 0.01)
    assert turns._free.acquire(blocking=False)
    with turns.taken():
        pass
    assert not turns._free.acquire(blocking=False), "what was not taken is not given back"
