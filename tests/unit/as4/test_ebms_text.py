"""What is written is its own exclusive canonical form, and is read back as what it says (python-stack 3)."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from ehmi_ap.as4.ebms import PartInfo, read_messaging
from ehmi_ap.as4.ebms_text import (
    timestamp,
    write_body,
    write_errors,
    write_must_understand,
    write_receipt,
    write_user_message,
)
from ehmi_ap.as4.names import DS, EB, EC, S12, SOAP_CONTENT_TYPE, WSU
from ehmi_ap.as4.soap import read_envelope, write_envelope
from ehmi_ap.crypto.c14n import canonical
from ehmi_ap.crypto.dsig import make_reference
from ehmi_ap.crypto.safexml import XmlLimits, parse
from ehmi_ap.errors import FailedAuthentication, Other
from ehmi_ap.model import (
    AgreementRef,
    MessageId,
    Party,
    PartyId,
    Property,
    Receipt,
    Reference,
    Service,
    UserMessage,
)

AT = datetime(2026, 11, 23, 8, 0, 0, 123456, UTC)
ODD = "a&b <c> \"d\" 'e' kød 𝔛 \t\n\r end"
"""Everything that canonical form escapes, and what it leaves alone."""


def _message(odd: str) -> UserMessage:
    return UserMessage(
        message_id=MessageId("1@x.example"),
        timestamp=AT,
        ref_to=MessageId("0@x.example"),
        mpc=odd,
        from_=Party(PartyId(odd, odd), odd),
        to=Party(PartyId("urn:b"), "urn:r"),
        agreement=AgreementRef(odd, odd),
        service=Service(odd, odd),
        action=odd,
        conversation_id=odd,
        properties=(Property("originalSender", odd, odd), Property("finalRecipient", "C4")),
        payloads=(),
    )


def _parts(odd: str) -> list[PartInfo]:
    more = (Property(odd, odd, odd),)
    return [
        PartInfo(href="cid:1@x", mime_type=odd, character_set="utf-8", compression="application/gzip", properties=more),
        PartInfo(href=None),
    ]


def _is_canonical(text: str) -> None:
    """On its own, and where it will stand: in an envelope."""
    assert canonical(parse(text.encode())).decode() == text
    envelope = etree.fromstring(write_envelope("", text, text))
    assert canonical(envelope[0][0]).decode() == text
    assert canonical(envelope[1]).decode() == text


@pytest.mark.parametrize("odd", ["plain", ODD])
def test_user_messages_are_canonical(odd: str) -> None:
    _is_canonical(write_user_message(_message(odd), _parts(odd), odd))


def test_a_message_without_the_optional_things_is_canonical() -> None:
    message = UserMessage(
        message_id=MessageId("1@x"),
        timestamp=AT,
        from_=Party(PartyId("urn:a"), "r"),
        to=Party(PartyId("urn:b"), "r"),
        service=Service("urn:s"),
        action="a",
        conversation_id="",
        payloads=(),
    )
    text = write_user_message(message, [], "m")
    _is_canonical(text)
    assert "Properties" not in text
    assert "PayloadInfo" not in text
    assert "mpc" not in text


def test_what_is_written_is_read_back() -> None:
    text = write_user_message(_message("urn:odd & <more>"), _parts("odd & <more>"), "m")
    (user,) = read_messaging(parse(text.encode())).user
    assert user.message == UserMessage(
        **{
            **{name: getattr(_message("urn:odd & <more>"), name) for name in UserMessage.__slots__},
            "timestamp": AT.replace(microsecond=123000),
        }
    )
    assert list(user.parts) == _parts("odd & <more>")


def test_order_of_part_properties() -> None:
    """As phase4 writes them (as4-wire 2.2)."""
    text = write_user_message(_message("a"), _parts("a"), "m")
    names = [item.get("name") for item in parse(text.encode()).iter(f"{{{EB}}}Property")]
    assert names[2:] == ["MimeType", "CharacterSet", "CompressionType", "a"]


def _receipt(*references: Reference) -> Receipt:
    return Receipt(message_id=MessageId("r@y"), ref_to=MessageId("1@x"), timestamp=AT, references=references)


def test_receipts_are_canonical_and_repeat_the_references_verbatim() -> None:
    ours = make_reference("#m", [EC], b"\x01" * 32)
    default_ns = f'<Reference xmlns="{DS}" URI="cid:a"><DigestMethod Algorithm="urn:d"></DigestMethod>'
    default_ns += "<DigestValue>AQID</DigestValue></Reference>"
    theirs = Reference("cid:a", "urn:d", b"\x01\x02\x03", (), default_ns.encode())
    text = write_receipt(_receipt(ours, theirs), "m")
    _is_canonical(text)
    assert ours.xml.decode() in text
    assert default_ns in text
    (signal,) = read_messaging(parse(text.encode())).signals
    assert signal.references is not None
    assert [each.key() for each in signal.references] == [ours.key(), theirs.key()]
    assert (signal.is_receipt, signal.ref_to) == (True, "1@x")


@pytest.mark.parametrize("prefix", ["eb", "ebbp", "env", "wsu"])
def test_a_reference_that_uses_our_prefixes_does_no_harm(prefix: str) -> None:
    """A peer may bind them to anything; the receipt stays canonical and says the same."""
    for uri in (DS, EB):
        inside = f'<{prefix}:DigestMethod xmlns:{prefix}="{DS}"' if uri == DS else f'<ds:DigestMethod {prefix}:x="1"'
        declared = f' xmlns:{prefix}="{EB}"' if uri == EB else ""
        end = f"{prefix}:DigestMethod" if uri == DS else "ds:DigestMethod"
        xml = f'<ds:Reference xmlns:ds="{DS}" URI="#a">{inside}{declared} Algorithm="urn:d"></{end}>'
        element = parse(f"{xml}<ds:DigestValue>AQID</ds:DigestValue></ds:Reference>".encode())
        reference = Reference("#a", "urn:d", b"\x01\x02\x03", (), canonical(element))
        text = write_receipt(_receipt(reference), "m")
        _is_canonical(text)
        (signal,) = read_messaging(parse(text.encode())).signals
        assert signal.references is not None
        assert signal.references[0].key() == reference.key()


@pytest.mark.parametrize("ref_to", [None, MessageId("1@x")])
def test_errors_are_canonical_and_say_no_more_than_their_public_text(ref_to: MessageId | None) -> None:
    errors = [FailedAuthentication("certificate of /CN=secret expired"), Other("inner", public="RULE-1:\n  bad " + ODD)]
    text = write_errors(errors, "m", message_id=MessageId("e@y"), ref_to=ref_to, now=AT)
    _is_canonical(text)
    (signal,) = read_messaging(parse(text.encode())).signals
    assert [(e.code, e.category, e.origin, e.short, e.severity) for e in signal.errors] == [
        ("EBMS:0101", "Processing", "security", "FailedAuthentication", "failure"),
        ("EBMS:0004", "Content", "ebMS", "Other", "failure"),
    ]
    assert all(error.ref_to == ref_to for error in signal.errors)
    assert "secret" not in text
    assert signal.errors[1].detail.startswith("RULE-1: bad a&b")  # Oxalis shows only ErrorDetail (as4-wire 6.1)
    assert signal.errors[1].description == signal.errors[1].detail


@pytest.mark.parametrize("fault", [None, "Not processed: a < b"])
def test_bodies_are_canonical(fault: str | None) -> None:
    text = write_body("b&1", fault)
    _is_canonical(text)
    body = parse(text.encode())
    assert body.get(f"{{{WSU}}}Id") == "b&1"
    values = [element.text for element in body.iter(f"{{{S12}}}Value", f"{{{S12}}}Text")]
    assert values == ([] if fault is None else ["env:Receiver", fault])


def test_the_must_understand_fault_is_a_whole_envelope() -> None:
    root = parse(write_must_understand().encode())
    assert root.tag == f"{{{S12}}}Envelope"
    assert root.findtext(f".//{{{S12}}}Value") == "env:MustUnderstand"
    assert SOAP_CONTENT_TYPE.startswith("application/soap+xml")


def test_an_envelope_of_ours_is_read() -> None:
    text = write_user_message(_message("urn:a"), [], "m")
    envelope = read_envelope(write_envelope("", text, write_body("b")), XmlLimits())
    assert set(envelope.ids) == {"m", "b"}


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (AT, "2026-11-23T08:00:00.123Z"),
        (datetime(2026, 11, 23, 10, 0, tzinfo=timezone(timedelta(hours=2))), "2026-11-23T08:00:00.000Z"),
    ],
)
def test_timestamps_are_utc_with_milliseconds(at: datetime, text: str) -> None:
    assert timestamp(at) == text
