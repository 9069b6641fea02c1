"""Loaded engines under one memory budget, shared by all threads of the process.

How it keeps to the budget:
- bytes are reserved before a network is loaded, and one network is loaded at a time (compiling takes all cores
  and, for a moment, more memory than the result);
- room is made by closing idle engines, the least recently used first, before a caller waits;
- an engine in use is leased and never closed; when a lease ends, waiting callers check again;
- one thread loads a network, and all callers that need it share the result or the failure.

Inferences go one after another through one gate for the process: each has all cores, and its time is its own. Of many
images each passes it apart, so that those of others come in between. Engines that compute elsewhere need no gate (see
`Compute`).
Knows no files, images or labels.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Protocol, TypeVar, cast

import numpy as np

from imgrec.errors import BusyError, EngineError, MemoryBudgetError
from imgrec.inference import turns
from imgrec.inference.engine import Activations, Contributions, Engine, Head
from imgrec.inference.gate import Gate
from imgrec.inference.process_info import give_back_memory, usable_cores
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB

# How long a caller waits for room or for its turn to load before `BusyError`. The largest networks load in some
# seconds; a visitor leaves before a minute is over.
PATIENCE_S = 60.0

# How often a network that turned out larger than estimated is tried with the size that it had.
MAX_TRIES = 3

# For the process, not for a pool: two inferences at once take twice as long each.
_GATE = Gate()

# Held while a network is loaded: the next one reserves memory when this one's size is known.
_LOADING = threading.Semaphore()

Found = TypeVar("Found")


class Compute(Protocol):
    """The way in which calls of engines are computed."""

    def __call__(self, engine: Engine, call: Callable[[Engine], Found]) -> tuple[Found, float]:
        """Return what `call` computes with `engine`, and the seconds that it takes, without waiting."""


def one_after_another(engine: Engine, call: Callable[[Engine], Found]) -> tuple[Found, float]:
    """Compute as `Compute`, on the cores of this process, which each call has for itself."""

    def timed() -> tuple[Found, float]:
        start = time.perf_counter()
        found = call(engine)
        return found, time.perf_counter() - start

    return _GATE.run(timed)


@dataclass(slots=True, eq=False)
class LoadedEngine:
    """A loaded engine; `leases` counts its callers, and an `unwanted` one is closed when the last lease ends."""

    name: str
    engine: Engine | Head
    memory_bytes: int
    load_milliseconds: float
    leases: int = 0
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """What is loaded of a model: its network, or the head that explains it."""

    spec: ModelSpec
    is_head: bool = False

    @property
    def name(self) -> str:
        return f"{self.spec.name}:head" if self.is_head else self.spec.name

    @property
    def title(self) -> str:
        return f"The head of {self.spec.title}" if self.is_head else self.spec.title


@dataclass(slots=True, eq=False)
class _Load:
    """A load in progress; `waiting` counts the threads that share its result, each with a lease."""

    waiting: int = 0
    result: Future[LoadedEngine] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Plan:
    """The memory that some models need together, computed before anything is loaded.

    `total_bytes` is for all of them, `missing_bytes` for those not yet loaded. `evicted` are the loaded engines
    that would be closed to make room (some of these models among them, if they do not fit together: they run
    anyway, but are loaded again each time). `too_large` models do not fit even alone and are refused.
    """

    total_bytes: int
    missing_bytes: int
    budget_bytes: int
    evicted: tuple[str, ...]
    too_large: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether all of them can stay loaded together."""
        return self.total_bytes <= self.budget_bytes


def describe_here() -> str:
    """Return what computes where engines are in this process, in a sentence."""
    cores = usable_cores()
    return f"Models run in this server, with OpenVINO on {cores} core{'s' if cores > 1 else ''}."


