"""inspect: each thing for itself, and the verdict that follows (the issue's inspect bullet; decision 25).

Crafted messages and our own recordings with one thing changed; every unchanged recording is in tests/vectors.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import craft
import pki
import pytest
from cryptography.hazmat.primitives import hashes
from sample_exchange import (
    alpha,
    answered,
    beta,
    by_hand,
    certificate,
    issuing,
    message,
    payload,
    root,
    security,
    sent,
    stranger,
    verified,
)

from ehmi_ap.as4.findings import Findings
from ehmi_ap.as4.inspect import inspect
from ehmi_ap.body import read_all
from ehmi_ap.model import Wire

VECTORS = Path(__file__).parents[2] / "vectors" / "data"
KEYS = [beta().key]


def _capture(content_type: str, body: bytes) -> bytes:
    return b"POST /as4 HTTP/1.1\r\nContent-Type: " + content_type.encode() + b"\r\n\r\n" + body


def _crafted(**changes: Any) -> bytes:
    made = craft.make(by_hand(**changes))
    return _capture(made.content_type, made.body)


def _of(wire: Wire) -> bytes:
    return _capture(wire.content_type, read_all(wire.body))


def _look(capture: bytes, **more: Any) -> Findings:
    return inspect(capture, **{"keys": KEYS, "at": pki.NOW, **more})


def _grave(findings: Findings) -> list[str]:
    return [problem.code for problem in findings.problems if problem.grave]


def _digests(findings: Findings) -> list[str]:
    return [reference.digest for reference in findings.signature.references]


# -- what a right message comes to


def test_the_json_document() -> None:
    """The keys of the issue text, and no others."""
    found: Any = _look(_crafted(), trust=[certificate(root())], certificates=[certificate(issuing())]).to_json()
    assert set(found) == {"verdict", "messages", "signature", "encryption", "trust", "payloads", "problems"}
    assert found["messages"] == [
        {
            "kind": "UserMessage",
            "message_id": "message-1@craft.example",
            "ref_to_message_id": None,
            "test_service": False,
            "errors": [],
            "receipt": [],
        }
    ]
    signature = found["signature"]
    assert set(signature) == {"present", "algorithm", "value", "signer", "references"}
    assert (signature["present"], signature["value"]) == (True, "ok")
    assert signature["algorithm"] == "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    assert "CN=alpha" in signature["signer"]
    assert [set(each) for each in signature["references"]] == [{"uri", "digest", "expected", "computed"}] * 3
    assert all(each["expected"] == each["computed"] for each in signature["references"])
    assert found["encryption"] == {
        "present": True,
        "key": "ok",
        "algorithms": [
            "http://www.w3.org/2009/xmlenc11#rsa-oaep",
            "http://www.w3.org/2001/04/xmlenc#sha256",
            "http://www.w3.org/2009/xmlenc11#mgf1sha256",
            "http://www.w3.org/2009/xmlenc11#aes128-gcm",
        ],
    }
    assert found["trust"]["verdict"] == "trusted"
    assert [re.search("CN=([^,]+)", name)[1] for name in found["trust"]["chain"]] == [  # type: ignore[index]
        "alpha",
        "Exchange issuing CA",
        "Exchange root",
    ]
    (found_payload,) = found["payloads"]
    assert set(found_payload) == {"cid", "mime_type", "size", "sha256"}
    assert (found_payload["cid"], found_payload["mime_type"], found_payload["size"]) == (
        "p1@craft.example",
        "application/xml",
        28,
    )
    assert (found["verdict"], found["problems"]) == ("valid", [])


def test_what_we_send_ourselves_is_valid() -> None:
    packed = sent(message(payload(), payload(b"\x00\x01", "application/pdf")))
    findings = _look(_of(packed.wire), trust=[certificate(alpha())])
    assert (findings.verdict, findings.trust.verdict) == ("valid", "trusted")
    assert [read_all(each.body) for each in findings.payloads] == [b"<sample/>", b"\x00\x01"]
    assert findings.problems == ()


@pytest.mark.parametrize("cut", [b"\xef\xbb\xbf", b"\r\n"])
def test_without_its_http_headers(cut: bytes) -> None:
    body = _crafted().partition(b"\r\n\r\n")[2]
    assert _look(cut + body).verdict == "valid"


# -- undecided: something needed is missing


def test_no_key() -> None:
    findings = _look(_crafted(), keys=[])
    assert (findings.verdict, findings.encryption.key) == ("undecided", "none-fits")
    assert (_digests(findings), findings.signature.value) == (["ok", "ok", "unchecked"], "ok")
    assert findings.payloads == ()
    assert [problem.code for problem in findings.problems] == ["EBMS:0102"]
    assert "--key" in findings.problems[0].fix


def test_another_ones_key() -> None:
    findings = _look(_crafted(), keys=[stranger().key, pki.private_key("x25519")])
    assert (findings.verdict, findings.encryption.key) == ("undecided", "none-fits")


def test_a_key_among_several_is_found() -> None:
    assert _look(_crafted(), keys=[stranger().key, beta().key]).verdict == "valid"


def test_a_bare_envelope_lacks_its_parts() -> None:
    envelope = craft.make(by_hand()).envelope
    findings = _look(envelope)
    assert (findings.verdict, findings.encryption.key) == ("undecided", "ok")
    assert _digests(findings) == ["ok", "ok", "unchecked"]
    assert _grave(findings) == []


def test_a_signer_who_is_not_at_hand() -> None:
    """SKI without the certificate: nobody's fault (as4-wire 10.2)."""
    capture = (VECTORS / "holodeck/ski.response").read_bytes()
    findings = _look(capture)
    assert (findings.verdict, findings.signature.value, findings.signature.signer) == ("undecided", "unchecked", None)
    assert "--cert" in findings.problems[0].fix


