"""Requests as beta reads them: what holds, and the answer to every fault of as4-wire 6.4 that is this room's."""

import base64
import gzip
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pki
import pytest
from craft import Part
from cryptography.hazmat.primitives import hashes
from sample_exchange import (
    ALPHA,
    PARTY_TYPE,
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
    received,
    rejected,
    security,
    sent,
    stranger,
    verified,
)

from ehmi_ap.as4.unpack import Rejected, Signal
from ehmi_ap.body import MemoryBody, MemorySpool, read_all
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.errors import EbmsError, HttpRefusal, StoreError
from ehmi_ap.model import PartyId, Property, Wire
from ehmi_ap.pmode import TEST_ACTION, TEST_SERVICE, Limits, PMode

XML = b"<min><der>sample</der></min>"


def code(result: Rejected) -> str:
    assert isinstance(result.error, EbmsError), result.error
    return result.error.ebms


# -- what holds


def test_a_message_made_by_hand_is_verified() -> None:
    result = verified(crafted())
    assert result.signer == certificate(alpha())
    assert result.message.message_id == "message-1@craft.example"
    assert contents(result.message.payloads) == [XML]
    assert [reference.uri for reference in result.references] == ["#messaging", "#body", "cid:p1@craft.example"]
    assert not result.test


def test_payloads_come_in_part_info_order_with_their_properties() -> None:
    """TA45, G11; as4-wire 2.2: whatever the order of MIME parts; the three reserved properties are not C4's."""
    made = message(
        payload(b"<a/>", content_id="a@x", character_set="UTF-8", properties=(Property("kind", "lead", "urn:t"),)),
        payload(b"plain\n", "text/plain", content_id="b@x"),
        payload(os.urandom(3000), "application/pdf"),
    )
    result = verified(sent(made).wire)
    assert contents(result.message.payloads) == contents(made.payloads)
    first, second, third = result.message.payloads
    assert (first.content_id, first.mime_type, first.character_set) == ("a@x", "application/xml", "UTF-8")
    assert first.properties == (Property("kind", "lead", "urn:t"),)
    assert (second.mime_type, second.character_set, second.properties) == ("text/plain", None, ())
    assert third.content_id is not None
    assert replace(result.message, payloads=()) == replace(made, payloads=(), mpc=result.message.mpc)


def test_mime_parts_in_another_order_than_part_info() -> None:
    """as4-wire 9.10."""
    one, two = Part(content_id="1@x", data=b"<one/>"), Part(content_id="2@x", data=b"<two/>")

    def swap(text: str) -> str:
        infos = re.findall(r"<eb:PartInfo .*?</eb:PartInfo>", text)
        return text.replace("".join(infos), "".join(reversed(infos)))

    result = verified(crafted(parts=(one, two), messaging=swap))
    assert contents(result.message.payloads) == [b"<two/>", b"<one/>"]


def test_a_message_without_payload() -> None:
    """as4-wire 1.1: a bare SOAP body, nothing to encrypt."""
    assert verified(sent(message()).wire).message.payloads == ()


@pytest.mark.parametrize("mime_type", ["application/xml", "text/plain", "application/octet-stream", "image/svg+xml"])
def test_uncompressed_payloads_are_delivered_as_they_were(mime_type: str) -> None:
    """TA04; as4-wire 3.3, 9.5: the digest is over canonical XML or CRLF text, the delivery is the original."""
    data = b"<?xml version='1.0'?>\r\n<!-- a --><a  b='1'>\r</a>\r\n" if "xml" in mime_type else b"a\nb\r\nc\rd"
    result = verified(sent(message(payload(data, mime_type)), outbound(compress=False)).wire)
    assert contents(result.message.payloads) == [data]
    assert result.message.payloads[0].mime_type == mime_type


def test_octet_stream_as_the_type_of_an_encrypted_gzip_part() -> None:
    """peers-live 2: Oxalis says application/octet-stream over gzip; both are digested as they are."""
    wire = crafted(
        security=lambda text: text.replace('MimeType="application/gzip"', 'MimeType="application/octet-stream"')
    )
    assert contents(verified(wire).message.payloads) == [XML]


def test_encrypted_data_without_a_mime_type() -> None:
    """as4-wire 9.8: gzip where the PartInfo has CompressionType."""
    wire = crafted(security=lambda text: text.replace(' MimeType="application/gzip"', ""))
    assert contents(verified(wire).message.payloads) == [XML]


def test_the_test_service_is_known_and_needs_no_p_mode_of_its_own() -> None:
    """TA16, G38; as4-wire 7."""
    assert verified(crafted(service=TEST_SERVICE, action=TEST_ACTION)).test


def test_tokens_in_any_place_and_the_first_is_not_the_signers() -> None:
    """peers-live 10, sender 8; as4-wire 3.2: AS4.NET puts the token behind the signature."""

    def token_last(text: str) -> str:
        token = re.findall(r"<wsse:BinarySecurityToken [^>]*tok-s.*?</wsse:BinarySecurityToken>", text)[0]
        return text.replace(token, "").replace("</wsse:Security>", token + "</wsse:Security>")

    assert verified(crafted(security=token_last)).signer == certificate(alpha())


