"""What is asked: the cases of spec/discovery.md 7, by the resolver adapter and by whole look-ups."""

from collections.abc import Awaitable, Callable

from ehmi_ap.discovery.found import Found, Missed, Result
from ehmi_ap.discovery.naptr import select
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.sml import LEGACY, dns_name
from ehmi_ap.questions import DnsStatus
from tests.interop.cells import Cell, Way
from tests.interop.dns.scene import (
    ALIAS,
    AWAY,
    BACK,
    DEAD,
    FORGED,
    LEGACY_ONLY,
    MANY,
    MISSING,
    MOVED,
    NEGATIVE,
    NODATA,
    ORDERED,
    PLAIN,
    UNSIGNED,
    Scene,
)
from tests.publisher import ZONE

CELLS: list[Cell] = []

Run = Callable[[Scene], Awaitable[None]]


def cell(group: str, what: str, expected: str) -> Callable[[Run], Run]:
    """The function below is a cell of that name."""

    def add(run: Run) -> Run:
        CELLS.append(Cell(f"dns-{run.__name__.replace('_', '-')}", group, Way.ASK, what, expected, run))
        return run

    return add


def _found(result: Result) -> Found:
    assert isinstance(result, Found), result.error
    return result


def _missed(result: Result) -> str:
    assert isinstance(result, Missed), result
    return result.error.reason


SIGNED = "A signed zone"


@cell(SIGNED, "a U-NAPTR record whose URL ends in a slash", "the receiver, validated")
async def plain(scene: Scene) -> None:
    answer = await scene.ask(PLAIN)
    assert (answer.status, answer.secure, answer.server) == (DnsStatus.FOUND, True, scene.resolver)
    assert 0 < (answer.ttl or 0) <= 60
    assert _found(await scene.look_up(PLAIN)).smp.startswith(f"{scene.net.smp.base}/iso6523")


@cell(SIGNED, "the same name in capitals", "the same record")
async def capitals(scene: Scene) -> None:
    name = dns_name(PLAIN.participant, ZONE, Naming())
    assert (await scene.ask(name.upper())).naptrs == (await scene.ask(name)).naptrs != ()


@cell(SIGNED, "records of several orders, preferences, flags and services", "the first one that fits")
async def ordered(scene: Scene) -> None:
    answer = await scene.ask(ORDERED)
    assert [(each.order, each.preference, each.flags) for each in answer.naptrs] == [
        (10, 10, "S"),
        (20, 10, "u"),
        (20, 20, "U"),
        (100, 10, "U"),
    ]
    assert answer.naptrs[0].replacement == "_smp._tcp.other.test"
    assert "/bdxr-smp-2/" not in _found(await scene.look_up(ORDERED)).smp
    assert "/bdxr-smp-2/" in _found(await scene.look_up(ORDERED, services=("oasis-bdxr-smp-2",))).smp


@cell(SIGNED, "a CNAME to the record of a publisher", "the receiver, validated, and the alias among the steps")
async def alias(scene: Scene) -> None:
    answer = await scene.ask(ALIAS)
    assert (answer.aliases, answer.secure) == ((f"publisher.{ZONE}",), True)
    found = _found(await scene.look_up(ALIAS))
    assert any(f"publisher.{ZONE}" in step.evidence for step in found.steps)


@cell(SIGNED, "a publisher's expression that refers back to the name", "its URL has the hash of the name asked for")
async def back_reference(scene: Scene) -> None:
    name = dns_name(BACK.participant, ZONE, Naming())
    answer = await scene.ask(name)
    chosen = select(answer.naptrs, name, ["Meta:SMP"], regexp=True)
    assert chosen.url == f"https://smp1.test/{name.split('.')[0]}"
    assert _missed(await scene.look_up(BACK)) == "RESOLVED_URI_SYNTAX_ERROR"


@cell(SIGNED, "60 records, which no datagram holds", "all of them, over TCP")
async def many(scene: Scene) -> None:
    assert len((await scene.ask(MANY)).naptrs) == 60
    assert _found(await scene.look_up(MANY))