# -- invalid: wrong, missing, unsigned or untrusted


@pytest.mark.parametrize(
    ("changes", "codes", "key", "value", "digests"),
    [
        pytest.param(
            {"parts": [craft.Part(after_encrypt=lambda data: data[:-1] + bytes([data[-1] ^ 1]))]},
            ["EBMS:0102"],
            "wrong",
            "ok",
            ["ok", "ok", "unchecked"],
            id="tampered ciphertext",
        ),
        pytest.param({"wrong_key": True}, ["EBMS:0102"], "wrong", "ok", ["ok", "ok", "unchecked"], id="wrong key"),
        pytest.param(
            {"envelope": lambda xml: xml.replace(b">c1<", b">c2<")},
            ["EBMS:0101"],
            "ok",
            "ok",
            ["wrong", "ok", "ok"],
            id="tampered header",
        ),
        pytest.param(
            {"parts": [craft.Part(after_sign=lambda data: data + b"x")]},
            ["EBMS:0303", "EBMS:0101"],
            "ok",
            "ok",
            ["ok", "ok", "wrong"],
            id="tampered payload",
        ),
        pytest.param(
            {"security": lambda xml: re.sub(r'URI="#body"', 'URI="#nobody"', xml)},
            ["EBMS:0103", "EBMS:0101", "EBMS:0103"],
            "ok",
            "wrong",
            ["ok", "missing", "ok"],
            id="reference to nothing",
        ),
        pytest.param({"sign_body": False}, ["EBMS:0103"], "ok", "ok", ["ok", "ok"], id="Body not covered"),
        pytest.param(
            {"parts": [craft.Part(signed=False)]}, ["EBMS:0103"], "ok", "ok", ["ok", "ok"], id="part not covered"
        ),
        pytest.param({"sign": False}, ["EBMS:0103"], "ok", "unchecked", [], id="unsigned"),
        pytest.param(
            {"parts": [craft.Part(listed=False)]}, ["EBMS:0011"], "ok", "ok", ["ok"] * 3, id="part without PartInfo"
        ),
        pytest.param(
            {"parts": [craft.Part(href="cid:other@x")]},
            ["EBMS:0011"],
            "ok",
            "ok",
            ["ok"] * 3,
            id="PartInfo without part",
        ),
        pytest.param(
            {"parts": [craft.Part(before_digest=lambda data: data[:-9])]},
            ["EBMS:0303"],
            "ok",
            "ok",
            ["ok"] * 3,
            id="damaged gzip (TA30)",
        ),
        pytest.param(
            {"parts": [craft.Part(properties='<eb:Property name="CompressionType">application/gzip</eb:Property>')]},
            ["EBMS:0003"],
            "ok",
            "ok",
            ["ok"] * 3,
            id="compressed without MimeType (TA26)",
        ),
        pytest.param(
            {"messaging": lambda xml: xml.replace("</eb:Messaging>", "<eb:Odd></eb:Odd></eb:Messaging>")},
            ["EBMS:0009"],
            "ok",
            "ok",
            ["ok"] * 3,
            id="invalid header",
        ),
    ],
)
def test_invalid(changes: dict[str, Any], codes: list[str], key: str, value: str, digests: list[str]) -> None:
    findings = _look(_crafted(**changes))
    assert findings.verdict == "invalid"
    assert _grave(findings) == codes
    assert (findings.encryption.key, findings.signature.value, _digests(findings)) == (key, value, digests)
    assert [each.message_id for each in findings.messages] == ["message-1@craft.example"]  # found all the same


