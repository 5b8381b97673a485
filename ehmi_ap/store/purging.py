"""What has been kept long enough goes: payloads first, whole messages later, and the events of no message.

A few messages per transaction, in the writer's thread, so that those who wait for the writer do not notice. What is
deleted leaves no bytes in the database: it is patient data. Files go after the commit that took away their rows.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.codec import encode_list, micros
from ehmi_ap.store.readers import Readers
from ehmi_ap.store.statements import (
    FAILED_STATES,
    FINAL_STATES,
    SQL,
    overwriting,
    purge_message,
    purge_payloads,
)
from ehmi_ap.store.writer import Writer

PURGE_BATCH = 200
"""Messages purged in one transaction."""

_PurgeOne = Callable[[sqlite3.Connection, int], list[str] | None]


class Purger:
    """Deletes what is old from a store; see ports.Store.purge()."""

    def __init__(self, writer: Writer, readers: Readers, blobs: FileBlobs) -> None:
        self._writer = writer
        self._readers = readers
        self._blobs = blobs

    async def purge(
        self, *, payloads_before: datetime, messages_before: datetime, failed_payloads_before: datetime | None
    ) -> int:
        """How many messages were touched. Raises StoreError."""
        due: list[tuple[str, str, datetime, _PurgeOne]] = [
            ("old_messages", FINAL_STATES, messages_before, purge_message),
            ("old_payloads", FINAL_STATES, payloads_before, purge_payloads),
        ]
        if failed_payloads_before is not None:
            both = min(messages_before, failed_payloads_before)
            due.append(("old_messages", FAILED_STATES, both, purge_message))
            due.append(("old_payloads", FAILED_STATES, failed_payloads_before, purge_payloads))
        touched = 0
        for query, states, before, purge_one in due:
            old = (states, micros(before))
            rows = await self._old(query, old)
            for start in range(0, len(rows), PURGE_BATCH):
                keys = [row[0] for row in rows[start : start + PURGE_BATCH]]
                touched += await self._purge_all(keys, old, purge_one)
        await self._each("stray_events", (micros(messages_before),), "delete_event")
        await self._each("facts_left", (), "forget_facts")
        return touched

    async def _each(self, query: str, values: Sequence[object], statement: str) -> None:
        """Run a statement over every row that a query finds."""
        rows = await self._old(query, values)
        for start in range(0, len(rows), PURGE_BATCH):
            await self._execute(statement, rows[start : start + PURGE_BATCH])

    async def _old(self, query: str, values: Sequence[object]) -> list[Any]:
        return await self._readers.run(lambda connection: connection.execute(SQL[query], values).fetchall())

    async def _purge_all(self, keys: Sequence[int], old: tuple[str, int], purge_one: _PurgeOne) -> int:
        """Those of the keys that are still old when their turn comes."""
        asked = (*old, encode_list(keys))

        def work(connection: sqlite3.Connection) -> list[list[str]]:
            still = [key for (key,) in connection.execute(SQL["still_old"], asked).fetchall()]
            with overwriting(connection):
                return [names for key in still if (names := purge_one(connection, key)) is not None]

        purged = await self._writer.run(work, long=True)
        await remove_files(self._blobs, [name for names in purged for name in names])
        return len(purged)

    async def _execute(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with overwriting(connection):
                connection.executemany(SQL[statement], rows)

        await self._writer.run(work, long=True)


async def remove_files(blobs: FileBlobs, names: Sequence[str]) -> None:
    """After the commit that took away their rows; after a crash in between, the sweep does it."""
    if names:
        await asyncio.to_thread(blobs.remove, names)
