"""What alpha puts on the wire, read by a checker that shares no code with it, and beta's answers."""

import gzip
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import independent
import pki
import pytest
import xmlsec
from lxml import etree
from sample_exchange import (
    RECEIPT_ID,
    alpha,
    answered,
    beta,
    certificate,
    contents,
    crafted,
    inbound,
    issuing,
    keys_of,
    message,
    outbound,
    payload,
    resident,
    security,
    sent,
    verified,
)

from ehmi_ap.as4.names import DS, EB, S12, SOAP_CONTENT_TYPE, WSSE, WSU
from ehmi_ap.as4.pack import check_payloads, pack_errors, pack_receipt, pack_refusal, seal, sign
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.body import CHUNK, MemoryBody, MemorySpool, read_all
from ehmi_ap.crypto.c14n import canonical
from ehmi_ap.errors import (
    CertificateRefused,
    ConfigError,
    DecompressionFailure,
    FailedAuthentication,
    HttpRefusal,
    MustUnderstand,
    StoreError,
    SubmissionError,
)
from ehmi_ap.model import MessageId, Property, Signed, UserMessage, Wire
from ehmi_ap.pmode import Limits, PMode

TOKENS = ["bst", "pkipath", "ski", "issuer-serial", "thumbprint", "x509-ski"]


def _checked(wire: Wire, *keys: bytes) -> independent.Facts:
    """The message as the independent checker and every peer's demands see it."""
    data = read_all(wire.body)
    assert len(data) == wire.body.size
    facts = independent.check(data, wire.content_type, keys, [alpha().pem, beta().pem])
    independent.insist(data, wire.content_type, facts)
    return facts


def _signed(made: UserMessage, pmode: PMode | None = None) -> Signed:
    return sign(made, pmode or outbound(), keys=keys_of(alpha()), new_spool=MemorySpool)


# -- a message


@pytest.mark.parametrize("token", TOKENS)
def test_a_message_verifies_elsewhere_in_every_token_form(token: str) -> None:
    """as4-wire 3.2, 3.5, TA12, TA13, TA36; peers-live 10: an independent checker over everything we emit."""
    made = message(payload(b"<a/>"), payload(os.urandom(5000), "application/pdf"))
    packed = sent(made, security(outbound(), sign_token=token, encrypt_token=token))
    facts = _checked(packed.wire, beta().key_pem)
    assert facts.signed
    assert facts.encrypted
    assert facts.signer == alpha().cert
    assert [data for _, _, data in facts.payloads] == contents(made.payloads)
    assert [kind for _, kind, _ in facts.payloads] == ["application/xml", "application/pdf"]
    assert facts.references == [(reference.uri, reference.digest) for reference in packed.references]


@pytest.mark.parametrize(
    "values",
    [
        {"sign": "rsa-sha384", "digest": "sha384"},
        {"sign": "rsa-sha512", "digest": "sha512"},
        {"cipher": "aes192-gcm"},
        {"cipher": "aes256-gcm", "key_transport": "rsa-oaep-mgf1p-sha1"},
        {"key_transport": "rsa-oaep-mgf1p-sha256"},
        {"key_transport": "rsa-oaep-sha512-mgf1sha1"},
    ],
)
def test_other_algorithms_verify_elsewhere(values: dict[str, str]) -> None:
    """as4-wire 3.1."""
    packed = sent(message(payload()), security(outbound(), **values))
    assert _checked(packed.wire, beta().key_pem).encrypted


@pytest.mark.parametrize("mime_type", ["application/xml", "text/plain", "image/svg+xml", "application/pdf"])
def test_an_uncompressed_message_verifies_elsewhere(mime_type: str) -> None:
    """as4-wire 3.3: canonical XML, CRLF text, or the bytes."""
    data = b"<?xml version='1.0'?><a  b='1'>\n<!-- x --></a>" if "xml" in mime_type else b"a\nb\rc\r\n"
    facts = _checked(sent(message(payload(data, mime_type)), outbound(compress=False)).wire, beta().key_pem)
    assert [item[1:] for item in facts.payloads] == [(mime_type, data)]


