"""The gate: one at a time, in order, and a sheet of many images does not hold up one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imgrec.inference import pool as pool_module
from imgrec.inference.gate import Gate
from imgrec.inference.pool import EnginePool
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB
from tests.fakes import FakeEngine, fake_spec

PATIENCE_S = 30.0


def wait_for(condition: threading.Event, gate: Gate, waiting: int) -> None:
    """Return when so many threads wait for `gate`."""
    while gate.waiting < waiting:
        assert not condition.wait(0.001)


def test_threads_pass_in_the_order_in_which_they_came() -> None:
    gate, never = Gate(), threading.Event()
    passed: list[int] = []

    def enter(number: int) -> None:
        with gate:
            passed.append(number)

    with ThreadPoolExecutor(8) as threads, gate:
        for number in range(8):
            threads.submit(enter, number)
            wait_for(never, gate, number + 1)
    assert passed == list(range(8))
    with gate:
        assert gate.waiting == 0


def test_one_at_a_time_however_many_come() -> None:
    gate, inside, most = Gate(), 0, 0

    def enter(_: int) -> None:
        nonlocal inside, most
        with gate:
            inside += 1
            most = max(most, inside)
            inside -= 1

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(enter, range(500)))
    assert most == 1


def test_a_thread_that_fails_inside_lets_the_next_one_through() -> None:
    gate = Gate()
    with pytest.raises(ZeroDivisionError), gate:
        raise ZeroDivisionError
    with gate:
        assert gate.waiting == 0


def test_one_that_is_interrupted_while_it_waits_takes_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()

    class Interrupted:
        """A lock whose second `acquire` ends as by Ctrl-C."""

        def __init__(self) -> None:
            self.asked = 0

        def acquire(self) -> None:
            self.asked += 1
            if self.asked == 2:
                raise KeyboardInterrupt

    with gate:
        monkeypatch.setattr(threading, "Lock", Interrupted)
        with pytest.raises(KeyboardInterrupt), gate:
            pass
        monkeypatch.undo()
        assert gate.waiting == 0
    with gate:
        pass


def test_a_call_is_computed_at_once_where_nothing_waits() -> None:
    gate = Gate()
    assert gate.run(threading.get_ident) == threading.get_ident()
    assert gate.run(lambda: gate.waiting) == 0


def test_calls_that_wait_are_computed_in_order_by_one_thread_and_threads_come_through_in_between() -> None:
    gate, never = Gate(), threading.Event()
    passed: list[tuple[int, int]] = []

    def note(number: int) -> int:
        passed.append((number, threading.get_ident()))
        return number

    def enter(number: int) -> int:
        with gate:
            return note(number)

    with ThreadPoolExecutor(9) as threads:
        with gate:
            found = []
            for number in range(9):
                found.append(
                    threads.submit(enter, number)
                    if number == 4
                    else threads.submit(lambda number=number: gate.run(lambda: note(number)))
                )
                wait_for(never, gate, number + 1)
        assert [one.result(PATIENCE_S) for one in found] == list(range(9))
    assert [number for number, _ in passed] == list(range(9))
    assert len({thread for number, thread in passed if number != 4}) == 1
    with gate:
        assert gate.waiting == 0


def test_one_at_a_time_however_calls_and_threads_are_mixed() -> None:
    gate, inside, most = Gate(), 0, 0

    def compute() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        inside -= 1

    def enter(number: int) -> None:
        if number % 3:
            gate.run(compute)
        else:
            with gate:
                compute()

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(enter, range(1_000)))
    assert most == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_the_error_of_a_call_is_raised_where_it_waits_and_the_next_one_is_computed(error: type[BaseException]) -> None:
    gate, never = Gate(), threading.Event()

    def fail() -> None:
        raise error

    with pytest.raises(error):
        gate.run(fail)
    with ThreadPoolExecutor(2) as threads:
        with gate:
            failing = threads.submit(lambda: gate.run(fail))
            wait_for(never, gate, 1)
            other = threads.submit(lambda: gate.run(lambda: 5))
            wait_for(never, gate, 2)
        with pytest.raises(error):
            failing.result(PATIENCE_S)
        assert other.result(PATIENCE_S) == 5


def test_a_call_whose_caller_is_interrupted_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, computed = Gate(), []

    class Interrupted:
        def result(self) -> None:
            raise KeyboardInterrupt

    with gate:
        monkeypatch.setattr("imgrec.inference.gate.Future", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            gate.run(lambda: computed.append(1))
        monkeypatch.undo()
        assert gate.waiting == 0
    with gate:
        assert not computed


class SlowEngine(FakeEngine):
    """Writes down whose image it is asked about, and waits at the first one until a visitor has come."""

    def __init__(self, asked: list[int], visitor_has_come: threading.Event) -> None:
        super().__init__()
        self.asked, self.visitor_has_come = asked, visitor_has_come

    def predict(self, batch: np.ndarray) -> np.ndarray:
        self.asked += [int(image[0, 0, 0]) for image in batch]
        assert self.visitor_has_come.wait(PATIENCE_S)
        return super().predict(batch)


@pytest.mark.parametrize("models", [1, 3])
def test_a_visitor_waits_for_one_image_of_a_sheet_and_not_for_all(monkeypatch: pytest.MonkeyPatch, models: int) -> None:
    gate, has_come = Gate(), threading.Event()
    asked: list[int] = []
    monkeypatch.setattr(pool_module, "_GATE", gate)

    def load(spec: ModelSpec) -> FakeEngine:
        return SlowEngine(asked, has_come)

    pool = EnginePool(64 * MIB, load, lambda spec: MIB)
    specs = [fake_spec(f"model_{number}") for number in range(models)]
    sheet, image = np.zeros((16, 8, 8, 3), np.uint8), np.ones((1, 8, 8, 3), np.uint8)
    for spec in specs:
        pool.load(spec)

    with ThreadPoolExecutor(2) as threads:
        all_images = threads.submit(lambda: [pool.predict(spec, sheet)[0] for spec in specs])
        while not asked:
            assert not has_come.wait(0.001)
        one = threads.submit(pool.predict, specs[-1], image)
        wait_for(has_come, gate, 1)
        has_come.set()
        assert one.result(PATIENCE_S)[0].shape == (1, 1000)
        assert [found.shape for found in all_images.result(PATIENCE_S)] == [(16, 1000)] * models
    assert asked[:2] == [0, 1]
    assert asked.count(0) == 16 * models