def test_white_space_and_comments_between_the_security_elements() -> None:
    """as4-wire 9.22, 9.44: wrapped base64, comments between elements."""

    def loosen(text: str) -> str:
        text = text.replace("<xenc:CipherValue>", "<xenc:CipherValue>\r\n").replace(
            "<xenc:EncryptedKey", "<!-- k --><xenc:EncryptedKey"
        )
        return text.replace("<ds:SignatureValue>", "<ds:SignatureValue>&#13;\n")

    assert verified(crafted(security=loosen)).signer == certificate(alpha())


@pytest.mark.parametrize("form", ["bst", "pkipath", "ski", "issuer-serial", "thumbprint", "x509-ski"])
def test_every_token_form_is_taken(form: str) -> None:
    """as4-wire 3.5, G26: for the signature and for the encrypted key."""
    wire = sent(message(payload()), security(outbound(), sign_token=form, encrypt_token=form)).wire
    assert verified(wire).signer == certificate(alpha())


def test_an_unencrypted_message_where_the_p_mode_does_not_encrypt() -> None:
    wire = crafted(encrypt=False)
    assert contents(verified(wire, security(inbound(), encrypt=False)).message.payloads) == [XML]


def test_an_encrypted_message_where_the_p_mode_does_not_ask_for_it() -> None:
    assert contents(verified(crafted(), security(inbound(), encrypt=False)).message.payloads) == [XML]


def test_a_single_key_of_ours_is_tried_whatever_the_token_says() -> None:
    """as4-wire 3.5: our renewed certificate has the same key, the peer still names the old one."""
    renewed = pki.make_leaf(issuing(), "beta renewed", key="b")
    assert contents(verified(crafted(), keys=keys_of(renewed)).message.payloads) == [XML]


def test_the_key_is_chosen_by_its_token_among_several() -> None:
    other = pki.make_leaf(issuing(), "beta next", key="c")
    assert contents(verified(crafted(), keys=keys_of(other, beta())).message.payloads) == [XML]


def test_the_encrypted_key_for_us_among_several() -> None:
    """as4-wire 3.4: one EncryptedKey for each recipient, all with the same references."""

    def add_another(text: str) -> str:
        key = re.findall(r"<xenc:EncryptedKey .*?</xenc:EncryptedKey>", text)[0]
        foreign = base64.b64encode(os.urandom(256)).decode()
        other = re.sub(r"<xenc:CipherValue>.*?<", f"<xenc:CipherValue>{foreign}<", key.replace('Id="EK"', 'Id="EK2"'))
        token = base64.b64encode(stranger().der).decode()
        binary = re.findall(r"<wsse:BinarySecurityToken [^>]*tok-r.*?</wsse:BinarySecurityToken>", text)[0]
        other_binary = re.sub(r">.*?<", f">{token}<", binary.replace("tok-r", "tok-x"), count=1)
        return text.replace(binary, other_binary + other.replace("#tok-r", "#tok-x") + binary)

    assert contents(verified(crafted(security=add_another)).message.payloads) == [XML]

    def of_a_form_we_do_not_know(text: str) -> str:
        return add_another(text).replace('<wsse:Reference URI="#tok-x" ', '<wsse:Embedded URI="#tok-x" ')

    assert contents(verified(crafted(security=of_a_form_we_do_not_know)).message.payloads) == [XML]
    assert code(rejected(crafted(security=of_a_form_we_do_not_know), keys=keys_of(stranger()))) == "EBMS:0103"


def test_our_renewed_certificate_keeps_its_key_beside_others() -> None:
    """as4-wire 3.5: the token names the certificate that the peer still has."""
    keys = keys_of(pki.make_leaf(issuing(), "beta renewed", key="b"), pki.make_leaf(issuing(), "beta next", key="d"))
    assert contents(verified(crafted(), keys=keys).message.payloads) == [XML]


def test_either_link_between_key_and_data_will_do() -> None:
    """as4-wire 3.4: a ReferenceList, or the token reference of the data."""
    without_list = crafted(security=lambda text: re.sub(r"<xenc:ReferenceList>.*?</xenc:ReferenceList>", "", text))
    assert contents(verified(without_list).message.payloads) == [XML]
    without_reference = crafted(
        security=lambda text: re.sub(r"(<xenc:EncryptedData .*?)<ds:KeyInfo.*?</ds:KeyInfo>", r"\1", text)
    )
    assert contents(verified(without_reference).message.payloads) == [XML]


def test_a_posted_signal_is_told_apart_and_names_its_messages() -> None:
    reply = answered(verified(crafted()))
    assert received(reply) == Signal(ref_to=("message-1@craft.example",))


# -- certificates and parties


