"""Every recorded message, judged by inspect, comes to what as4-wire 10 says; the independent checker agrees.

Files of our own recording lie in data/; those of others are read from the shared test data (skipped without it).
"""

import re
from pathlib import Path
from typing import Any

import pytest
from independent import Wrong, check
from recordings import AT, DATA, LIVE, Expected, Pair, pair_of, request_of, wire_of

from ehmi_ap.as4.capture import read_capture
from ehmi_ap.as4.inspect import inspect
from ehmi_ap.body import read_all
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import PrivateKey, load_certificates, load_key_pairs, load_private_key


def _material(pair: Pair) -> tuple[list[PrivateKey], list[Certificate], list[Certificate]]:
    """The receiver's key, the certificates of both, and the anchors."""
    return (
        [load_private_key(pair.key_pem)],
        [each for pem in pair.certificates for each in load_certificates(pem)],
        load_certificates(pair.read(pair.ca)),
    )


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
    keys, certificates, anchors = _material(pair_of(name))
    answered = request_of(name)
    findings = inspect(
        (DATA / name).read_bytes(),
        keys=keys,
        certificates=certificates,
        trust=anchors,
        at=AT,
        request=(DATA / answered).read_bytes() if answered else None,
    )
    found = findings.to_json()
    _compare(found, LIVE[name])
    assert found["problems"] == []


@pytest.mark.parametrize("name", LIVE)
def test_the_independent_checker_agrees(name: str) -> None:
    """A second opinion, on the body as the capture reader undid it."""
    wire, pair = wire_of(name), pair_of(name)
    facts = check(read_all(wire.body), wire.content_type, [pair.key_pem], pair.certificates)
    expected = LIVE[name]
    assert facts.signed == expected.signed
    assert facts.encrypted == (expected.key is not None)
    assert tuple(len(content) for _, _, content in facts.payloads) == tuple(size for size, _ in expected.payloads)
    assert facts.errors == expected.codes
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
    keys, certificates, _ = _material(pair_of(f"wss4j/{name}"))
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
    keys, certificates, anchors = _material(pair_of(f"wss4j/{name}"))
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
    """Those of sml/ were recorded for this project alone: there is nothing to compare them with."""
    copies = [path for path in DATA.rglob("*") if path.is_file() and path.relative_to(DATA).parts[0] != "sml"]
    assert copies
    for copy in copies:
        name = copy.relative_to(DATA)
        kept = shared_data / name if name.parts[0] == "smp" else shared_data / "as4" / name
        assert copy.read_bytes() == kept.read_bytes(), name


def test_a_recording_is_as_it_was_on_the_wire() -> None:
    """Chunked and gzip-encoded, so that reading it proves the capture reader (as4-wire 10.4)."""
    data = (DATA / "phase4/live/bst.response").read_bytes()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-encoding: gzip" in head.lower()
    assert body.partition(b"\r\n")[2].startswith(b"\x1f\x8b")
