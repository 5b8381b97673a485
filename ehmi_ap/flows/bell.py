"""A bell for many ears: whoever waits hears the next ring, and none is missed between looking and waiting.

heard = bell.listen()
... look ...
await heard(timeout)        # returns at once if it rang since listen()
"""

import asyncio
from collections.abc import Awaitable, Callable


class Bell:
    """Rung when the store has something new; the ears look for themselves what it is."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who listens."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    def listen(self) -> Callable[[float], Awaitable[bool]]:
        """A function that waits for the next ring, at most so many seconds; it says whether it rang."""
        event = self._next

        async def heard(timeout: float) -> bool:
            try:
                async with asyncio.timeout(timeout):
                    return await event.wait()
            except TimeoutError:
                return False

        return heard
