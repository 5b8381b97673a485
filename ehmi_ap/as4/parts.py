"""The payload parts: which key opens each, which eb:PartInfo it is, and one pass over its bytes (as4-wire 3.3, 3.4).

A part is read once: decrypt -> digest -> inflate -> spool. What the pass yields is unproven until the caller has
compared the digests; inflating is done only when the caller says that SignatureValue and signer hold already, so
that nobody unknown makes us inflate. Step numbers are those of verify.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from ehmi_ap.as4 import mime
from ehmi_ap.as4.compression import Gunzip
from ehmi_ap.as4.content import ContentDigest, content_digest
from ehmi_ap.as4.ebms import PartInfo
from ehmi_ap.as4.faults import spoken_as
from ehmi_ap.as4.mime import Part
from ehmi_ap.as4.names import GZIP_TYPE, SWA_CIPHERTEXT, SWA_CONTENT_ONLY, XENC, qname
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.tokens import Direct, IssuerSerial, KeyIdentifier, read_binary, read_reference
from ehmi_ap.as4.verify import binary_tokens, blocks, check_form, form_of
from ehmi_ap.body import Body, Spool
from ehmi_ap.crypto.dsig import ParsedReference
from ehmi_ap.crypto.keys import KeyPair, Keys
from ehmi_ap.crypto.xenc import (
    ParsedEncryptedData,
    ParsedEncryptedKey,
    decrypt,
    read_encrypted_data,
    read_encrypted_key,
    unwrap,
)
from ehmi_ap.errors import (
    BudgetExceeded,
    DecompressionFailure,
    DecryptionFailed,
    EbmsError,
    ExternalPayloadError,
    FailedDecryption,
    HttpRefusal,
    MalformedXml,
    PolicyNoncompliance,
)
from ehmi_ap.pmode import Security

_ENCRYPTED_KEY = qname(XENC, "EncryptedKey")
_ENCRYPTED_DATA = qname(XENC, "EncryptedData")
MAX_ENCRYPTED_KEYS = 30
"""Each costs one RSA operation; no Java peer can send more than one for each of its 28 parts."""


# -- 5 decryption


@dataclass(frozen=True, slots=True)
class Encryption:
    """What the Security header says about encryption, in document order."""

    keys: tuple[ParsedEncryptedKey, ...]
    data: tuple[ParsedEncryptedData, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Lock:
    """How one part is opened; `mime_type` is what it was before encryption, None when the peer does not say."""

    key: bytes
    cipher: str
    mime_type: str | None


def find_locks(envelope: Envelope, parts: Sequence[Part], *, keys: Keys, security: Security) -> dict[int, Lock]:
    """Step 5 without the decryption itself: for each encrypted part (by index) how it is opened.

    Raises:
        PolicyNoncompliance (0103): a part is not encrypted though the P-Mode encrypts; an algorithm, transform or
            token form outside the allow-lists; two EncryptedData for one part, or one for no part.
        FailedDecryption (0102): malformed, or no key of ours fits.
    """
    encryption = read_encryption(envelope)
    found = encrypted_parts(encryption, parts)
    check_encryption(encryption, found, parts=len(parts), security=security)
    openers = [_opener_or_fault(key, envelope, keys, security) for key in encryption.keys]
    unwrapped: dict[int, bytes] = {}
    locks: dict[int, Lock] = {}
    for index, data in found.items():
        number, pair = _choose(data, encryption, openers, keys)
        if number not in unwrapped:
            with spoken_as(FailedDecryption):
                unwrapped[number] = unwrap(encryption.keys[number], _rsa(pair), data.cipher)
        locks[index] = Lock(unwrapped[number], data.cipher, data.mime_type)
    return locks


def _rsa(pair: KeyPair) -> rsa.RSAPrivateKey:
    if not isinstance(pair.private_key, rsa.RSAPrivateKey):
        raise FailedDecryption("our key is not of the kind that the key transport asks for")
    return pair.private_key


def _opener_or_fault(
    key: ParsedEncryptedKey, envelope: Envelope, keys: Keys, security: Security
) -> KeyPair | EbmsError | None:
    """As _opener; a fault counts only if no other EncryptedKey is ours, for it may be in another recipient's."""
    try:
        return _opener(key, envelope, keys, security)
    except EbmsError as fault:
        return fault