class EnginePool:
    """Engines for `ModelSpec`s, loaded at their first use; any thread may call any method.

    `load` makes the engine of a spec; `estimate` returns the bytes that it will hold. `prepare` is called before
    `estimate` for what takes long without memory: fetching, converting. All callers that wait for a model get what
    the three raise. `load_head` makes the head of a spec, which has an entry of its own, called `<model>:head`.
    `identify` returns the sha256 of the weights of a spec, "" where it is not known. `describe` returns what computes,
    in a sentence. Engines elsewhere differ in `compute`, in `images_at_once` of a call, and in `loading`, of which a
    load takes one.
    """

    def __init__(
        self,
        budget_bytes: int,
        load: Callable[[ModelSpec], Engine],
        estimate: Callable[[ModelSpec], int],
        prepare: Callable[[ModelSpec], object] = lambda spec: None,
        patience_s: float = PATIENCE_S,
        load_head: Callable[[ModelSpec], Head] | None = None,
        identify: Callable[[ModelSpec], str] = lambda spec: "",
        compute: Compute = one_after_another,
        images_at_once: int = 1,
        loading: threading.Semaphore = _LOADING,
        describe: Callable[[], str] = describe_here,
    ) -> None:
        self.budget_bytes = budget_bytes
        self._load = load
        self._load_head = load_head
        self._estimate = estimate
        self._prepare = prepare
        self.identify = identify
        self._patience_s = patience_s
        self.describe = describe
        self._compute = compute
        self._images_at_once = images_at_once
        self._loading = loading
        # Called with the name of the model and the seconds of an inference, and when it was closed to make room.
        self.on_inference: Callable[[str, float], None] = lambda model, seconds: None
        self.on_eviction: Callable[[str], None] = lambda model: None
        # Guards everything below; notified whenever bytes or leases are given back.
        self._changed = threading.Condition()
        self._engines: dict[str, LoadedEngine] = {}  # least recently used first
        self._loads: dict[str, _Load] = {}
        self._reserved: dict[str, int] = {}
        self._sizes: dict[str, int] = {}  # bytes that an engine was found to hold

    def predict(self, spec: ModelSpec, batch: np.ndarray) -> tuple[np.ndarray, float]:
        """Run the network of `spec`, loading it first where needed.

        Args:
            spec: The model.
            batch: uint8 (N, H, W, 3).

        Returns:
            float32 probabilities (N, C), and the milliseconds of the inferences, without loading and waiting.

        Raises:
            MemoryBudgetError: The network is larger than the whole budget.
            BusyError: No room became free in time.
            ImgrecError: Preparing, loading or running failed.
        """
        step, parts, milliseconds = self._images_at_once, [], 0.0
        # An empty batch is asked about once, for its shape.
        blocks = [batch[at : at + step] for at in range(0, len(batch), step)] if len(batch) > step else [batch]
        with self._lease(_Part(spec)) as loaded:
            for block in blocks:
                found, taken = self._timed(spec, cast(Engine, loaded), methodcaller("predict", block))
                parts.append(found)
                milliseconds += taken
        return np.concatenate(parts), milliseconds

    def predict_values(self, spec: ModelSpec, values: np.ndarray) -> tuple[np.ndarray, float]:
        """Run the network of `spec` as `predict`, on float32 `values` (N, H, W, 3): see `Engine.predict_values`."""
        with self._lease(_Part(spec)) as loaded:
            return self._timed(spec, cast(Engine, loaded), lambda engine: engine.predict_values(values))

    def observe(self, spec: ModelSpec, image: np.ndarray) -> tuple[Activations, float]:
        """Return what the network of `spec` computes for `image`, uint8 (H, W, 3), and the time as `predict` does."""
        with self._lease(_Part(spec)) as loaded:
            return self._timed(spec, cast(Engine, loaded), lambda engine: engine.observe(image))

    def locate(self, spec: ModelSpec, features: np.ndarray) -> Contributions:
        """Return what each position of `features` adds to the logits, as `Head.locate` does.

        Raises as `predict`, and `EngineError` for a network without a head of the expected form.
        """
        with self._lease(_Part(spec, is_head=True)) as loaded, _GATE:
            return cast(Head, loaded).locate(features)

    def _timed(self, spec: ModelSpec, engine: Engine, call: Callable[[Engine], Found]) -> tuple[Found, float]:
        """Return what `call` computes with the engine of `spec` and the milliseconds; tell of the inference."""
        found, seconds = self._compute(engine, call)
        self.on_inference(spec.name, seconds)
        return found, seconds * 1e3

    @contextmanager
    def borrow(self, title: str, need_bytes: int) -> Iterator[None]:
        """Hold `need_bytes` of the budget, and the gate, within the block: for a computation that is no engine's.

        Raises `MemoryBudgetError` and `BusyError` as `predict`, in sentences about `title`.
        """
        # The name of no model, and different for each caller.
        name = f"{title} {threading.get_ident()}"
        with turns.left():
            self._reserve(name, title, need_bytes)
            try:
                with _GATE:
                    yield
            finally:
                give_back_memory()
                with self._changed:
                    del self._reserved[name]
                    self._changed.notify_all()

    @contextmanager
    def _lease(self, part: _Part) -> Iterator[Engine | Head]:
        """Yield the engine or head, which cannot be closed within the block; raises as `predict`."""
        leased = self._acquire(part)
        try:
            yield leased.engine
        finally:
            with self._changed:
                self._release(leased)

    def load(self, spec: ModelSpec) -> None:
        """Have the network of `spec` loaded, as `predict` would."""
        with self._lease(_Part(spec)):
            pass

    def unload(self, name: str) -> None:
        """Close the engine called `name` and its head, or have their last users close them."""
        with self._changed:
            for loaded in [one for one in self._engines.values() if one.name in (name, f"{name}:head")]:
                loaded.unwanted = True
                if loaded.leases == 0:
                    self._close(loaded)

    def loaded(self) -> list[LoadedEngine]:
        """Return what is loaded now, the least recently used first."""
        with self._changed:
            return list(self._engines.values())

    @property
    def used_bytes(self) -> int:
        """What loaded engines hold, and what is reserved for those that are being loaded."""
        with self._changed:
            return sum(loaded.memory_bytes for loaded in self._engines.values()) + sum(self._reserved.values())

    def plan(self, specs: Iterable[ModelSpec]) -> Plan:
        """Return what running `specs` together would take; loads nothing and changes nothing."""
        needs = {spec.name: self._need(_Part(spec)) for spec in specs}
        held = {loaded.name: loaded.memory_bytes for loaded in self.loaded()}
        too_large = tuple(name for name, need in needs.items() if need > self.budget_bytes)
        missing = sum(need for name, need in needs.items() if name not in held and name not in too_large)
        over = sum(held.values()) + missing - self.budget_bytes
        evicted = []
        # The others go first: using these models makes them the most recently used.
        for name in sorted(held, key=lambda name: name in needs):
            if over > 0:
                evicted.append(name)
                over -= held[name]
        return Plan(sum(needs.values()), missing, self.budget_bytes, tuple(evicted), too_large)

    def _acquire(self, part: _Part) -> LoadedEngine:
        """Return the engine of `part` with a lease for the caller, loaded if it must be."""
        with self._changed:
            if (loaded := self._engines.pop(part.name, None)) is not None:
                self._engines[part.name] = loaded  # now the most recently used
                loaded.leases += 1
                return loaded
            is_first = part.name not in self._loads
            loading = self._loads.setdefault(part.name, _Load())
            loading.waiting += 1
        try:
            with turns.left():
                if is_first:
                    self._run(part, loading)
                return loading.result.result()
        except Exception:
            raise
        except BaseException:  # Ctrl-C: the lease that is coming must end
            self._leave(loading)
            raise

    def _run(self, part: _Part, loading: _Load) -> None:
        """Load the engine, and give it or the error to all waiting threads."""
        try:
            self._prepare(part.spec)
            if not self._loading.acquire(timeout=self._patience_s):
                raise BusyError(f"Other models are being loaded. Try {part.title} again in a minute.")
            try:
                outcome: LoadedEngine | Exception = self._load_within_budget(part)
            finally:
                self._loading.release()
        except Exception as error:
            outcome = error
        except BaseException:  # Ctrl-C, or the end of a rerun: it stops this thread, not the waiting ones
            outcome = BusyError(f"Loading {part.title} was interrupted. Try again.")
            raise
        finally:
            with self._changed:
                del self._loads[part.name]
                self._reserved.pop(part.name, None)
                if isinstance(outcome, Exception):
                    loading.result.set_exception(outcome)
                else:
                    outcome.leases = loading.waiting
                    self._engines[part.name] = outcome
                    loading.result.set_result(outcome)
                self._changed.notify_all()

    def _load_within_budget(self, part: _Part) -> LoadedEngine:
        """Return the loaded engine, its bytes still reserved; the caller holds `_loading`."""
        for _ in range(MAX_TRIES):
            self._reserve(part.name, part.title, self._need(part))
            start = time.perf_counter()
            engine = self._open(part)
            give_back_memory()  # what compiling has left: some megabytes for each network
            loaded = LoadedEngine(part.name, engine, engine.memory_bytes, (time.perf_counter() - start) * 1e3)
            with self._changed:
                self._sizes[part.name] = loaded.memory_bytes
                reserved = self._reserved.pop(part.name)
                # Larger than reserved: it may still fit, if others are closed.
                if loaded.memory_bytes <= reserved or self._make_room(loaded.memory_bytes):
                    self._reserved[part.name] = loaded.memory_bytes
                    return loaded
            engine.close()
            give_back_memory()
        raise MemoryBudgetError(f"{part.title} turned out larger each time that it was loaded; it is left out.")

    def _need(self, part: _Part) -> int:
        """Return the bytes that the engine of `part` holds or will hold."""
        with self._changed:
            known = self._sizes.get(part.name)
        if known is None:
            # Most heads are small; one that is not is found out when it is loaded.
            known = 0 if part.is_head else self._estimate(part.spec)
        return known

    def _open(self, part: _Part) -> Engine | Head:
        if not part.is_head:
            return self._load(part.spec)
        if self._load_head is None:
            raise EngineError(f"Expected a network whose parts are known. Received: {part.spec.title}.")
        return self._load_head(part.spec)

    def _reserve(self, name: str, title: str, need: int) -> None:
        """Put `need` bytes aside, closing idle engines, waiting for leases to end where that is not enough."""
        needs = f"{title} needs about {need / MIB:,.0f} MiB"
        if need > self.budget_bytes:
            raise MemoryBudgetError(
                f"{needs}; the budget for loaded models is {self.budget_bytes / MIB:,.0f} MiB. "
                "A smaller model fits, or a larger IMGREC_MEMORY_MIB."
            )
        with self._changed:
            if not self._changed.wait_for(lambda: self._make_room(need), self._patience_s):
                raise BusyError(f"{needs}, and all loaded models are in use. Try again in a minute.")
            self._reserved[name] = need

    def _make_room(self, need: int) -> bool:
        """Close idle engines until `need` bytes are free; whether they are. The caller holds `_changed`."""
        for loaded in [loaded for loaded in self._engines.values() if loaded.leases == 0]:
            if self.used_bytes + need <= self.budget_bytes:
                break
            self._close(loaded)
            self.on_eviction(loaded.name)
        return self.used_bytes + need <= self.budget_bytes

    def _release(self, leased: LoadedEngine) -> None:
        """End a lease; the caller holds `_changed`."""
        leased.leases -= 1
        if leased.leases == 0 and leased.unwanted:
            self._close(leased)
        self._changed.notify_all()

    def _leave(self, loading: _Load) -> None:
        """Stop waiting for a load: take no lease, or end the one that was given."""
        with self._changed:
            loading.waiting -= 1
            if loading.result.done() and loading.result.exception() is None:
                self._release(loading.result.result())

    def _close(self, loaded: LoadedEngine) -> None:
        """Close an idle engine; the caller holds `_changed`, so bytes that count as free are free."""
        del self._engines[loaded.name]
        loaded.engine.close()
        give_back_memory()
        self._changed.notify_all()
