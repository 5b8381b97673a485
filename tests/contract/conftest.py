"""Every implementation of a port; a suite here runs over all of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ehmi_ap.ports import Blobs, Store
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.memory import MemoryBlobs, MemoryStore
from ehmi_ap.store.sqlite import SqliteStore


@pytest.fixture(params=["sqlite", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return FileBlobs(tmp_path / "payloads", threshold=100_000) if request.param == "sqlite" else MemoryBlobs()


@pytest.fixture
async def store(blobs: Blobs, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store = (
        await SqliteStore.open(tmp_path / "store.db", blobs) if isinstance(blobs, FileBlobs) else MemoryStore()
    )
    yield opened
    await opened.close()
