"""What each worker does next; no cluster is needed to know."""

from hypothesis import given
from hypothesis import strategies as st

from imgrec.evaluation.shards import Shard
from imgrec.scale.shard_queue import AT_A_WORKER, MAX_FAILURES, ShardQueue


def shards(count: int) -> list[Shard]:
    return [Shard(number, 10 * number, 10 * number + 10, f"{number:064x}") for number in range(count)]


def test_a_worker_has_two_shards_and_no_more() -> None:
    queue = ShardQueue(shards(5))
    taken = [queue.next_for("a") for _ in range(3)]
    assert [shard and shard.number for shard in taken] == [0, 1, None]


def test_the_last_shards_are_spread() -> None:
    queue = ShardQueue(shards(3))
    assert [queue.next_for(worker) is not None for worker in "abcab"] == [True, True, True, False, False]


def test_only_what_a_dead_worker_was_running_has_failed() -> None:
    queue = ShardQueue(shards(9))
    for _ in range(MAX_FAILURES):
        first = queue.next_for("a")
        assert first is not None
        while first.number != 0:  # others go first; they finish
            queue.finish("a", first)
            first = queue.next_for("a")
            assert first is not None
        queue.next_for("a")
        queue.lose("a", "killed")
    assert {shard.number: reason for shard, reason in queue.given_up.items()} == {0: "killed"}
    rest = []
    while (shard := queue.next_for("b")) is not None:
        rest.append(shard.number)
        queue.finish("b", shard)
    assert queue.is_over
    assert len(rest) == len(set(rest))


@given(st.lists(st.sampled_from(["finish", "fail", "lose"]), max_size=80), st.integers(1, 12))
def test_whatever_happens_each_shard_is_finished_once_or_given_up(events: list[str], count: int) -> None:
    queue, finished, workers = ShardQueue(shards(count)), [], ("a", "b")
    at: dict[str, list[Shard]] = {worker: [] for worker in workers}
    for turn in range(2000):
        worker = workers[turn % 2]
        while (shard := queue.next_for(worker)) is not None:
            at[worker].append(shard)
        assert len(at[worker]) <= AT_A_WORKER
        event = events[turn] if turn < len(events) else "finish"
        if event == "lose":
            queue.lose(worker, "killed")
            at[worker] = []
        elif at[worker]:
            shard = at[worker].pop(0)
            if event == "finish":
                queue.finish(worker, shard)
                finished.append(shard.number)
            else:
                queue.fail(worker, shard, "broken")
        if queue.is_over:
            break
    assert queue.is_over
    assert sorted(finished + [shard.number for shard in queue.given_up]) == list(range(count))
