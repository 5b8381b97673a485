"""Names, URLs and DNS records: where the clients of peppol-commons find our SMP."""

from dataclasses import replace
from urllib.parse import urlsplit

from ehmi_ap.demo.dns import u_naptr
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.identifiers import EBCORE, ebcore
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.published import Dialect
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.discovery.smp_urls import metadata_urls
from ehmi_ap.model import Participant
from tests.interop.cells import Cell
from tests.interop.smp import limits
from tests.interop.smp.scene import DIALECTS, Scene, overheard
from tests.interop.smp.terms import ONE, adding, other, refused, told
from tests.publisher import WANTED, ZONE

CELLS: list[Cell] = []
cell = adding(CELLS)

NAMES = "Names and URLs"
NAMED = (
    WANTED,
    replace(WANTED, document=Identifier("urn:a::c*d@e#f?g=h&i+j~k_l-m.n%20o,p;q!r'(s)$[t]", "busdox-docid-qns")),
    replace(WANTED, document=Identifier("urn:sundhed:prøve::æøå", "bdx-docid-qns")),
    replace(WANTED, participant=Participant("5790000121526", f"{EBCORE}iso6523:0088")),
    replace(WANTED, participant=Participant("dk:cvr/12345678", "dk-own")),
)
"""Identifiers with `::`, `##`, and all that means something in a URL."""


@cell(NAMES, "names of participants in DNS, by the BDXL provider", "ours, letter for letter", dialects=ONE)
async def name(scene: Scene, dialect: Dialect) -> None:
    upper = Participant("0088:DK5790000121526", WANTED.participant.scheme)
    for participant in (*(each.participant for each in NAMED), upper):
        urn = ebcore(participant)  # is a name without a scheme
        as_they = Participant(urn, None) if urn else participant
        answer = await scene.ask("name", dialect, participant=as_they)
        assert answer == {"name": dns_name(participant, ZONE, Naming())}


async def _asked(scene: Scene, dialect: Dialect, wanted: Wanted) -> tuple[str, list[str]]:
    """The path that the client asks for, and ours."""
    async with overheard() as (base, targets):
        assert "SMPClientNotFoundException" in refused(await scene.ask("metadata", dialect, wanted, smp=base))
        ours = metadata_urls(base, wanted.participant, wanted.document, smp2=dialect == "oasis2")
        [theirs] = targets
    return theirs, [urlsplit(each).path for each in ours]


@cell(NAMES, "the URLs of {} as they are asked", "ours, letter for letter")
async def urls(scene: Scene, dialect: Dialect) -> None:
    for wanted in NAMED:
        theirs, ours = await _asked(scene, dialect, wanted)
        assert theirs in ours


@cell(
    NAMES,
    "the URL of {} for an identifier with a space",
    "ours, but for `+`",
    explained=dict.fromkeys(DIALECTS, limits.SPACES),
)
async def space(scene: Scene, dialect: Dialect) -> None:
    wanted = replace(WANTED, document=Identifier("urn:a b", "busdox-docid-qns"))
    theirs, [ours] = await _asked(scene, dialect, wanted)
    assert theirs == ours.replace("%20", "+") != ours


@cell(
    NAMES,
    "the URL of {} for an identifier without a scheme",
    "ours; where `::` is put before it, ours but for that",
    explained={"oasis2": limits.NO_SCHEME},
)
async def no_scheme(scene: Scene, dialect: Dialect) -> None:
    theirs, [ours] = await _asked(scene, dialect, replace(WANTED, document=Identifier("urn:x", None)))
    assert theirs == (ours.replace("urn%3Ax", "%3A%3Aurn%3Ax") if dialect == "oasis2" else ours)


@cell(NAMES, "{} metadata at those URLs", "found, by whatever identifier")
async def identifiers(scene: Scene, dialect: Dialect) -> None:
    for wanted in NAMED:
        scene.register(dialect, wanted=wanted)
        answer = await scene.ask("metadata", dialect, wanted)
        assert (answer["participant"], answer["document"]) == (told(wanted.participant), told(wanted.document))


LOCATED = "Found by DNS"


@cell(LOCATED, "{} metadata of a participant whose U-NAPTR record our DNS server has", "found, at our SMP")
async def located(scene: Scene, dialect: Dialect) -> None:
    wanted = other(60 + DIALECTS.index(dialect))  # the clients keep what DNS said
    scene.register(dialect, wanted=wanted)
    scene.locate(wanted, u_naptr(scene.smp(dialect).base))
    assert await scene.ask("where", dialect, wanted, smp=None) == {"url": scene.smp(dialect).base}
    answer = await scene.ask("metadata", dialect, wanted, smp=None)
    assert answer["participant"] == told(wanted.participant)


@cell(
    LOCATED,
    "records of several orders, preferences, flags and services",
    "the first one that fits, as we",
    dialects=ONE,
)
async def ordered(scene: Scene, dialect: Dialect) -> None:
    wanted = other(7)
    scene.locate(
        wanted,
        '10 10 "S" "Meta:SMP" "" _smp._tcp.other.test.',
        u_naptr("https://second.example", order=20, preference=20),
        u_naptr("https://first.example", order=20).replace('"U" "Meta:SMP"', '"u" "meta:smp"'),
        u_naptr("https://two.example", service="oasis-bdxr-smp-2", order=5),
    )
    assert await scene.ask("where", dialect, wanted, smp=None) == {"url": "https://first.example"}


@cell(LOCATED, "sixty records, which need TCP", "the first one", dialects=ONE)
async def many(scene: Scene, dialect: Dialect) -> None:
    wanted = other(8)
    scene.locate(wanted, *(u_naptr(f"https://smp{each}.example", order=each) for each in range(160, 100, -1)))
    assert await scene.ask("where", dialect, wanted, smp=None) == {"url": "https://smp101.example"}


@cell(LOCATED, "a participant that is not in the zone", "not found", dialects=ONE)
async def unlisted(scene: Scene, dialect: Dialect) -> None:
    assert "SMPDNSResolutionException" in refused(await scene.ask("where", dialect, other(9), smp=None))


@cell(
    LOCATED,
    "a record with an escape, and one with a back-reference",
    "neither is understood",
    dialects=ONE,
    explained={"oasis1": limits.BACKSLASH},
)
async def backslash(scene: Scene, dialect: Dialect) -> None:
    escaped, referring = other(10), other(17)
    name = scene.locate(escaped, r'100 10 "U" "Meta:SMP" "!^[^.]+\\..*$!https://smp.example!" .')
    assert await scene.ask("where", dialect, escaped, smp=None) == {"url": name}
    scene.locate(referring, r'100 10 "U" "Meta:SMP" "!^([^.]+)[.].*$!https://smp.example/\\1!" .')
    answer = await scene.ask("where", dialect, referring, smp=None)
    assert r"URISyntaxException: Illegal character in path at index 20: https://smp.example/\1" in refused(answer)