def _opener(key: ParsedEncryptedKey, envelope: Envelope, keys: Keys, security: Security) -> KeyPair | None:
    """Our key pair that an EncryptedKey names, None when it names another's.

    A certificate that we do not know may still be of a key that we have: renewed, or not yet replaced at the peer.
    """
    with spoken_as(FailedDecryption):
        reference = read_reference(key.key_info)
        if isinstance(reference, Direct):
            token = read_binary(reference, binary_tokens(envelope))
            check_form(token.form, security.accept_token)
            return keys.for_certificate(token.certificate) or keys.for_ski(token.certificate.ski)
        check_form(form_of(reference), security.accept_token)
        match reference:
            case IssuerSerial(issuer, serial):
                return keys.for_issuer_serial(issuer, serial)
            case KeyIdentifier("thumbprint", value):
                return keys.for_thumbprint(value)
            case KeyIdentifier(_, value):
                return keys.for_ski(value)


def _choose(
    data: ParsedEncryptedData, encryption: Encryption, openers: Sequence[KeyPair | EbmsError | None], keys: Keys
) -> tuple[int, KeyPair]:
    """Which EncryptedKey (by number) opens a part, and which of our keys opens that (as4-wire 3.4, 3.5).

    With a single key of ours it is tried even where the token does not name it: peers pick by alias.
    """
    linked = linked_keys(data, encryption)
    for number in linked:
        pair = openers[number]
        if isinstance(pair, KeyPair):
            return number, pair
    for number in linked:
        fault = openers[number]
        if isinstance(fault, EbmsError):
            raise fault
    if len(linked) == 1 and len(keys.decryption) == 1:
        return linked[0], keys.decryption[0]
    raise FailedDecryption("no encrypted key of the message is for a key of ours")


def linked_keys(data: ParsedEncryptedData, encryption: Encryption) -> list[int]:
    """Step 5: the EncryptedKeys, by number, that say they are for this EncryptedData, or that it refers to."""
    return [
        number
        for number, key in enumerate(encryption.keys)
        if (data.id is not None and data.id in key.data_references) or (key.id is not None and key.id == data.key_ref)
    ]


def read_encryption(envelope: Envelope) -> Encryption:
    """Step 5: take the encryption elements apart; FailedDecryption (0102), PolicyNoncompliance (0103) for too many."""
    keys = blocks(envelope, _ENCRYPTED_KEY)
    if len(keys) > MAX_ENCRYPTED_KEYS:
        raise PolicyNoncompliance(f"more than {MAX_ENCRYPTED_KEYS} encrypted keys")
    with spoken_as(FailedDecryption):
        return Encryption(
            tuple(read_encrypted_key(key) for key in keys),
            tuple(read_encrypted_data(data) for data in blocks(envelope, _ENCRYPTED_DATA)),
        )


def encrypted_parts(encryption: Encryption, parts: Sequence[Part]) -> dict[int, ParsedEncryptedData]:
    """Step 5: the EncryptedData of each part, by index; PolicyNoncompliance (0103) for two, or one for no part."""
    found: dict[int, ParsedEncryptedData] = {}
    for data in encryption.data:
        index = mime.find(parts, "cid:" + data.cid)
        if not index:  # nothing, or the root
            raise PolicyNoncompliance("an EncryptedData points at no part")
        if index in found:
            raise PolicyNoncompliance("two EncryptedData for one part")
        found[index] = data
    return found


def check_encryption(
    encryption: Encryption, found: Mapping[int, ParsedEncryptedData], *, parts: int, security: Security
) -> None:
    """Step 5: the P-Mode's policy on what is encrypted and how; PolicyNoncompliance (0103).

    `parts` counts the root. Where the P-Mode does not encrypt, what is encrypted all the same is taken.
    """
    with spoken_as(FailedDecryption):
        for data in encryption.data:
            data.algorithm(security.accept_cipher)
            if data.transforms != (SWA_CIPHERTEXT,):
                raise PolicyNoncompliance("a part is encrypted with a transform that AS4 does not allow")
            if data.type not in (None, SWA_CONTENT_ONLY):
                raise PolicyNoncompliance("a part is encrypted together with its headers, not its content only")
        for key in encryption.keys:
            key.transport.algorithm(security.accept_key_transport)
    if security.encrypt and any(index not in found for index in range(1, parts)):
        raise PolicyNoncompliance("a payload part is not encrypted")