def test_an_unencrypted_message_says_gzip() -> None:
    """as4-wire 1.1, TA25."""
    wire = sent(message(payload()), security(outbound(), encrypt=False)).wire
    assert not _checked(wire).encrypted
    assert b"Content-Type: application/gzip" in read_all(wire.body)


def test_a_message_without_payload_is_a_bare_envelope() -> None:
    """as4-wire 1.1."""
    wire = sent(message()).wire
    assert wire.content_type == SOAP_CONTENT_TYPE
    facts = _checked(wire)
    assert facts.signed
    assert not facts.encrypted


def test_what_is_signed_is_its_own_canonical_form() -> None:
    """Nothing is parsed and nothing canonicalised on send: the digests are over the very bytes of the envelope."""
    odd = message(
        payload(properties=(Property('q"<>&\t', "a\r\n<b>&\"'", "t\n"),)),
        conversation_id="a & b < c > d \" ' é",
        properties=(Property("x", " two  spaces "),),
    )
    envelope = _signed(odd).envelope
    root = etree.fromstring(envelope)
    for path in (f".//{{{EB}}}Messaging", f".//{{{S12}}}Body", f".//{{{DS}}}SignedInfo"):
        element = root.find(path)
        assert element is not None
        assert envelope.count(canonical(element)) == 1


def test_every_reference_repeats_the_text_that_was_signed() -> None:
    """AS4 1.0 5.1.8: Reference.xml is the element's canonical form."""
    signed = _signed(message(payload()))
    found = etree.fromstring(signed.envelope).iter(f"{{{DS}}}Reference")
    assert [reference.xml for reference in signed.references] == [canonical(element) for element in found]


def test_signing_twice_gives_the_same_bytes_and_sealing_twice_does_not() -> None:
    """as4-wire 3.4, 9.23, G34: a retry carries the same id and the same digests; only the encryption is new."""
    made = message(payload(b"x" * 5000))
    first, second = _signed(made), _signed(made)
    assert first.envelope == second.envelope
    assert [read_all(part.body) for part in first.parts] == [read_all(part.body) for part in second.parts]
    one = resident(seal(first, made.message_id, outbound(), to=certificate(beta())).wire)
    two = resident(seal(first, made.message_id, outbound(), to=certificate(beta())).wire)
    assert read_all(one.body) != read_all(two.body)
    assert verified(one).references == verified(two).references == first.references


def test_the_same_key_stream_is_never_used_twice() -> None:
    """as4-wire 3.4: a fresh content key for each seal, a fresh IV for each part."""
    made = message(payload(b"same"), payload(b"same"))
    signed = _signed(made)
    seen: set[bytes] = set()
    for _ in range(3):
        wire = resident(seal(signed, made.message_id, outbound(), to=certificate(beta())).wire)
        for part in re.findall(rb"octet-stream\r\n.*?\r\n\r\n(.*?)\r\n--=_", read_all(wire.body), re.DOTALL):
            seen.add(part[:12])
    assert len(seen) == 6


def test_ids_come_from_the_message_id_and_content_ids_from_c1_or_from_us() -> None:
    """as4-wire 1.2: of characters that need no escaping."""
    made = message(payload(), payload(content_id="c1.choice@example"), payload())
    ids = [part.content_id for part in _signed(made).parts]
    assert ids[1] == "c1.choice@example"
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+", each) for each in ids)
    assert [part.content_id for part in _signed(made).parts] == ids
    other = _signed(replace(made, message_id=MessageId("other@[127.0.0.1]")))
    assert re.fullmatch(r"[A-Za-z0-9._-]+@[A-Za-z0-9._-]+", other.parts[0].content_id)


