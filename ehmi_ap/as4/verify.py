"""The steps of judging a signed envelope, each for itself; unpack, conclude and inspect are made of them.

The numbers are those of as4-wire 6.4's order of faults, used throughout this package:

    1 split               Wire -> MIME parts                         HttpRefusal; mime.check_content_ids: 0007
    2 parse_envelope      root part -> Envelope                      HttpRefusal, MustUnderstand, 0009
    3 read_header         eb:Messaging -> Header                     0009, 0003; check_request: 0008
    4 match               header -> PMode                            0010, 0003         (agreement.py)
    5 find_locks          Security -> how each part is opened        0102, 0103         (parts.py)
    6 read_proof          Security -> signature, what it covers      0009, 0101, 0103
      check_transforms    exclusive C14N for elements                0103
      check_value         SignatureValue                             0101
      check_elements      digests of elements                        0101
    7 check_coverage      Messaging, Body and every part are signed  0103
    8 check_signer        chain, fitness, party binding              0101
    9 pair_parts          eb:PartInfo <-> MIME parts                 0011               (parts.py)
   10 read_part           decrypt, digest, inflate in one pass       0102, 0101, 0303   (parts.py)

Signed elements are taken as objects from the tree as parsed, never looked up again by name (as4-wire 9.15).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from ehmi_ap.as4 import ebms, mime, soap
from ehmi_ap.as4.ebms import Header
from ehmi_ap.as4.faults import spoken_as
from ehmi_ap.as4.mime import MimeLimits, Part
from ehmi_ap.as4.names import DS, EB, SWA_CONTENT_SIGNATURE, WSSE, WSU, qname
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.tokens import (
    BINARY_SECURITY_TOKEN,
    Direct,
    IssuerSerial,
    KeyIdentifier,
    TokenReference,
    read_binary,
    read_reference,
)
from ehmi_ap.body import read_all
from ehmi_ap.crypto import dsig
from ehmi_ap.crypto.certs import Certificate, check_chain, check_fit
from ehmi_ap.crypto.dsig import ParsedReference, ParsedSignature, SignatureLimits
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.crypto.safexml import XmlLimits
from ehmi_ap.errors import (
    FailedAuthentication,
    FeatureNotSupported,
    HttpRefusal,
    InvalidHeader,
    PeerError,
    PolicyNoncompliance,
    TokenNotFound,
)
from ehmi_ap.model import MessageId, PartyId, Reference, Wire
from ehmi_ap.pmode import PMode, Security

_SIGNATURE = qname(DS, "Signature")
_TIMESTAMP = qname(WSU, "Timestamp")
_USERNAME_TOKEN = qname(WSSE, "UsernameToken")
_WSU_ID = qname(WSU, "Id")
_ANY, _MESSAGE_INFO, _MESSAGE_ID = "*", qname(EB, "MessageInfo"), qname(EB, "MessageId")
_PLAIN_ID = re.compile(r"[!-;=?-~]{1,200}@[!-;=?-~]{1,200}")  # printable, no angle brackets
_MORE_REFERENCES = 8  # Messaging, Body and what else a peer may sign, beside the parts


# -- 1 MIME


def split(wire: Wire, *, parts: int = 100) -> list[Part]:
    """Step 1: the MIME parts, root first; `parts` is the budget of payload parts. Raises HttpRefusal."""
    return mime.read(wire, MimeLimits(parts=parts + 1))


# -- 2 envelope


def parse_envelope(root: Part, limits: XmlLimits) -> Envelope:
    """Step 2: the SOAP envelope. Raises HttpRefusal, MustUnderstand or InvalidHeader, see soap.read_envelope."""
    if root.body.size > limits.bytes:
        raise HttpRefusal(413, f"The SOAP part has more than {limits.bytes} bytes.")
    return soap.read_envelope(read_all(root.body), limits)


# -- 3 header


def read_header(envelope: Envelope) -> Header:
    """Step 3: eb:Messaging. Raises InvalidHeader (0009) or ValueInconsistent (0003), see ebms.read_messaging."""
    return ebms.read_messaging(envelope.messaging)


def name_of(envelope: Envelope) -> MessageId | None:
    """The eb:MessageId of a signal, or of a header that step 3 refused, for answer and log; None where it is not plain.

    Nothing is decided by it.
    """
    found = envelope.messaging.findall(f"{_ANY}/{_MESSAGE_INFO}/{_MESSAGE_ID}")
    text = (found[0].text or "").strip() if len(found) == 1 and not len(found[0]) else ""
    return MessageId(text) if _PLAIN_ID.fullmatch(text) else None


def check_request(header: Header, envelope: Envelope) -> None:
    """Step 3: what a request may not ask of us; FeatureNotSupported (0008)."""
    if header.user and header.signals:
        raise FeatureNotSupported("a user message and a signal are bundled in one request")
    if any(signal.pull_mpc is not None for signal in header.signals):
        raise FeatureNotSupported("a PullRequest, and no pulling is offered here")
    if header.user and _has_content(envelope.body):
        raise FeatureNotSupported("a payload in the SOAP Body; payloads travel as MIME parts")


def _has_content(body: etree._Element) -> bool:
    """Whether there is more than comments and white space (eDelivery AS4 1.15 3.2.3: none)."""
    texts = [body.text, *(child.tail for child in body)]
    return any(isinstance(child.tag, str) for child in body) or any(text and text.strip() for text in texts)


# -- 6 signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Whose key a signature may be of; `others` are the certificates that came along, not trusted for that."""

    certificate: Certificate
    others: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A signature and what its references point at. Nothing of it has been computed yet.

    `parts` maps the index of a MIME part to the references that cover it. `signers` are the certificates that the
    token may mean: several only where a key identifier fits several known certificates of one key.
    """

    signature: ParsedSignature
    elements: tuple[tuple[etree._Element, ParsedReference], ...]
    parts: dict[int, list[ParsedReference]]
    signers: tuple[Signer, ...]

    def references(self) -> tuple[Reference, ...]:
        """What a receipt repeats; FailedAuthentication (0101) where one has no canonical form."""
        with spoken_as(FailedAuthentication):
            return tuple(reference.noun() for reference in self.signature.references)


def read_proof(
    envelope: Envelope, parts: Sequence[Part], *, security: Security, trust: Trust, now: datetime, references: int = 100
) -> Proof:
    """Step 6: find the signature, hold it against the P-Mode, find what it points at and whose it is.

    `references` is the budget of payload parts. Raises InvalidHeader (0009), PolicyNoncompliance (0103) or
    FailedAuthentication (0101).
    """
    signature = read_signature(envelope, parts=references)
    check_header(envelope, now)
    with spoken_as(FailedAuthentication):
        dsig.check_allowed(signature, security.accept_sign, security.accept_digest)
    elements, covered = find_references(signature, envelope, parts)
    signers = find_signers(signature, envelope, trust, accept=security.accept_token)
    return Proof(signature=signature, elements=elements, parts=covered, signers=signers)


def blocks(envelope: Envelope, tag: str) -> list[etree._Element]:
    """The children of that name of the Security header for us; none where there is no such header."""
    return [] if envelope.security is None else list(envelope.security.iterchildren(tag))


def read_signature(envelope: Envelope, *, parts: int = 100) -> ParsedSignature:
    """Step 6: the one ds:Signature of the Security header that is for us.

    Raises:
        PolicyNoncompliance (0103): there is none, or it has too many references.
        InvalidHeader (0009): there are two.
        FailedAuthentication (0101): it is malformed.
    """
    found = blocks(envelope, _SIGNATURE)
    if not found:
        raise PolicyNoncompliance("the message is not signed")
    if len(found) > 1:
        raise InvalidHeader("the Security header holds two signatures")
    with spoken_as(FailedAuthentication):
        return dsig.read_signature(found[0], SignatureLimits(references=parts + _MORE_REFERENCES))


def check_header(envelope: Envelope, now: datetime) -> None:
    """Step 6: no UsernameToken, and at most one wsu:Timestamp, not expired; PolicyNoncompliance (0103)."""
    if blocks(envelope, _USERNAME_TOKEN):
        raise PolicyNoncompliance("a UsernameToken, which eDelivery forbids")
    timestamps = blocks(envelope, _TIMESTAMP)
    if len(timestamps) > 1:
        raise PolicyNoncompliance("the Security header holds two timestamps")
    for expires in timestamps[0].findall(qname(WSU, "Expires")) if timestamps else []:
        try:
            expired = ebms.read_timestamp((expires.text or "").strip()) <= now
        except InvalidHeader:
            raise PolicyNoncompliance("the expiry of the wsu:Timestamp cannot be read") from None
        if expired:
            raise PolicyNoncompliance("the wsu:Timestamp of the Security header has expired")


def find_references(
    signature: ParsedSignature, envelope: Envelope, parts: Sequence[Part]
) -> tuple[tuple[tuple[etree._Element, ParsedReference], ...], dict[int, list[ParsedReference]]]:
    """Step 6: the elements and the parts that the references point at.

    Raises PolicyNoncompliance (0103) for one that points at nothing, and for a part that is signed with any transform
    but the Attachment-Content-Signature-Transform (as4-wire 3.3); FailedAuthentication (0101) for a part signed twice.
    """
    elements: list[tuple[etree._Element, ParsedReference]] = []
    covered: dict[int, list[ParsedReference]] = {}
    for reference in signature.references:
        found = find_reference(reference, envelope, parts)
        if isinstance(found, int):
            if found in covered:  # under another spelling of its Content-ID: each would cost a digest of all of it
                raise FailedAuthentication("two signature references to one part")
            covered[found] = [reference]
        else:
            elements.append((found, reference))
    return tuple(elements), covered


def find_reference(reference: ParsedReference, envelope: Envelope, parts: Sequence[Part]) -> etree._Element | int:
    """Step 6: the element that one reference points at, or the index of the part; PolicyNoncompliance (0103)."""
    if reference.uri.startswith("#"):
        element = envelope.ids.get(reference.uri[1:])
        if element is None:
            raise PolicyNoncompliance("a signature reference points at no element")
        return element
    index = mime.find(parts, reference.uri) if reference.uri[:4].lower() == "cid:" else None
    if not index:  # nothing, or the root, which is no payload
        raise PolicyNoncompliance("a signature reference points at no part")
    if [transform.uri for transform in reference.transforms] != [SWA_CONTENT_SIGNATURE]:
        raise PolicyNoncompliance("a part is signed with a transform that AS4 does not allow")
    return index


def find_signers(
    signature: ParsedSignature, envelope: Envelope, trust: Trust, *, accept: Iterable[str]
) -> tuple[Signer, ...]:
    """Step 6: the certificates that the signature's token names, found by following its reference.

    Raises PolicyNoncompliance (0103) for a form not in `accept`, FailedAuthentication (0101) when nothing is found.
    """
    with spoken_as(FailedAuthentication):
        reference = read_reference(signature.key_info)
        if isinstance(reference, Direct):
            token = read_binary(reference, binary_tokens(envelope))
            check_form(token.form, accept)
            return (Signer(certificate=token.certificate, others=token.others),)
        check_form(form_of(reference), accept)
        known = known_certificates(reference, trust)
        if not known:
            raise TokenNotFound("the signer's certificate is not known here, and the message does not carry it")
        return tuple(Signer(certificate=certificate) for certificate in known)


def check_form(form: str, accept: Iterable[str]) -> None:
    """Steps 5 and 6: a token form against the P-Mode's allow-list; PolicyNoncompliance (0103)."""
    if form not in accept:
        raise PolicyNoncompliance(f"the token form {form} is not allowed by the P-Mode")