def test_a_signer_below_the_anchors_of_a_dynamic_partner() -> None:
    """DR_TA01, G49: no certificate agreed, any sender below the anchor; the issuing CA travels in a PKIPath."""
    open_mode = inbound(partner=None, certificate=None, trust=("root",), party_binding="none")
    wire = sent(message(payload()), security(outbound(), sign_token="pkipath")).wire
    assert verified(wire, open_mode).signer == certificate(alpha())
    assert code(rejected(sent(message(payload())).wire, open_mode)) == "EBMS:0101"  # the issuing CA is missing


def test_a_dynamic_partner_bound_by_its_subject() -> None:
    """DR_TA04, peppol: the CN is the PartyId."""
    mode = inbound(partner=None, certificate=None, trust=("issuing",), party_binding="subject-cn")
    assert verified(crafted(), mode).message.from_.id == ALPHA
    mallory = crafted(from_id="mallory")
    assert code(rejected(mallory, mode)) == "EBMS:0101"


def test_a_partner_bound_by_the_serial_number_of_its_subject() -> None:
    subject = pki.name("whoever", serial_number="alpha")
    identity = pki.make_leaf(issuing(), key="c", subject=subject)
    mode = inbound(certificate=None, trust=("issuing",), party_binding="subject-serial")
    assert verified(crafted(sender=identity), mode).signer == certificate(identity)
    assert code(rejected(crafted(), mode)) == "EBMS:0101"


def test_a_missing_policy_is_refused() -> None:
    """DR_TA03, G49: all policies of the P-Mode, of several."""
    issued = pki.make_leaf(issuing(), "alpha", key="a", policies=["1.2.3.4", "1.2.3.5"])
    mode = inbound(certificate=None, trust=("issuing",), party_binding="none", policies=("1.2.3.4",))
    assert verified(crafted(sender=issued), mode).signer == certificate(issued)
    assert code(rejected(crafted(), mode)) == "EBMS:0101"
    pinned = inbound(policies=("1.2.3.4",))
    assert code(rejected(crafted(), pinned)) == "EBMS:0101"
    known = Trust({"alpha": [certificate(issued)]})
    assert verified(crafted(sender=issued), pinned, trust=known)


def test_any_certificate_of_the_agreed_name_for_a_roll_over() -> None:
    old, new = alpha(), pki.make_leaf(issuing(), "alpha", key="c")
    both = Trust({"alpha": [certificate(old), certificate(new)]})
    assert verified(crafted(sender=old), trust=both).signer == certificate(old)
    assert verified(crafted(sender=new), trust=both).signer == certificate(new)


def test_a_key_identifier_that_fits_two_certificates_finds_the_agreed_one() -> None:
    """as4-wire 3.5: a renewed certificate often keeps its key, and with it its SKI."""
    renewed = pki.make_leaf(issuing(), "alpha", key="a")
    known = Trust({"old": [certificate(renewed)], "alpha": [certificate(alpha())]})
    wire = sent(message(payload()), security(outbound(), sign_token="ski")).wire
    assert verified(wire, trust=known).signer == certificate(alpha())


def _odd(**options: Any) -> pki.Identity:
    return pki.make_leaf(issuing(), "alpha", **{"key": "a", **options})


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(lambda: _odd(not_after=pki.NOW - timedelta(days=1)), id="expired"),
        pytest.param(lambda: _odd(not_before=pki.NOW + timedelta(days=1)), id="not yet valid"),
        pytest.param(lambda: _odd(key="rsa1024-a"), id="weak key"),
        pytest.param(lambda: _odd(key_usage=["key_encipherment"]), id="key usage"),
        pytest.param(stranger, id="untrusted"),
        pytest.param(beta, id="another party"),
    ],
)
@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(inbound(), id="pinned"),
        pytest.param(inbound(certificate=None, trust=("issuing",), party_binding="subject-cn"), id="anchored"),
    ],
)
def test_a_certificate_that_must_not_sign(signer: Callable[[], pki.Identity], mode: PMode) -> None:
    """as4-wire 6.4: certificate unknown, untrusted, expired, not yet valid, too weak, of wrong usage; binding: 0101."""
    identity = signer()
    known = Trust({"alpha": [certificate(alpha())], "issuing": [certificate(issuing())]})
    if mode.certificate and identity is not beta() and identity is not stranger():
        known = Trust({"alpha": [certificate(identity)]})
    assert code(rejected(crafted(sender=identity), mode, trust=known)) == "EBMS:0101"


def test_a_p_mode_that_binds_to_a_certificate_it_does_not_name_takes_nobody() -> None:
    assert code(rejected(crafted(), inbound(certificate=None, trust=("issuing",)))) == "EBMS:0101"


def test_an_unknown_signer_named_by_its_key_identifier() -> None:
    """as4-wire 3.5: the certificate has to be known here."""
    wire = sent(message(payload()), security(outbound(), sign_token="ski")).wire
    result = rejected(wire, trust=Trust({"alpha": [certificate(stranger())]}))
    assert code(result) == "EBMS:0101"


