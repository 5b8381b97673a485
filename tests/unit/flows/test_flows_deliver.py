"""One attempt to hand a message to C4."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import pytest
from flow_world import keep, world

from ehmi_ap.errors import BackendError
from ehmi_ap.flows.deliver import deliver
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import RetryPolicy, State
from ehmi_ap.model import Direction, MessageId, UserMessage
from ehmi_ap.ports import Job, Query, Stored

NewId = Callable[[], MessageId]


class Taking:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken: list[UserMessage] = []

    async def deliver(self, message: UserMessage) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append(message)


class Final(BackendError):
    retryable = False


async def claimed(to: World) -> Job:
    await keep(to, "a")
    [job] = await to.store.claim(Direction.INBOUND, now=to.now(), lease=60, limit=1)
    return job


async def stored(to: World) -> Stored:
    [found] = await to.store.find(Query())
    return found


async def test_taken_is_delivered(new_id: NewId, now: datetime) -> None:
    backend = Taking()
    to = world(new_id, now, backends={"rest": backend})
    assert await deliver(await claimed(to), to)
    assert len(backend.taken) == 1
    assert (await stored(to)).state is State.DELIVERED


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (BackendError("C4 is down"), "C4 is down"),
        (ZeroDivisionError("x"), "ZeroDivisionError"),
        (OSError(28, "full"), "OSError"),
    ],
)
async def test_refused_comes_again(new_id: NewId, now: datetime, error: Exception, says: str) -> None:
    """Whatever a backend raises: the message stays ours, and the reason is kept without its text for foreign errors."""
    to = world(new_id, now, backends={"rest": Taking(error)})
    assert not await deliver(await claimed(to), to)
    found = await stored(to)
    assert (found.state, found.last_code) == (State.RECEIVED, "backend")
    assert says in found.last_detail
    assert found.due is not None
    assert found.due > now


async def test_patience_ends(new_id: NewId, now: datetime) -> None:
    """After the last attempt, or at once when the backend says that it is of no use."""
    for error, policy in ((BackendError("down"), RetryPolicy(attempts=1)), (Final("never"), RetryPolicy())):
        to = world(new_id, now, backends={"rest": Taking(error)}, delivery=policy)
        await deliver(await claimed(to), to)
        found = await stored(to)
        assert found.state is State.UNDELIVERED
        events = await to.store.events()
        assert [(event.kind.value, event.failed) for event in events][-2:] == [("attempt", False), ("msg-sent", True)]


async def test_a_backend_that_hangs_is_cut_off(new_id: NewId, now: datetime) -> None:
    class Hanging:
        async def deliver(self, message: UserMessage) -> None:
            await asyncio.Event().wait()

    to = world(new_id, now, backends={"rest": Hanging()}, delivery_timeout=0.01)
    assert not await deliver(await claimed(to), to)
    assert "took longer than" in (await stored(to)).last_detail


async def test_what_c4_fetched_meanwhile_is_not_undone(new_id: NewId, now: datetime) -> None:
    """The lease was lost and another settled it: our late failure counts for nothing."""
    backend = Taking()
    to = world(new_id, now, backends={"rest": backend})
    job = await claimed(to)
    assert await deliver(job, to)
    backend.error = BackendError("late")
    assert not await deliver(job, to)
    assert (await stored(to)).state is State.DELIVERED
