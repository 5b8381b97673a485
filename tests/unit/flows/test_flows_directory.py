"""Look-ups: asked once for all who wait, and used as long as they may be."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pki
import pytest
from flow_world import KEYS
from registry import Registry, missed, wanted

from ehmi_ap.agreements import Agreements
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.found import Found, Identifier, Missed, Result
from ehmi_ap.discovery.network import Cache, Network, Receivers
from ehmi_ap.discovery.snapshots import Snapshot
from ehmi_ap.errors import NotFound
from ehmi_ap.flows import directory as module
from ehmi_ap.flows.directory import Directory
from ehmi_ap.model import Participant

NETWORK = Network(
    name="net", zones=("sml.example",), cache=Cache(ttl=900, negative=60, stale=3600, refresh=0.8, size=3)
)


@dataclass
class Place:
    """A directory, the registry that it asks, and the clock."""

    registry: Registry = field(default_factory=Registry)
    counted: Counter[str] = field(default_factory=Counter)
    observed: list[tuple[str, str, float]] = field(default_factory=list)
    at: datetime = pki.NOW
    network: Network = NETWORK
    trust: Trust = field(default_factory=lambda: Trust({}))
    snapshots: list[Snapshot] = field(default_factory=list)

    def file(self, name: str, *, says: str, participant: str = "0088:1", document: str = "urn:document") -> None:
        """A snapshot whose judgement is that of the entry `says`."""
        self.snapshots.append(
            Snapshot(
                name=name,
                data=says.encode(),
                participant=Participant(participant),
                document=Identifier(document),
                processes=(),
            )
        )

    def __post_init__(self) -> None:
        self.directory = Directory(
            self.registry,
            judge=self.registry.judge,
            agreements=self.agreements,
            now=lambda: self.at,
            clock=lambda: self.at.timestamp(),
            count=lambda what: self.counted.update([what]),
            observe=lambda *facts: self.observed.append(facts),
        )

    def agreements(self) -> Agreements:
        return Agreements(
            pmodes=(),
            keys=KEYS,
            trust=self.trust,
            networks={"net": self.network},
            snapshots={"net": self.snapshots},
        )

    def later(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def find(self, participant: str = "0088:1", **how: bool) -> Result:
        return await self.directory.find("net", wanted(participant), **how)

    async def settle(self) -> None:
        """Let what is under way in the background end."""
        while self.directory._flights:
            await asyncio.wait(self.directory._flights.values())


@pytest.fixture
def place(test_pki: Any) -> Place:
    made = Place()
    for number in range(1, 6):
        made.registry.publish(f"0088:{number}", test_pki.receiver, f"https://ap{number}.example/as4")
    return made


def is_found(result: Result) -> bool:
    return isinstance(result, Found)


def reason(result: Result) -> str:
    assert isinstance(result, Missed)
    return result.error.reason


async def test_what_is_fresh_is_not_asked_again(place: Place) -> None:
    first = await place.find()
    place.later(700)
    assert await place.find() is first
    assert place.directory.known("net", wanted()) is first
    place.later(200)
    assert place.directory.known("net", wanted()) is None
    await place.find()
    assert place.registry.asked == ["0088:1"] * 2
    assert place.registry.known == [None, first], "what is known already may be unchanged, and need not be sent again"
    assert place.counted == {"lookup found": 2, "lookup_remembered fresh": 1}
    assert [facts[:2] for facts in place.observed] == [("net", "found")] * 2


async def test_all_who_wait_are_answered_by_one_look_up(place: Place) -> None:
    place.registry.gate.clear()
    finding = [asyncio.create_task(place.find()) for _ in range(50)]
    other = asyncio.create_task(place.find("0088:2"))
    await asyncio.sleep(0)
    place.registry.gate.set()
    assert len(set(map(id, await asyncio.gather(*finding)))) == 1
    await other
    assert place.registry.asked == ["0088:1", "0088:2"]


async def test_one_who_gives_up_leaves_the_look_up_to_the_others(place: Place) -> None:
    place.registry.gate.clear()
    first, second = (asyncio.create_task(place.find()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    place.registry.gate.set()
    assert is_found(await second)
    assert first.cancelled() or first.cancelling()
    assert len(place.registry.asked) == 1


async def test_what_ages_is_asked_anew_in_the_background(place: Place) -> None:
    """Nobody waits for it; whoever comes meanwhile gets what is still fresh, and starts no second one."""
    first = await place.find()
    place.later(721)
    place.registry.gate.clear()
    assert await place.find() is first
    assert await place.find() is first
    place.registry.gate.set()
    await place.settle()
    place.later(700)
    assert is_found(await place.find())
    assert place.registry.asked == ["0088:1"] * 2


async def test_a_refresh_that_reaches_nobody_is_not_repeated_at_once(place: Place) -> None:
    first = await place.find()
    place.later(721)
    place.registry.down = True
    for _ in range(5):
        assert await place.find() is first
        await place.settle()
    assert len(place.registry.asked) == 2
    place.later(60)
    await place.find()
    await place.settle()
    assert len(place.registry.asked) == 3


async def test_while_nobody_can_be_asked_the_last_answer_serves_on(place: Place) -> None:
    """And no longer than it may: then the failure is told, and it is asked again after a minute."""
    first = await place.find()
    place.registry.down = True
    place.later(901)
    assert await place.find() is first
    assert await place.find() is first
    assert place.registry.asked == ["0088:1"] * 2, "what failed just now was asked again"
    place.later(61)
    assert await place.find() is first
    assert len(place.registry.asked) == 3
    assert place.counted["lookup_instead stale"] == 3
    place.later(3600)
    assert reason(await place.find()) == "SMP_TIMEOUT"
    assert reason(await place.find()) == "SMP_TIMEOUT"
    assert len(place.registry.asked) == 4
    place.registry.down = False
    place.later(61)
    assert is_found(await place.find())


@pytest.mark.parametrize("answer", ["PARTICIPANT_NOT_REGISTERED", "NO_ACTIVE_ENDPOINT", "ENDPOINT_REVOKED"])
async def test_what_was_found_is_never_used_after_the_network_said_no(place: Place, answer: str) -> None:
    await place.find()
    place.later(901)
    place.registry.of["0088:1"] = missed(answer)
    assert reason(await place.find()) == answer
    place.registry.down = True
    place.later(61)
    assert reason(await place.find()) == "SMP_TIMEOUT"


async def test_the_network_s_no_in_the_background_counts_at_once(place: Place) -> None:
    await place.find()
    place.later(721)
    place.registry.of["0088:1"] = missed("SIGNER_REVOKED")
    assert is_found(await place.find())
    await place.settle()
    assert reason(await place.find()) == "SIGNER_REVOKED"


async def test_our_own_credentials_being_refused_is_not_hidden(place: Place) -> None:
    await place.find()
    place.later(901)
    place.registry.of["0088:1"] = missed("SMP_FORBIDDEN")
    assert reason(await place.find()) == "SMP_FORBIDDEN"


async def test_who_is_not_registered_is_remembered_for_a_minute(place: Place, test_pki: Any) -> None:
    assert reason(await place.find("new")) == "PARTICIPANT_NOT_REGISTERED"
    place.registry.publish("new", test_pki.receiver, "https://new.example")
    place.later(59)
    assert reason(await place.find("new")) == "PARTICIPANT_NOT_REGISTERED"
    place.later(1)
    assert is_found(await place.find("new"))
    assert place.counted["lookup_remembered not-registered"] == 1


async def test_a_fresh_look_up_uses_nothing_that_was_asked_before(place: Place, test_pki: Any) -> None:
    """Not even the answer of one that is under way, nor "not changed since"; what it found is what is remembered."""
    first = await place.find()
    place.later(901)
    place.registry.gate.clear()
    slow = asyncio.create_task(place.find())
    await asyncio.sleep(0)
    fresh = [asyncio.create_task(place.find(fresh=True)) for _ in range(3)]
    await asyncio.sleep(0)
    place.registry.gate.set()
    old = await slow
    moved = place.registry.publish("0088:1", test_pki.sender, "https://moved.example")
    assert [await each for each in fresh] == [moved] * 3
    assert old is not moved
    assert await place.find() is moved
    assert place.registry.known == [None, first, None]


async def test_a_fresh_look_up_joins_none_that_takes_no_change_for_an_answer(place: Place) -> None:
    """Begun by somebody else while it waited for the one that was under way."""
    first = await place.find()

    async def twice() -> None:
        for _ in range(2):
            place.later(901)
            await place.find()

    place.registry.gate.clear()
    slow = asyncio.create_task(twice())
    await asyncio.sleep(0)
    fresh = asyncio.create_task(place.find(fresh=True))
    await asyncio.sleep(0)
    place.registry.gate.set()
    await asyncio.gather(slow, fresh)
    assert place.registry.known == [None, first, first, None]


async def test_a_fresh_look_up_does_not_make_do_with_an_old_answer(place: Place) -> None:
    first = await place.find()
    place.registry.down = True
    assert reason(await place.find(fresh=True)) == "SMP_TIMEOUT"
    assert await place.find() is first


@pytest.mark.parametrize("change", ["network", "anchors"])
async def test_a_change_of_the_rules_forgets_what_was_judged_by_the_old(
    place: Place, test_pki: Any, change: str
) -> None:
    root, issuing = (Certificate.from_der(each.der) for each in (test_pki.root, test_pki.issuing))
    place.trust = Trust({"ca": [root]})
    place.network = replace(NETWORK, receivers=Receivers(trust=("ca",)))
    await place.find()
    place.trust = Trust({"ca": [root], "other": [issuing]})
    await place.find()
    assert len(place.registry.asked) == 1
    if change == "network":
        place.network = replace(place.network, smp="https://smp.example")
    else:
        place.trust = Trust({"ca": [issuing]})
    assert place.directory.known("net", wanted()) is None
    place.registry.down = True
    assert reason(await place.find()) == "SMP_TIMEOUT"


async def test_a_snapshot_serves_where_nothing_else_does(place: Place, test_pki: Any) -> None:
    """Precedence: what the network says now, what it said before, and then what is stored."""
    stored = place.registry.publish("stored", test_pki.sender, "https://stored.example")
    place.file("other", says="0088:2", document="urn:other")
    place.file("broken", says="nobody")
    place.registry.of["nobody"] = missed("SIGNATURE_DIGEST")
    place.file("right", says="stored")
    live = await place.find()
    assert (live is not stored, place.registry.judged) == (True, [])
    place.registry.down = True
    place.later(1000)
    assert await place.find() is live
    place.later(4000)
    assert await place.find() is stored
    assert await place.find() is stored
    assert place.registry.judged[-2:] == ["broken", "right"]
    assert len(place.registry.judged) == 4, "judged once for each look-up that reached nobody"
    assert place.counted["lookup_instead snapshot"] == 2
    assert reason(await place.find(fresh=True)) == "SMP_TIMEOUT"
    place.registry.down = False
    place.later(61)
    assert (await place.find()) == live


async def test_a_snapshot_is_no_answer_to_a_no(place: Place) -> None:
    place.file("right", says="0088:2")
    place.registry.of["0088:1"] = missed("PARTICIPANT_NOT_REGISTERED")
    assert reason(await place.find()) == "PARTICIPANT_NOT_REGISTERED"
    assert place.registry.judged == []


async def test_a_snapshot_ends_with_its_certificates(place: Place, test_pki: Any) -> None:
    place.registry.publish("stored", test_pki.sender, "https://x.example", usable_until=place.at + timedelta(seconds=9))
    place.file("right", says="stored")
    place.registry.down = True
    assert is_found(await place.find())
    place.later(10)
    assert reason(await place.find()) == "SMP_TIMEOUT"


async def test_where_nobody_is_asked_the_snapshots_are_the_network(place: Place, test_pki: Any) -> None:
    """A closed network without SML and SMP: who has none is not registered."""
    place.network = replace(NETWORK, zones=())
    stored = place.registry.publish("stored", test_pki.sender, "https://stored.example")
    place.file("right", says="stored")
    assert await place.find() is stored
    assert await place.find() is stored
    assert (place.registry.asked, place.registry.judged) == ([], ["right"])
    assert reason(await place.find("0088:2")) == "PARTICIPANT_NOT_REGISTERED"
    place.snapshots[0] = replace(place.snapshots[0], data=b"bad")
    place.registry.of["bad"] = missed("SIGNER_EXPIRED")
    place.later(901)
    assert reason(await place.find()) == "SIGNER_EXPIRED"


async def test_the_most_recently_used_are_kept(place: Place) -> None:
    for number in (1, 2, 3, 1, 4, 5):
        await place.find(f"0088:{number}")
    assert [entry.wanted.participant.value for entry in place.directory.entries()] == ["0088:1", "0088:4", "0088:5"]


async def test_a_participant_is_flushed(place: Place) -> None:
    """All documents of it, without regard to case; or everything."""
    await place.find("0088:1")
    await place.find("0088:2")
    await place.directory.find("net", wanted("0088:1", document="urn:other"))
    assert place.directory.flush("0088:1") == 2
    assert place.directory.flush("0088:1") == 0
    await place.find("0088:1")
    assert len(place.registry.asked) == 4
    assert place.directory.flush() == 2
    assert place.directory.entries() == []


async def test_a_look_up_that_never_ends_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.001)
    place.registry.gate.clear()
    result = await place.find()
    assert isinstance(result, Missed)
    assert (result.error.outcome, result.error.retryable) == ("unavailable", True)


async def test_a_snapshot_that_nobody_can_judge_is_given_up_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a closed network nobody says what is revoked: each server takes its time, for each certificate."""
    monkeypatch.setattr(module, "LONGEST", 0.001)
    place.network = replace(NETWORK, zones=())
    place.file("a.xml", says="0088:1")
    judged: list[Snapshot] = []

    async def silent(snapshot: Snapshot, *what: Any, **how: Any) -> Result:
        judged.append(snapshot)
        await asyncio.Event().wait()
        raise AssertionError

    place.directory._judge = silent
    result = await asyncio.wait_for(place.find(), 30)
    assert (reason(result), len(judged)) == ("REVOCATION_UNAVAILABLE", 1)


