"""Where bytes are read: at once when they are in memory, in a thread when they are in a file (design decision 24)."""

import asyncio
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from ehmi_ap.body import Body

P = ParamSpec("P")
T = TypeVar("T")


async def reading(bodies: Iterable[Body], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a synchronous `function` that reads `bodies`: inline, or in a thread when one of them is a file."""
    if all(body.resident for body in bodies):
        return function(*args, **kwargs)
    return await in_thread(function, *args, **kwargs)


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a thread; when cancelled, wait for it first, so that nobody discards what it still uses."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
