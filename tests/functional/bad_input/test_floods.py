"""What is made to keep us busy: each costs less than a second of CPU, and has its answer (python-stack 8; as4-wire 6.4).

Nobody here is known: whoever signs does so with a certificate that no one trusts, unless a case says otherwise.
"""

import base64
import gzip
import os
from collections.abc import Callable

import pytest

from tests.bench.lean import DS, EXC, X509P, XENC
from tests.craft import CONTENT_SIGNATURE, Message, Part
from tests.functional.bad_input.faults import (
    BOUNDARY,
    Case,
    cases,
    encoded,
    extra_part,
    into,
    resub,
    swap,
)
from tests.functional.bad_input.receiver import GAMMA, XML, Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 1.0
_NAMESPACES = " ".join(f'xmlns:n{n}="urn:n{n}"' for n in range(24))
_TRANSFORM = f'<ds:Transform Algorithm="{EXC}"></ds:Transform>'


def stranger(**changes: object) -> Callable[[Receiver], Message]:
    """A message from somebody who holds a certificate of nobody's."""
    return lambda r: r.message(sender=r.issued(issuer=r.issued("nobody", key="d")), **changes)


def reference(uri: str, transforms: str = _TRANSFORM) -> str:
    return (
        f'<ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{XENC}sha256"></ds:DigestMethod>'
        f"<ds:DigestValue>{base64.b64encode(bytes(32)).decode()}</ds:DigestValue></ds:Reference>"
    )


def heavy(count: int, prefixes: str) -> Callable[[Receiver], Message]:
    """References to elements around ten thousand others, with namespaces in scope and a PrefixList."""
    inclusive = f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{prefixes}"></ec:InclusiveNamespaces>'
    transform = _TRANSFORM.replace("></ds:", f">{inclusive}</ds:")
    nested = "".join(f'<x xmlns="urn:x" Id="heavy{n}">' for n in range(count))
    block = f"<n0:x {_NAMESPACES}>{nested}{'<y/>' * 9000}{'</x>' * count}</n0:x>"
    return stranger(
        signed_info=into("ds:SignedInfo", "".join(reference(f"#heavy{n}", transform) for n in range(count))),
        envelope=swap(b"</env:Header>", f"{block}</env:Header>".encode()),
    )


def spelled(count: int) -> str:
    """References to the one part, its Content-ID escaped in so many ways."""
    name = "p1@craft.example"
    return "".join(
        reference("cid:" + "".join(f"%{ord(c):02x}" if n >> at & 1 else c for at, c in enumerate(name))).replace(
            EXC, CONTENT_SIGNATURE
        )
        for n in range(1, count + 1)
    )


def _keys(text: str) -> str:
    """Thirty keys, each said to be for a thousand things."""
    start, end = text.index("<xenc:EncryptedKey"), text.index("</xenc:EncryptedKey>") + len("</xenc:EncryptedKey>")
    key = resub("<xenc:ReferenceList>.*", "<xenc:ReferenceList>%s</xenc:ReferenceList></xenc:EncryptedKey>")(
        text[start:end]
    )
    keys = "".join(
        key.replace('Id="EK"', f'Id="K{n}"') % "".join(f'<xenc:DataReference URI="#{n}-{m}"/>' for m in range(100))
        for n in range(29)
    )
    return text[:start] + keys + text[start:]


def _by(identifier: str) -> Callable[[str], str]:
    """The signer named in another way."""
    return resub(
        '<wsse:SecurityTokenReference><wsse:Reference URI="#tok-s".*?</wsse:SecurityTokenReference>',
        f"<wsse:SecurityTokenReference>{identifier}</wsse:SecurityTokenReference>".replace("\\", r"\\"),
    )


def _issuer(name: str) -> str:
    return (
        f"<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>{name}</ds:X509IssuerName>"
        "<ds:X509SerialNumber>%d</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>"
    )


def _issued_by(name: str) -> Callable[[Receiver], Message]:
    """The serial number is that of a certificate that is known here, so that its issuer's name is compared."""
    return lambda r: r.message(security=_by(_issuer(name) % r.alpha.identity.cert.serial_number))


def _path(*ders: bytes) -> bytes:
    content = b"".join(ders)
    return b"\x30\x83" + len(content).to_bytes(3) + content