# -- the order and the naming of faults


def test_a_rejection_names_message_and_p_mode_as_soon_as_they_are_known() -> None:
    assert rejected(crafted(sign=False)).ref_to == "message-1@craft.example"
    assert rejected(crafted(sign=False)).pmode == inbound()
    unknown = rejected(crafted(action="other"))
    assert (unknown.ref_to, unknown.pmode, code(unknown)) == ("message-1@craft.example", None, "EBMS:0010")
    broken = rejected(Wire(content_type="application/soap+xml", body=MemoryBody(b"<no")))
    assert (broken.ref_to, broken.pmode) == (None, None)


def test_a_header_that_is_refused_still_names_its_message() -> None:
    """as4-wire 6.1: RefToMessageId, as far as it can be read safely."""
    twice = {"user_message": lambda text: text.replace("<eb:Role>", "<eb:PartyId>urn:x</eb:PartyId><eb:Role>", 1)}
    result = rejected(crafted(**twice))
    assert (code(result), result.ref_to) == ("EBMS:0003", "message-1@craft.example")
    for odd in ("two words@x", "a&lt;b@x", "none", "0" * 300 + "@x", "a<!-- c -->@x", ""):
        assert rejected(crafted(**twice, message_id=odd or " ")).ref_to is None


def test_the_consumer_may_be_told_of_a_bad_payload_only_when_the_signer_is_known() -> None:
    """TA31: damaged gzip of a verified sender; nothing of an unverified one."""
    damaged = crafted(parts=(Part(before_digest=lambda data: data[:-6] + b"broken"),))
    assert rejected(damaged).message == replace(verified(crafted()).message, payloads=())
    assert rejected(crafted(sender=stranger(), parts=(Part(before_digest=lambda data: data[:-6]),))).message is None


@pytest.mark.parametrize(
    ("wrong", "ebms"),
    [
        pytest.param({"action": "other", "sign": False}, "EBMS:0010", id="P-Mode before signature"),
        pytest.param({"wrong_key": True, "sign": False}, "EBMS:0102", id="decryption before signature"),
        pytest.param({"wrong_key": True, "sender": stranger()}, "EBMS:0102", id="decryption before trust"),
        pytest.param({"sign_body": False, "sender": stranger()}, "EBMS:0103", id="coverage before trust"),
        pytest.param({"sender": stranger(), "parts": (Part(href="http://x/"),)}, "EBMS:0101", id="trust before parts"),
        pytest.param(
            {"parts": (Part(after_sign=lambda data: data + b"x"), Part(content_id="2@x", href="http://x/"))},
            "EBMS:0101",
            id="digest before parts",
        ),
        pytest.param(
            {
                "parts": (
                    Part(before_digest=lambda data: data[:-6]),
                    Part(content_id="2@x", after_sign=lambda d: d + b"x"),
                )
            },
            "EBMS:0101",
            id="digest of a later part before decompression of an earlier",
        ),
    ],
)
def test_the_first_failing_step_decides(wrong: dict[str, Any], ebms: str) -> None:
    """as4-wire 6.4."""
    assert code(rejected(crafted(**wrong))) == ebms


# -- P-Mode and header (steps 3 and 4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_id": "gamma"},
        {"to_id": "gamma"},
        {"party_type": PARTY_TYPE + ":other"},
        {"service": "urn:example:other"},
        {"action": "other"},
        {"agreement": "<eb:AgreementRef>urn:x</eb:AgreementRef>"},
        {"user_message": lambda text: text.replace("<eb:UserMessage>", '<eb:UserMessage mpc="urn:mpc">')},
        {"user_message": lambda text: text.replace("/initiator", "/other")},
    ],
    ids=["from", "to", "type", "service", "action", "agreement", "mpc", "role"],
)
def test_no_p_mode_fits(wrong: dict[str, Any]) -> None:
    """G06: compared exactly; 0010."""
    result = rejected(crafted(**wrong))
    assert code(result) == "EBMS:0010"
    assert result.pmode is None


ORIGINAL = '<eb:Property name="originalSender">urn:c1</eb:Property>'
FINAL = '<eb:Property name="finalRecipient">urn:c4</eb:Property>'


@pytest.mark.parametrize(
    "properties", [ORIGINAL, FINAL, ORIGINAL + ORIGINAL + FINAL, ORIGINAL.replace("urn:c1", "") + FINAL, ""]
)
def test_four_corner_properties(properties: str) -> None:
    """4CT_TA01, G45: a required property missing, empty or twice is 0010, and the peer is told which."""
    assert verified(crafted(), inbound(four_corner=True)).message.participant("finalRecipient") is not None
    result = rejected(crafted(properties=properties), inbound(four_corner=True))
    assert code(result) == "EBMS:0010"
    assert result.pmode is not None
    assert "Recipient" in result.error.public or "Sender" in result.error.public
    assert verified(crafted(properties=properties))