def test_the_order_of_the_security_header_and_no_timestamp() -> None:
    """peers-live 10, sender 2 and 3; as4-wire 3.2, 9.20."""
    envelope = read_all(sent(message(payload(), payload())).wire.body)
    found = re.search(rb"<wsse:Security.*?</wsse:Security>", envelope, re.DOTALL)
    assert found is not None
    root = etree.fromstring(found[0])
    names = [etree.QName(child).localname for child in root]
    expected = "BinarySecurityToken EncryptedKey EncryptedData EncryptedData BinarySecurityToken Signature"
    assert names == expected.split()
    assert root.get(f"{{{S12}}}mustUnderstand") == "true"
    assert [each.get("ValueType", "")[-7:] for each in root.findall(f"{{{WSSE}}}BinarySecurityToken")] == [
        "#X509v3"
    ] * 2
    assert b"Timestamp" not in found[0]
    assert not re.search(rb">\s+<", found[0])  # as4-wire 9.33
    assert all(root.xpath("//*[local-name()='MGF']/@Algorithm"))


# -- sealing is lazy


@dataclass
class _Watched:
    """A body that counts how often it is read."""

    data: bytes
    reads: int = 0

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def resident(self) -> bool:
        return False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        self.reads += 1
        end = len(self.data) if stop is None else min(stop, len(self.data))
        yield from (self.data[at : min(at + CHUNK, end)] for at in range(start, end, CHUNK))


def test_nothing_is_encrypted_before_it_is_sent() -> None:
    """Decision 24: the ciphertext is never kept, its size is known beforehand."""
    body = _Watched(os.urandom(2_000_000))
    made = message(replace(payload(), body=body, mime_type="application/octet-stream"))
    signed = _signed(made, outbound(compress=False))
    after_signing = body.reads
    packed = seal(signed, made.message_id, outbound(compress=False), to=certificate(beta()))
    assert body.reads == after_signing
    assert not packed.wire.body.resident
    pieces = list(packed.wire.body.chunks())
    assert max(map(len, pieces)) <= CHUNK + 28
    assert sum(map(len, pieces)) == packed.wire.body.size
    assert contents(verified(resident(packed.wire)).message.payloads) == [body.data]


def test_a_sealed_message_can_be_read_twice_and_from_any_place() -> None:
    """An HTTP client may start again: two readings give the same bytes, and so does any stretch of them."""
    made = message(payload(os.urandom(3000), "application/pdf"), payload(b"second"))
    body = seal(_signed(made), made.message_id, outbound(), to=certificate(beta())).wire.body
    whole = read_all(body)
    assert read_all(body) == whole
    for start, stop in ((0, 1), (0, 5000), (2000, 2000), (4000, 4100), (body.size - 30, body.size), (10, None)):
        assert b"".join(body.chunks(start, stop)) == whole[start:stop]


# -- what cannot be sent


def test_too_many_payloads() -> None:
    """Decision 6; as4-wire 9.11: 28 by default, refused before anything is compressed."""
    payloads = [payload() for _ in range(29)]
    with pytest.raises(SubmissionError, match="at most 28"):
        _signed(message(*payloads))
    assert len(_signed(message(*payloads[:28])).parts) == 28
    assert len(_signed(message(*payloads), outbound(limits=Limits(outbound_parts=29))).parts) == 29


@pytest.mark.parametrize(
    "bad",
    [
        [payload(content_id="with space@x")],
        [payload(content_id="<a@x>")],
        [payload(content_id="a+b@x")],
        [payload(content_id="a@x"), payload(content_id="a@x")],
        [payload(mime_type="xml")],
        [payload(mime_type='text/xml"><evil')],
        [payload(character_set="!utf8")],
    ],
)
def test_payloads_that_cannot_be_written(bad: list[object]) -> None:
    """as4-wire 1.2, 2.2: C1 is told, nothing is sent."""
    with pytest.raises(SubmissionError):
        check_payloads(bad, outbound())  # type: ignore[arg-type]
    with pytest.raises(SubmissionError):
        _signed(message(*bad))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"<a>", b"<!DOCTYPE a><a/>", b"<a>" + b" " * 17_000_000 + b"</a>"])
