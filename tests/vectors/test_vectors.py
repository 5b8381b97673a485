"""Every recorded message, judged by inspect, comes to what as4-wire 10 says; the independent checker agrees.

Files of our own recording lie in data/; those of others are read from the shared test data (skipped without it).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from independent import Wrong, check

from ehmi_ap.as4.capture import read_capture
from ehmi_ap.as4.inspect import inspect
from ehmi_ap.body import read_all
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import PrivateKey, load_certificates, load_key_pairs, load_private_key

DATA = Path(__file__).parent / "data"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)

# Payloads as delivered: size and SHA-256 (as4-wire 10.4).
D = (1525, "78464c69284058256f2315a065e6458d287a0c8a92eeee534268fe2440d397c7")
P = (1393, "8155dec5070669605286af1f37921cb4e99fd8c409b0a57ad8e8795c4dea8814")
S = (1337, "79dee24829b6f7108b0736c29118ae1fe66d18ffd8985dd4284eff599d8d947f")
B = (10240, "65bf9fef690d8315dd366c4788663d5bde5df877b533c36dbc91ecc8474b2b63")


@dataclass(frozen=True)
class Expected:
    """What one file comes to. `kind` is that of its one message; None stands for what is not asked."""

    kind: str = "UserMessage"
    verdict: str = "valid"
    value: str = "ok"
    digests: tuple[str, ...] = ()
    key: str | None = "ok"
    payloads: tuple[tuple[int, str], ...] = ()
    test_service: bool = False
    errors: tuple[tuple[str, str], ...] = ()
    receipt: int = 0
    trust: str = "trusted"
    signed: bool = True


def _message(*payloads: tuple[int, str], test_service: bool = False, key: str | None = "ok") -> Expected:
    digests = ("ok",) * (2 + len(payloads))
    return Expected(digests=digests, payloads=payloads, test_service=test_service, key=key)


def _receipt(references: int) -> Expected:
    return Expected(kind="Receipt", digests=("ok", "ok"), key=None, receipt=references)


def _error(*codes: str, signed: bool, severity: str = "failure") -> Expected:
    errors = tuple((f"EBMS:{code}", severity) for code in codes)
    if signed:
        return Expected(kind="Error", digests=("ok", "ok"), key=None, errors=errors)
    return Expected(kind="Error", value="unchecked", key=None, errors=errors, trust="unchecked", signed=False)


LIVE: dict[str, Expected] = {
    "domibus/bst-2payloads.request": _message(D, D),
    "domibus/bst-2payloads.response": _receipt(4),
    "domibus/ski-2payloads.request": _message(D, D),
    "domibus/ski-2payloads.response": _receipt(4),
    "domibus/bst-testservice.request": _message(D, test_service=True),
    "domibus/bst-testservice.response": _receipt(3),
    "domibus/probe-01-ok.request": _message(P),
    "domibus/probe-01-ok.response": _receipt(3),
    "domibus/probe-04-wrong-recipient-key.response": _error("0103", signed=False),
    "domibus/probe-05-unknown-signer.response": _error("0103", signed=False),
    "domibus/probe-06-tampered-ciphertext.response": _error("0102", signed=False),
    "domibus/probe-07-tampered-payload.response": _error("0102", signed=False),
    "domibus/probe-09-unsigned.response": _error("0004", signed=False),
    "domibus/probe-10-unencrypted.response": _error("0103", signed=True),
    "domibus/probe-12-unknown-pmode-service.response": _error("0001", signed=False),
    "domibus/probe-13-unknown-pmode-party.response": _error("0003", signed=False),
    "holodeck/bst-2payloads.request": _message(D, D),
    "holodeck/bst-2payloads.response": _receipt(4),
    "holodeck/ski.request": _message(D),
    "holodeck/ski.response": _receipt(3),
    "holodeck/pull-empty.request": Expected(kind="PullRequest", digests=("ok", "ok"), key=None),
    "holodeck/pull-empty.response": _error("0006", signed=False, severity="warning"),
    "holodeck/probe-01-ok.response": _receipt(3),
    "holodeck/probe-04-wrong-recipient-key.response": _error("0102", signed=True),
    "holodeck/probe-05-unknown-signer.response": _error("0101", signed=True),
    "holodeck/probe-06-tampered-ciphertext.response": _error("0101", signed=True),
    "holodeck/probe-07-tampered-payload.response": _error("0101", signed=True),
    "holodeck/probe-09-unsigned.response": _error("0103", signed=True),
    "holodeck/probe-12-unknown-pmode-service.response": _error("0010", "0102", signed=False),
    "oxalis/peppol.request.http": _message(S),
    "oxalis/peppol.response.http": _receipt(3),
    "phase4/live/bst.request": _message(B),
    "phase4/live/bst.response": _receipt(3),
    "phase4/live/ski.request": _message(B),
    "phase4/live/ski.response": _receipt(3),
    "phase4/live/two-payloads.request": _message(B, B),
    "phase4/live/two-payloads.response": _receipt(4),
    "phase4/live/uncompressed.request": _message(B),
    "phase4/live/uncompressed.response": _receipt(3),
    "phase4/live/test-service.request": _message(test_service=True, key=None),
    "phase4/live/test-service.response": _receipt(2),
}

KEYS = {
    "domibus": ("live-keys/domibus-holodeck", "receiver.key.pem", ("sender.crt.pem", "receiver.crt.pem"), "ca.crt.pem"),
    "oxalis": ("live-keys/oxalis", "a.key.pem", ("a.cert.pem", "b.cert.pem"), "ca.cert.pem"),
    "phase4": ("live-keys/phase4", "b.key.pem", ("a.cert.pem", "b.cert.pem"), "ca.pem"),
    "wss4j": ("wss4j/keys", "rsa-receiver.key.pem", ("rsa-receiver.crt.pem",), "ca.pem"),
}
KEYS["holodeck"] = KEYS["domibus"]


@cache
def _material(maker: str) -> tuple[list[PrivateKey], list[Certificate], list[Certificate]]:
    """Keys, certificates and anchors for the recordings of one maker."""
    folder, key, certificates, ca = KEYS[maker]
    root = DATA / folder
    return (
        [load_private_key((root / key).read_bytes())],
        [each for name in certificates for each in load_certificates((root / name).read_bytes())],
        load_certificates((root / ca).read_bytes()),
    )


def _request_of(path: Path) -> bytes | None:
    """The capture that a response answers, where it was recorded."""
    request = path.with_name(path.name.replace("response", "request"))
    return request.read_bytes() if "response" in path.name and request.exists() else None


def _compare(found: dict[str, Any], expected: Expected) -> None:
    (message,) = found["messages"]
    assert message["kind"] == expected.kind
    assert message["test_service"] == expected.test_service
    assert tuple((error["code"], error["severity"]) for error in message["errors"]) == expected.errors
    assert len(message["receipt"]) == expected.receipt
    signature = found["signature"]
    assert signature["present"] == expected.signed
    assert signature["value"] == expected.value
    assert tuple(reference["digest"] for reference in signature["references"]) == expected.digests
    assert found["encryption"]["present"] == (expected.key is not None)
    assert found["encryption"]["key"] == expected.key
    assert tuple((payload["size"], payload["sha256"]) for payload in found["payloads"]) == expected.payloads
    assert found["trust"]["verdict"] == expected.trust
    assert found["verdict"] == expected.verdict


@pytest.mark.parametrize("name", LIVE)
def test_live_recordings(name: str) -> None:
    """as4-wire 10.4, with the request beside each receipt, the CA trusted, and nothing to complain of."""
    path = DATA / name
    keys, certificates, anchors = _material(name.partition("/")[0])
    findings = inspect(
        path.read_bytes(), keys=keys, certificates=certificates, trust=anchors, at=AT, request=_request_of(path)
    )
    found = findings.to_json()
    _compare(found, LIVE[name])
    assert found["problems"] == []


@pytest.mark.parametrize("name", LIVE)
def test_the_independent_checker_agrees(name: str) -> None:
    """A second opinion, on the body as the capture reader undid it."""
    folder, key, certificates, _ = KEYS[name.partition("/")[0]]
    capture = read_capture((DATA / name).read_bytes())
    facts = check(
        read_all(capture.wire.body),
        capture.wire.content_type,
        [(DATA / folder / key).read_bytes()],
        [(DATA / folder / each).read_bytes() for each in certificates],
    )
    expected = LIVE[name]
    assert facts.signed == expected.signed
    assert facts.encrypted == (expected.key is not None)
    assert tuple(len(content) for _, _, content in facts.payloads) == tuple(size for size, _ in expected.payloads)
    assert facts.errors == [code for code, _ in expected.errors]
    assert len(facts.receipt) == expected.receipt


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"payload1@domibus</", b"payload1@domibus</", id="nothing, so that the others mean something"),
        pytest.param(b"<eb:Action>", b"<eb:Action> ", id="header"),
        pytest.param(b"\r\n--uuid:", b"x\r\n--uuid:", id="parts"),
        pytest.param(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA", id="signature value"),
        pytest.param(b"<xenc:CipherValue>", b"<xenc:CipherValue>AAAA", id="encrypted key"),
        pytest.param(b'URI="#_', b'URI="#x', id="reference"),
        pytest.param(b"<soap:Body ", b'<soap:Other Id="x"/><soap:Body ', id="nothing signed"),
    ],
)
def test_the_independent_checker_is_no_rubber_stamp(old: bytes, new: bytes) -> None:
    capture = read_capture((DATA / "domibus/bst-2payloads.request").read_bytes())
    body = read_all(capture.wire.body)
    key = (DATA / "live-keys/domibus-holodeck/receiver.key.pem").read_bytes()
    changed = new.join(body.rsplit(old, 1))
    if changed == body:
        assert check(body, capture.wire.content_type, [key]).signed
        return
    with pytest.raises(Wrong):
        check(changed, capture.wire.content_type, [key])


# -- as4-wire 10.1: WSS4J

WSS4J_SIZES = [82, 22, 9]
WSS4J = {
    "rsa-signed.mime": ("ok", None, ["ok"] * 5, WSS4J_SIZES, "valid"),
    "rsa-oaep-bst.mime": ("ok", "ok", ["ok"] * 5, WSS4J_SIZES, "valid"),
    "rsa-oaep-issuerserial.mime": ("ok", "ok", ["ok"] * 5, WSS4J_SIZES, "valid"),
    # Ed25519 and key agreement are eDelivery AS4 2.0's: not computed yet, but read as far as they go.
    "ed2-ed25519-signed.mime": ("unchecked", None, ["ok"] * 5, WSS4J_SIZES, "undecided"),
    "ed2-ed25519-x25519-hkdf-bst.mime": ("unchecked", "none-fits", ["ok"] * 2 + ["unchecked"] * 3, [], "undecided"),
    "ed2-ecdsa-ecdhes-hkdf-bst.mime": ("unchecked", "none-fits", ["ok"] * 2 + ["unchecked"] * 3, [], "undecided"),
}


@pytest.mark.parametrize("name", WSS4J)
def test_wss4j_messages(name: str) -> None:
    value, key, digests, sizes, verdict = WSS4J[name]
    keys, certificates, _ = _material("wss4j")
    found: Any = inspect((DATA / "wss4j" / name).read_bytes(), keys=keys, certificates=certificates, at=AT).to_json()
    assert [message["kind"] for message in found["messages"]] == ["UserMessage"]
    assert found["messages"][0]["test_service"]
    assert (found["signature"]["value"], found["encryption"]["key"]) == (value, key)
    assert [reference["digest"] for reference in found["signature"]["references"]] == digests
    assert [payload["size"] for payload in found["payloads"]] == sizes
    assert found["verdict"] == verdict


@pytest.mark.parametrize("name", ["rsa-signed.mime", "rsa-oaep-bst.mime", "rsa-oaep-issuerserial.mime"])
def test_the_key_usage_trap(name: str) -> None:
    """as4-wire 10.1: the RSA sender's certificate may not sign; cryptography right, policy wrong."""
    keys, certificates, anchors = _material("wss4j")
    findings = inspect((DATA / "wss4j" / name).read_bytes(), keys=keys, certificates=certificates, trust=anchors, at=AT)
    assert findings.signature.value == "ok"
    assert (findings.trust.verdict, findings.verdict) == ("unfit", "invalid")