def test_an_untyped_party_id_that_is_no_uri() -> None:
    """as4-wire 2.2, 6.4: 0003, unless the P-Mode switches it off."""
    strip = {"user_message": lambda text: text.replace(f' type="{PARTY_TYPE}"', "")}
    assert code(rejected(crafted(**strip))) == "EBMS:0003"
    assert rejected(crafted(**strip)).pmode is None
    lenient = inbound(us=PartyId("beta"), partner=PartyId("alpha"), party_id_uri=False)
    assert verified(crafted(**strip), lenient).message.from_.id == PartyId("alpha")
    assert verified(crafted(**strip), lenient, inbound())
    strict = inbound(us=PartyId("beta"), partner=PartyId("alpha"))
    assert rejected(crafted(**strip), strict).pmode == strict  # so that the error can be signed
    assert (
        code(rejected(crafted(**strip), strict, replace(lenient, service=replace(lenient.service, value="urn:z"))))
        == "EBMS:0003"
    )


def test_features_that_are_not_offered() -> None:
    """as4-wire 6.4, G09: payload in the Body, bundling, PullRequest: 0008."""
    in_body = crafted(body=lambda text: text.replace("></env:Body>", "><x/></env:Body>"))
    assert code(rejected(in_body)) == "EBMS:0008"
    info = "<eb:MessageInfo><eb:Timestamp>2026-11-23T12:00:00Z</eb:Timestamp><eb:MessageId>s@x</eb:MessageId>"
    pull = f"<eb:SignalMessage>{info}</eb:MessageInfo><eb:PullRequest/></eb:SignalMessage>"
    bundled = crafted(messaging=lambda text: text.replace("</eb:Messaging>", f"{pull}</eb:Messaging>"))
    assert code(rejected(bundled)) == "EBMS:0008"
    alone = crafted(messaging=lambda text: re.sub(r"<eb:UserMessage.*</eb:UserMessage>", pull, text), parts=())
    assert code(rejected(alone)) == "EBMS:0008"
    assert rejected(alone).ref_to == "s@x"


def test_comments_and_space_in_the_body_are_no_payload() -> None:
    """as4-wire 9.44."""
    assert verified(crafted(body=lambda text: text.replace("></env:Body>", ">\n <!-- empty --> </env:Body>")))


@pytest.mark.parametrize(
    "mime",
    [
        pytest.param(lambda body: body.replace(b"Content-ID: <p1@craft.example>\r\n", b""), id="no Content-ID"),
        pytest.param(lambda body: body.replace(b"Content-ID: <2@x>", b"Content-ID: <p1@craft.example>"), id="twice"),
    ],
)
def test_content_ids(mime: Callable[[bytes], bytes]) -> None:
    """as4-wire 6.4: 0007; the message is named all the same."""
    result = rejected(crafted(parts=(Part(), Part(content_id="2@x")), mime=mime))
    assert code(result) == "EBMS:0007"
    assert (result.ref_to, result.pmode) == ("message-1@craft.example", inbound())
    assert code(rejected(crafted(parts=(Part(), Part(content_id="2@x")), mime=mime, action="other"))) == "EBMS:0007"


def test_budgets_of_the_p_mode() -> None:
    """as4-wire 6.4: 413."""
    for limits in (Limits(message_bytes=2000), Limits(parts=1)):
        result = rejected(crafted(parts=(Part(), Part(content_id="2@x"))), inbound(limits=limits))
        assert isinstance(result.error, HttpRefusal)
        assert result.error.status == 413


# -- encryption (step 5)


def test_an_unencrypted_part() -> None:
    """G21, as4-wire 6.4: all parts are encrypted, or 0103."""
    assert code(rejected(crafted(encrypt=False))) == "EBMS:0103"
    assert code(rejected(crafted(parts=(Part(), Part(content_id="2@x", encrypted=False))))) == "EBMS:0103"


def _no_key(text: str) -> str:
    return re.sub(r"<xenc:EncryptedKey .*?</xenc:EncryptedKey>", "", text)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"wrong_key": True}, id="another content key wrapped"),
        pytest.param({"recipient": stranger()}, id="encrypted for another"),
        pytest.param({"parts": (Part(after_encrypt=lambda data: data[:-1] + bytes([data[-1] ^ 1])),)}, id="tag"),
        pytest.param({"parts": (Part(after_encrypt=lambda data: bytes([data[0] ^ 1]) + data[1:]),)}, id="iv"),
        pytest.param({"parts": (Part(after_encrypt=lambda data: data[:27]),)}, id="too short"),
        pytest.param({"parts": (Part(after_encrypt=gzip.compress),)}, id="encrypted, then compressed"),
        pytest.param({"security": _no_key}, id="no EncryptedKey"),
        pytest.param(
            {"security": lambda text: re.sub(r"<xenc:CipherValue>....", "<xenc:CipherValue>AAAA", text)},
            id="cipher value",
        ),
        pytest.param({"security": lambda text: text.replace("<xenc:CipherValue>", "<xenc:CipherValue>*")}, id="base64"),
        pytest.param({"security": lambda text: text.replace('URI="#tok-r"', 'URI="#nothing"')}, id="no token"),
    ],
)
def test_anything_inside_decryption(wrong: dict[str, Any]) -> None:
    """Decision 5; as4-wire 3.4, 6.4, 9.31, 9.38, TA35: 0102, and one text for all to the peer."""
    for keys in (keys_of(beta()), keys_of(beta(), pki.make_leaf(issuing(), "beta next", key="d"))):
        result = rejected(crafted(**wrong), keys=keys)
        assert code(result) == "EBMS:0102"
        assert result.error.public == "The message could not be decrypted."