def test_an_xml_payload_that_has_no_digest_uncompressed(data: bytes) -> None:
    """as4-wire 3.3, 9.4: with compression, the default, any bytes go."""
    with pytest.raises(SubmissionError, match="uncompressed"):
        _signed(message(payload(data)), outbound(compress=False))
    assert _signed(message(payload(data))).parts[0].mime_type == "application/gzip"


def test_spools_are_discarded_when_signing_fails() -> None:
    made: list[MemorySpool] = []

    class Full(MemorySpool):
        discarded = False

        def write(self, data: bytes | bytearray | memoryview) -> None:
            if len(made) == 2:
                raise StoreError("the disk is full")
            super().write(data)

        def discard(self) -> None:
            self.discarded = True

    def new() -> MemorySpool:
        made.append(Full())
        return made[-1]

    with pytest.raises(StoreError):
        sign(message(payload(), payload()), outbound(), keys=keys_of(alpha()), new_spool=new)
    assert [spool.discarded for spool in made] == [True, True]  # type: ignore[attr-defined]


def test_nobody_to_encrypt_for() -> None:
    made = message(payload())
    with pytest.raises(ConfigError, match="no certificate"):
        seal(_signed(made), made.message_id, outbound(), to=None)
    assert seal(_signed(message()), made.message_id, outbound(), to=None).wire.content_type == SOAP_CONTENT_TYPE


def test_a_certificate_whose_key_cannot_be_encrypted_to() -> None:
    made = message(payload())
    odd = certificate(pki.make_leaf(issuing(), "beta", key="p256"))
    with pytest.raises(CertificateRefused, match="kind"):
        seal(_signed(made), made.message_id, outbound(), to=odd)


# -- receipts


@pytest.mark.parametrize("token", TOKENS)
def test_a_receipt_verifies_elsewhere(token: str) -> None:
    """as4-wire 5.1, peers-live 10 receiver 1 and 2: 200, Messaging and Body signed, no cid, one NRI child."""
    packed = sent(message(payload()))
    reply = answered(replace(verified(packed.wire), pmode=security(inbound(), receipt_token=token)))
    facts = _checked(reply)
    assert facts.signer == beta().cert
    assert len(facts.references) == 2
    assert facts.receipt == [(reference.uri, reference.digest) for reference in packed.references]
    assert (reply.status, reply.content_type) == (200, SOAP_CONTENT_TYPE)
    receipts = facts.root.findall(f".//{{{EB}}}Receipt")
    assert [len(each) for each in receipts] == [1]


def test_a_receipt_verifies_with_libxmlsec() -> None:
    """A second, foreign implementation of XML Signature."""
    root = etree.fromstring(read_all(answered(verified(sent(message(payload())).wire)).body))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(beta().pem, xmlsec.constants.KeyDataFormatCertPem)
    for path in (f".//{{{EB}}}Messaging", f".//{{{S12}}}Body"):
        context.register_id(root.find(path), "Id", WSU)
    context.verify(root.find(f".//{{{DS}}}Signature"))
    root.find(f".//{{{EB}}}RefToMessageId").text = "another@alpha.example"
    with pytest.raises(xmlsec.Error):
        context.verify(root.find(f".//{{{DS}}}Signature"))


def test_a_receipt_repeats_foreign_references_verbatim() -> None:
    """as4-wire 5.1: the peer's own spelling of its References, PrefixList included."""
    inclusive = '<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="env"></ec:InclusiveNamespaces>'
    transform = '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">'
    result = verified(crafted(signed_info=lambda text: text.replace(transform, transform + inclusive)))
    reply = read_all(answered(result).body)
    for reference in result.references:
        assert reference.xml in reply
    assert reply.count(inclusive.encode()) == 2
    facts = independent.check(reply, SOAP_CONTENT_TYPE, (), [beta().pem])
    assert facts.signed