@pytest.mark.parametrize("name", WSS4J)
def test_the_independent_checker_opens_all_of_wss4j(name: str) -> None:
    """Key agreement and the newer signatures included: the files are what they are said to be."""
    capture = read_capture((DATA / "wss4j" / name).read_bytes())
    keys = [path.read_bytes() for path in sorted((DATA / "wss4j/keys").glob("*-receiver.key.pem"))]
    certificates = [(DATA / "wss4j/keys/rsa-receiver.crt.pem").read_bytes()]
    facts = check(read_all(capture.wire.body), capture.wire.content_type, keys, certificates)
    assert [len(content) for _, _, content in facts.payloads] == WSS4J_SIZES
    assert facts.signed


def test_pkcs12_files_hold_the_same_keys_as_the_pem_files() -> None:
    for path in sorted((DATA / "wss4j/keys").glob("rsa-*.p12")):
        (pair,) = load_key_pairs(path.read_bytes(), "test")
        assert pair.certificate == load_certificates(path.with_suffix(".crt.pem").read_bytes())[0]


# -- as4-wire 10.2 and 10.3: messages of others

OTHERS: dict[str, Expected] = {
    "as4net/as4-encrypted-signed-issuerserial.as4": Expected(
        verdict="undecided",
        value="unchecked",
        digests=("ok",) * 4,
        trust="unchecked",
        payloads=((296454, ""), (206, "")),
    ),
    "as4net/signed_holodeck_message.as4": Expected(
        digests=("ok",) * 4, key=None, trust="unchecked", payloads=((296454, ""), (206, ""))
    ),
    "as4net/as4-soap-signed-message.txt": Expected(digests=("ok", "ok"), key=None, trust="unchecked"),
    "as4net/as4-soap-wrong-signed-message.txt": Expected(
        verdict="invalid", digests=("ok", "missing"), key=None, trust="unchecked"
    ),
    "as4net/as4-soap-untrusted-signed-message.txt": Expected(
        verdict="invalid", value="wrong", digests=("ok", "ok"), key=None, trust="unchecked"
    ),
    "as4net/as4_flame_envelope.as4": Expected(
        verdict="undecided", digests=("ok", "ok", "unchecked", "unchecked"), key="none-fits", trust="unchecked"
    ),
    "as4net/as4-multihop-message.as4": Expected(
        kind="Error", digests=("ok", "ok"), key=None, trust="unchecked", errors=(("EBMS:0004", "failure"),)
    ),
    "as4net/receipt.xml": Expected(
        kind="Receipt", verdict="invalid", value="unchecked", key=None, receipt=4, trust="unchecked", signed=False
    ),
    "phase4/helger.as4in": Expected(kind="Receipt", digests=("ok", "ok"), key=None, receipt=3, trust="unchecked"),
    "phase4/governikus.as4in": Expected(kind="Receipt", digests=("ok", "ok"), key=None, receipt=3, trust="unchecked"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_messages_of_others(name: str, shared_data: Path) -> None:
    (pair,) = load_key_pairs((shared_data / "as4/as4net/AccessPointB.pfx").read_bytes(), "Pz4cZK4SULUwmraZb")
    found: Any = inspect(
        (shared_data / "as4" / name).read_bytes(), keys=[pair.private_key], certificates=[pair.certificate], at=AT
    ).to_json()
    for payload in found["payloads"]:
        payload["sha256"] = ""  # not stated for these
    _compare(found, OTHERS[name])


def test_off_profile_algorithms_are_computed_and_named(shared_data: Path) -> None:
    """as4-wire 9.12: rsa-oaep-mgf1p with SHA-256 has MGF1 with SHA-1 all the same."""
    (pair,) = load_key_pairs((shared_data / "as4/as4net/AccessPointB.pfx").read_bytes(), "Pz4cZK4SULUwmraZb")
    data = (shared_data / "as4/as4net/as4-encrypted-signed-issuerserial.as4").read_bytes()
    findings = inspect(data, keys=[pair.private_key], at=AT)
    told = " ".join(problem.what for problem in findings.problems)
    assert "rsa-sha384 is outside the eDelivery profile" in told
    assert "rsa-oaep-mgf1p-sha256 is outside the eDelivery profile" in told
    assert not any(problem.grave for problem in findings.problems)


# -- the table is whole, and the copies are true

_NO_MESSAGE = re.compile(r"\.(pem|p12|pfx)\Z")


def test_every_recorded_message_is_in_a_table(shared_data: Path) -> None:
    root = shared_data / "as4"
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    messages = {name for name in names if not _NO_MESSAGE.search(name)}
    assert messages == {*LIVE, *OTHERS, *(f"wss4j/{name}" for name in WSS4J)}


def test_the_copies_are_the_recordings(shared_data: Path) -> None:
    copies = [path for path in DATA.rglob("*") if path.is_file()]
    assert copies
    for copy in copies:
        assert copy.read_bytes() == (shared_data / "as4" / copy.relative_to(DATA)).read_bytes()


def test_a_recording_is_as_it_was_on_the_wire() -> None:
    """Chunked and gzip-encoded, so that reading it proves the capture reader (as4-wire 10.4)."""
    data = (DATA / "phase4/live/bst.response").read_bytes()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-encoding: gzip" in head.lower()
    assert body.partition(b"\r\n")[2].startswith(b"\x1f\x8b")
