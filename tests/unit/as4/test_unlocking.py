"""Which key opens what, told for each case apart (inspect's `encryption.key`)."""

import re
from pathlib import Path

import craft
import pki
import pytest
from sample_exchange import beta, by_hand

from ehmi_ap.as4.findings import Findings
from ehmi_ap.as4.inspect import inspect
from ehmi_ap.crypto.keys import load_certificates, load_private_key

DATA = Path(__file__).parents[2] / "vectors" / "data"
LIVE = DATA / "live-keys/domibus-holodeck"
BY_SKI = (DATA / "domibus/ski-2payloads.request").read_bytes()


def _look(capture: bytes, *, certificates: bool = True) -> Findings:
    known = load_certificates((LIVE / "receiver.crt.pem").read_bytes()) if certificates else []
    key = load_private_key((LIVE / "receiver.key.pem").read_bytes())
    return inspect(capture, keys=[key], certificates=known, at=pki.NOW)


def _without_its_key(capture: bytes) -> bytes:
    """The EncryptedKey's bytes changed, so that no key opens it."""
    return re.sub(rb"(<xenc:CipherValue>)(.)", lambda m: m[1] + (b"B" if m[2] == b"A" else b"A"), capture, count=1)


def test_a_key_fits_though_no_certificate_says_so() -> None:
    findings = _look(BY_SKI, certificates=False)
    assert findings.encryption.key == "ok"
    assert len(findings.payloads) == 2


@pytest.mark.parametrize(("certificates", "key", "grave"), [(True, "wrong", True), (False, "none-fits", False)])
def test_a_damaged_key_is_wrong_where_the_token_names_ours(certificates: bool, key: str, grave: bool) -> None:
    findings = _look(_without_its_key(BY_SKI), certificates=certificates)
    assert findings.encryption.key == key
    assert ("EBMS:0102", grave) in [(problem.code, problem.grave) for problem in findings.problems]
    assert findings.payloads == ()


def test_a_key_that_the_token_carries() -> None:
    """By BST: the certificate is in the message, so ours is recognised without being given."""
    capture = (DATA / "domibus/bst-2payloads.request").read_bytes()
    assert _look(_without_its_key(capture), certificates=False).encryption.key == "wrong"


def _crafted(security: object) -> bytes:
    made = craft.make(by_hand(security=security))
    return b"Content-Type: " + made.content_type.encode() + b"\r\n\r\n" + made.body


@pytest.mark.parametrize(
    ("pattern", "replacement", "code"),
    [
        (r"<xenc:CipherValue>[^<]*</xenc:CipherValue>", "", "EBMS:0102"),
        (r"(<xenc:EncryptedData .*?</xenc:EncryptedData>)", r"\1\1", "EBMS:0103"),
        (r"(CipherReference URI=\"cid:)", r"\1nothing", "EBMS:0103"),
    ],
    ids=["malformed", "two for one part", "for no part"],
)
def test_what_is_wrong_with_the_elements(pattern: str, replacement: str, code: str) -> None:
    capture = _crafted(lambda xml: re.sub(pattern, replacement, xml, flags=re.DOTALL))
    findings = inspect(capture, keys=[beta().key], at=pki.NOW)
    assert findings.verdict == "invalid"
    assert code in [problem.code for problem in findings.problems if problem.grave]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2001/04/xmlenc#aes128-cbc"),
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
    ],
)
def test_algorithms_that_are_never_computed_are_named(old: str, new: str) -> None:
    """as4-wire 3.1: no CBC, no PKCS#1 v1.5; the capture stays closed and is not called wrong for it."""
    findings = inspect(_crafted(lambda xml: xml.replace(old, new)), keys=[beta().key], at=pki.NOW)
    assert findings.encryption.key == "none-fits"
    assert new in findings.encryption.algorithms
    assert any(new in problem.what for problem in findings.problems)
    assert findings.verdict == "undecided"


def test_only_algorithms_that_are_in_the_message_are_listed() -> None:
    """The defaults of RSA-OAEP (XML Encryption 1.1, 5.5.2) mean nothing for another key transport (as4-wire 4.2)."""
    new = "http://www.w3.org/2001/04/xmlenc#kw-aes128"

    def with_key_wrap(xml: str) -> str:
        return re.sub(
            r'<xenc:EncryptionMethod Algorithm="[^"]*rsa-oaep">.*?</xenc:EncryptionMethod>', _method(new), xml
        )

    findings = inspect(_crafted(with_key_wrap), keys=[beta().key], at=pki.NOW)
    assert findings.encryption.algorithms == (new, "http://www.w3.org/2009/xmlenc11#aes128-gcm")


def _method(uri: str) -> str:
    return f'<xenc:EncryptionMethod Algorithm="{uri}"/>'


@pytest.mark.parametrize(
    ("pattern", "replacement", "code", "verdict"),
    [
        (r'(wsu:Id="tok-r">)', r"\1!", "EBMS:0102", "invalid"),
        (r'wsu:Id="tok-r"', 'wsu:Id="tok-x"', "EBMS:0102", "invalid"),
        (r'(wsse:Reference URI=")#(tok-r")', r"\1\2", "EBMS:0103", "valid"),
        (r"#Attachment-Content-Only", "#Attachment-Complete", "EBMS:0103", "valid"),
    ],
    ids=["no base64", "no token", "a form of its own", "Type"],
)
def test_what_an_access_point_would_refuse_is_told_though_a_key_opens_it(
    pattern: str, replacement: str, code: str, verdict: str
) -> None:
    findings = inspect(_crafted(lambda xml: re.sub(pattern, replacement, xml)), keys=[beta().key], at=pki.NOW)
    assert (findings.encryption.key, len(findings.payloads)) == ("ok", 1)
    assert [problem.code for problem in findings.problems] == [code]
    assert findings.verdict == verdict