def _token(content: Callable[[Receiver], bytes], kind: str = "X509PKIPathv1") -> Callable[[Receiver], Message]:
    """Another content of the signer's token."""

    def make(receiver: Receiver) -> Message:
        text = base64.b64encode(content(receiver)).decode()
        old = r'ValueType="[^"]*" wsu:Id="tok-s">[^<]*'
        return receiver.message(security=resub(old, f'ValueType="{X509P}#{kind}" wsu:Id="tok-s">{text}'))

    return make


_HEADER = b"</env:Header>"

CASES = [
    *cases(
        "EBMS:0101",
        {
            "8 references to heavy elements": heavy(6, "n1 n2 n3"),
            "8 references with 32 prefixes": heavy(6, " ".join(f"n{n}" for n in range(24))),
            "8 references with #default": heavy(6, "#default n1 n2 n3"),
            "8 references with #default, unknown key": lambda r: heavy(6, "#default")(r).but(security=_by(_issuer("CN=x") % 1)),
            "comments in SignedInfo": stranger(signed_info=swap("<ds:SignatureMethod", "<!---->" * 19_000 + "<ds:SignatureMethod")),
            "comments in SignedInfo with #default": stranger(signed_info=lambda text: swap("></ds:CanonicalizationMethod>", f'><ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="#default"></ec:InclusiveNamespaces></ds:CanonicalizationMethod>')(swap("<ds:SignatureMethod", "<!---->" * 15_000 + "<ds:SignatureMethod")(text))),
            "100 references to one part of 2.9 MB": stranger(signed_info=into("ds:SignedInfo", spelled(99)), encrypt=False, action="sign-only", parts=[Part(data=os.urandom(2_900_000), compress=False, mime_type="x/y")]),
            "white space in SignatureValue": stranger(security=swap("<ds:SignatureValue>", "<ds:SignatureValue>" + " " * 200_000)),
            "an issuer's name of 200 000 characters": _issued_by("CN=" + "a" * 200_000),
            "an issuer's name of escapes": _issued_by("CN=" + "\\2C" * 60_000),
            "an issuer's name of 3900 parts": _issued_by("C=a," * 3900 + "C=a"),
            "an issuer's name in quotes": _issued_by("CN=" + '""' * 100_000),
            "a serial number of 200 000 digits": lambda r: r.message(security=_by((_issuer("CN=x") % 1).replace(">1<", f">{'9' * 200_000}<"))),
            "a path of 8 certificates in a circle": _token(lambda r: _path(*[r.issued(f"{n}", key="d").der for n in range(8)])),
            "a path of 130 certificates": _token(lambda r: _path(*[r.alpha.identity.der] * 130)),
            "a token of 180 000 bytes": _token(lambda r: os.urandom(180_000), "X509v3"),
            "a token of nested sequences": _token(lambda r: b"\x30\x80" * 60_000, "X509v3"),
        },
    ),
    *cases(
        "EBMS:0103",
        {
            "107 references to one part and others": stranger(signed_info=into("ds:SignedInfo", "".join(reference(f"cid:{n}@x") for n in range(104)))),
            "a PrefixList of 100 000 prefixes": stranger(signed_info=swap(f'Method Algorithm="{EXC}"></ds:CanonicalizationMethod>', f'Method Algorithm="{EXC}"><ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{"n " * 100_000}"></ec:InclusiveNamespaces></ds:CanonicalizationMethod>')),
            "a thousand EncryptedKeys": stranger(security=into("wsse:Security", f'<xenc:EncryptedKey xmlns:xenc="{XENC}"/>' * 900)),
            "a thousand EncryptedData": stranger(security=into("wsse:Security", f'<xenc:EncryptedData xmlns:xenc="{XENC}"><xenc:EncryptionMethod Algorithm="x"/><xenc:CipherData><xenc:CipherReference URI="cid:x"/></xenc:CipherData></xenc:EncryptedData>' * 900)),
        },
    ),
    *cases(
        "EBMS:0101",
        {"30 keys for a hundred things each": lambda r: r.message(sender=r.issued("delta"), security=_keys)},
    ),
    *cases(
        "EBMS:0102",
        {
            "3 MB for another key": lambda r: r.message(recipient=r.alpha.identity, parts=[Part(data=os.urandom(2_900_000), compress=False, mime_type="x/y")]),
            "white space in the wrapped key": stranger(security=swap("<xenc:CipherValue>", "<xenc:CipherValue>" + "\n" * 200_000)),
        },
    ),
    *cases(
        "EBMS:0010",
        {
            "thousands of properties": stranger(action="other", properties="".join(f'<eb:Property name="{n}">{n}</eb:Property>' for n in range(3900))),
            "a property of 200 000 characters": stranger(action="other", properties=f'<eb:Property name="x">{"&#65;" * 40_000}</eb:Property>'),
            "a name of 200 000 characters": stranger(action="other", properties=f'<eb:Property name="{"x" * 200_000}">x</eb:Property>'),
            "CDATA in thousands of pieces": stranger(action="other", properties=f'<eb:Property name="x">{"<![CDATA[x]]>" * 15_000}</eb:Property>'),
        },
        signed=False,
    ),
    *cases(
        "EBMS:0101",
        {"thousands of PartInfos": stranger(user_message=resub("(<eb:PartInfo .*?</eb:PartInfo>)", lambda found: found[1] + '<eb:PartInfo href="cid:nothing"/>' * 3000))},  # type: ignore[arg-type]
    ),
    *cases(
        "EBMS:0009",
        {
            "thousands of user messages": stranger(messaging=into("eb:Messaging", "<eb:UserMessage/>" * 10_000)),
            "thousands of comments": stranger(user_message=swap("</eb:Action>", "<!---->" * 19_000 + "</eb:Action>")),
            "a MessageId of 200 000 characters": lambda r: r.message(user_message=resub("<eb:MessageId>[^<]*", "<eb:MessageId>" + "a." * 100_000)),
            "a MessageId of 200 000 quotes": lambda r: r.message(user_message=resub("<eb:MessageId>[^<]*", '<eb:MessageId>"' + '\\\\"' * 80_000)),
            "a Timestamp of 200 000 digits": lambda r: r.message(timestamp="2026-11-23T12:00:00." + "1" * 200_000),
        },
        signed=False,
    ),
    *cases(
        400,
        {
            "60 false delimiters and no end": stranger(mime=lambda body: (b"\r\n--" + BOUNDARY + b"x") * 60 + body[:-60]),
            "2.9 MB without a line end": stranger(mime=lambda body: body[:-40] + b"x" * 2_900_000),
            "2.9 MB of line ends": stranger(mime=lambda body: body[:-40] + b"\r\n" * 1_450_000),
            "2.9 MB of dashes": stranger(mime=lambda body: body[:-40] + b"\n--" * 960_000),
            "2.9 MB of half a delimiter": stranger(mime=lambda body: body[:-40] + b"\n--craft-7d3f0" * 200_000),
            "2.8 MB of false quoted-printable": stranger(mime=encoded("quoted-printable", lambda data: b"=41" * 900_000 + b"=\t" + b" " * 90_000 + b"x")),
            "2.8 MB of false base64": stranger(mime=encoded("base64", lambda data: b"A\n" * 1_400_000 + b"=")),
            "comments without end": stranger(envelope=swap(b"?><", b"?><!--" + b"- " * 120_000 + b"<")),
            "text with 200 000 character references": stranger(envelope=swap(_HEADER, b"&#0;" * 50_000 + _HEADER)),
        },
    ),
    *cases(
        413,
        {
            "4001 attributes": stranger(envelope=swap(_HEADER, b'<x a="" b="" c="" d="" e="" f="" g="" h=""/>' * 501 + _HEADER)),
            "namespaces in scope, nested": stranger(envelope=swap(_HEADER, "".join(f'<x xmlns:n{n}="u:{n}">' for n in range(60)).encode() + b"<y/>" * 15_000 + b"</x>" * 60 + _HEADER)),
            "one namespace many times": stranger(envelope=swap(_HEADER, b'<x xmlns="u:x"/>' * 1100 + _HEADER)),
            "a hundred thousand parts": stranger(mime=extra_part(b"a:b", times=60_000)),
        },
    ),
]  # fmt: skip

