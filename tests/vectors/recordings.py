"""The recorded exchanges with four live products, and what each file comes to (as4-wire 10.4).

One table for every judge: `inspect` and the independent checker in test_vectors, the functions of the daemon in
test_recorded_exchanges, the daemon itself in tests/functional/test_recorded_wire.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from ehmi_ap.as4 import verify
from ehmi_ap.as4.capture import read_capture
from ehmi_ap.as4.ebms import Header
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust, load_certificates, load_private_key
from ehmi_ap.crypto.safexml import DEFAULT_LIMITS
from ehmi_ap.model import Wire

DATA = Path(__file__).parent / "data"
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When all of it is judged: shortly after it was recorded."""

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

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.errors]


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

MESSAGES = [name for name, expected in LIVE.items() if expected.kind == "UserMessage"]
RECEIPTS = [name for name, expected in LIVE.items() if expected.kind == "Receipt"]
ERRORS = [name for name, expected in LIVE.items() if expected.kind == "Error"]
PULL = "holodeck/pull-empty.request"
PRODUCTS = ("domibus", "holodeck", "oxalis", "phase4")
"""Their folders."""


@dataclass(frozen=True)
class Pair:
    """The two access points of a recording, as files of a folder of keys. What we need of the sender is public."""

    folder: str
    sender: str
    receiver: str
    key: str
    ca: str

    def read(self, file: str) -> bytes:
        return (DATA / self.folder / file).read_bytes()

    @property
    def key_pem(self) -> bytes:
        return self.read(self.key)

    @property
    def certificates(self) -> list[bytes]:
        """PEM of both."""
        return [self.read(self.sender), self.read(self.receiver)]


_DOMIBUS_HOLODECK = Pair(
    "live-keys/domibus-holodeck", "sender.crt.pem", "receiver.crt.pem", "receiver.key.pem", "ca.crt.pem"
)
PAIRS = {
    "domibus": _DOMIBUS_HOLODECK,
    "holodeck": _DOMIBUS_HOLODECK,
    "oxalis": Pair("live-keys/oxalis", "b.cert.pem", "a.cert.pem", "a.key.pem", "ca.cert.pem"),
    "phase4": Pair("live-keys/phase4", "a.cert.pem", "b.cert.pem", "b.key.pem", "ca.pem"),
    "wss4j": Pair("wss4j/keys", "rsa-sender.crt.pem", "rsa-receiver.crt.pem", "rsa-receiver.key.pem", "ca.pem"),
}


def pair_of(name: str) -> Pair:
    return PAIRS[name.partition("/")[0]]


def wire_of(name: str) -> Wire:
    """The HTTP message with its transfer and content encoding undone."""
    return read_capture((DATA / name).read_bytes()).wire


def header_of(name: str) -> Header:
    """Its eb:Messaging."""
    return verify.read_header(verify.parse_envelope(verify.split(wire_of(name))[0], DEFAULT_LIMITS))


def request_of(name: str) -> str | None:
    """The recorded request that a response answers; None where only the response was kept."""
    request = name.replace(".response", ".request")
    return request if request in LIVE and request != name else None


@cache
def keys_of(pair: Pair) -> Keys:
    """The receiver's: it decrypts the requests, and signed the responses."""
    own = load_certificates(pair.read(pair.receiver))[0]
    both = KeyPair(load_private_key(pair.key_pem), own, (own,))
    return Keys(both, (both,))


@cache
def trust_of(pair: Pair) -> Trust:
    """All three certificates, by the name of their role."""
    named: dict[str, list[Certificate]] = {
        role: load_certificates(pair.read(file))
        for role, file in (("sender", pair.sender), ("receiver", pair.receiver), ("ca", pair.ca))
    }
    return Trust(named)
