"""What may happen to a message, as one table; and when to try again.

Every state change in the access point is a row here; docs/reference/states.md is drawn from it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class State(Enum):
    ACCEPTED = "accepted"  # from C1, waits to be sent
    SENDING = "sending"  # claimed by a sender
    ACKNOWLEDGED = "acknowledged"  # C3 has it; its receipt is stored (or lost: design decision 23)
    FAILED = "failed"  # a person must look
    RECEIVED = "received"  # from C2, receipt stored, waits for C4
    DELIVERING = "delivering"  # claimed by a deliverer
    DELIVERED = "delivered"  # C4 took it
    UNDELIVERED = "undelivered"  # a person must look
    ANSWERED = "answered"  # a test message: receipt stored, never delivered


class Happening(Enum):
    CLAIMED = "claimed"  # a worker holds it until its lease runs out
    SETTLED = "settled"
    MISSED = "missed"  # worth another try
    GIVEN_UP = "given up"
    RESENT = "resent"  # by an operator


TRANSITIONS: dict[State, dict[Happening, State]] = {
    State.ACCEPTED: {
        Happening.CLAIMED: State.SENDING,
        Happening.SETTLED: State.ACKNOWLEDGED,  # the receipt of an earlier attempt came late
    },
    State.SENDING: {
        Happening.SETTLED: State.ACKNOWLEDGED,
        Happening.MISSED: State.ACCEPTED,
        Happening.GIVEN_UP: State.FAILED,
    },
    State.FAILED: {
        Happening.RESENT: State.ACCEPTED,
        Happening.SETTLED: State.ACKNOWLEDGED,  # a receipt after we gave up still counts
    },
    State.ACKNOWLEDGED: {},
    State.RECEIVED: {
        Happening.CLAIMED: State.DELIVERING,
        Happening.SETTLED: State.DELIVERED,  # C4 fetched it itself (REST inbox)
    },
    State.DELIVERING: {
        Happening.SETTLED: State.DELIVERED,
        Happening.MISSED: State.RECEIVED,
        Happening.GIVEN_UP: State.UNDELIVERED,
    },
    State.UNDELIVERED: {Happening.RESENT: State.RECEIVED},
    State.DELIVERED: {},
    State.ANSWERED: {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to try again (design decision 3).

    Waits grow from `first_wait` by `factor` up to `longest_wait`, each shortened by up to `jitter` of itself,
    until `window` has passed since the first attempt or, where `attempts` is set, that many were made in all.
    A constant wait is factor 1. All times in seconds.
    """

    first_wait: float = 30.0
    factor: float = 2.0
    longest_wait: float = 1800.0
    jitter: float = 0.2
    window: float = 86400.0
    attempts: int | None = None


def wait_after(policy: RetryPolicy, attempts: int, chance: float) -> float:
    """Seconds to wait after `attempts` tries; `chance` in [0, 1) draws the jitter."""
    exponent = min(attempts - 1, 64)
    return min(policy.first_wait * policy.factor**exponent, policy.longest_wait) * (1 - policy.jitter * chance)


def next_attempt(
    policy: RetryPolicy,
    *,
    attempts: int,
    first_at: datetime,
    now: datetime,
    chance: float,
    not_before: float | None = None,
) -> datetime | None:
    """When to try again after `attempts` tries, or None to give up.

    `chance` in [0, 1) draws the jitter; `not_before` is the peer's Retry-After in seconds.
    """
    if policy.attempts is not None and attempts >= policy.attempts:
        return None
    wait = wait_after(policy, attempts, chance)
    if not_before is not None:
        wait = max(wait, min(not_before, policy.longest_wait))
    due = now + timedelta(seconds=wait)
    return due if due <= first_at + timedelta(seconds=policy.window) else None
