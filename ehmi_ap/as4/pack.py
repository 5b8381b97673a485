"""UserMessage -> Signed -> Packed; Receipt, errors or refusal -> Wire.

Order on send: compress, sign, encrypt (as4-wire, how to use 3). sign() is deterministic and its result is kept for
retries; seal() encrypts anew for each attempt, and lazily: the ciphertext is made while the wire's body is read and
is never kept. Nothing is parsed and nothing canonicalised on the way out: the texts are their own canonical form.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa

from ehmi_ap.as4.compression import gzip_chunks
from ehmi_ap.as4.content import ContentDigest, content_digest
from ehmi_ap.as4.ebms import PartInfo
from ehmi_ap.as4.ebms_text import write_body, write_errors, write_must_understand, write_receipt, write_user_message
from ehmi_ap.as4.mime import join
from ehmi_ap.as4.names import GZIP_TYPE, OCTET_STREAM, SOAP_CONTENT_TYPE, TEXT_CONTENT_TYPE
from ehmi_ap.as4.seal import IV_BYTES, Sealed
from ehmi_ap.as4.soap import write_envelope
from ehmi_ap.as4.wss import Ids, add_encryption, signed_envelope, write_encryption
from ehmi_ap.body import Body, MemoryBody, NewSpool, Spool
from ehmi_ap.crypto.algorithms import CIPHERS, DIGESTS
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Keys
from ehmi_ap.crypto.xenc import wrap
from ehmi_ap.errors import (
    BudgetExceeded,
    CertificateRefused,
    ConfigError,
    EbmsError,
    HttpRefusal,
    MalformedXml,
    MustUnderstand,
    SubmissionError,
)
from ehmi_ap.model import MessageId, Packed, Payload, Receipt, Signed, SignedPart, UserMessage, Wire
from ehmi_ap.pmode import PMode

RETRY_AFTER = 60.0
"""Seconds after which a peer may come back when we are unavailable (503)."""

_CONTENT_ID = re.compile(r"[A-Za-z0-9._-]+(@[A-Za-z0-9._-]+)?")
_MIME_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
_CHARACTER_SET = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_HOST = re.compile(r"[A-Za-z0-9._-]+")


def check_payloads(payloads: Sequence[Payload], pmode: PMode) -> None:
    """Whether these payloads can be sent under this P-Mode; sign() asks it too.

    Raises SubmissionError: too many (design decision 6), a content id, MIME type or character set that cannot be
    written (as4-wire 1.2, 2.2), or one content id twice.
    """
    if len(payloads) > pmode.limits.outbound_parts:
        raise SubmissionError(
            f"{len(payloads)} payloads, and the P-Mode {pmode.name} sends at most {pmode.limits.outbound_parts}",
            fix="Send fewer payloads, or raise limits.outbound_parts if the partner takes more than 30 references.",
        )
    given = [payload.content_id for payload in payloads if payload.content_id is not None]
    if len(set(given)) != len(given):
        raise SubmissionError("two payloads have the same content id")
    for payload in payloads:
        if payload.content_id is not None and not _CONTENT_ID.fullmatch(payload.content_id):
            raise SubmissionError("a content id has other characters than A-Z a-z 0-9 . _ - and one @")
        if not _MIME_TYPE.fullmatch(payload.mime_type):
            raise SubmissionError("a payload's MIME type is not of the form type/subtype, without parameters")
        if payload.character_set is not None and not _CHARACTER_SET.fullmatch(payload.character_set):
            raise SubmissionError("a payload's character set is not an IANA name")


def sign(message: UserMessage, pmode: PMode, *, keys: Keys, new_spool: NewSpool) -> Signed:
    """Compress and sign. The same message gives the same bytes; payload order is kept.

    Raises:
        SubmissionError: see check_payloads; or an XML payload that is not well-formed, where the P-Mode does not
            compress (its digest is taken over its canonical form).
    """
    check_payloads(message.payloads, pmode)
    spools: list[Spool] = []

    def spool() -> Spool:
        spools.append(new_spool())
        return spools[-1]

    try:
        return _sign(message, pmode, keys, spool)
    except BaseException:
        for each in spools:
            each.discard()
        raise


def _sign(message: UserMessage, pmode: PMode, keys: Keys, new_spool: NewSpool) -> Signed:
    ids = Ids.of(message.message_id)
    written = [
        _write_part(payload, _content_id(payload, number, message.message_id, ids), pmode, new_spool)
        for number, payload in enumerate(message.payloads, 1)
    ]
    envelope, references = signed_envelope(
        write_user_message(message, [part.info for part in written], ids.messaging),
        write_body(ids.body),
        [(part.signed.content_id, part.digest) for part in written],
        ids=ids,
        signer=keys.signing,
        security=pmode.security,
        token=pmode.security.sign_token,
    )
    return Signed(envelope=envelope, parts=tuple(part.signed for part in written), references=references)


@dataclass(frozen=True, slots=True)
class _Written:
    info: PartInfo
    signed: SignedPart
    digest: bytes


def _content_id(payload: Payload, number: int, message_id: MessageId, ids: Ids) -> str:
    """C1's choice or ours, of characters that need no escaping (as4-wire 1.2)."""
    if payload.content_id is not None:
        return payload.content_id
    host = message_id.rpartition("@")[2]
    return f"payload{number}.{ids.stem}@{host if _HOST.fullmatch(host) else 'ehmi-ap'}"


