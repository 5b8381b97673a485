"""What our SMP publishes, by the clients of peppol-commons and by xmlsec; and where they find it."""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from urllib.parse import urlsplit

import xmlsec
from lxml import etree
from xmlsec import constants as xc

from ehmi_ap.crypto.algorithms import DS
from ehmi_ap.demo.dns import u_naptr
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.identifiers import EBCORE, ebcore
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.published import Dialect, Process, PublishedEndpoint
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.discovery.smp_urls import metadata_urls
from ehmi_ap.model import Participant
from tests.interop.cells import Cell, Limit, Way
from tests.interop.letters import Json
from tests.interop.smp import limits
from tests.interop.smp.scene import DIALECTS, Scene, Site, overheard
from tests.publisher import WANTED, ZONE

CELLS: list[Cell] = []

Run = Callable[[Scene, Dialect], Awaitable[None]]
TITLES: dict[Dialect, str] = {"peppol": "Peppol SMP 1.4", "oasis1": "OASIS SMP 1.0", "oasis2": "OASIS SMP 2.0"}
FIRST: tuple[Dialect, ...] = ("peppol", "oasis1")
ONE: tuple[Dialect, ...] = ("oasis1",)
TWO: tuple[Dialect, ...] = ("oasis2",)


def cell(
    group: str,
    what: str,
    expected: str,
    *,
    dialects: tuple[Dialect, ...] = DIALECTS,
    explained: dict[Dialect, Limit] | None = None,
    way: Way = Way.READ,
) -> Callable[[Run], Run]:
    """The function below is a cell for each of the dialects."""

    def add(run: Run) -> Run:
        for dialect in dialects:
            limit = (explained or {}).get(dialect)
            CELLS.append(
                Cell(
                    f"smp-{run.__name__.replace('_', '-')}" + (f"-{dialect}" if len(dialects) > 1 else ""),
                    group,
                    way,
                    what.format(TITLES[dialect]),
                    expected,
                    _bound(run, dialect),
                    limit,
                )
            )
        return run

    return add


def _bound(run: Run, dialect: Dialect) -> Callable[[Scene], Awaitable[None]]:
    return lambda scene: run(scene, dialect)


def other(number: int) -> Wanted:
    """A participant of a cell's own."""
    return replace(WANTED, participant=Participant(f"0088:579000000{number:04}", WANTED.participant.scheme))


def told(identifier: Participant | Identifier) -> Json:
    return {"scheme": identifier.scheme, "value": identifier.value}


def as_told(endpoint: PublishedEndpoint, dialect: Dialect) -> Json:
    """An endpoint in the words of the clients: times in UTC, whole days in OASIS SMP 2.0."""

    def text(at: datetime | None) -> str | None:
        if at is None:
            return None
        return at.date().isoformat() if dialect == "oasis2" else at.replace(tzinfo=None).isoformat()

    certificate = endpoint.certificates[0].certificate
    assert certificate is not None
    return {
        "profile": endpoint.transport_profile,
        "url": endpoint.url,
        "certificate": base64.b64encode(certificate.der).decode(),
        "activates": text(endpoint.activates),
        "expires": text(endpoint.expires),
    }


def refused(answer: Json) -> str:
    """Every exception, outermost first."""
    assert list(answer) == ["refused"], answer
    return "\n".join(answer["refused"])


PUBLISHED = "What is published"