@cell(SIGNED, "a legacy name: a CNAME to a host with two addresses", "both addresses")
async def legacy(scene: Scene) -> None:
    name = dns_name(LEGACY_ONLY.participant, ZONE, LEGACY)
    answer = await scene.ask(name, type="ADDRESS")
    assert (answer.texts, answer.aliases) == (("192.0.2.7", "2001:db8::7"), (f"smp.{ZONE}",))
    assert answer.secure
    assert _missed(await scene.look_up(LEGACY_ONLY)) == "PARTICIPANT_NOT_REGISTERED"


NOTHING = "Nothing there"


@cell(NOTHING, "a name that is not in the zone", "not registered, said twice, validated")
async def missing(scene: Scene) -> None:
    first = await scene.ask(MISSING)
    second = await scene.ask(MISSING, again_after=first.server)
    for answer in (first, second):
        assert (answer.status, answer.secure) == (DnsStatus.NO_NAME, True)
        assert 0 < (answer.ttl or 0) <= NEGATIVE
    assert _missed(await scene.look_up(MISSING)) == "PARTICIPANT_NOT_REGISTERED"


@cell(NOTHING, "a name with an address alone", "there is no such record, validated")
async def no_data(scene: Scene) -> None:
    answer = await scene.ask(NODATA)
    assert (answer.status, answer.secure) == (DnsStatus.NO_DATA, True)
    assert 0 < (answer.ttl or 0) <= NEGATIVE
    assert _missed(await scene.look_up(NODATA)) == "PARTICIPANT_WITHOUT_RECORD"


UNPROVEN = "Not proven"


@cell(UNPROVEN, "a DNAME into a zone that is not signed", "the receiver where nothing has to be validated")
async def dname(scene: Scene) -> None:
    name = dns_name(PLAIN.participant, MOVED, Naming())
    answer = await scene.ask(name)
    assert (answer.status, answer.secure) == (DnsStatus.FOUND, False)
    assert answer.aliases == (name.replace(MOVED, UNSIGNED),)
    assert _found(await scene.look_up(PLAIN, dnssec="off", zones=(MOVED,)))
    preferred = _found(await scene.look_up(PLAIN, dnssec="prefer", zones=(MOVED,)))
    assert any(step.warning for step in preferred.steps)
    assert _missed(await scene.look_up(PLAIN, zones=(MOVED,))) == "DNS_NOT_VALIDATED"


@cell(UNPROVEN, "a record that was changed after it was signed", "no answer, and why; the authority itself gives it")
async def bogus(scene: Scene) -> None:
    answer = await scene.ask(FORGED)
    assert answer.status is DnsStatus.FAILED
    assert "SERVFAIL, EDE 6" in answer.detail
    assert _missed(await scene.look_up(FORGED, dnssec="off")) == "DNS_TECHNICAL_FAILURE"
    unchecked = await scene.ask(FORGED, scene.authority)
    assert (unchecked.status, unchecked.secure) == (DnsStatus.FOUND, False)


@cell(UNPROVEN, "an authority in place of a resolver", "its own records, not validated; what it does not follow fails")
async def authority(scene: Scene) -> None:
    answer = await scene.ask(PLAIN, scene.authority)
    assert (answer.status, answer.secure) == (DnsStatus.FOUND, False)
    assert _missed(await scene.look_up(PLAIN, scene.authority)) == "DNS_NOT_VALIDATED"
    for name in (dns_name(AWAY.participant, ZONE, Naming()), "other.example"):
        assert (await scene.ask(name, scene.authority)).status is DnsStatus.FAILED


BROKEN = "Nobody answers"


@cell(BROKEN, "a server that is not there, before one that is", "the receiver")
async def dead_server(scene: Scene) -> None:
    assert (await scene.ask(PLAIN, scene.dead, scene.resolver)).server == scene.resolver
    assert _missed(await scene.look_up(PLAIN, scene.dead)) == "DNS_TECHNICAL_FAILURE"


@cell(BROKEN, "a zone whose servers are not there", "no answer, with the resolver's reason")
async def dead_zone(scene: Scene) -> None:
    answer = await scene.ask(f"anything.{DEAD}")
    assert answer.status is DnsStatus.FAILED
    assert scene.resolver in answer.detail
    assert _missed(await scene.look_up(PLAIN, zones=(DEAD,))) == "DNS_TECHNICAL_FAILURE"
