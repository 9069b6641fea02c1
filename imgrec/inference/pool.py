"""Loaded engines under one memory budget, shared by all threads of the process.

How it keeps to the budget:
- bytes are reserved before a network is loaded, and one network is loaded at a time (compiling takes all cores
  and, for a moment, more memory than the result);
- room is made by closing idle engines, the least recently used first, before a caller waits;
- an engine in use is leased and never closed; when a lease ends, waiting callers check again;
- one thread loads a network, and all callers that need it share the result or the failure.

Inferences go one after another through one gate for the process: each has all cores, and its time is its own.
Knows no files, images or labels.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from imgrec.errors import BusyError, MemoryBudgetError
from imgrec.inference.engine import Engine
from imgrec.inference.process_info import give_back_memory
from imgrec.models.catalog import ModelSpec
from imgrec.settings import MIB

# How long a caller waits for room or for its turn to load before `BusyError`. The largest networks load in some
# seconds; a visitor leaves before a minute is over.
PATIENCE_S = 60.0

# How often a network that turned out larger than estimated is tried with the size that it had.
MAX_TRIES = 3

# For the process, not for a pool: two inferences at once take twice as long each.
_GATE = threading.Lock()

# Held while a network is loaded: the next one reserves memory when this one's size is known.
_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """A loaded engine, as shown to users; `load_milliseconds` is the duration of its loading."""

    name: str
    memory_bytes: int
    load_milliseconds: float
    in_use: bool


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


@dataclass(slots=True, eq=False)
class _Entry:
    """A loaded engine; `leases` counts its callers, and an `unwanted` one is closed when the last lease ends."""

    name: str
    engine: Engine
    memory_bytes: int
    load_milliseconds: float
    leases: int
    unwanted: bool = False


@dataclass(slots=True, eq=False)
class _Load:
    """A load in progress; `waiting` counts the threads that share its result, each with a lease."""

    waiting: int = 0
    entry: _Entry | None = None
    error: Exception | None = None
    done: threading.Event = field(default_factory=threading.Event)


class EnginePool:
    """Engines for `ModelSpec`s, loaded at their first use; any thread may call any method.

    `load` makes the engine of a spec; `estimate` returns the bytes that it will hold. `prepare`, if given, is called
    before `estimate` for what takes long without memory: fetching, converting. All callers that wait for a model get
    what the three raise.
    """

    def __init__(
        self,
        budget_bytes: int,
        load: Callable[[ModelSpec], Engine],
        estimate: Callable[[ModelSpec], int],
        prepare: Callable[[ModelSpec], object] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.budget_bytes = budget_bytes
        self._load = load
        self._estimate = estimate
        self._prepare = prepare
        self._patience_s = patience_s
        # Guards everything below; notified whenever bytes or leases are given back.
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}  # least recently used first
        self._loads: dict[str, _Load] = {}
        self._reserved: dict[str, int] = {}
        self._sizes: dict[str, int] = {}  # bytes that an engine was found to hold
        self._load_milliseconds: dict[str, float] = {}

    def predict(self, spec: ModelSpec, batch: np.ndarray) -> tuple[np.ndarray, float]:
        """Run the network of `spec`, loading it first where needed.

        Args:
            spec: The model.
            batch: uint8 (N, H, W, 3).

        Returns:
            float32 probabilities (N, C), and the milliseconds of the inference, without loading and waiting.

        Raises:
            MemoryBudgetError: The network is larger than the whole budget.
            BusyError: No room became free in time.
            ImgrecError: Preparing, loading or running failed.
        """
        with self._lease(spec) as engine, _GATE:
            start = time.perf_counter()
            probabilities = engine.predict(batch)
            return probabilities, (time.perf_counter() - start) * 1e3

    def load(self, spec: ModelSpec) -> None:
        """Have the network of `spec` loaded, as `predict` would."""
        with self._lease(spec):
            pass

    def unload(self, name: str) -> None:
        """Close the engine called `name`, or have its last user close it; nothing where there is none."""
        with self._changed:
            entry = self._entries.get(name)
            if entry is not None:
                entry.unwanted = True
                if entry.leases == 0:
                    self._close(entry)

    def close(self) -> None:
        """Unload everything."""
        for row in self.loaded():
            self.unload(row.name)

    def loaded(self) -> list[LoadedEngine]:
        """Return what is loaded now, the least recently used first."""
        with self._changed:
            return [
                LoadedEngine(entry.name, entry.memory_bytes, entry.load_milliseconds, entry.leases > 0)
                for entry in self._entries.values()
            ]

    @property
    def used_bytes(self) -> int:
        """What loaded engines hold, and what is reserved for those that are being loaded."""
        with self._changed:
            return self._used()

    def load_milliseconds(self, name: str) -> float | None:
        """Return what the last loading of `name` took; None if it was never loaded."""
        with self._changed:
            return self._load_milliseconds.get(name)

    def plan(self, specs: Iterable[ModelSpec]) -> Plan:
        """Return what running `specs` together would take; loads nothing and changes nothing."""
        needs = {spec.name: self._need(spec) for spec in specs}
        with self._changed:
            loaded = {entry.name: entry.memory_bytes for entry in self._entries.values()}
        too_large = tuple(name for name, need in needs.items() if need > self.budget_bytes)
        missing = {name: need for name, need in needs.items() if name not in loaded and name not in too_large}
        # The others go first: using these models makes them the most recently used.
        candidates = [name for name in loaded if name not in needs] + [name for name in loaded if name in needs]
        over = sum(loaded.values()) + sum(missing.values()) - self.budget_bytes
        evicted = []
        for name in candidates:
            if over <= 0:
                break
            evicted.append(name)
            over -= loaded[name]
        return Plan(sum(needs.values()), sum(missing.values()), self.budget_bytes, tuple(evicted), too_large)

    @contextmanager
    def _lease(self, spec: ModelSpec) -> Iterator[Engine]:
        """Return the engine of `spec`, which cannot be closed within the block."""
        entry = self._acquire(spec)
        try:
            yield entry.engine
        finally:
            self._release(entry)

    def _acquire(self, spec: ModelSpec) -> _Entry:
        """Return the entry of `spec` with a lease for the caller, loaded if it must be."""
        with self._changed:
            entry = self._entries.pop(spec.name, None)
            if entry is not None:
                self._entries[spec.name] = entry  # now the most recently used
                entry.leases += 1
                return entry
            loading = self._loads.get(spec.name)
            is_first = loading is None
            if loading is None:
                loading = self._loads[spec.name] = _Load()
            loading.waiting += 1
        if is_first:
            self._run(spec, loading)
        try:
            loading.done.wait()
        except BaseException:  # Ctrl-C: the lease that is coming must end
            self._leave(loading)
            raise
        if loading.entry is None:
            raise loading.error or RuntimeError("Expected an engine or an error. Received: neither.")
        return loading.entry

    def _run(self, spec: ModelSpec, loading: _Load) -> None:
        """Load the engine, and give the entry or the error to all waiting threads."""
        entry: _Entry | None = None
        error: Exception | None = None
        try:
            if self._prepare is not None:
                self._prepare(spec)
            if not _LOADING.acquire(timeout=self._patience_s):
                raise BusyError(f"Other models are being loaded. Try {spec.title} again in a minute.")
            try:
                entry = self._load_within_budget(spec)
            finally:
                _LOADING.release()
        except Exception as caught:
            error = caught
        except BaseException:  # Ctrl-C, or the end of a rerun: it stops this thread, not the waiting ones
            error = BusyError(f"Loading {spec.title} was interrupted. Try again.")
            raise
        finally:
            with self._changed:
                del self._loads[spec.name]
                self._reserved.pop(spec.name, None)
                if entry is not None:
                    entry.leases = loading.waiting
                    self._entries[spec.name] = entry
                loading.entry, loading.error = entry, error
                loading.done.set()
                self._changed.notify_all()

    def _load_within_budget(self, spec: ModelSpec) -> _Entry:
        """Return the loaded engine, its bytes still reserved; the caller holds `_LOADING`."""
        for _ in range(MAX_TRIES):
            self._reserve(spec, self._need(spec))
            start = time.perf_counter()
            engine = self._load(spec)
            milliseconds = (time.perf_counter() - start) * 1e3
            memory_bytes = engine.memory_bytes
            with self._changed:
                self._sizes[spec.name] = memory_bytes
                self._load_milliseconds[spec.name] = milliseconds
                reserved = self._reserved.pop(spec.name)
                # Larger than reserved: it may still fit, if others are closed.
                if memory_bytes <= reserved or self._make_room(memory_bytes):
                    self._reserved[spec.name] = memory_bytes
                    return _Entry(spec.name, engine, memory_bytes, milliseconds, leases=0)
            engine.close()
            give_back_memory()
        raise MemoryBudgetError(f"{spec.title} turned out larger each time that it was loaded; it is left out.")

    def _need(self, spec: ModelSpec) -> int:
        """Return the bytes that the engine of `spec` holds or will hold."""
        with self._changed:
            known = self._sizes.get(spec.name)
        return self._estimate(spec) if known is None else known

    def _reserve(self, spec: ModelSpec, need: int) -> None:
        """Put `need` bytes aside, closing idle engines, waiting for leases to end where that is not enough."""
        if need > self.budget_bytes:
            raise MemoryBudgetError(
                f"{spec.title} needs about {need / MIB:,.0f} MiB; the budget for loaded models is "
                f"{self.budget_bytes / MIB:,.0f} MiB. A smaller model fits, or a larger IMGREC_MEMORY_MIB."
            )
        with self._changed:
            if not self._changed.wait_for(lambda: self._make_room(need), self._patience_s):
                raise BusyError(
                    f"{spec.title} needs about {need / MIB:,.0f} MiB, and all loaded models are in use. "
                    "Try again in a minute."
                )
            self._reserved[spec.name] = need

    def _make_room(self, need: int) -> bool:
        """Close idle engines until `need` bytes are free; whether they are. The caller holds `_changed`."""
        for entry in [entry for entry in self._entries.values() if entry.leases == 0]:
            if self._used() + need <= self.budget_bytes:
                break
            self._close(entry)
        return self._used() + need <= self.budget_bytes

    def _release(self, entry: _Entry) -> None:
        """End a lease."""
        with self._changed:
            entry.leases -= 1
            if entry.leases == 0 and entry.unwanted:
                self._close(entry)
            self._changed.notify_all()

    def _leave(self, loading: _Load) -> None:
        """Stop waiting for a load: take no lease, or end the one that was given."""
        with self._changed:
            if loading.done.is_set() and loading.entry is not None:
                self._release(loading.entry)
            loading.waiting -= 1

    def _close(self, entry: _Entry) -> None:
        """Close an idle engine; the caller holds `_changed`, so bytes that count as free are free."""
        del self._entries[entry.name]
        entry.engine.close()
        give_back_memory()
        self._changed.notify_all()

    def _used(self) -> int:
        return sum(entry.memory_bytes for entry in self._entries.values()) + sum(self._reserved.values())
