"""Ask the store now and then whether it could take a message: a full disk shows before the next message does."""

import asyncio
import logging
from collections.abc import Callable

from ehmi_ap.errors import StoreError
from ehmi_ap.ports import Store

log = logging.getLogger(__name__)

SELDOM = 10.0
"""Seconds between two checks at least, however often somebody asks: a check waits for the disk."""
TIMEOUT = 5.0
"""Seconds after which a store that does not answer is in trouble: something holds the database."""


class Probe:
    """Whether the store can be written, as of at most SELDOM seconds ago."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._store = store
        self._clock = clock
        self._at: float | None = None
        self._trouble: str | None = None

    async def trouble(self) -> str | None:
        """What is wrong with the store, in one line. Whoever asks while a check is under way hears the last one."""
        now = self._clock()
        if self._at is None or now - self._at >= SELDOM:
            self._at = now
            found = await self._check()
            if found is not None and self._trouble is None:
                log.error("the store cannot be written", extra={"what": found, "fix": StoreError.default_fix})
            self._trouble = found
        return self._trouble

    async def _check(self) -> str | None:
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._store.check()
        except StoreError as error:
            return f"store: {error.what}"
        except TimeoutError:
            return f"store: no answer within {TIMEOUT:g} s; another process may hold the database"
        return None