def form_of(reference: KeyIdentifier | IssuerSerial) -> str:
    """The P-Mode's word for a reference that carries no certificate."""
    return "issuer-serial" if isinstance(reference, IssuerSerial) else reference.form


def known_certificates(reference: TokenReference, trust: Trust) -> tuple[Certificate, ...]:
    """The certificates of the trust store that a reference without a certificate fits."""
    match reference:
        case IssuerSerial(issuer, serial):
            return tuple(trust.find_by_issuer_serial(issuer, serial))
        case KeyIdentifier("thumbprint", value):
            return tuple(trust.find_by_thumbprint(value))
        case KeyIdentifier(_, value):
            return tuple(trust.find_by_ski(value))
        case _:
            return ()


def binary_tokens(envelope: Envelope) -> dict[str, etree._Element]:
    """The BinarySecurityTokens of the Security header by id, wherever they stand in it (as4-wire 3.2)."""
    found = blocks(envelope, BINARY_SECURITY_TOKEN)
    return {token.get(name, ""): token for token in found for name in (_WSU_ID, "Id") if token.get(name)}


def check_transforms(proof: Proof) -> None:
    """Step 6: each signed element is canonicalised as AS4 allows; PolicyNoncompliance (0103). Computes nothing."""
    with spoken_as(FailedAuthentication):
        for _, reference in proof.elements:
            dsig.check_transforms(reference)


