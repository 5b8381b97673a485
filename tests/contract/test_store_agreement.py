"""Both stores do the same, whatever is asked of them in whatever order."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_samples import accept, event, keep, later, message, payload, read, reply, signed

from ehmi_ap.body import read_all
from ehmi_ap.errors import ApError
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import Direction, EventKind, MessageId, Party, PartyId
from ehmi_ap.ports import Job, Query, Store
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.memory import MemoryStore
from ehmi_ap.store.sqlite import SqliteStore

STEPS = 120
LANES = ("one", "two")


class Script:
    """A random but repeatable order of requests; the same for every store it is played to."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = 0.0

    def step(self) -> tuple[str, dict[str, Any]]:
        dice = self.dice
        self.clock += dice.choice((0, 0.5, 20, 100))
        name = dice.choice(("accept", "keep", "keep", "claim", "claim", "settle", "settle", "settle", *RARE))
        facts = {
            "id": f"m{dice.randrange(12)}",
            "place": dice.randrange(20),
            "lane": dice.choice(LANES),
            "direction": dice.choice(list(Direction)),
            "happening": dice.choice([h for h in Happening if h is not Happening.CLAIMED]),
            "number": dice.randrange(1, 4),
            "size": dice.choice((0, 10, 70_000)),
            "at": self.clock,
        }
        return name, facts


RARE = ("sign", "find", "renew", "record", "told", "purge")


def shown(job: Job) -> tuple[object, ...]:
    parts = [read_all(part.body) for part in job.signed.parts] if job.signed else None
    bare = replace(job, key=0, message=replace(job.message, payloads=()), signed=None)
    return (bare, read(job.message), job.signed and job.signed.envelope, parts)


class Player:
    """Does one step to one store and says what came of it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def play(self, name: str, facts: dict[str, Any]) -> object:
        try:
            return await getattr(self, name)(**facts)
        except ApError as error:
            return (type(error), str(error))

    async def key(self, place: int) -> int:
        """The key of the message at this place; the keys themselves may have gaps."""
        found = await self.store.find(Query(limit=1000, oldest_first=True))
        return found[place].key if place < len(found) else 10**6

    async def accept(self, **f: Any) -> object:
        what = message(f["id"], payloads=(payload(b"x" * f["size"]),))
        told = [event(f["id"], at=later(f["at"]))]
        signers = [b"cert"] if f["place"] == 3 else []
        return await accept(self.store, what, bytes([f["number"] // 3]), pmode=f["lane"], events=told, signers=signers)

    async def keep(self, **f: Any) -> object:
        sender = Party(PartyId(f"partner{f['number']}"), "role")
        what = message(f["id"], from_=sender, payloads=(payload(b"x" * f["size"]),))
        kept = await keep(
            self.store,
            what,
            backend=f["lane"],
            answer=reply(f"{f['at']}".encode()),
            state=State.ANSWERED if f["place"] == 1 else State.RECEIVED,
            fetched=f["place"] == 2,
            events=[event(f["id"], direction=Direction.INBOUND, at=later(f["at"]))],
        )
        return (read_all(kept.reply.body), kept.duplicate, kept.same)

    async def claim(self, **f: Any) -> object:
        at = later(f["at"])
        past = [f["lane"]] if f["place"] % 3 == 0 else []
        jobs = await self.store.claim(f["direction"], now=at, lease=60, limit=f["number"], pass_over=past)
        return [shown(job) for job in jobs], await self.store.next_due(f["direction"], pass_over=past)

    async def settle(self, **f: Any) -> object:
        return await self.store.settle(
            await self.key(f["place"]),
            f["happening"],
            now=later(f["at"]),
            due=later(f["at"] + 30) if f["size"] else None,
            receipt=reply(f"{f['at']}".encode()) if f["happening"] is Happening.SETTLED else None,
            code="EBMS:0005" if f["number"] == 1 else None,
            events=[event(f["id"], EventKind.ATTEMPT, at=later(f["at"]))],
            attempt=f["number"] if f["size"] else None,
        )

    async def sign(self, **f: Any) -> object:
        key = await self.key(f["place"])
        stored = await self.store.get(key)
        if stored is not None and stored.state is State.SENDING:
            await self.store.keep_signed(key, signed(b"y" * f["size"], envelope=f"{f['at']}".encode()))
        known = await self.store.sent(MessageId(f["id"]))
        return known and (known.state, known.references)

    async def find(self, **f: Any) -> object:
        key = await self.key(f["place"])
        parts = signed(b"z" * f["size"], envelope=f"{f['at']}".encode())
        applied = await self.store.keep_found(
            key,
            attempt=1,
            to=PartyId(f"ap{f['number']}"),
            signers=[f["id"].encode()],
            signed=parts if f["number"] % 2 else None,
            events=[event(f["id"], EventKind.DISCOVERED, at=later(f["at"]))],
        )
        known = await self.store.sent(MessageId(f["id"]))
        return applied, known and (known.signers, known.references)

    async def renew(self, **f: Any) -> object:
        keys = [await self.key(f["place"]), await self.key(f["number"])]
        return await self.store.renew(keys, now=later(f["at"]), lease=50)

    async def record(self, **f: Any) -> object:
        told = event(f["id"], EventKind.ERROR, direction=f["direction"], at=later(f["at"]))
        return await self.store.record([told])

    async def told(self, **f: Any) -> object:
        untold = await self.store.undelivered_events(f["lane"], limit=f["number"])
        await self.store.events_delivered(f["lane"], [e.seq for e in untold[:1]])
        return untold

    async def purge(self, **f: Any) -> object:
        return await self.store.purge(payloads_before=later(f["at"] - 50), messages_before=later(f["at"] - 300))

    async def everything(self) -> object:
        found = await self.store.find(Query(limit=1000))
        receipts = [await self.store.receipt(stored.key) for stored in found]
        return (
            [replace(stored, key=0, message=replace(stored.message, payloads=())) for stored in found],
            [read(stored.message) if stored.payloads_kept else None for stored in found],
            [receipt and read_all(receipt.body) for receipt in receipts],
            await self.store.events(limit=10_000),
            await self.store.counts(),
        )


@pytest.mark.parametrize("seed", range(10))
async def test_both_stores_agree_at_every_step(tmp_path: Path, seed: int) -> None:
    sqlite = await SqliteStore.open(tmp_path / "store.db", FileBlobs(tmp_path / "payloads"))
    one, other = Player(sqlite), Player(MemoryStore())
    script = Script(seed)
    for number in range(STEPS):
        name, facts = script.step()
        assert (number, name, await one.play(name, facts)) == (number, name, await other.play(name, facts))
    assert await one.everything() == await other.everything()
    await sqlite.close()