def _two_data(text: str) -> str:
    data = re.findall(r"<xenc:EncryptedData .*?</xenc:EncryptedData>", text)[0]
    return text.replace(data, data + data.replace('"ED-1"', '"ED-9"'))


def _many_keys(text: str) -> str:
    key = re.findall(r"<xenc:EncryptedKey .*?</xenc:EncryptedKey>", text)[0]
    return text.replace(key, "".join(key.replace('Id="EK"', f'Id="EK{n or ""}"') for n in range(31)))


def _replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_replaced("xmlenc11#aes128-gcm", "xmlenc11#aes256-gcm"), id="cipher"),
        pytest.param(
            _replaced("http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
            id="cbc",
        ),
        pytest.param(
            _replaced("http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
            id="rsa-1_5",
        ),
        pytest.param(_replaced("mgf1sha256", "mgf1sha1"), id="mgf"),
        pytest.param(
            _replaced("#Attachment-Ciphertext-Transform", "#Attachment-Complete-Signature-Transform"), id="transform"
        ),
        pytest.param(_replaced("#Attachment-Content-Only", "#Attachment-Complete"), id="type"),
        pytest.param(_replaced('CipherReference URI="cid:p1', 'CipherReference URI="cid:p9'), id="points at nothing"),
        pytest.param(_two_data, id="two for one part"),
        pytest.param(_many_keys, id="too many keys"),
    ],
)
def test_encryption_that_the_policy_does_not_allow(change: Callable[[str], str]) -> None:
    """as4-wire 3.1, 6.4: 0103, before any decryption."""
    assert code(rejected(crafted(security=change))) == "EBMS:0103"


def test_a_token_form_that_the_p_mode_does_not_take() -> None:
    """as4-wire 6.4: 0103; a key encrypted by another form alike."""
    only_bst = security(inbound(), accept_token=("bst",))
    for mode in (security(outbound(), sign_token="ski"), security(outbound(), encrypt_token="thumbprint")):
        wire = sent(message(payload()), mode).wire
        assert code(rejected(wire, only_bst)) == "EBMS:0103"
        assert verified(wire)


def test_other_algorithms_by_allow_list() -> None:
    """as4-wire 3.1, G24: accepted where the P-Mode lists them, else 0103."""
    values = {"sign": "rsa-sha512", "digest": "sha384", "cipher": "aes256-gcm", "key_transport": "rsa-oaep-mgf1p-sha1"}
    accepting = security(inbound(), **{f"accept_{name}": (word,) for name, word in values.items()})
    wire = sent(message(payload()), security(outbound(), **values)).wire
    assert verified(wire, accepting)
    for name, word in values.items():
        one = sent(message(payload()), security(outbound(), **{name: word})).wire
        assert code(rejected(one)) == "EBMS:0103"