def test_a_missing_part() -> None:
    made = craft.make(by_hand(parts=[craft.Part(), craft.Part(content_id="p2@craft.example")]))
    pieces = re.split(rb"(?=\r\n--[^\r\n]+\r\n)", made.body)
    findings = _look(_capture(made.content_type, b"".join(pieces[:2]) + made.body[made.body.rindex(b"\r\n--") :]))
    assert findings.verdict == "invalid"
    assert set(_grave(findings)) == {"EBMS:0011", "EBMS:0103"}
    assert _digests(findings) == ["ok", "ok", "ok", "missing"]
    assert len(findings.payloads) == 1


def test_a_capture_that_was_cut_short() -> None:
    findings = _look(_crafted()[:-60])
    assert (findings.verdict, findings.encryption.key, findings.signature.value) == ("invalid", "wrong", "ok")
    assert _grave(findings) == ["EBMS:0007", "EBMS:0102"]
    assert findings.messages[0].message_id == "message-1@craft.example"


def test_a_wrong_signature_value() -> None:
    """The BST of another subject (as4-wire 10.2): digests hold, the value does not."""
    findings = _look(_crafted(signed_info=lambda xml: xml, security=_flip_value))
    assert (findings.verdict, findings.signature.value, _digests(findings)) == ("invalid", "wrong", ["ok"] * 3)
    assert _grave(findings) == ["EBMS:0101"]


def _flip_value(xml: str) -> str:
    return re.sub(r"(<ds:SignatureValue>)(.)", lambda m: m[1] + ("B" if m[2] == "A" else "A"), xml)


@pytest.mark.parametrize(
    ("anchors", "at", "verdict"),
    [
        (lambda: [certificate(root())], pki.NOW, "untrusted"),  # the issuing CA is not at hand
        (lambda: [certificate(issuing())], pki.NOW, "trusted"),
        (lambda: [certificate(stranger())], pki.NOW, "untrusted"),
        (list, pki.NOW, "untrusted"),
        (lambda: [certificate(issuing())], datetime(2040, 1, 1, tzinfo=UTC), "expired"),
        (lambda: [certificate(issuing())], datetime(2020, 1, 1, tzinfo=UTC), "expired"),
    ],
)
def test_trust(anchors: Callable[[], list[Any]], at: datetime, verdict: str) -> None:
    findings = _look(_crafted(), trust=anchors(), at=at)
    assert findings.trust.verdict == verdict
    assert findings.verdict == ("valid" if verdict == "trusted" else "invalid")
    assert findings.signature.value == "ok"


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_renewed_certificate_of_one_key(newest_first: bool) -> None:
    """A key identifier names both: the signer is the one that may sign, as for the daemon (as4-wire 3.5)."""
    result = verified(sent(message(payload())).wire)
    capture = _of(answered(replace(result, pmode=security(result.pmode, receipt_token="ski"))))
    old = pki.make_leaf(issuing(), "beta", key="b", not_after=pki.NOW - timedelta(days=1))
    given = [certificate(beta()), certificate(old)]
    findings = _look(capture, trust=[certificate(issuing())], certificates=given if newest_first else given[::-1])
    assert (findings.verdict, findings.trust.verdict) == ("valid", "trusted")
    assert findings.signature.signer == findings.trust.chain[0] == certificate(beta())
    expired = _look(capture, trust=[certificate(issuing())], certificates=[certificate(old)])
    assert (expired.verdict, expired.trust.verdict) == ("invalid", "expired")