def _write_part(payload: Payload, content_id: str, pmode: PMode, new_spool: NewSpool) -> _Written:
    """Compress and digest in one pass."""
    mime_type = GZIP_TYPE if pmode.compress else payload.mime_type
    digest = content_digest(mime_type, DIGESTS.by_word(pmode.security.digest).uri)
    try:
        body = _compress(payload.body, digest, new_spool()) if pmode.compress else _read(payload.body, digest)
        value = digest.digest()
    except (MalformedXml, BudgetExceeded) as error:
        raise SubmissionError(f"an XML payload that is to be sent uncompressed: {error.what}") from error
    info = PartInfo(
        href=f"cid:{content_id}",
        mime_type=payload.mime_type,
        character_set=payload.character_set,
        compression=GZIP_TYPE if pmode.compress else None,
        properties=payload.properties,
    )
    return _Written(info, SignedPart(content_id=content_id, mime_type=mime_type, body=body), value)


def _compress(plain: Body, digest: ContentDigest, spool: Spool) -> Body:
    for chunk in gzip_chunks(plain.chunks()):
        digest.update(chunk)
        spool.write(chunk)
    return spool.finish()


def _read(plain: Body, digest: ContentDigest) -> Body:
    for chunk in plain.chunks():
        digest.update(chunk)
    return plain


def seal(signed: Signed, message_id: MessageId, pmode: PMode, *, to: Certificate | None) -> Packed:
    """Encrypt with a fresh key and join, for one attempt to send.

    `to` is the recipient's certificate, None only where the P-Mode does not encrypt; its validity and KeyUsage are the
    caller's to check (as4-wire 9.40). Two readings of the wire's body give the same bytes; two calls do not.

    Raises:
        ConfigError: the P-Mode encrypts and there is no certificate.
        CertificateRefused: its key is not of the kind that the key transport asks for.
    """
    boundary = f"=_{secrets.token_hex(16)}"
    if not (pmode.security.encrypt and signed.parts):
        plain = [(part.content_id, part.mime_type, part.body) for part in signed.parts]
        wire = join(signed.envelope, plain, boundary)
    else:
        wire = _seal(signed, Ids.of(message_id), pmode, _recipient(to, pmode), boundary)
    return Packed(message_id=message_id, wire=wire, references=signed.references)


def _recipient(to: Certificate | None, pmode: PMode) -> Certificate:
    if to is None:
        raise ConfigError([f"P-Mode {pmode.name} encrypts, and there is no certificate to encrypt for"])
    return to


def _rsa(to: Certificate) -> rsa.RSAPublicKey:
    if not isinstance(to.public_key, rsa.RSAPublicKey):
        raise CertificateRefused("unfit", "the recipient's key is not of the kind that the key transport asks for")
    return to.public_key


def _seal(signed: Signed, ids: Ids, pmode: PMode, to: Certificate, boundary: str) -> Wire:
    security = pmode.security
    key = secrets.token_bytes(CIPHERS.by_word(security.cipher).key_bytes)
    encryption = write_encryption(
        wrap(key, _rsa(to), security.key_transport),
        [(part.content_id, part.mime_type) for part in signed.parts],
        ids=ids,
        to=to,
        security=security,
    )
    sealed = [
        (part.content_id, OCTET_STREAM, Sealed(part.body, key, secrets.token_bytes(IV_BYTES), security.cipher))
        for part in signed.parts
    ]
    return join(add_encryption(signed.envelope, encryption), sealed, boundary)


def pack_receipt(receipt: Receipt, pmode: PMode, *, keys: Keys) -> Wire:
    """A receipt as an HTTP answer: signed over eb:Messaging and the empty Body, never encrypted, status 200.

    200 whatever the P-Mode says: three of four peers ignore a receipt that comes with 202 (peers-live 5).
    """
    ids = Ids.of(receipt.message_id)
    envelope = _signed_answer(write_receipt(receipt, ids.messaging), write_body(ids.body), ids, pmode, keys)
    return Wire(content_type=SOAP_CONTENT_TYPE, body=MemoryBody(envelope))


def pack_errors(
    errors: Sequence[EbmsError],
    *,
    message_id: MessageId,
    ref_to: MessageId | None,
    now: datetime,
    pmode: PMode | None,
    keys: Keys | None,
) -> Wire:
    """One signal with these errors as an HTTP answer (as4-wire 6.1).

    Signed when the leg and our keys are known; status and env:Fault as the P-Mode says, else 200 without Fault. The
    peer reads no more than each error's `public`.
    """
    ids = Ids.of(message_id)
    messaging = write_errors(errors, ids.messaging, message_id=message_id, ref_to=ref_to, now=now)
    fault = " ".join(errors[0].public.split()) if pmode is not None and pmode.error_fault else None
    body = write_body(ids.body, fault)
    if pmode is None or keys is None:
        envelope = write_envelope("", messaging, body)
    else:
        envelope = _signed_answer(messaging, body, ids, pmode, keys)
    status = 200 if pmode is None else pmode.error_status
    return Wire(content_type=SOAP_CONTENT_TYPE, body=MemoryBody(envelope), status=status)


def _signed_answer(messaging: str, body: str, ids: Ids, pmode: PMode, keys: Keys) -> bytes:
    token = pmode.security.receipt_token
    return signed_envelope(messaging, body, (), ids=ids, signer=keys.signing, security=pmode.security, token=token)[0]


def pack_refusal(error: HttpRefusal) -> Wire:
    """The answer below ebMS: one sentence of text/plain with the status, or the env:MustUnderstand fault."""
    retry_after = RETRY_AFTER if error.status == 503 else None
    if isinstance(error, MustUnderstand):
        content_type, text = SOAP_CONTENT_TYPE, write_must_understand()
    else:
        content_type, text = TEXT_CONTENT_TYPE, " ".join(error.public.split()) + "\n"
    return Wire(content_type=content_type, body=MemoryBody(text.encode()), status=error.status, retry_after=retry_after)
