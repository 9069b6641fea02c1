"""From a row of the catalog to a compiled network on this machine: fetch, then convert, in the background.

A preparation belongs to the process, not to a visitor: it continues when a page is left or reloaded, all requests for
a model share it, and its failure is returned to all requests for some seconds instead of being repeated by each.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from imgrec.errors import CorruptWeightsError, ImgrecError, WeightsError
from imgrec.inference import conversion
from imgrec.models import weights
from imgrec.models.catalog import ModelSpec
from imgrec.models.downloads import Progress
from imgrec.models.weights import state_of as state_of
from imgrec.settings import Settings

# Two downloads share a line well; a third only slows the first.
MAX_DOWNLOADS = 2

# A conversion holds the weights about three times and uses all cores.
MAX_CONVERSIONS = 1

# How long a failure is returned to every request; for `RETRY_S` a failed download also to a click on "Try again". So an
# address that is dead is tried twice a minute at most, however many visitors there are.
FAILURE_S = 60.0
RETRY_S = 30.0

# The interval at which a waiting caller shows the progress.
POLL_S = 0.1

_log = logging.getLogger(__name__)


class Preparation(Progress):
    """The preparation of one model; every attribute may be read by any thread at any time.

    `done_bytes` and `total_bytes` are those of the download, `step` is one of `conversion.STAGES`. `path` is the
    compiled network once the stage is "ready"; `error` is an `ImgrecError`, or a bug, once it is "failed". `cancel`
    ends a download at once and a conversion at its next step. With `repair`, weights that are not what they should be
    are downloaded again.
    """

    def __init__(self, spec: ModelSpec, *, repair: bool = False) -> None:
        super().__init__()
        self.model = spec.name
        self.repair = repair
        self.stage: Literal["queued", "downloading", "converting", "ready", "failed"] = "queued"
        self.step = ""
        self.path: Path | None = None
        self.error: Exception | None = None
        self.total_bytes = spec.weights.size_bytes or None
        self._over = threading.Event()
        # On the monotonic clock; only failures are remembered, and for some time none is repeated.
        self._remembered_until = self._final_until = 0.0

    @property
    def over(self) -> bool:
        """Whether it is ready or failed."""
        return self._over.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is over, and return whether it is."""
        return self._over.wait(timeout_s)

    def _fail(self, error: Exception, remembered_s: float) -> None:
        now = time.monotonic()
        if self.stage == "downloading" and remembered_s:
            self._final_until = now + RETRY_S
        self.error = error
        self.stage = "failed"
        self._remembered_until = now + remembered_s

    def _answers(self, *, retry: bool) -> bool:
        """Return whether a request for the model gets this preparation, not a new one."""
        return not self.over or time.monotonic() < (self._final_until if retry else self._remembered_until)


OnProgress = Callable[[Preparation], None]


class Preparations:
    """The preparations of a process; every method may be called by any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._latest: dict[str, Preparation] = {}
        self._downloads = threading.BoundedSemaphore(MAX_DOWNLOADS)
        self._conversions = threading.BoundedSemaphore(MAX_CONVERSIONS)
        # Cache entries that this process has read whole, and when (monotonic clock): for a day, only their manifests
        # are looked at again.
        self._read_at: dict[Path, float] = {}

    def start(self, spec: ModelSpec, *, retry: bool = False, repair: bool = False) -> Preparation:
        """Return the preparation of `spec` that is under way, or a new one; returns at once.

        A failure of the last `FAILURE_S` seconds is returned; with `retry` only that of a download, of the last
        `RETRY_S`. With `repair` damaged weights are fetched again.
        """
        with self._lock:
            latest = self._latest.get(spec.name)
            if latest is not None and latest._answers(retry=retry or repair):
                return latest
            preparation = self._latest[spec.name] = Preparation(spec, repair=repair)
        # A daemon: the end of the process does not wait. A download resumes next time, a worker ends by itself.
        threading.Thread(target=self._run, args=(spec, preparation), name=f"prepare-{spec.name}", daemon=True).start()
        return preparation

    def get(self, name: str) -> Preparation | None:
        """Return the latest preparation of the model called `name`; None if there was none in this process."""
        with self._lock:
            return self._latest.get(name)

    def ensure(
        self, spec: ModelSpec, on_progress: OnProgress = lambda preparation: None, *, repair: bool = False
    ) -> Path:
        """Return the path of the compiled network of `spec`, once it is there; `on_progress` is called while waiting.

        Raises what `weights.fetch` and `conversion.convert` raise, and `WeightsError` when it was canceled.
        """
        preparation = self.start(spec, repair=repair)
        while not preparation.wait(POLL_S):
            on_progress(preparation)
        on_progress(preparation)
        if preparation.path is None:
            raise preparation.error or RuntimeError("Expected a path or an error. Received: neither.")
        return preparation.path

    def cancel(self, name: str) -> None:
        """Cancel the preparation of the model called `name` for all its requests; nothing where there is none."""
        if (preparation := self.get(name)) is not None:
            preparation.cancel()

    def _run(self, spec: ModelSpec, preparation: Preparation) -> None:
        """Prepare the model, in a thread of its own; every exception becomes `preparation.error`."""
        try:
            preparation.path = self._prepare(spec, preparation)
            preparation.stage = "ready"
        except CancelledError:
            error = WeightsError(f"Fetching {spec.title} was canceled; what has arrived is kept.")
            preparation._fail(error, remembered_s=0)
        except Exception as error:
            if not isinstance(error, ImgrecError):  # a bug: in the log, and raised to all waiting callers
                _log.exception("preparing %s", spec.name)
            preparation._fail(error, FAILURE_S)
        finally:
            preparation._over.set()

    def _prepare(self, spec: ModelSpec, preparation: Preparation) -> Path:
        try:
            weights_path = weights.find(spec, self._settings)
        except CorruptWeightsError:
            if not preparation.repair:
                raise
            weights_path = None
        if weights_path is None:
            with _turn(self._downloads, preparation):
                preparation.stage = "downloading"
                weights_path = weights.fetch(spec, self._settings, preparation, repair=preparation.repair)
        if (compiled := self._find_compiled(spec)) is not None:
            return compiled

        def on_stage(stage: str) -> None:
            preparation.step = stage
            preparation.check()

        with _turn(self._conversions, preparation):
            preparation.stage = "converting"
            return conversion.convert(spec, weights_path, self._settings, on_stage)

    def _find_compiled(self, spec: ModelSpec) -> Path | None:
        """Return the cache entry of `spec` if it is whole; its files are read once a process, and once a day."""
        digest = weights.sha256(spec, self._settings)
        if digest is None:
            return None
        path = conversion.compiled_path(spec, digest, self._settings)
        now = time.monotonic()
        if now - self._read_at.get(path, -weights.DAY_S) < weights.DAY_S:
            return path if conversion.read_manifest(path) is not None else None
        if conversion.read_intact(path) is None:
            return None
        self._read_at[path] = now
        return path


@contextmanager
def _turn(slots: threading.BoundedSemaphore, progress: Progress) -> Iterator[None]:
    """Hold one of `slots`, once it is free; waiting for it can be canceled."""
    while not slots.acquire(timeout=POLL_S):
        progress.check()
    try:
        yield
    finally:
        slots.release()
