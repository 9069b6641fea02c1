"""Bodies that are on their way together."""

import anyio
import pytest

from imgrec.api.arriving import Arriving
from imgrec.errors import BusyError


def test_the_first_begun_makes_room_for_the_others() -> None:
    ended: list[str] = []

    async def send(arriving: Arriving, name: str, parts: list[int], pause: bool) -> None:
        try:
            async with arriving.body(100) as count:
                for part in parts:
                    count(part)
                    await anyio.sleep(0)
                if pause:
                    await anyio.sleep_forever()
        except BusyError:
            ended.append(name)

    async def all_three() -> None:
        arriving = Arriving()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, arriving, "slow", [60], True)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(send, arriving, "small", [30], True)
            await anyio.wait_all_tasks_blocked()
            await send(arriving, "new", [10, 10, 10], False)
            await anyio.wait_all_tasks_blocked()
            assert ended == ["slow"]
            await send(arriving, "new", [60, 10], False)
            tasks.cancel_scope.cancel()
        assert arriving._bodies == []

    anyio.run(all_three)
    assert ended == ["slow"]


def test_a_body_that_is_alone_and_too_large_ends_itself() -> None:
    async def send() -> None:
        async with Arriving().body(100) as count:
            count(101)
            await anyio.sleep(1)

    with pytest.raises(BusyError, match="Try again"):
        anyio.run(send)