def check_elements(proof: Proof) -> None:
    """Step 6: the digests of the signed elements.

    Up to 125 ms each where a peer makes it so: for a request, to be asked only once the signer is known to be trusted.

    Raises PolicyNoncompliance (0103) for a transform that is not exclusive C14N, FailedAuthentication (0101).
    """
    with spoken_as(FailedAuthentication):
        for element, reference in proof.elements:
            dsig.check_digest(reference, dsig.element_digest(element, reference))


def check_value(proof: Proof) -> tuple[Signer, ...]:
    """Step 6: the signers with whose key the SignatureValue verifies; FailedAuthentication (0101) for none."""
    fitting: list[Signer] = []
    wrong: PeerError | None = None
    for signer in proof.signers:
        try:
            with spoken_as(FailedAuthentication):
                dsig.check_value(proof.signature, signer.certificate.public_key)
            fitting.append(signer)
        except FailedAuthentication as error:
            wrong = error
    if not fitting:
        raise wrong or FailedAuthentication("the signature names no signer")
    return tuple(fitting)


# -- 7 coverage


def check_coverage(proof: Proof, envelope: Envelope, parts: int) -> None:
    """Step 7: eb:Messaging, the Body and each of the `parts` parts (the root counts) are signed; 0103 otherwise."""
    signed = {id(element) for element, _ in proof.elements}
    if id(envelope.messaging) not in signed:
        raise PolicyNoncompliance("eb:Messaging is not covered by the signature")
    if id(envelope.body) not in signed:
        raise PolicyNoncompliance("the SOAP Body is not covered by the signature")
    if any(index not in proof.parts for index in range(1, parts)):
        raise PolicyNoncompliance("a payload part is not covered by the signature")


