"""Every error this package raises, drawn once.

    ApError                      .code .fault .fix .retryable
    ├── ConfigError              the operator's; raised at start, with all findings at once
    ├── SubmissionError          C1's; raised by submit(), nothing was stored
    │   ├── SubmissionConflict   the same message_id was submitted before with other content
    │   ├── SignatureRefused     it is not signed, or not in a way that counts
    │   └── NoSignersAgreed      the operator's; it was not agreed who may sign
    ├── RequestRefused           C1's or C4's; an HTTP request to our REST that cannot be answered, with its status
    │   └── Ambiguous            several messages have the MessageId that was asked for
    ├── NotFound                 the caller's; no such message, payload, P-Mode or certificate
    ├── NotAllowed               the caller's; the state of the message does not allow it
    ├── PeerError                the peer's; what we answer is in .ebms or .status
    │   ├── HttpRefusal          answered with an HTTP status and one sentence, no eb:Error
    │   └── EbmsError            answered with an eb:Error; one leaf per code (ebMS3 core 6.7, AS4 5.1)
    ├── EnvelopeError            the sending system's; an envelope, signal or FHIR message that cannot be read
    ├── XmlSecurityError         crypto's own words; as4 turns each into a PeerError
    ├── DiscoveryError           where a participant receives could not be found out; one leaf per outcome
    │   ├── NotRegistered        C1's; the network does not know the participant
    │   ├── NotSupported         C1's; it is known, but not for this document, process or transport
    │   ├── Unavailable          the network's; DNS or the SMP could not be asked, try again
    │   ├── Untrusted            the publisher's; what was found must not be used
    │   └── Misconfigured        the operator's; our names or our credentials
    ├── SendingBlocked           the operator's; a P-Mode, key or certificate stands in the way of sending
    ├── TransportError           the network's or the peer's host; the peer could not be reached
    ├── BackendError             C4 did not take the message
    └── StoreError               ours; the disk is full, the database is down

Every error answers four questions: what happened (``str(error)``), whose fault it is (``.fault``), what to
do (``.fix``) and whether the same thing is worth trying again (``.retryable``). Texts never hold a payload,
a header value that may carry a patient id, or a key.
"""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar


class Fault(Enum):
    """Whose fault a failure is."""

    C1 = "submitter"
    C4 = "recipient system"
    OPERATOR = "operator"
    PEER = "peer"
    NETWORK = "network"
    US = "access point"


