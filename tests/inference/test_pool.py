import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgrec.errors import BusyError, ConversionError, EngineError, MemoryBudgetError
from imgrec.inference.pool import EnginePool, Plan, _Part
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB
from tests.fakes import FakeEngine, FakeHead, fake_spec

BATCH = np.zeros((1, 224, 224, 3), np.uint8)

# Name → MiB; the budget of most tests is 10.
SIZES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "nine": 9, "eleven": 11}
SPECS = {name: fake_spec(name) for name in SIZES}


def size_of(spec: ModelSpec) -> int:
    return SIZES[spec.name] * MIB


class Loader:
    """Makes `FakeEngine`s, and keeps count of what is open now, was open at most, and was loaded how often."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.engines: list[FakeEngine] = []
        self.loads: Counter[str] = Counter()
        self.most_bytes = 0
        self.loading = 0
        self.most_loading = 0

    def __call__(self, spec: ModelSpec) -> FakeEngine:
        self.loads[spec.name] += 1
        self.loading += 1
        self.most_loading = max(self.most_loading, self.loading)
        time.sleep(self.seconds)
        engine = FakeEngine(size_of(spec))
        self.engines.append(engine)
        self.most_bytes = max(self.most_bytes, self.open_bytes)
        self.loading -= 1
        return engine

    @property
    def open_bytes(self) -> int:
        return sum(engine.memory_bytes for engine in self.engines if not engine.closed)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def pool(loader: Loader) -> EnginePool:
    return EnginePool(10 * MIB, loader, size_of, patience_s=0.2)


def names(pool: EnginePool) -> list[str]:
    return [row.name for row in pool.loaded()]


@contextmanager
def in_use(pool: EnginePool, *held: str) -> Iterator[None]:
    """Other threads are within an inference of the models called `held`."""
    with ExitStack() as leases:
        for name in held:
            leases.enter_context(pool._lease(_Part(SPECS[name])))
        yield


def test_predict_loads_once_and_tells_the_time_of_the_inference_alone() -> None:
    loader = Loader(seconds=0.05)
    pool = EnginePool(10 * MIB, loader, size_of)
    for _ in range(2):
        probabilities, milliseconds = pool.predict(SPECS["one"], BATCH)
        assert probabilities.shape == (1, 1000)
        assert milliseconds < 50
    assert loader.loads == {"one": 1}
    [loaded] = pool.loaded()
    assert loaded.load_milliseconds >= 50


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (["one", "two", "three"], ["one", "two", "three"]),
        (["six", "three", "four"], ["three", "four"]),
        (["six", "three", "six", "four"], ["six", "four"]),
        (["one", "two", "three", "six"], ["three", "six"]),
        (["six", "four", "one"], ["four", "one"]),
    ],
    ids=["all fit", "the oldest goes", "used again is not the oldest", "two go", "one goes, one stays"],
)
def test_the_least_recently_used_are_closed_to_make_room(
    pool: EnginePool, loader: Loader, asked: list[str], left: list[str]
) -> None:
    for name in asked:
        pool.load(SPECS[name])
    assert names(pool) == left
    assert pool.used_bytes == loader.open_bytes == sum(SIZES[name] for name in left) * MIB


def test_a_model_above_the_whole_budget_is_refused_with_figures_before_it_is_loaded(
    pool: EnginePool, loader: Loader
) -> None:
    pool.load(SPECS["six"])
    with pytest.raises(MemoryBudgetError, match=r"ELEVEN needs about 11 MiB; the budget .* is 10 MiB"):
        pool.predict(SPECS["eleven"], BATCH)
    assert names(pool) == ["six"]
    assert loader.loads == {"six": 1}


def test_what_is_in_use_is_not_closed_and_who_waits_too_long_is_told(pool: EnginePool) -> None:
    with in_use(pool, "six"):
        with pytest.raises(BusyError, match="FIVE needs about 5 MiB, and all loaded models are in use"):
            pool.load(SPECS["five"])
        pool.load(SPECS["four"])
    assert names(pool) == ["six", "four"]
    assert pool.used_bytes == 10 * MIB


def test_who_waits_for_room_goes_on_when_a_lease_ends(loader: Loader) -> None:
    pool = EnginePool(10 * MIB, loader, size_of, patience_s=10)
    with ThreadPoolExecutor(1) as threads:
        with in_use(pool, "six"):
            waiting = threads.submit(pool.load, SPECS["four"])
            waiting.result(5)
            waiting = threads.submit(pool.load, SPECS["three"])  # closes four, which is idle; fits
            waiting.result(5)
            waiting = threads.submit(pool.load, SPECS["nine"])
            time.sleep(0.05)
            assert not waiting.done()
        waiting.result(5)
    assert names(pool) == ["nine"]


def test_fifty_callers_cause_one_load() -> None:
    loader = Loader(seconds=0.05)
    pool = EnginePool(10 * MIB, loader, size_of)
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(lambda _: pool.predict(SPECS["six"], BATCH), range(50)))
    assert loader.loads == {"six": 1}
    assert [row.leases for row in pool.loaded()] == [0]


def test_a_failure_is_shared_by_those_who_wait_and_forgotten_afterwards() -> None:
    calls: list[str] = []
    everybody_waits = threading.Event()

    def load(spec: ModelSpec) -> FakeEngine:
        calls.append(spec.name)
        everybody_waits.wait(5)
        raise ConversionError("no such luck")

    pool = EnginePool(10 * MIB, load, size_of)
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(pool.load, SPECS["one"]) for _ in range(8)]
        while "one" not in pool._loads or pool._loads["one"].waiting < 8:
            time.sleep(0.001)
        everybody_waits.set()
        assert [str(future.exception(5)) for future in futures] == ["no such luck"] * 8
    assert calls == ["one"]
    assert pool.used_bytes == 0
    with pytest.raises(ConversionError):
        pool.load(SPECS["one"])
    assert calls == ["one", "one"]


def test_an_interrupted_load_ends_its_own_thread_and_is_a_sentence_for_the_others() -> None:
    everybody_waits = threading.Event()

    def load(spec: ModelSpec) -> FakeEngine:
        everybody_waits.wait(5)
        raise KeyboardInterrupt

    pool = EnginePool(10 * MIB, load, size_of)
    caught: list[BaseException] = []

    def pilot() -> None:
        try:
            pool.load(SPECS["one"])
        except KeyboardInterrupt as error:
            caught.append(error)

    first = threading.Thread(target=pilot)
    first.start()
    with ThreadPoolExecutor(1) as threads:
        while "one" not in pool._loads:
            time.sleep(0.001)
        second = threads.submit(pool.load, SPECS["one"])
        while pool._loads["one"].waiting < 2:
            time.sleep(0.001)
        everybody_waits.set()
        assert isinstance(second.exception(5), BusyError)
    first.join(5)
    assert len(caught) == 1
    assert pool.used_bytes == 0


@pytest.mark.parametrize("is_loaded", [False, True], ids=["while it is loaded", "when it is loaded"])
def test_an_interrupted_waiter_keeps_no_lease(is_loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    interrupts: list[bool] = []

    def load(spec: ModelSpec) -> FakeEngine:
        go_on.wait(5)
        return FakeEngine(size_of(spec))

    pool = EnginePool(10 * MIB, load, size_of)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(pool.load, SPECS["one"])
        while "one" not in pool._loads:
            time.sleep(0.001)
        result = pool._loads["one"].result
        wait = result.result

        def interrupted(timeout: float | None = None) -> object:
            if interrupts or threading.current_thread() is not threading.main_thread():
                return wait(timeout)
            interrupts.append(is_loaded)
            if is_loaded:
                go_on.set()
                wait(5)
            raise KeyboardInterrupt

        monkeypatch.setattr(result, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.load(SPECS["one"])
        go_on.set()
        first.result(5)
    assert [row.leases for row in pool.loaded()] == [0]


def test_preparing_comes_before_estimating_and_holds_no_bytes() -> None:
    events: list[str] = []

    def prepare(spec: ModelSpec) -> None:
        events.append(f"prepare, {pool.used_bytes} B")

    def estimate(spec: ModelSpec) -> int:
        events.append("estimate")
        return size_of(spec)

    def load(spec: ModelSpec) -> FakeEngine:
        events.append(f"load, {pool.used_bytes // MIB} MiB")
        return FakeEngine(size_of(spec))

    pool = EnginePool(10 * MIB, load, estimate, prepare)
    pool.load(SPECS["three"])
    assert events == ["prepare, 0 B", "estimate", "load, 3 MiB"]


@pytest.mark.parametrize(
    ("budget_mib", "left", "refused"),
    [(10, ["two", "six"], False), (7, ["six"], False), (5, [], True)],
    ids=["fits beside the others", "the others go", "above the budget"],
)
def test_an_engine_larger_than_estimated_is_counted_as_it_is(budget_mib: int, left: list[str], refused: bool) -> None:
    loader = Loader()
    pool = EnginePool(budget_mib * MIB, loader, estimate=lambda spec: 2 * MIB)
    pool.load(SPECS["two"])
    if refused:
        with pytest.raises(MemoryBudgetError, match="about 6 MiB"):
            pool.load(SPECS["six"])
        assert pool.plan([SPECS["six"]]).too_large == ("six",)
    else:
        pool.load(SPECS["six"])
    assert names(pool) == left
    assert pool.used_bytes == loader.open_bytes == sum(SIZES[name] for name in left) * MIB


def test_unload_closes_now_or_when_the_last_user_is_done(pool: EnginePool, loader: Loader) -> None:
    pool.load(SPECS["one"])
    pool.unload("one")
    pool.unload("never loaded")
    assert loader.open_bytes == 0
    with in_use(pool, "two"):
        pool.unload("two")
        assert [(row.name, row.leases) for row in pool.loaded()] == [("two", 1)]
        assert loader.open_bytes == 2 * MIB
    assert names(pool) == []
    assert loader.open_bytes == 0
    pool.load(SPECS["one"])
    pool.unload("one")
    assert (pool.used_bytes, loader.open_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("loaded", "wanted", "plan", "fits"),
    [
        ([], ["one", "two"], Plan(3 * MIB, 3 * MIB, 10 * MIB, (), ()), True),
        (["one"], ["one", "two"], Plan(3 * MIB, 2 * MIB, 10 * MIB, (), ()), True),
        (["six", "three"], ["four"], Plan(4 * MIB, 4 * MIB, 10 * MIB, ("six",), ()), True),
        (["one", "six"], ["one", "five"], Plan(6 * MIB, 5 * MIB, 10 * MIB, ("six",), ()), True),
        (["six"], ["six", "four", "three"], Plan(13 * MIB, 7 * MIB, 10 * MIB, ("six",), ()), False),
        (["six"], ["one", "eleven"], Plan(12 * MIB, 1 * MIB, 10 * MIB, (), ("eleven",)), False),
    ],
    ids=[
        "nothing loaded",
        "one is there",
        "one must go",
        "another goes before a wanted one",
        "not all together",
        "one is too large",
    ],
)
def test_a_plan_says_what_it_would_take(
    pool: EnginePool, loader: Loader, loaded: list[str], wanted: list[str], plan: Plan, fits: bool
) -> None:
    for name in loaded:
        pool.load(SPECS[name])
    assert pool.plan([SPECS[name] for name in wanted]) == plan
    assert plan.fits == fits
    assert sum(loader.loads.values()) == len(loaded)


def test_one_inference_at_a_time_in_the_whole_process() -> None:
    at_once, most = 0, 0

    class Counting(FakeEngine):
        def predict(self, batch: np.ndarray) -> np.ndarray:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            time.sleep(0.002)
            at_once -= 1
            return super().predict(batch)

    pools = [EnginePool(10 * MIB, lambda spec: Counting(), size_of) for _ in range(2)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: pools[i % 2].predict(SPECS[["one", "two"][i // 2 % 2]], BATCH), range(24)))
    assert most == 1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    budget_mib=st.integers(6, 16),
    threads=st.integers(2, 8),
    slow=st.booleans(),
)
def test_many_threads_keep_to_the_budget_and_all_get_their_answers(
    seed: int, budget_mib: int, threads: int, slow: bool
) -> None:
    loader = Loader(seconds=0.001 if slow else 0.0)
    pool = EnginePool(budget_mib * MIB, loader, size_of, patience_s=30)
    choices = random.Random(seed)  # noqa: S311 (no secret)
    fitting = [spec for spec in SPECS.values() if size_of(spec) <= pool.budget_bytes]
    steps: dict[str, Callable[[ModelSpec], object]] = {
        "predict": lambda spec: pool.predict(spec, BATCH),
        "load": pool.load,
        "unload": lambda spec: pool.unload(spec.name),
        "look": lambda spec: (pool.loaded(), pool.plan([spec])),
    }
    weighted = ["predict"] * 6 + ["load", "unload", "look"]
    work = [[(choices.choice(weighted), choices.choice(fitting)) for _ in range(25)] for _ in range(threads)]

    def run(tasks: list[tuple[str, ModelSpec]]) -> None:
        for step, spec in tasks:
            steps[step](spec)
            assert pool.used_bytes <= pool.budget_bytes

    with ThreadPoolExecutor(threads) as executor:
        futures = [executor.submit(run, tasks) for tasks in work]
        for future in futures:
            future.result(60)  # no deadlock; an engine used after close fails here
    assert loader.most_bytes <= pool.budget_bytes
    assert loader.most_loading == 1
    assert pool.used_bytes == loader.open_bytes
    assert not any(row.leases for row in pool.loaded())
    for name in names(pool):
        pool.unload(name)
    assert loader.open_bytes == 0


def test_borrowed_bytes_count_until_the_block_ends_and_idle_engines_make_room(loader: Loader) -> None:
    pool = EnginePool(10 * MIB, load=loader, estimate=size_of)
    pool.load(SPECS["six"])
    with pool.borrow("Feature maps", 5 * MIB):
        assert pool.used_bytes == 5 * MIB
        assert pool.loaded() == []
    assert pool.used_bytes == 0


def test_bytes_are_given_back_when_a_borrower_fails(loader: Loader) -> None:
    pool = EnginePool(10 * MIB, load=loader, estimate=size_of)
    with pytest.raises(ConversionError), pool.borrow("Feature maps", 5 * MIB):
        raise ConversionError("Expected maps. Received: none.")
    assert pool.used_bytes == 0
    with (
        pytest.raises(MemoryBudgetError, match="Feature maps needs about 11 MiB"),
        pool.borrow("Feature maps", 11 * MIB),
    ):
        pytest.fail("borrowed more than there is")


def test_heads_are_loaded_apart_and_count_with_the_networks() -> None:
    heads: list[FakeHead] = []

    def load_head(spec: ModelSpec) -> FakeHead:
        heads.append(FakeHead(size_of(spec)))
        return heads[-1]

    pool = EnginePool(10 * MIB, lambda spec: FakeEngine(size_of(spec)), size_of, patience_s=0.2, load_head=load_head)
    features = np.zeros((1, 7, 7, 8), np.float32)
    assert pool.observe(SPECS["four"], BATCH[0])[0].probabilities.argmax() == 281
    found = pool.locate(SPECS["four"], features)
    assert (found.logits.shape, names(pool), pool.used_bytes) == (
        (7, 7, 1000),
        ["four", "four:head"],
        8 * MIB,
    )
    pool.locate(SPECS["four"], features)
    pool.load(SPECS["nine"])  # both must go
    assert names(pool) == ["nine"]
    assert [head.closed for head in heads] == [True]
    pool.locate(SPECS["one"], features)
    pool.unload("one")
    assert names(pool) == ["nine"]
    assert [head.closed for head in heads] == [True, True]


def test_a_pool_without_heads_says_so(pool: EnginePool) -> None:
    with pytest.raises(EngineError, match="ONE"):
        pool.locate(SPECS["one"], np.zeros((1, 7, 7, 8), np.float32))


def test_values_go_to_the_same_engine_as_bytes(loader: Loader) -> None:
    pool = EnginePool(10 * MIB, loader, size_of)
    pool.predict(SPECS["one"], BATCH)
    probabilities, milliseconds = pool.predict_values(SPECS["one"], BATCH.astype(np.float32) - 300)
    assert probabilities.shape == (1, 1000)
    assert milliseconds >= 0
    assert loader.loads == {"one": 1}