# -- 8 trust and party


def check_signers(
    signers: Sequence[Signer], *, pmode: PMode, party: PartyId | None, trust: Trust, now: datetime
) -> Certificate:
    """Step 8: the first of the signers that passes check_signer(); raises its FailedAuthentication when none does."""
    refused: FailedAuthentication | None = None
    for signer in signers:
        try:
            check_signer(signer, pmode=pmode, party=party, trust=trust, now=now)
            return signer.certificate
        except FailedAuthentication as error:
            refused = refused or error
    raise refused or FailedAuthentication("the signature names no signer")


def check_signer(signer: Signer, *, pmode: PMode, party: PartyId | None, trust: Trust, now: datetime) -> None:
    """Step 8: may this certificate sign for `party` under this P-Mode? FailedAuthentication (0101) otherwise.

    Either it is the P-Mode's own certificate (any of the list of that name, for a roll-over), or it stands below the
    P-Mode's anchors with all its policies; and it is bound to the party as the P-Mode says (eDelivery AS4 1.15 4.3.3).
    """
    certificate = signer.certificate
    with spoken_as(FailedAuthentication):
        pinned = pmode.certificate is not None and certificate in trust.anchors((pmode.certificate,))
        check_fit(certificate, "sign", now)
        if pmode.trust:
            anchors = trust.anchors(pmode.trust)
            check_chain(certificate, intermediates=signer.others, anchors=anchors, at=now, policies=pmode.policies)
        elif not certificate.policies.issuperset(pmode.policies):
            raise FailedAuthentication("the signer's certificate lacks a policy that the P-Mode asks for")
        elif not pinned:
            raise FailedAuthentication("the signer's certificate is not the one agreed with the partner")
    _check_binding(certificate, pinned, pmode, party)


def _check_binding(certificate: Certificate, pinned: bool, pmode: PMode, party: PartyId | None) -> None:
    match pmode.party_binding:
        case "certificate":
            bound = pinned
        case "subject-cn":
            bound = party is not None and certificate.common_name == party.value
        case "subject-serial":
            bound = party is not None and certificate.serial_number_attr == party.value
        case "none":
            bound = True
        case _:
            bound = False
    if not bound:
        raise FailedAuthentication(f"the signer's certificate is not bound to the party (by {pmode.party_binding})")