# -- signature (step 6), coverage (7)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"sign": False}, id="unsigned"),
        pytest.param({"sign_messaging": False}, id="Messaging not covered"),
        pytest.param({"sign_body": False}, id="Body not covered"),
        pytest.param({"parts": (Part(), Part(content_id="2@x", signed=False))}, id="part not covered"),
        pytest.param({"signed_info": _replaced('URI="#body"', 'URI="#nothing"')}, id="element reference to nothing"),
        pytest.param({"signed_info": _replaced('URI="cid:p1', 'URI="cid:p9')}, id="cid reference to nothing"),
        pytest.param({"signed_info": _replaced('URI="cid:p1@craft.example"', 'URI="cid:root@craft.example"')}, id="root"),
        pytest.param({"signed_info": _replaced('URI="#body"', 'URI=""')}, id="reference to the whole document"),
        pytest.param({"signed_info": _replaced('URI="#body"', 'URI="http://x/"')}, id="reference to outside"),
        pytest.param(
            {"signed_info": _replaced("#Attachment-Content-Signature-Transform", "#Attachment-Complete-Signature-Transform")},
            id="complete transform",
        ),
        pytest.param(
            {
                "signed_info": _replaced(
                    'URI="#body"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">',
                    'URI="#body"><ds:Transforms><ds:Transform Algorithm="http://docs.oasis-open.org/wss/2004/01/'
                    'oasis-200401-wss-soap-message-security-1.0#STR-Transform">',
                )
            },
            id="STR transform",
        ),
        pytest.param(
            {"signature_algorithm": "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "signature_hash": hashes.SHA1()}, id="sha1"
        ),
        pytest.param({"digest": ("http://www.w3.org/2000/09/xmldsig#sha1", "sha1")}, id="sha1 digest"),
        pytest.param(
            {"signed_info": lambda text: text.replace("</ds:SignedInfo>", re.findall("<ds:Reference.*?</ds:Reference>", text)[0] * 106 + "</ds:SignedInfo>")},
            id="too many references",
        ),
        pytest.param(
            {"signed_info": _replaced("<ds:Transforms>", "<ds:Transforms>" + '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform>' * 3)},
            id="too many transforms",
        ),
        pytest.param(
            {"security": _replaced("</wsse:Security>", "<wsse:UsernameToken></wsse:UsernameToken></wsse:Security>")},
            id="UsernameToken",
        ),
    ],
)  # fmt: skip
def test_a_signature_that_the_policy_does_not_allow(wrong: dict[str, Any]) -> None:
    """G19, G20, G22; as4-wire 3.3, 3.6, 6.4, 9.14: 0103."""
    assert code(rejected(crafted(**wrong))) == "EBMS:0103"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"envelope": lambda data: data.replace(b"conversation", b"c").replace(b"c1<", b"c2<")}, id="header"),
        pytest.param({"parts": (Part(after_sign=lambda data: data[:-1] + b"x"),)}, id="payload"),
        pytest.param({"parts": (Part(compress=False, mime_type="text/plain", after_sign=gzip.compress),)}, id="TA37"),
        pytest.param({"parts": (Part(compress=False, mime_type="application/xml", after_sign=lambda d: d[:-1]),)}, id="no XML"),
        pytest.param({"security": _replaced("<ds:SignatureValue>", "<ds:SignatureValue>AAAA")}, id="value"),
        pytest.param({"security": _replaced("<ds:DigestValue>", "<ds:DigestValue>AAAA")}, id="digest value"),
        pytest.param({"security": _replaced('URI="#tok-s"', 'URI="#tok-r"')}, id="somebody else's token"),
        pytest.param({"security": _replaced('URI="#tok-s"', 'URI="#nothing"')}, id="no token"),
        pytest.param({"security": _replaced("<ds:SignatureValue>", "<ds:Object/><ds:SignatureValue>")}, id="malformed"),
    ],
)  # fmt: skip
def test_a_signature_that_does_not_hold(wrong: dict[str, Any]) -> None:
    """G20, TA37; as4-wire 6.4, 9.38: 0101."""
    assert code(rejected(crafted(**wrong))) == "EBMS:0101"


def test_a_second_signature() -> None:
    """as4-wire 6.4: 0009."""

    def twice(text: str) -> str:
        signature = re.findall("<ds:Signature .*</ds:Signature>", text)[0]
        return text.replace(signature, signature + signature)

    assert code(rejected(crafted(security=twice))) == "EBMS:0009"


def _timestamp(*expires: str) -> Callable[[str], str]:
    stamps = "".join(f"<wsu:Timestamp><wsu:Expires>{each}</wsu:Expires></wsu:Timestamp>" for each in expires)
    return _replaced("</wsse:Security>", stamps + "</wsse:Security>")


def test_a_timestamp_is_tolerated_until_it_expires() -> None:
    """as4-wire 3.2, 9.20: at most one, checked."""
    assert verified(crafted(security=_timestamp("2026-11-23T12:05:00Z")))
    assert verified(crafted(security=_replaced("</wsse:Security>", "<wsu:Timestamp/></wsse:Security>")))
    for expires in (["2026-11-23T11:59:00Z"], ["soon"], ["2026-11-23T12:05:00Z"] * 2):
        assert code(rejected(crafted(security=_timestamp(*expires)))) == "EBMS:0103"


# -- parts (step 9), decompression (10)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((Part(href="http://example/p1"),), id="external href"),
        pytest.param((Part(), Part(content_id="2@x", attached=False)), id="PartInfo without part"),
        pytest.param((Part(), Part(content_id="2@x", listed=False)), id="part without PartInfo"),
        pytest.param((Part(), Part(content_id="2@x", href="cid:p1@craft.example")), id="two PartInfos for one part"),
        pytest.param((Part(href="cid:root@craft.example"),), id="PartInfo of the root"),
    ],
)
def test_parts_and_part_infos(parts: tuple[Part, ...]) -> None:
    """TA08; as4-wire 6.4: 0011."""
    assert code(rejected(crafted(parts=parts))) == "EBMS:0011"