TYPES = {
    "white space without end": 'multipart/related;%s"' % (" " * 8000),
    "semicolons without end": "multipart/related%s" % ("; " * 4000),
    "quotes without end": 'multipart/related; boundary="%s' % ("\\a" * 4000),
    "escapes in quotes": 'multipart/related; boundary="%s" x' % ("\\\\" * 4000),
    "parameters without end": "multipart/related" + "".join(f"; p{n}=x" for n in range(900)),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.answer}: {case.name}") for case in CASES])
async def test_a_flood_costs_little(receiver: Receiver, case: Case) -> None:
    """The seconds count both ends: the message is written by this process too, but made before."""
    said = await receiver.send(case.make(receiver))
    if isinstance(case.answer, int):
        await receiver.turned_away(said, case.answer)
    else:
        named = "MessageId" not in case.name
        await receiver.refused(said, case.answer, signed=case.signed, named=named)
    assert said.cpu < SECONDS / 2


@pytest.mark.parametrize("of_a_part", [False, True], ids=["of the request", "of the root part"])
@pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in TYPES.items()])
async def test_a_flood_in_a_content_type(receiver: Receiver, kind: str, of_a_part: bool) -> None:
    """415 or 400: what is in there cannot be read in either place."""
    if of_a_part:
        root = swap(b"Content-Type: application/soap+xml; charset=UTF-8", b"Content-Type: " + kind.encode() * 2, 1)
        said = await receiver.send(receiver.message(mime=root))
        await receiver.turned_away(said, 400)
    else:
        said = await receiver.send(receiver.message(content_type=kind))
        await receiver.turned_away(said, 400 if "p899" in kind or kind.endswith("; ") else 415)
    assert said.cpu < SECONDS / 4