class ApError(Exception):
    """Base of all errors raised by ehmi_ap; never raised itself.

    `what` is one sentence for the operator; `fix` replaces the class's default advice.
    """

    code: ClassVar[str] = "error"
    fault: ClassVar[Fault] = Fault.US
    retryable: ClassVar[bool] = False
    default_fix: ClassVar[str] = "Report this with the log of the moment it happened."

    def __init__(self, what: str, *, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix or self.default_fix


class ConfigError(ApError):
    """Mistakes in ehmi-ap.toml, P-Modes, keys or certificates; `findings` names each with its place."""

    code = "config"
    fault = Fault.OPERATOR
    default_fix = "Correct the findings and run `ehmi-ap check`."

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = tuple(findings)


class SubmissionError(ApError):
    """C1 asked for something that cannot be sent. Nothing was stored."""

    code = "submission"
    fault = Fault.C1
    default_fix = "Correct the submission and submit again."


class SubmissionConflict(SubmissionError):
    """The same message_id was submitted before with other content."""

    code = "submission.conflict"
    default_fix = "Use a new message_id for new content; repeat the old content to repeat the old submission."


class SignatureRefused(SubmissionError):
    """C1 has to sign what it submits, and did not, or not in a way that counts; nothing of the content was read."""

    code = "submission.signature"
    default_fix = "Sign each payload with the certificate that was agreed; docs/how-to/connect-an-msh.md tells how."


class NoSignersAgreed(SubmissionError):
    """Nobody was agreed who may sign for this backend, and it is not declared to be built together with us."""

    code = "submission.no-signers"
    fault = Fault.OPERATOR
    default_fix = "Say in ehmi-ap.toml who signs, `[backends.NAME.signature]`; docs/how-to/connect-an-msh.md tells how."


class RequestRefused(ApError):
    """An HTTP request to our REST that cannot be answered as it is; `status` is what it is answered with."""

    code = "request"
    fault = Fault.C1
    default_fix = "Correct the request; GET /api/v1/openapi.json describes what can be asked."

    def __init__(self, status: int, what: str, *, fix: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.status = status


class Ambiguous(RequestRefused):
    """Several stored messages have this MessageId; `candidates` are their direction and partner."""

    code = "request.ambiguous"
    default_fix = "Add ?direction= and ?party= of one of the candidates."

    def __init__(self, candidates: Sequence[tuple[str, str]]) -> None:
        super().__init__(409, f"{len(candidates)} messages have this MessageId")
        self.candidates = tuple(candidates)


class NotFound(ApError):
    """There is no such message, payload, P-Mode or certificate (or it is another backend's)."""

    code = "not-found"
    fault = Fault.C1
    default_fix = "Check the name; list what exists with `ehmi-ap list` or GET /api/v1/messages."


class NotAllowed(ApError):
    """The thing exists, but its state does not allow what was asked."""

    code = "not-allowed"
    fault = Fault.C1
    default_fix = "Look at the state of the message with `ehmi-ap show`."


class PeerError(ApError):
    """The peer sent something the protocol or the agreement forbids.

    The operator reads `what`; the peer reads no more than `public`.
    """

    code = "peer"
    fault = Fault.PEER
    default_fix = "Show the peer this line; nothing was stored or delivered."
    default_public: ClassVar[str] = "The message was refused."

    def __init__(self, what: str, *, fix: str | None = None, public: str | None = None) -> None:
        super().__init__(what, fix=fix)
        self.public = public or self.default_public


class HttpRefusal(PeerError):
    """Refused below ebMS: answered with `status` and one sentence of text/plain (as4-wire 6.4)."""

    code = "peer.http"

    def __init__(self, status: int, what: str, *, fix: str | None = None, public: str | None = None) -> None:
        super().__init__(what, fix=fix, public=public or what)
        self.status = status


class MustUnderstand(HttpRefusal):
    """A SOAP header with mustUnderstand that we do not know: 500 with env:MustUnderstand (SOAP 1.2 part 1, 5.4.8)."""

    code = "peer.must-understand"

    def __init__(self, what: str) -> None:
        super().__init__(500, what, public="A mandatory SOAP header block was not understood.")


class EbmsError(PeerError):
    """Answered with an eb:Error of severity failure (ebMS3 core 6; AS4 1.0 section 3)."""

    ebms: ClassVar[str]
    short: ClassVar[str]
    category: ClassVar[str] = "Content"
    origin: ClassVar[str] = "ebMS"


class ValueInconsistent(EbmsError):
    code, ebms, short = "peer.0003", "EBMS:0003", "ValueInconsistent"
    default_public = "A header value is inconsistent with the message or the agreement."


class Other(EbmsError):
    code, ebms, short = "peer.0004", "EBMS:0004", "Other"


class MimeInconsistency(EbmsError):
    code, ebms, short, category = "peer.0007", "EBMS:0007", "MimeInconsistency", "Unpackaging"
    default_public = "The MIME parts do not fit together."


class FeatureNotSupported(EbmsError):
    code, ebms, short, category = "peer.0008", "EBMS:0008", "FeatureNotSupported", "Unpackaging"
    default_public = "The message asks for a feature that is not supported here."


class InvalidHeader(EbmsError):
    code, ebms, short, category = "peer.0009", "EBMS:0009", "InvalidHeader", "Unpackaging"
    default_public = "The ebMS header is not valid."


class ProcessingModeMismatch(EbmsError):
    code, ebms, short, category = "peer.0010", "EBMS:0010", "ProcessingModeMismatch", "Processing"
    default_public = "No P-Mode here fits the parties, roles, service, action, agreement and mpc of the message."
    default_fix = "Compare the message's header with pmodes/*.toml; one of them has to name these values."


class ExternalPayloadError(EbmsError):
    code, ebms, short = "peer.0011", "EBMS:0011", "ExternalPayloadError"
    default_public = "The payload parts do not match eb:PayloadInfo."


class FailedAuthentication(EbmsError):
    code, ebms, short = "peer.0101", "EBMS:0101", "FailedAuthentication"
    category, origin = "Processing", "security"
    default_public = "The signature or its certificate was not accepted."
    default_fix = "Check which certificate the peer signs with, and that it is the one agreed."


class FailedDecryption(EbmsError):
    code, ebms, short = "peer.0102", "EBMS:0102", "FailedDecryption"
    category, origin = "Processing", "security"
    default_public = "The message could not be decrypted."
    default_fix = "Check that the peer encrypts for our current certificate."


class PolicyNoncompliance(EbmsError):
    code, ebms, short = "peer.0103", "EBMS:0103", "PolicyNoncompliance"
    category, origin = "Processing", "security"
    default_public = "The message's protection does not comply with the agreed policy."
    default_fix = "Compare the peer's security settings with the P-Mode."


class DeliveryFailure(EbmsError):
    """Our own failure, told the peer as an error where the P-Mode wants it so (design decision 38)."""

    code, ebms, short = "peer.0202", "EBMS:0202", "DeliveryFailure"
    category, origin = "Communication", "reliability"
    fault = Fault.US
    retryable = True
    default_public = "The message could not be stored."
    default_fix = "Check free disk space and the file system of the store; the peer has to send the message again."


class InvalidReceipt(EbmsError):
    code, ebms, short, category = "peer.0302", "EBMS:0302", "InvalidReceipt", "Communication"


class DecompressionFailure(EbmsError):
    code, ebms, short, category = "peer.0303", "EBMS:0303", "DecompressionFailure", "Communication"
    default_public = "A compressed payload could not be decompressed."


class EnvelopeError(ApError):
    """An ehmiSBDH, its signal or the FHIR message in it that a message service handler cannot read."""

    code = "envelope"
    fault = Fault.PEER
    default_fix = "Show whoever made it what `ehmi-ap sbdh` says of the envelope; it has to be made anew."


class XmlSecurityError(ApError):
    """XML, XML Signature, XML Encryption or X.509: says no in its own words (see crypto)."""

    code = "xml-security"
    fault = Fault.PEER


class MalformedXml(XmlSecurityError):
    """Not well-formed, not UTF-8, or with a DOCTYPE, entity or processing instruction."""


class BudgetExceeded(XmlSecurityError):
    """More of something than the budget allows; `budget` names it, `limit` is its value."""

    def __init__(self, budget: str, limit: int) -> None:
        super().__init__(f"more than {limit} {budget}")
        self.budget = budget
        self.limit = limit


class MalformedSecurity(XmlSecurityError):
    """A ds:Signature, xenc:EncryptedKey or token that does not have the form its schema asks for."""


class NotAllowedAlgorithm(XmlSecurityError):
    """An algorithm, transform or token form outside the allow-list; `uri` names it."""

    def __init__(self, purpose: str, uri: str) -> None:
        super().__init__(f"{purpose} {uri} is not allowed")
        self.purpose = purpose
        self.uri = uri


class ReferenceNotFound(XmlSecurityError):
    """A ds:Reference that points at nothing, or at more than one thing."""


class WrongDigest(XmlSecurityError):
    """A digest differs from what was signed."""


class WrongSignature(XmlSecurityError):
    """The signature value does not verify with the signer's public key."""


class TokenNotFound(XmlSecurityError):
    """A token reference that no known certificate fits."""


class DecryptionFailed(XmlSecurityError):
    """The ciphertext, its tag or its key is wrong; one text for all, so that it is no oracle."""


class CertificateRefused(XmlSecurityError):
    """A certificate that must not be used; `reason` is a word of crypto.certs.Refusal."""

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


class DiscoveryError(ApError):
    """Where a participant receives could not be found out (design decision 14).

    `outcome` is the class's word in output and metrics. `reason` tells the causes of one outcome apart, as a word in
    capitals (spec/discovery.md 4). `retry_after` is in seconds, where the other side named it.
    """

    code = "discovery"
    outcome: ClassVar[str]

    def __init__(self, reason: str, what: str, *, fix: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(what, fix=fix)
        self.reason = reason
        self.retry_after = retry_after


class NotRegistered(DiscoveryError):
    """The network says that it does not know the participant."""

    code, outcome = "discovery.not-registered", "not-registered"
    fault = Fault.C1
    default_fix = "Check the receiver's identifier; if it is right, ask the receiver to be registered in the network."


class NotSupported(DiscoveryError):
    """The participant is registered, but does not receive this document, in this process, over a transport of ours."""

    code, outcome = "discovery.not-supported", "not-supported"
    fault = Fault.C1
    default_fix = "Check document and process identifier; if they are right, ask the receiver to register for them."


class Unavailable(DiscoveryError):
    """DNS or the SMP could not be asked now; nothing is known about the participant."""

    code, outcome = "discovery.unavailable", "unavailable"
    fault = Fault.NETWORK
    retryable = True
    default_fix = "Check the resolver, the SMP and the network in between; sending goes on by itself."


class Untrusted(DiscoveryError):
    """What was found must not be used: its signature, signer, identifiers, address or certificate is not acceptable."""

    code, outcome = "discovery.untrusted", "untrusted"
    fault = Fault.PEER
    default_fix = "Show the operator of the SMP, or the receiver, this line; nothing is sent until it is corrected."


class Misconfigured(DiscoveryError):
    """Our own names or credentials are refused; it goes on by itself once that is mended."""

    code, outcome = "discovery.misconfigured", "misconfigured"
    fault = Fault.OPERATOR
    retryable = True
    default_fix = "Check the network's settings and our client certificate; `ehmi-ap lookup` shows each step."


class SendingBlocked(ApError):
    """A P-Mode, key or certificate stands in the way of sending; it goes on by itself once that is mended."""

    code = "blocked"
    fault = Fault.OPERATOR
    retryable = True
    default_fix = "Run `ehmi-ap check` and correct what it finds; sending goes on by itself."


class TransportError(ApError):
    """The peer could not be reached, or the connection broke: EBMS:0005 to C1 when it stays so."""

    code = "transport"
    fault = Fault.NETWORK
    retryable = True
    default_fix = "Check the peer's URL, its TLS certificate and the network in between; sending goes on by itself."


class BackendError(ApError):
    """C4 did not take the message."""

    code = "backend"
    fault = Fault.C4
    retryable = True
    default_fix = "Check the receiving system; delivery goes on by itself."


class StoreError(ApError):
    """Our own storage failed; the peer is told to come back later."""

    code = "store"
    retryable = True
    default_fix = "Check free disk space and the file system of the store."