def test_a_part_info_without_href() -> None:
    """as4-wire 1.4: it would mean the Body, which carries nothing here."""
    wire = crafted(user_message=lambda text: text.replace(' href="cid:p1@craft.example"', ""))
    assert code(rejected(wire)) == "EBMS:0011"


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(Part(before_digest=lambda data: data[:-8]), id="cut"),
        pytest.param(Part(before_digest=lambda data: data[:12] + b"\xff\xff" + data[14:]), id="damaged"),
        pytest.param(Part(before_digest=lambda data: data + b"more"), id="bytes after it"),
        pytest.param(Part(before_digest=lambda data: data + data), id="two members"),
        pytest.param(Part(before_digest=lambda _: b"no gzip"), id="no gzip"),
        pytest.param(Part(before_digest=lambda _: b""), id="empty"),
        pytest.param(Part(data=bytes(6 * 1024 * 1024)), id="bomb"),
    ],
)
def test_decompression(part: Part) -> None:
    """TA30, 9.25; as4-wire 6.4: 0303, nothing delivered."""
    spools = Spools()
    assert code(rejected(crafted(parts=(Part(content_id="0@x"), part)), new_spool=spools.new)) == "EBMS:0303"
    assert spools.all_discarded


def test_the_inflated_size_is_a_budget_on_all_parts_together() -> None:
    parts = tuple(Part(content_id=f"{n}@x", data=bytes(600)) for n in range(3))
    assert verified(crafted(parts=parts), inbound(limits=Limits(inflated_bytes=1800)))
    assert code(rejected(crafted(parts=parts), inbound(limits=Limits(inflated_bytes=1799)))) == "EBMS:0303"


def test_an_uncompressed_xml_part_has_a_budget_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """as4-wire 3.3: it has to be whole in memory; 413."""
    monkeypatch.setattr("ehmi_ap.as4.content.XML_BYTES", 1000)
    wire = crafted(parts=(Part(compress=False, data=b"<a>" + b"x" * 1000 + b"</a>"),))
    result = rejected(wire)
    assert isinstance(result.error, HttpRefusal)
    assert result.error.status == 413


# -- spools


class Spools:
    """Counts spools, and can fail like a full disk."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.made: list[Spools._Spool] = []
        self.fail_at = fail_at

    class _Spool(MemorySpool):
        def __init__(self, fails: bool) -> None:
            super().__init__()
            self.fails = fails
            self.discarded = False

        def write(self, data: bytes | bytearray | memoryview) -> None:
            if self.fails:
                raise StoreError("the disk is full")
            super().write(data)

        def discard(self) -> None:
            self.discarded = True
            super().discard()

    def new(self) -> "Spools._Spool":
        self.made.append(self._Spool(len(self.made) == self.fail_at))
        return self.made[-1]

    @property
    def all_discarded(self) -> bool:
        return bool(self.made) and all(spool.discarded for spool in self.made)


def test_nothing_is_inflated_or_spooled_for_a_signer_who_is_not_trusted() -> None:
    """Contract: an unauthenticated peer never makes us inflate."""
    spools = Spools()
    for wrong in ({"sender": stranger()}, {"sign": False}, {"sign_body": False}):
        rejected(crafted(**wrong), new_spool=spools.new)
    assert spools.made == []


def test_spools_are_discarded_when_a_later_part_fails_or_the_disk_is_full() -> None:
    parts = (Part(), Part(content_id="2@x", after_sign=lambda data: data[:-1] + b"x"))
    spools = Spools()
    assert code(rejected(crafted(parts=parts), new_spool=spools.new)) == "EBMS:0101"
    assert spools.all_discarded
    full = Spools(fail_at=1)
    with pytest.raises(StoreError):
        received(crafted(parts=(Part(), Part(content_id="2@x"))), new_spool=full.new)
    assert full.all_discarded


def test_spools_are_kept_when_all_holds() -> None:
    spools = Spools()
    result = verified(crafted(), new_spool=spools.new)
    assert len(spools.made) == 1
    assert not spools.made[0].discarded
    assert contents(result.message.payloads) == [XML]


def test_errors_and_reprs_hold_no_payload_and_no_key() -> None:
    """Ground rule: nothing of a patient in an error or a repr."""
    secret = b"<cpr>0101701234</cpr>"
    for wrong in ({"parts": (Part(data=secret, after_sign=lambda data: data[:-1] + b"x"),)}, {"action": "0101701234"}):
        error = rejected(crafted(**wrong)).error
        assert "0101701234" not in f"{error} {error.public} {error!r}"


def test_a_message_in_small_chunks_is_read_the_same() -> None:
    """Streams: wherever the chunks are cut."""

    class Trickle(MemoryBody):
        def chunks(self, start: int = 0, stop: int | None = None) -> Any:
            for piece in super().chunks(start, stop):
                yield from (piece[at : at + 7] for at in range(0, len(piece), 7))

        @property
        def resident(self) -> bool:
            return False

    wire = sent(message(payload(b"a\r\nb\rc\n" * 50, "text/plain")), outbound(compress=False)).wire
    trickling = replace(wire, body=Trickle(read_all(wire.body)))
    assert contents(verified(trickling).message.payloads) == [b"a\r\nb\rc\n" * 50]
