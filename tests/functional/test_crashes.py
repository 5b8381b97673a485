"""A crash after each step: whatever was half done is put right by the next run, and C4 has each message once."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pki
import pytest
from sim import ACTION, SERVICE, Crash, Fuse, Net, Site

from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, MessageId, Participant
from ehmi_ap.ports import Query

ENOUGH = 60
"""More steps than one exchange takes; the fuse stays whole when it is set beyond the last one."""


async def exchange(c2: Site, c3: Site) -> MessageId:
    """From C1's submission to C4 and back, with all events told."""
    message_id = await c2.submit(message_id="1@c1.example")
    await c2.send_due()
    await c3.deliver_due()
    await c2.report()
    await c3.report()
    return message_id


async def finish(net: Net, c2: Site, c3: Site) -> None:
    """What the loops of both would do once they run again, C1 repeating a submission that got no answer."""
    await c2.submit(message_id="1@c1.example")
    for _ in range(4):
        await c2.send_due()
        await c3.deliver_due()
        net.clock.advance(3600)
    await c2.report()
    await c3.report()


async def sites(net: Net, folder: Path, test_pki: Any, broken: str, at: int) -> tuple[Site, Site, Fuse]:
    """Two sites, of which `broken` has a fuse that blows at step `at`."""
    fuse = Fuse(at=at)
    c2 = Site(net, "c2", test_pki.sender, folder=folder / "c2", fuse=fuse if broken == "c2" else None)
    c3 = Site(net, "c3", test_pki.receiver, folder=folder / "c3", fuse=fuse if broken == "c3" else None)
    c2.knows(c3)
    c3.knows(c2)
    for site in (c2, c3):
        await site.open()
    return c2, c3, fuse


@pytest.mark.parametrize("broken", ["c2", "c3"])
async def test_a_crash_at_each_step_loses_nothing_and_delivers_once(test_pki: Any, tmp_path: Path, broken: str) -> None:
    """The process dies before and after every call of a port; SQLite is opened again; both go on."""
    seen: list[str] = []
    for at in range(1, ENOUGH):
        net = Net()
        c2, c3, fuse = await sites(net, tmp_path / str(at), test_pki, broken, at)
        victim = c2 if broken == "c2" else c3
        with suppress(Crash):
            await exchange(c2, c3)
        blown = fuse.steps >= at
        seen += fuse.names[at - 1 : at]
        await victim.restart()
        await finish(net, c2, c3)
        await check(c2, c3, where=f"crash at {fuse.names[at - 1] if blown else 'no step'}")
        await c2.close()
        await c3.close()
        if not blown:
            break
    else:
        pytest.fail("ENOUGH is not enough")
    assert len(seen) >= 16, seen


async def check(c2: Site, c3: Site, *, where: str) -> None:
    """Acknowledged at C2, delivered at C3, once at C4; both told at least once of the end."""
    [sent] = await c2.store.find(Query(direction=Direction.OUTBOUND))
    [kept] = await c3.store.find(Query(direction=Direction.INBOUND))
    assert (sent.state, sent.has_receipt) == (State.ACKNOWLEDGED, True), where
    assert kept.state is State.DELIVERED, where
    assert len(c3.inbox.messages) == 1, where
    message_id = sent.message.message_id
    assert await c2.events(message_id), where
    for site in (c2, c3):
        recorded = await site.events(message_id)
        assert recorded.count(("msg-received", False, None)) == 1, where
        assert recorded.count(("msg-sent", False, None)) == 1, where
        assert set(recorded) <= set(site.inbox.told(message_id)), where


@pytest.mark.parametrize("rolls", [False, True])
async def test_a_crash_at_each_step_of_a_look_up_loses_nothing(test_pki: Any, tmp_path: Path, rolls: bool) -> None:
    """From C1's submission to the receipt: cold, and while the access point that was found changes its certificate."""
    seen: list[str] = []
    ours, theirs, renewed = (
        pki.make_leaf(test_pki.issuing, name, key=key) for name, key in (("c2", "a"), ("c3", "b"), ("c3", "c"))
    )
    for at in range(1, ENOUGH):
        net = Net()
        fuse = Fuse()
        c2 = Site(net, "c2", ours, folder=tmp_path / f"{at}c2", fuse=fuse)
        c3 = Site(net, "c3", theirs, folder=tmp_path / f"{at}c3")
        for site in (c2, c3):
            site.looks_up(test_pki.issuing)
            await site.open()
        net.registry.publish("0088:4", c3.identity, c3.url)
        if rolls:
            await c2.directory.find("net", wanted_of_c4())
            c3.renew(renewed)
            net.registry.publish("0088:4", c3.identity, c3.url)
        before, fuse.at = fuse.steps, fuse.steps + at
        with suppress(Crash):
            await looked_up(c2)
            await c2.send_due()
            await c2.send_due()
            await c3.deliver_due()
            await c2.report()
        blown = fuse.steps >= before + at
        seen += fuse.names[before + at - 1 : before + at]
        await c2.restart()
        await looked_up(c2)
        for _ in range(4):
            await c2.send_due()
            await c3.deliver_due()
            net.clock.advance(3600)
        await c2.report()
        await c3.report()
        await check(c2, c3, where=f"crash at {fuse.names[before + at - 1] if blown else 'no step'}")
        for site in (c2, c3):
            await site.close()
        if not blown:
            break
    else:
        pytest.fail("ENOUGH is not enough")
    assert len(seen) >= (20 if rolls else 14), seen
    assert "after look-up" in seen


async def looked_up(c2: Site) -> MessageId:
    """C1's submission, repeated if it got no answer."""
    corners = {"sender": Participant("0088:1"), "receiver": Participant("0088:4")}
    return await c2.submit(message_id="1@c1.example", **corners)


def wanted_of_c4() -> Wanted:
    """What c2 looks up for it."""
    return Wanted(
        participant=Participant("0088:4", "iso6523-actorid-upis"),
        document=Identifier(ACTION, "busdox-docid-qns"),
        process=Identifier(SERVICE.value, "cenbii-procid-ubl"),
    )


async def test_the_signed_form_is_kept_before_the_first_byte_leaves(test_pki: Any, tmp_path: Path) -> None:
    """A crash between the two leaves nothing on the wire; one after the POST repeats the same digests."""
    net = Net()
    fuse = Fuse()
    c2 = Site(net, "c2", test_pki.sender, folder=tmp_path, fuse=fuse)
    c3 = Site(net, "c3", test_pki.receiver, folder=None)
    c2.knows(c3)
    c3.knows(c2)
    await c2.open()
    await c3.open()
    await c2.submit()
    await c2.send_due()
    steps = fuse.names
    assert steps.index("after c2.store.accept") < steps.index("before web.post")
    assert steps.index("after web.post") < steps.index("before c2.store.settle")
    await c2.close()


async def test_the_receipt_leaves_after_the_commit(net: Net, c2: Site, c3: Site) -> None:
    """A crash before keep() is done means no answer at all; the sender comes again and gets one (G30)."""
    await c2.submit()
    c3.fuse.at = c3.fuse.steps + 1
    await c2.send_due()
    assert c3.fuse.names == ["before c3.store.keep"]
    assert net.answers == []
    assert await c3.store.find(Query()) == []
    await c3.restart()
    await c2.send_due()
    assert len(net.answers) == 1
    assert len(await c3.store.find(Query())) == 1
