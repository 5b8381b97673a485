"""Who is alone on a store takes up at once what a dead process had claimed; who is not waits for the lease."""

from pathlib import Path

from store_samples import NOW, accept, claim_one

from ehmi_ap.model import Direction
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.presence import Presence
from ehmi_ap.store.sqlite import SqliteStore


async def opened(folder: Path) -> SqliteStore:
    return await SqliteStore.open(folder / "store.db", FileBlobs(folder / "payloads"))


def test_the_first_is_alone_and_the_second_is_not(tmp_path: Path) -> None:
    first = Presence(tmp_path / "lock")
    first.share()
    second = Presence(tmp_path / "lock")
    first.close()
    second.close()
    third = Presence(tmp_path / "lock")
    third.close()
    assert (first.alone, second.alone, third.alone) == (True, False, True)


async def test_leases_of_a_dead_process_are_void(tmp_path: Path) -> None:
    """Its lock went with it, so whoever opens the store next is alone and need not wait."""
    dead = await opened(tmp_path)
    await accept(dead)
    job = await claim_one(dead, Direction.OUTBOUND, lease=900)
    dead._presence.close()  # what the system does when a process ends
    next_one = await opened(tmp_path)
    again = await next_one.claim(Direction.OUTBOUND, now=NOW, lease=900, limit=1)
    assert [(each.key, each.attempts) for each in again] == [(job.key, 2)]
    await next_one.close()


async def test_leases_of_a_living_process_stand(tmp_path: Path) -> None:
    one = await opened(tmp_path)
    await accept(one)
    await claim_one(one, Direction.OUTBOUND, lease=900)
    other = await opened(tmp_path)
    assert await other.claim(Direction.OUTBOUND, now=NOW, lease=900, limit=1) == []
    await other.close()
    await one.close()