# -- 9 parts


@dataclass(frozen=True, slots=True)
class Pair:
    """An eb:PartInfo and the MIME part it names, by index."""

    info: PartInfo
    index: int


def pair_parts(infos: Sequence[PartInfo], parts: Sequence[Part]) -> tuple[Pair, ...]:
    """Step 9: the parts in PartInfo order; ExternalPayloadError (0011) when the two lists are not one to one."""
    pairs: list[Pair] = []
    for info in infos:
        if info.href is None or info.href[:4].lower() != "cid:":
            raise ExternalPayloadError("an eb:PartInfo does not refer to a MIME part by cid:")
        index = mime.find(parts, info.href)
        if not index:  # nothing, or the root
            raise ExternalPayloadError("an eb:PartInfo refers to a MIME part that is not there")
        if any(pair.index == index for pair in pairs):
            raise ExternalPayloadError("two eb:PartInfo refer to one MIME part")
        pairs.append(Pair(info, index))
    if len(pairs) != len(parts) - 1:
        raise ExternalPayloadError("a MIME part has no eb:PartInfo")
    return tuple(pairs)


# -- 10 one pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReading:
    """What one pass over a part gave. `body` is what was spooled: only the caller knows whether it is proven.

    `computed` are the digests for the references that were given, None where there is none (XML that is none).
    """

    computed: tuple[bytes | None, ...] = ()
    body: Body | None = None
    decryption: FailedDecryption | None = None
    decompression: DecompressionFailure | None = None


def signed_type(part: Part, lock: Lock | None, info: PartInfo | None) -> str:
    """The media type that the signature transform goes by (as4-wire 3.3, 9.8)."""
    if lock is None:
        return part.content_type
    if lock.mime_type:
        return lock.mime_type
    return GZIP_TYPE if info is not None and info.compression else part.content_type


def read_part(
    part: Part,
    references: Sequence[ParsedReference],
    *,
    media_type: str,
    lock: Lock | None,
    gunzip: Gunzip | None,
    spool: Spool | None,
) -> PartReading:
    """Step 10: decrypt, digest, inflate and spool in one pass; `spool` None keeps nothing.

    Faults of the bytes are told in the reading. Raises HttpRefusal 413 for an uncompressed XML part over its budget;
    what `spool` raises passes through.
    """
    digests = [content_digest(media_type, reference.digest_method) for reference in references]
    decompression: DecompressionFailure | None = None
    try:
        for chunk in part.body.chunks() if lock is None else decrypt(part.body, lock.key, lock.cipher):
            for digest in digests:
                digest.update(chunk)
            if spool is not None and decompression is None:
                decompression = _keep(chunk, gunzip, spool)
        computed = tuple(_digest(digest) for digest in digests)
    except DecryptionFailed as error:
        return PartReading(decryption=FailedDecryption(error.what))
    except BudgetExceeded as error:
        raise HttpRefusal(413, f"The message has {error.what}.") from error
    if decompression is None and gunzip is not None and spool is not None:
        decompression = _finish(gunzip)
    body = None if spool is None or decompression is not None else spool.finish()
    return PartReading(computed=computed, body=body, decompression=decompression)


def _keep(chunk: bytes, gunzip: Gunzip | None, spool: Spool) -> DecompressionFailure | None:
    """Spool a chunk, inflated if it has to be; after a failure the pass goes on, since the digest decides first."""
    if gunzip is None:
        spool.write(chunk)
        return None
    try:
        for piece in gunzip.feed(chunk):
            spool.write(piece)
    except DecompressionFailure as error:
        return error
    return None


def _finish(gunzip: Gunzip) -> DecompressionFailure | None:
    try:
        gunzip.finish()
    except DecompressionFailure as error:
        return error
    return None


def _digest(digest: ContentDigest) -> bytes | None:
    try:
        return digest.digest()
    except MalformedXml:
        return None
