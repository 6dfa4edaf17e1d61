import asyncio

from gateway.smtp.sessions import Sessions


class Guest:
    def __init__(self) -> None:
        self.retired = 0

    def retire(self) -> None:
        self.retired += 1


async def test_a_session_that_comes_during_a_stop_is_retired_at_once() -> None:
    sessions = Sessions()
    await sessions.drain(0)
    guest = Guest()
    task = asyncio.create_task(asyncio.sleep(0))
    sessions.enter(guest, task)
    assert guest.retired == 1
    await task


async def test_work_that_begins_during_a_stop_is_waited_for() -> None:
    sessions = Sessions()
    done: list[str] = []

    async def first() -> None:
        sessions.spawn(second())

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    sessions.spawn(first())
    await sessions.drain(10)
    assert done == ["second"]