@pytest.mark.parametrize(
    "identity",
    [
        lambda: pki.make_leaf(issuing(), "alpha", key="a", key_usage=("key_encipherment",)),
        lambda: pki.make_leaf(issuing(), "alpha", key="rsa1024-a"),
    ],
    ids=["KeyUsage", "weak key"],
)
def test_an_unfit_signer(identity: Callable[[], pki.Identity]) -> None:
    findings = _look(_crafted(sender=identity()), trust=[certificate(issuing())])
    assert (findings.trust.verdict, findings.verdict) == ("unfit", "invalid")
    assert findings.signature.value == "ok"


def test_without_anchors_the_chain_does_not_count() -> None:
    findings = _look(_crafted(), at=datetime(2050, 1, 1, tzinfo=UTC))
    assert (findings.trust.verdict, findings.trust.chain, findings.verdict) == ("unchecked", (), "valid")


# -- duplicates and wrapping


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (lambda xml: xml.replace(b"<env:Header>", b'<env:Header><x xmlns="urn:x" Id="body"/>'), "EBMS:0009"),
        (lambda xml: re.sub(rb"(<eb:Messaging.*</eb:Messaging>)", rb"\1\1", xml), "EBMS:0009"),
        (lambda xml: re.sub(rb"(<wsse:Security .*</wsse:Security>)", rb"\1\1", xml), "EBMS:0009"),
    ],
    ids=["duplicate id", "two Messagings", "two Securities"],
)
def test_ambiguous_envelopes(envelope: Callable[[bytes], bytes], code: str) -> None:
    findings = _look(_crafted(envelope=envelope))
    assert findings.verdict == "invalid"
    assert code in _grave(findings)


def test_mandatory_headers_are_told_but_have_no_weight() -> None:
    """Routing of part 2 is not ours to understand (as4-wire 10.2, multihop), but the message may be right."""
    block = b'<env:Header><x:r xmlns:x="urn:x" env:mustUnderstand="true"/>'
    findings = _look(_crafted(envelope=lambda xml: xml.replace(b"<env:Header>", block)))
    assert findings.verdict == "valid"
    assert [(problem.code, problem.grave) for problem in findings.problems] == [("EBMS:0008", False)]


# -- off the profile: computed and named


def test_legacy_algorithms_are_computed_and_named() -> None:
    findings = _look(
        _crafted(
            signature_hash=hashes.SHA1(),
            signature_algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            digest=("http://www.w3.org/2000/09/xmldsig#sha1", "sha1"),
            cipher="http://www.w3.org/2009/xmlenc11#aes256-gcm",
            key_bytes=32,
        )
    )
    assert (findings.verdict, findings.signature.value, _digests(findings)) == ("valid", "ok", ["ok"] * 3)
    told = " ".join(problem.what for problem in findings.problems)
    assert all(name in told for name in ("#rsa-sha1", "#sha1", "#aes256-gcm"))
    assert {problem.code for problem in findings.problems} == {"EBMS:0103"}


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "urn:unknown", "value"),
        ('<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"', '<ds:Transform Algorithm="urn:t"', "digest"),
        ('DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><ds:DigestValue', 'DigestMethod Algorithm="urn:md"></ds:DigestMethod><ds:DigestValue', "digest"),
        ("#Attachment-Content-Signature-Transform", "#Attachment-Complete-Signature-Transform", "digest"),
        ('CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"', 'CanonicalizationMethod Algorithm="urn:c"', "value"),
    ],
    ids=["signature algorithm", "transform", "digest algorithm", "complete transform", "canonicalisation"],
)  # fmt: skip
def test_what_cannot_be_computed_is_undecided(old: str, new: str, state: str) -> None:
    findings = _look(_crafted(signed_info=lambda xml: xml.replace(old, new)))
    unchecked = findings.signature.value == "unchecked" if state == "value" else "unchecked" in _digests(findings)
    assert unchecked
    assert "EBMS:0101" not in _grave(findings)
    assert findings.verdict == ("invalid" if new.endswith("Complete-Signature-Transform") else "undecided")


