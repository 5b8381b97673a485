"""C3 to C4: hand one claimed message to its backend, until C4 has it or a person must look."""

import asyncio
import logging

from ehmi_ap.errors import ApError, BackendError
from ehmi_ap.flows.authorship import signed_for
from ehmi_ap.flows.explain import advised, quoted
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening, next_attempt
from ehmi_ap.model import DeliveryEvent, Direction, EventKind
from ehmi_ap.ports import Job

log = logging.getLogger(__name__)


async def deliver(job: Job, world: World) -> bool:
    """Deliver and settle. False: C4 did not take it (this time).

    The backend may be called again for a message that it took, if we die between its answer and our commit:
    the MessageId tells it so.

    Raises:
        StoreError: nothing more is known than before; the lease runs out and the message is claimed again.
    """
    error = await _attempt(job, world)
    if error is None:
        await _delivered(job, world)
    else:
        await _missed(job, error, world)
    return error is None


async def _attempt(job: Job, world: World) -> ApError | None:
    """Whatever the backend raises becomes a BackendError: a backend is another's code."""
    backend = world.backends.get(job.backend)
    if backend is None:
        return BackendError(
            f"backend {job.backend} is not configured", fix="Add it to ehmi-ap.toml, or correct the P-Mode's `backend`."
        )
    try:
        async with asyncio.timeout(world.delivery_timeout):
            await backend.deliver(await signed_for(job.message, world, backend=job.backend))
    except TimeoutError:
        return BackendError(f"backend {job.backend} took longer than {world.delivery_timeout:.0f} s")
    except ApError as error:
        return error
    except Exception as error:
        log.exception("a backend failed", extra={"message_id": job.message.message_id, "backend": job.backend})
        return BackendError(f"backend {job.backend} failed with {type(error).__name__}; see the log")
    return None


async def _delivered(job: Job, world: World) -> None:
    applied = await world.store.settle(
        job.key, Happening.SETTLED, now=world.now(), events=[_event(job, EventKind.SENT, world)]
    )
    if applied:
        world.count("delivered")
    log.info("message delivered" if applied else "message was delivered already", extra=_facts(job))


async def _missed(job: Job, error: ApError, world: World) -> None:
    now = world.now()
    due = next_attempt(world.delivery, attempts=job.attempts, first_at=job.first_at, now=now, chance=world.chance())
    if not error.retryable:
        due = None
    detail = quoted(advised(error))
    events = [_event(job, EventKind.ATTEMPT, world, code=error.code, detail=detail)]
    if due is None:
        events.append(_event(job, EventKind.SENT, world, failed=True, code=error.code, detail=detail))
    happening = Happening.MISSED if due is not None else Happening.GIVEN_UP
    await world.store.settle(
        job.key,
        happening,
        now=now,
        due=due,
        code=error.code,
        detail=detail,
        events=events,
        attempt=job.attempts,
    )
    facts = {**_facts(job), "code": error.code, "detail": detail}
    if due is not None:
        world.count("delivery_missed")
        log.warning("attempt to deliver failed", extra={**facts, "due": due})
    else:
        world.count("delivery_failed")
        log.error("message not delivered", extra=facts)


def _facts(job: Job) -> dict[str, object]:
    return {"message_id": job.message.message_id, "backend": job.backend, "attempt": job.attempts}


def _event(
    job: Job, kind: EventKind, world: World, *, failed: bool = False, code: str | None = None, detail: str = ""
) -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        message_id=job.message.message_id,
        direction=Direction.INBOUND,
        at=world.now(),
        failed=failed,
        code=code,
        detail=detail,
        backend=job.backend,
    )
