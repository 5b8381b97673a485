"""Asking the store whether it could take a message: seldom, and never for long."""

import asyncio

import pytest

from ehmi_ap.errors import StoreError
from ehmi_ap.flows import probe
from ehmi_ap.flows.probe import Probe
from ehmi_ap.store.memory import MemoryStore


class Failing(MemoryStore):
    """Fails its checks as told."""

    def __init__(self) -> None:
        super().__init__()
        self.error: StoreError | None = None
        self.checks = 0
        self.hangs = False

    async def check(self) -> None:
        self.checks += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


async def test_trouble_is_named_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """And logged once, when it begins."""
    store, now = Failing(), [0.0]
    asked = Probe(store, lambda: now[0])
    assert await asked.trouble() is None
    store.error = StoreError("the disk is full")
    for now[0] in (10.0, 20.0):
        assert await asked.trouble() == "store: the disk is full"
    assert [record.getMessage() for record in caplog.records] == ["the store cannot be written"]
    store.error, now[0] = None, 30.0
    assert await asked.trouble() is None


async def test_it_asks_seldom() -> None:
    store, now = Failing(), [100.0]
    asked = Probe(store, lambda: now[0])
    for now[0] in (100.0, 100.1, 109.9):
        assert await asked.trouble() is None
    assert store.checks == 1
    store.error, now[0] = StoreError("down"), 110.0
    assert await asked.trouble() == "store: down"
    assert store.checks == 2


async def test_a_store_that_hangs_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT", 0.01)
    store = Failing()
    store.hangs = True
    assert "no answer" in str(await Probe(store, lambda: 0.0).trouble())