async def test_a_miss_is_remembered_from_its_end_on(place: Place) -> None:
    """An SMP that swallows questions takes a minute for each: not one for each message that waits."""
    place.registry.down = True
    place.registry.gate.clear()
    slow = asyncio.create_task(place.find())
    while not place.registry.asked:
        await asyncio.sleep(0)
    place.later(60)
    place.registry.gate.set()
    assert reason(await slow) == "SMP_TIMEOUT"
    assert reason(await place.find()) == "SMP_TIMEOUT"
    assert len(place.registry.asked) == 1


async def test_a_failure_of_our_own_is_not_remembered(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*what: Any, **how: Any) -> Result:
        raise ZeroDivisionError

    place.directory._look = broken
    with pytest.raises(ZeroDivisionError):
        await place.find()
    assert "a look-up failed on our side" in caplog.text
    place.directory._look = place.registry
    assert is_found(await place.find())


async def test_there_is_no_such_network(place: Place) -> None:
    with pytest.raises(NotFound, match="no network other"):
        await place.directory.find("other", wanted())


async def test_closing_ends_what_is_under_way(place: Place) -> None:
    place.registry.gate.clear()
    waiting = asyncio.create_task(place.find())
    await asyncio.sleep(0)
    await place.directory.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert place.directory._flights == {}


async def test_the_log_names_no_cpr_number(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """An identifier is what C1 made of it."""
    place.registry.of["0088:1"] = missed("PARTICIPANT_NOT_REGISTERED")
    error = place.registry.of["0088:1"]
    assert isinstance(error, Missed)
    error.error.what = "0101701234 is not registered"
    await place.find()
    [record] = caplog.records
    assert "0101701234" not in str(vars(record))