@cell(PUBLISHED, "{} service metadata", "valid by schema and signature; participant, document, process and endpoint")
async def metadata(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    answer = await scene.ask("metadata", dialect)
    assert answer == {
        "participant": told(WANTED.participant),
        "document": told(WANTED.document),
        "processes": [{"identifiers": [told(WANTED.process)], "endpoints": [as_told(scene.endpoint(), dialect)]}],
    }


@cell(PUBLISHED, "{} service group", "the participant, and all of its document types")
async def group(scene: Scene, dialect: Dialect) -> None:
    wanted = other(1)
    second = replace(wanted, document=Identifier("urn:other/document::a b*@#1", "busdox-docid-qns"))
    scene.register(dialect, wanted=wanted)
    scene.register(dialect, wanted=second)
    answer = await scene.ask("group", dialect, wanted)
    assert answer["participant"] == told(wanted.participant)
    assert answer["documents"] == [told(wanted.document), told(second.document)]


def days(dialect: Dialect, now: datetime, number: int) -> datetime:
    """OASIS SMP 2.0 publishes days."""
    at = now + timedelta(days=number)
    return datetime.combine(at.date(), time(), UTC) if dialect == "oasis2" else at


@cell(PUBLISHED, "{} metadata of two processes, each with two endpoints, with and without dates", "all of them")
async def processes(scene: Scene, dialect: Dialect) -> None:
    wanted = other(2)
    plain = scene.endpoint(url="https://ap.example/other?a=1&b=2", transport_profile="peppol-transport-as4-v2_0")
    dated = scene.endpoint(activates=days(dialect, scene.now, -1), expires=days(dialect, scene.now, 2))
    names = (wanted.process, Identifier("urn:ehmi:other<&>", "cenbii-procid-ubl"))
    published = tuple(Process(identifiers=(name,), endpoints=(plain, dated)) for name in names)
    scene.register(dialect, *published, wanted=wanted)
    answer = await scene.ask("metadata", dialect, wanted)
    endpoints = [as_told(each, dialect) for each in (plain, dated)]
    assert answer["processes"] == [{"identifiers": [told(name)], "endpoints": endpoints} for name in names]


@cell(PUBLISHED, "{} endpoint for a process and a transport profile", "the one")
async def endpoint(scene: Scene, dialect: Dialect) -> None:
    wanted = other(3)
    decoy = scene.endpoint(url="https://decoy.example", transport_profile="peppol-transport-as4-v2_0")
    elsewhere = Process(identifiers=(Identifier("urn:ehmi:other", wanted.process.scheme),), endpoints=(decoy,))
    here = Process(identifiers=(wanted.process,), endpoints=(decoy, scene.endpoint()))
    scene.register(dialect, elsewhere, here, wanted=wanted)
    answer = await scene.ask("endpoint", dialect, wanted)
    assert answer == {"endpoint": as_told(scene.endpoint(), dialect)}


@cell(
    PUBLISHED,
    "{} endpoint that is not active yet, before one that is",
    "the one that is active; where dates are not looked at, the first",
    explained={"oasis1": limits.DATES, "oasis2": limits.DATES},
)
async def dates(scene: Scene, dialect: Dialect) -> None:
    wanted = other(4)
    future = scene.endpoint(url="https://future.example", activates=days(dialect, scene.now, 3))
    both = Process(identifiers=(wanted.process,), endpoints=(future, scene.endpoint()))
    scene.register(dialect, both, wanted=wanted)
    answer = await scene.ask("endpoint", dialect, wanted)
    selected = scene.endpoint() if dialect == "peppol" else future
    assert answer == {"endpoint": as_told(selected, dialect)}


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


REDIRECTED = "Redirects"


def redirect(scene: Scene, dialect: Dialect, wanted: Wanted, *, signer: Site = "elsewhere", to: str = "") -> None:
    """From our first SMP to the second, which is announced to sign as `signer`."""
    scene.register(dialect, wanted=wanted, site="elsewhere")
    scene.smp(dialect).redirect(
        wanted.participant,
        wanted.document,
        to=to or scene.smp(dialect, "elsewhere").base,
        signer=scene.signers[signer],
        now=scene.now,
    )


@cell(REDIRECTED, "{} redirect to another SMP", "followed, and its signer is the one announced", dialects=FIRST)
async def redirected(scene: Scene, dialect: Dialect) -> None:
    wanted = other(11)
    redirect(scene, dialect, wanted)
    answer = await scene.ask("metadata", dialect, wanted)
    assert answer["processes"][0]["endpoints"] == [as_told(scene.endpoint(), dialect)]
    assert len(scene.asked) == 2


@cell(REDIRECTED, "{} redirect that announces another signer", "refused", dialects=FIRST)
async def other_signer(scene: Scene, dialect: Dialect) -> None:
    wanted = other(12)
    redirect(scene, dialect, wanted, signer="here")
    assert "certificate UID of the redirect did not match" in refused(await scene.ask("metadata", dialect, wanted))
    assert len(scene.asked) == 2


@cell(
    REDIRECTED,
    "{} redirect to the base URL of another SMP",
    "read and verified; then the base URL itself is asked",
    dialects=TWO,
    explained={"oasis2": limits.REDIRECT_2},
)
async def redirected_base(scene: Scene, dialect: Dialect) -> None:
    wanted = other(13)
    redirect(scene, dialect, wanted)
    assert "SMPClientNotFoundException" in refused(await scene.ask("metadata", dialect, wanted))
    assert scene.asked[1:] == [()]


@cell(
    REDIRECTED,
    "{} redirect to the URL of the metadata",
    "followed and verified; then refused",
    dialects=TWO,
    explained={"oasis2": limits.REDIRECT_2},
)
async def redirected_metadata(scene: Scene, dialect: Dialect) -> None:
    wanted = other(14)
    base = scene.smp(dialect, "elsewhere").base
    redirect(scene, dialect, wanted, to=metadata_urls(base, wanted.participant, wanted.document, smp2=True)[0])
    assert "did not contain a certificate subject" in refused(await scene.ask("metadata", dialect, wanted))
    assert len(scene.asked) == 2


REFUSED = "Refused"


@cell(REFUSED, "{} metadata that was changed after it was signed", "refused: its signature is not valid")
async def altered(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    scene.change.append(lambda body: body.replace(b"https://ap.example/as4", b"https://ap.example/as5"))
    assert "Signature returned from SMP server was not valid" in refused(await scene.ask("metadata", dialect))


@cell(REFUSED, "{} metadata without its signature", "refused")
async def unsigned(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    scene.change.append(_without_signature)
    assert "Element <Signature> not found" in refused(await scene.ask("metadata", dialect))


def _without_signature(body: bytes) -> bytes:
    root = etree.fromstring(body)
    root.remove(_signature(root))
    return etree.tostring(root)


@cell(REFUSED, "{} metadata signed below a CA that is not trusted", "refused: no path to a trust anchor")
async def untrusted(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect, site="untrusted")
    answer = await scene.ask("metadata", dialect, smp=scene.smp(dialect, "untrusted").base)
    assert "CertPathValidatorException" in refused(answer)


@cell(REFUSED, "{} metadata whose signer's certificate has ended", "refused: CertificateExpiredException")
async def expired(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect, site="expired")
    answer = await scene.ask("metadata", dialect, smp=scene.smp(dialect, "expired").base)
    assert "CertificateExpiredException" in refused(answer)


@cell(REFUSED, "{} metadata that is not there", "told apart: not found")
async def missing(scene: Scene, dialect: Dialect) -> None:
    assert refused(await scene.ask("metadata", dialect, other(15))).startswith("SMPClientNotFoundException")


@cell(REFUSED, "a client without a certificate", "refused by the TLS of our SMP; nothing is asked", dialects=ONE)
async def anonymous(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    refused(await scene.ask("metadata", dialect, anonymous=True))
    assert scene.asked == []
    assert "processes" in await scene.ask("metadata", dialect)


VERIFIED = "By xmlsec"


def _signature(root: etree._Element) -> etree._Element:
    [found] = root.iterchildren(f"{{{DS}}}Signature")
    return found


def _verify(scene: Scene, body: bytes) -> None:
    """Raises xmlsec.Error; the signer has to be below our root, by the certificate in the signature."""
    manager = xmlsec.KeysManager()
    manager.load_cert_from_memory(scene.root, xc.KeyDataFormatPem, xc.KeyDataTypeTrusted)
    manager.load_cert_from_memory(scene.issuer, xc.KeyDataFormatPem, xc.KeyDataTypeNone)
    context = xmlsec.SignatureContext(manager)
    context.set_enabled_key_data([xc.KeyDataX509])
    context.verify(_signature(etree.fromstring(body)))


def _refuses(scene: Scene, body: bytes) -> bool:
    try:
        _verify(scene, body)
    except xmlsec.Error:
        return True
    return False


@cell(VERIFIED, "{} metadata, as it was served to our own client", "verified; refused when changed", way=Way.VERIFY)
async def xmlsec_metadata(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    body = await scene.served(dialect)
    _verify(scene, body)
    assert _refuses(scene, body.replace(b"https://ap.example/as4", b"https://ap.example/as5"))


@cell(VERIFIED, "a redirect of {}", "verified; refused when changed", way=Way.VERIFY)
async def xmlsec_redirect(scene: Scene, dialect: Dialect) -> None:
    wanted = other(16)
    redirect(scene, dialect, wanted)
    body = await scene.served(dialect, wanted)
    _verify(scene, body)
    assert _refuses(scene, body.replace(b"elsewhere", b"somewhere"))


@cell(VERIFIED, "{} metadata signed below a CA that is not trusted", "refused", way=Way.VERIFY)
async def xmlsec_untrusted(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect, site="untrusted")
    assert _refuses(scene, await scene.served(dialect, site="untrusted"))
