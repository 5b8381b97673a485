"""A real access point that kills itself with SIGKILL at one chosen step, as a power cut would.

The product has no hooks for this. The victim wraps the public methods in which a step happens (the store's, the
HTTP client's, the backend's) and two calls of the operating system, and starts the ordinary daemon. A step is
`side:name:moment`, where the moment is before or after the call; `any` waits for a kill from outside instead.
"""

import functools
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ehmi_ap import server
from ehmi_ap.backends.directory import DirectoryBackend
from ehmi_ap.backends.outbox import Outbox
from ehmi_ap.config import Config
from ehmi_ap.flows import attempt, receive
from ehmi_ap.net.eds import EdsClient
from ehmi_ap.net.http import PeerWeb
from ehmi_ap.store.reports import SqliteReports
from ehmi_ap.store.sqlite import SqliteStore

MOMENTS = ("before", "after")
_STATUS: dict[str, tuple[Any, str]] = {
    "claim_reports": (SqliteReports, "claim"),
    "tell_eds": (EdsClient, "report"),
    "settle_report": (SqliteReports, "settle"),
}
ASYNC_STEPS: dict[str, dict[str, tuple[Any, str]]] = {
    "sender": {
        "accept": (SqliteStore, "accept"),
        "claim": (SqliteStore, "claim"),
        "keep_signed": (SqliteStore, "keep_signed"),
        "post": (PeerWeb, "post"),
        "settle": (SqliteStore, "settle"),
        "told": (SqliteStore, "events_delivered"),
        "notify": (DirectoryBackend, "notify"),
        **_STATUS,
    },
    "receiver": {
        "keep": (SqliteStore, "keep"),
        "claim": (SqliteStore, "claim"),
        "deliver": (DirectoryBackend, "deliver"),
        "settle": (SqliteStore, "settle"),
        **_STATUS,
    },
}
SYNC_STEPS: dict[str, dict[str, tuple[Any, str]]] = {
    "sender": {
        "accepted": (Outbox, "accepted"),
        "sign": (attempt, "sign"),
        "seal": (attempt, "seal"),
        "conclude": (attempt, "conclude"),
        "fsync": (os, "fsync"),
        "rename": (os, "rename"),
        "replace": (os, "replace"),
    },
    "receiver": {
        "unpack": (receive, "unpack"),
        "pack_receipt": (receive, "pack_receipt"),
        "fsync": (os, "fsync"),
        "rename": (os, "rename"),
        "replace": (os, "replace"),
    },
}


def steps(side: str) -> list[str]:
    """Every step at which a victim of this side can be told to die."""
    names = [*ASYNC_STEPS[side], *SYNC_STEPS[side]]
    return [f"{name}:{moment}" for name in names for moment in MOMENTS] + ["any"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(side: str, step: str, countdown: int, config: str, log: str) -> None:
    """The daemon, as `ehmi-ap serve` runs it; its log goes to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    arm(side, step, countdown)
    server.run(Config.load(Path(config)))


def arm(side: str, step: str, countdown: int) -> None:
    """Wrap one step so that its `countdown`-th occurrence ends this process."""
    if step in ("any", "none"):
        return
    name, moment = step.split(":")
    left = [countdown]

    def reached(now: str) -> None:
        if now == moment:
            left[0] -= 1
            if left[0] <= 0:
                die()

    if name in ASYNC_STEPS[side]:
        owner, attribute = ASYNC_STEPS[side][name]
        original: Callable[..., Awaitable[Any]] = getattr(owner, attribute)

        @functools.wraps(original)
        async def slow(*args: Any, **kwargs: Any) -> Any:
            reached("before")
            result = await original(*args, **kwargs)
            reached("after")
            return result

        setattr(owner, attribute, slow)
    else:
        owner, attribute = SYNC_STEPS[side][name]
        plain: Callable[..., Any] = getattr(owner, attribute)

        @functools.wraps(plain)
        def quick(*args: Any, **kwargs: Any) -> Any:
            reached("before")
            result = plain(*args, **kwargs)
            reached("after")
            return result

        setattr(owner, attribute, quick)
