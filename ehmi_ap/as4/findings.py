"""What inspect found, as values; and as the JSON of ``ehmi-ap inspect --json``.

The verdict follows from the findings by three rules: nothing read is *unreadable*; anything wrong or missing is
*invalid*; anything that could not be checked for want of a key, a certificate or a part is *undecided*. An algorithm
outside the profile, or anything else that only an agreement could forbid, is a problem without weight.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ehmi_ap.body import Body
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.errors import ApError, EbmsError, NotAllowedAlgorithm, PeerError, XmlSecurityError
from ehmi_ap.model import ErrorSignal, MessageId, Payload, Reference

Verdict = Literal["valid", "invalid", "undecided", "unreadable"]
Kind = Literal["UserMessage", "Receipt", "Error", "PullRequest"]
DigestState = Literal["ok", "wrong", "missing", "unchecked"]
ValueState = Literal["ok", "wrong", "unchecked"]
KeyState = Literal["ok", "none-fits", "wrong"]
TrustState = Literal["trusted", "untrusted", "expired", "unfit", "unchecked"]

_FOR_THE_SENDER = "This is for whoever sent the message to correct; show them this line."
_FOR_THE_P_MODE = "Agree on the profile's algorithm, or allow this one in the P-Mode where it can be allowed."


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to tell. `grave` makes the message invalid; `code` is the error an access point would answer."""

    code: str
    what: str
    fix: str
    grave: bool = True


class Notes:
    """The problems of one capture, each told once, in the order they were found."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems.values())

    def add(self, code: str, what: str, fix: str = _FOR_THE_SENDER, *, grave: bool = True) -> None:
        self._problems.setdefault((code, what), Problem(code, what, fix, grave))

    def error(self, error: ApError, *, code: str = "EBMS:0103", grave: bool = True) -> None:
        """Note an error; `code` is for those that are no EbmsError."""
        if isinstance(error, NotAllowedAlgorithm):
            what = f"{error.purpose} {error.uri} is outside the eDelivery profile"
            self.add("EBMS:0103", what, _FOR_THE_P_MODE, grave=False)
            return
        known = error.ebms if isinstance(error, EbmsError) else code
        general = error.fix in (PeerError.default_fix, ApError.default_fix)
        self.add(known, error.what, _FOR_THE_SENDER if general else error.fix, grave=grave)

    @contextmanager
    def noting(self, *, code: str = "EBMS:0103", grave: bool = True) -> Iterator[None]:
        """A block whose fault is noted and not raised."""
        try:
            yield
        except (PeerError, XmlSecurityError) as error:
            self.error(error, code=code, grave=grave)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFinding:
    """An eb:UserMessage or eb:SignalMessage. `receipt` are the references of a receipt."""

    kind: Kind
    message_id: MessageId
    ref_to: MessageId | None = None
    test_service: bool = False
    errors: tuple[ErrorSignal, ...] = ()
    receipt: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFinding:
    """A ds:Reference. `form` is the canonical form of the element it points at, where it points at one."""

    uri: str
    digest: DigestState
    expected: bytes
    computed: bytes | None = None
    form: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFinding:
    """The ds:Signature; `algorithm` is its URI."""

    present: bool = False
    algorithm: str | None = None
    value: ValueState = "unchecked"
    signer: Certificate | None = None
    references: tuple[ReferenceFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionFinding:
    """The xenc elements; `key` is None where nothing is encrypted, `algorithms` are URIs."""

    present: bool = False
    key: KeyState | None = None
    algorithms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFinding:
    """The signer's certification path, leaf first."""

    verdict: TrustState = "unchecked"
    chain: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found in a capture. `payloads` are those that could be opened, as C4 would get them."""

    readable: bool
    messages: tuple[MessageFinding, ...] = ()
    signature: SignatureFinding = SignatureFinding()
    encryption: EncryptionFinding = EncryptionFinding()
    trust: TrustFinding = TrustFinding()
    payloads: tuple[Payload, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if not self.readable:
            return "unreadable"
        if self.trust.verdict in ("untrusted", "expired", "unfit") or any(each.grave for each in self.problems):
            return "invalid"
        digests = {reference.digest for reference in self.signature.references}
        unchecked = self.signature.present and (self.signature.value == "unchecked" or "unchecked" in digests)
        return "undecided" if unchecked or self.encryption.key == "none-fits" else "valid"

    def to_json(self) -> dict[str, object]:
        """The JSON document, without bodies; digests in base64, payload hashes in hex."""
        return {
            "verdict": self.verdict,
            "messages": [_message(each) for each in self.messages],
            "signature": _signature(self.signature),
            "encryption": {
                "present": self.encryption.present,
                "key": self.encryption.key,
                "algorithms": list(self.encryption.algorithms),
            },
            "trust": {"verdict": self.trust.verdict, "chain": [each.subject for each in self.trust.chain]},
            "payloads": [_payload(each) for each in self.payloads],
            "problems": [{"code": each.code, "what": each.what, "fix": each.fix} for each in self.problems],
        }


def _message(message: MessageFinding) -> dict[str, object]:
    return {
        "kind": message.kind,
        "message_id": message.message_id,
        "ref_to_message_id": message.ref_to,
        "test_service": message.test_service,
        "errors": [
            {"code": error.code, "severity": error.severity, "detail": error.detail or error.description}
            for error in message.errors
        ],
        "receipt": [{"uri": each.uri, "digest": _base64(each.digest)} for each in message.receipt],
    }


def _signature(signature: SignatureFinding) -> dict[str, object]:
    return {
        "present": signature.present,
        "algorithm": signature.algorithm,
        "value": signature.value,
        "signer": signature.signer.subject if signature.signer else None,
        "references": [
            {
                "uri": each.uri,
                "digest": each.digest,
                "expected": _base64(each.expected),
                "computed": None if each.computed is None else _base64(each.computed),
            }
            for each in signature.references
        ],
    }


def _payload(payload: Payload) -> dict[str, object]:
    return {
        "cid": payload.content_id,
        "mime_type": payload.mime_type,
        "size": payload.body.size,
        "sha256": _sha256(payload.body),
    }


def _sha256(body: Body) -> str:
    digest = hashlib.sha256()
    for chunk in body.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