def test_a_receipt_is_the_same_for_the_same_message() -> None:
    """Deterministic: ids from the receipt's own id, PKCS#1 v1.5 signatures."""
    result = verified(crafted())
    receipt = receipt_for(result, message_id=RECEIPT_ID, now=pki.NOW)
    one, two = (pack_receipt(receipt, inbound(), keys=keys_of(beta())) for _ in range(2))
    assert read_all(one.body) == read_all(two.body)


# -- errors and refusals


def _errors(pmode: PMode | None, *errors: FailedAuthentication | DecompressionFailure) -> Wire:
    return pack_errors(
        errors or (FailedAuthentication("internal detail", public="Two\n  lines & <more>"),),
        message_id=MessageId("error-1@beta.example"),
        ref_to=MessageId("message-1@alpha.example"),
        now=pki.NOW,
        pmode=pmode,
        keys=None if pmode is None else keys_of(beta()),
    )


def test_an_error_is_signed_when_the_leg_is_known() -> None:
    """as4-wire 6.1; peers-live 10 receiver 3: text in ErrorDetail too, white space collapsed, our own words kept."""
    facts = _checked(_errors(inbound()))
    assert facts.signer == beta().cert
    error = facts.root.find(f".//{{{EB}}}Error")
    assert error is not None
    assert error.get("errorCode") == "EBMS:0101"
    assert error.get("severity") == "failure"
    assert error.get("refToMessageInError") == "message-1@alpha.example"
    assert error.findtext(f"{{{EB}}}Description") == error.findtext(f"{{{EB}}}ErrorDetail") == "Two lines & <more>"
    assert b"internal detail" not in read_all(_errors(inbound()).body)


def test_an_error_is_unsigned_when_the_leg_is_unknown() -> None:
    wire = _errors(None)
    facts = independent.check(read_all(wire.body), wire.content_type)
    assert not facts.signed
    assert facts.errors == ["EBMS:0101"]
    assert wire.status == 200


def test_status_and_fault_are_the_p_modes() -> None:
    """Decision 21; as4-wire 1.3: 200 or 500; the Fault stands in the signed Body."""
    wire = _errors(inbound(error_status=500, error_fault=True))
    facts = _checked(wire)
    assert wire.status == 500
    fault = facts.root.find(f"{{{S12}}}Body/{{{S12}}}Fault")
    assert fault is not None
    assert "".join(fault.itertext()) == "env:ReceiverTwo lines & <more>"
    assert _errors(inbound()).status == 200
    assert b"Fault" not in read_all(_errors(inbound()).body)


def test_several_errors_in_one_signal() -> None:
    wire = _errors(inbound(), FailedAuthentication("a"), DecompressionFailure("b"))
    assert _checked(wire).errors == ["EBMS:0101", "EBMS:0303"]


def test_refusals_are_plain_text() -> None:
    """as4-wire 6.4: one sentence, no detail."""
    wire = pack_refusal(HttpRefusal(400, "the boundary\nis missing: internal", public="No boundary."))
    assert (wire.status, wire.content_type) == (400, "text/plain; charset=UTF-8")
    assert read_all(wire.body) == b"No boundary.\n"
    assert wire.retry_after is None
    assert pack_refusal(HttpRefusal(503, "Come back later.")).retry_after == 60


def test_a_header_that_must_be_understood() -> None:
    """SOAP 1.2 part 1, 5.4.8; as4-wire 6.4: 500 with env:MustUnderstand."""
    wire = pack_refusal(MustUnderstand("mf:MessageFragment"))
    assert (wire.status, wire.content_type) == (500, SOAP_CONTENT_TYPE)
    value = etree.fromstring(read_all(wire.body)).findtext(f".//{{{S12}}}Value")
    assert value == "env:MustUnderstand"


def test_the_gzip_on_the_wire_is_one_plain_member() -> None:
    """TA23, as4-wire 2.2."""
    part = _signed(message(payload(b"<a/>" * 1000))).parts[0]
    assert gzip.decompress(read_all(part.body)) == b"<a/>" * 1000
    assert isinstance(part.body, MemoryBody)
