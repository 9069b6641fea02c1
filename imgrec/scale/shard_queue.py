"""What each worker does next: shards that wait, are being run, and have failed too often. Knows no Ray."""

from collections import deque
from collections.abc import Hashable, Iterable

from imgrec.evaluation.shards import Shard

# A shard that fails so often is listed, and the others go on.
MAX_FAILURES = 3

# Shards at a worker: it runs one, and need not wait for the next.
AT_A_WORKER = 2


class ShardQueue:
    """Shards and the workers that run them; a worker is whatever can be a key."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        self._waiting = deque(shards)
        self._running: dict[Hashable, list[Shard]] = {}
        self._failures: dict[int, list[str]] = {}
        self.given_up: dict[Shard, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether every shard is finished or given up."""
        return not self._waiting and not any(self._running.values())

    def next_for(self, worker: Hashable) -> Shard | None:
        """Return a shard for `worker`, which counts as running; None where it has enough or none waits.

        At the end, shards that others could begin are not kept behind one that is being run.
        """
        running = self._running.setdefault(worker, [])
        if not self._waiting or len(running) >= AT_A_WORKER:
            return None
        if running and len(self._waiting) < len(self._running):
            return None
        running.append(self._waiting.popleft())
        return running[-1]

    def finish(self, worker: Hashable, shard: Shard) -> None:
        """Note that `worker` has finished `shard`."""
        self._running[worker].remove(shard)

    def fail(self, worker: Hashable, shard: Shard, reason: str) -> None:
        """Note that `shard` failed at `worker`; it waits behind the others, or is given up."""
        self._running[worker].remove(shard)
        self._charge(shard, reason)

    def lose(self, worker: Hashable, reason: str) -> None:
        """Note that `worker` died: what it was running has failed, and what waited for it goes first again."""
        running = self._running.pop(worker, [])
        if running:
            self._charge(running[0], reason)
            self._waiting.extendleft(reversed(running[1:]))

    def _charge(self, shard: Shard, reason: str) -> None:
        reasons = self._failures.setdefault(shard.number, [])
        reasons.append(reason)
        if len(reasons) >= MAX_FAILURES:
            self.given_up[shard] = reason
        else:
            self._waiting.append(shard)
