"""Who made what C1 submits, and our word for what C4 gets (spec/ehmi.md 6.1; design decision 53).

The one place where a submission's signatures are judged, whatever way it came, before anything else of its payloads is
read. What goes on is what was verified: for a JWS the very bytes, for an XML signature the canonical form of the
document without it. The signatures themselves end here; to C4, we sign anew.
"""

import hashlib
from dataclasses import dataclass, replace

from ehmi_ap.agreements import Authorship
from ehmi_ap.body import Body, MemoryBody, read_all
from ehmi_ap.crypto import enveloped, jws
from ehmi_ap.crypto.algorithms import C14N, C14N11, EXC_C14N
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.errors import NoSignersAgreed, SignatureRefused, XmlSecurityError
from ehmi_ap.flows.offload import in_thread, reading
from ehmi_ap.flows.terms import check_usable
from ehmi_ap.flows.world import World
from ehmi_ap.model import Payload, Submission, UserMessage
from ehmi_ap.pmode import PMode, is_test
from ehmi_ap.ports import Blobs

XML_LIMITS = replace(enveloped.LIMITS, bytes=4 * 1024 * 1024)
"""Budgets on a document with an XML signature, which is held in memory several times over. A JWS has none."""

_FORMS = (C14N, C14N11, EXC_C14N)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authored:
    """A submission of which it is known who made it: `signer`, None where nobody had to sign.

    `exempt`: its backend is built together with us. The payloads have no signatures any more.
    """

    submission: Submission
    signer: Certificate | None = None
    exempt: bool = False


async def authored(submission: Submission, world: World, *, backend: str, ours: bool) -> Authored:
    """Judge the signatures of a submission; `ours`: the program that embeds us submits it itself.

    Raises:
        SignatureRefused: a payload is not signed as the backend's table demands.
        NoSignersAgreed: it is signed, and nobody is agreed who may.
    """
    agreements = world.agreements()
    terms = agreements.authorship.get(backend, Authorship(built_together=backend in world.embedded))
    exempt = ours or terms.built_together
    if exempt or terms.demand is None:
        if any(payload.jws is not None for payload in submission.payloads):
            raise NoSignersAgreed(
                f"the submission is signed, and nobody is agreed who may sign for backend {backend}",
                fix="Leave the signature out: its systems are built together with us." if exempt else None,
            )
        return Authored(submission=submission, exempt=exempt)
    if not submission.payloads:
        raise SignatureRefused("the submission has no payload that could be signed, and has to be signed")
    signers = terms.signers(agreements.trust)
    payloads, signer = [], None
    for number, payload in enumerate(submission.payloads, start=1):
        try:
            verified, signer = await _verified(payload, terms, signers, world)
        except XmlSecurityError as error:
            raise SignatureRefused(f"the signature of payload {number} does not count: {error.what}") from error
        payloads.append(verified)
    return Authored(submission=replace(submission, payloads=tuple(payloads)), signer=signer)


def check_signed(made: Authored, pmode: PMode, world: World, *, backend: str) -> None:
    """Whether its P-Mode takes it as it is: a profile may ask for signatures, but not on a message to the test service.

    Raises:
        NoSignersAgreed: it would have to be signed, and it was not agreed by whom.
    """
    profile = world.profiles.get(pmode.profile)
    test = made.submission.service is not None and is_test(made.submission.service)
    if profile is None or not profile.signed or made.exempt or made.signer is not None or test:
        return
    raise NoSignersAgreed(
        f"profile {pmode.profile} takes signed submissions, and nobody is agreed who may sign for backend {backend}",
    )


async def _verified(payload: Payload, terms: Authorship, signers: Signers, world: World) -> tuple[Payload, Certificate]:
    """The payload as it was verified, and its signer. Raises SignatureRefused, XmlSecurityError."""
    if terms.demand == "xml" and payload.jws is not None:
        raise SignatureRefused("a payload has a JWS, and an XML signature is agreed", fix="Leave the JWS out.")
    if payload.jws is not None:
        body, digest = await reading([payload.body], _kept, payload.body, world.blobs)
        signer = jws.verify(payload.jws, digest, signers, now=world.now())
        return replace(payload, body=body, jws=None), signer
    if terms.demand == "jws":
        raise SignatureRefused("a payload has no JWS, which backend and access point agreed on")
    signature = await in_thread(_xml_signature, payload.body)  # a document may take a fifth of a second at the worst
    signers.check(signature.signer, signature.others, at=world.now())
    return replace(payload, body=MemoryBody(signature.octets)), signature.signer


def _kept(body: Body, blobs: Blobs) -> tuple[Body, bytes]:
    """The body and its SHA-256; a copy of one that somebody else could still change, such as a file that C1 dropped."""
    if blobs.owns(body):
        return body, jws.digest_of(body)
    spool, digest = blobs.spool(), hashlib.sha256()
    for chunk in body.chunks():
        spool.write(chunk)
        digest.update(chunk)
    return spool.finish(), digest.digest()


def _xml_signature(body: Body) -> enveloped.Enveloped:
    if body.size > XML_LIMITS.bytes:
        raise SignatureRefused(
            f"a payload without a JWS has more than {XML_LIMITS.bytes} bytes, too many for an XML signature",
            fix="Sign it by a JWS, which has no such bound; docs/how-to/connect-an-msh.md tells how.",
        )
    return enveloped.verify(parse(read_all(body), XML_LIMITS), forms=_FORMS)


async def signed_for(message: UserMessage, world: World, *, backend: str) -> UserMessage:
    """The message as C4 gets it from this backend: each payload with our JWS, where a key is agreed.

    Raises:
        SendingBlocked: our certificate must not be used now.
    """
    payloads = []
    for payload in message.payloads:
        signature = await signature_of(payload.body, world, backend=backend)
        payloads.append(replace(payload, jws=signature.jws if signature else None))
    return replace(message, payloads=tuple(payloads))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Our signature over a payload for C4: `content` is what `jws` signs, the value of its Content-Digest."""

    content: str
    jws: str


async def signature_of(body: Body, world: World, *, backend: str) -> Signature | None:
    """Our signature over a payload for C4; None where no key is agreed. Raises SendingBlocked."""
    terms = world.agreements().authorship.get(backend)
    if terms is None or terms.key is None:
        return None
    check_usable(terms.key.certificate, "sign", f"The certificate that signs for backend {backend}", world.now())
    digest = await reading([body], jws.digest_of, body)
    return Signature(content=jws.content_digest(digest), jws=jws.make(digest, terms.key))