async def test_bombs_of_a_trusted_partner(receiver: Receiver) -> None:
    """0303 as soon as the budget is passed, not when all is inflated."""
    large = Part(data=XML, before_digest=lambda _: gzip.compress(bytes(256 * 1024 * 1024), 9))
    said = await receiver.send(receiver.message(from_id=GAMMA, sender=receiver.issued(), parts=[large]))
    await receiver.refused(said, "EBMS:0303")
    assert said.cpu < SECONDS / 2


async def test_bombs_of_a_stranger_are_not_even_lit(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody unknown makes us inflate."""

    def lit(*_: object) -> None:
        raise AssertionError("inflated")

    monkeypatch.setattr("ehmi_ap.as4.compression.Gunzip.feed", lit)
    for wrong in ({"sender": receiver.issued("delta")}, {"sign_body": False}, {"sign": False}):
        said = await receiver.send(receiver.message(parts=[Part(data=bytes(10_000_000))], **wrong))
        await receiver.refused(said, "EBMS:0101" if "sender" in wrong else "EBMS:0103")


async def test_nobody_unknown_makes_us_canonicalise_elements(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by a wrong SignatureValue, not by a certificate that nobody trusts."""

    def asked(*_: object) -> None:
        raise AssertionError("canonicalised")

    monkeypatch.setattr("ehmi_ap.crypto.dsig.element_form", asked)
    for wrong in (
        {"sender": receiver.issued("delta")},
        {"security": resub("<ds:SignatureValue>...", "<ds:SignatureValue>AAA")},
    ):
        await receiver.refused(await receiver.send(receiver.message(**wrong)), "EBMS:0101")


async def test_receipts_with_thousands_of_references(receiver: Receiver) -> None:
    """About a message that we never sent: 202, and no more than reading it."""
    parts = "".join(
        f"<b:MessagePartNRInformation>{reference(f'cid:{n}@x')}</b:MessagePartNRInformation>" for n in range(400)
    )
    receipt = (
        "<eb:SignalMessage><eb:MessageInfo><eb:Timestamp>2026-11-23T12:00:00Z</eb:Timestamp><eb:MessageId>a@x</eb:MessageId>"
        "<eb:RefToMessageId>b@x</eb:RefToMessageId></eb:MessageInfo><eb:Receipt><b:NonRepudiationInformation "
        f'xmlns:b="http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0" xmlns:ds="{DS}">{parts}'
        "</b:NonRepudiationInformation></eb:Receipt></eb:SignalMessage>"
    )
    message = receiver.message(parts=(), sign=False, messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", receipt))
    said = await receiver.send(message)
    assert (said.answer.status, said.answer.body) == (202, b"")
    assert said.cpu < SECONDS