# -- receipts and other signals


def test_a_receipt_is_compared_with_its_request() -> None:
    packed = sent(message(payload()))
    receipt = _of(answered(verified(packed.wire)))
    findings = _look(receipt, request=_of(packed.wire))
    assert (findings.verdict, findings.problems) == ("valid", ())
    (found,) = findings.messages
    assert (found.kind, found.ref_to) == ("Receipt", packed.message_id)
    assert [each.key() for each in found.receipt] == [each.key() for each in packed.references]


def test_a_receipt_for_other_content() -> None:
    packed = sent(message(payload()))
    receipt = _of(answered(verified(packed.wire)))
    other = sent(message(payload(b"<other/>")))
    findings = _look(receipt, request=_of(other.wire))
    assert (findings.verdict, _grave(findings)) == ("invalid", ["EBMS:0302"])


def test_a_receipt_is_not_compared_with_another_message() -> None:
    receipt = _of(answered(verified(sent(message(payload())).wire)))
    for request in (_crafted(), b"nonsense", _crafted(sign=False)):
        findings = _look(receipt, request=request)
        assert findings.verdict == "valid"
        assert [problem.code for problem in findings.problems] == ["EBMS:0302"]


def test_an_unsigned_error_is_valid_and_an_unsigned_receipt_is_not() -> None:
    error = (VECTORS / "holodeck/probe-12-unknown-pmode-service.response").read_bytes()
    findings = inspect(error, at=pki.NOW)
    assert (findings.verdict, findings.signature.present) == ("valid", False)
    receipt = (VECTORS / "domibus/bst-2payloads.response").read_bytes()
    stripped = re.sub(rb"<wsse:Security.*</wsse:Security>", b"", receipt, flags=re.DOTALL)
    assert stripped != receipt
    stripped = re.sub(rb"(?i)(Transfer-Encoding|Content-Length): [^\r]*\r\n", b"", stripped)
    stripped = (
        stripped.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + stripped[stripped.index(b"<") : stripped.rindex(b">") + 1]
    )
    findings = inspect(stripped, at=pki.NOW)
    assert (findings.verdict, _grave(findings)) == ("invalid", ["EBMS:0103"])


# -- unreadable


@pytest.mark.parametrize(
    "capture",
    [
        b"",
        b"nothing of the kind",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        b"<a>not closed",
        b"<soap/>",
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header/><e:Body/></e:Envelope>',
        b"--b\r\nContent-Type: application/soap+xml\r\n\r\n<cut",
    ],
)
def test_unreadable(capture: bytes) -> None:
    findings = _look(capture)
    assert findings.verdict == "unreadable"
    assert {problem.code for problem in findings.problems} <= {"EBMS:0007", "EBMS:0009"}
    assert all(problem.fix for problem in findings.problems)
    assert findings.problems


def test_the_canonical_form_of_a_failing_reference_is_at_hand() -> None:
    findings = _look(_crafted(envelope=lambda xml: xml.replace(b">c1<", b">c2<")))
    failing = next(each for each in findings.signature.references if each.digest == "wrong")
    assert failing.form is not None
    assert failing.form.startswith(b"<eb:Messaging ")
    assert b">c2<" in failing.form


def test_findings_without_a_problem_of_weight_are_never_invalid() -> None:
    findings = _look(_crafted())
    assert replace(findings, problems=()).verdict == "valid"
