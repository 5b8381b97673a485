"""XML Encryption: reading, unwrapping and wrapping keys, and AES-GCM over bodies of any size.

Rules: one text for every failure to decrypt, and a wrong RSA ciphertext gives a random key, so that neither text
nor path tells what was wrong (as4-wire 3.4). Ciphertext is IV(12) || data || tag(16), without associated data.
What decrypt() yields is UNVERIFIED until it ends without an error: nobody may act on it before. The caller checks its
allow-lists of words with ParsedEncryptedKey.transport.algorithm(words) and ParsedEncryptedData.algorithm(words).
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher as AesCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM
from lxml import etree

from ehmi_ap.body import CHUNK, Body, read_all
from ehmi_ap.crypto.algorithms import (
    CIPHERS,
    DS,
    MGF1_SHA1,
    RSA_OAEP_MGF1P,
    SHA1,
    XENC,
    XENC11,
    Cipher,
    KeyTransport,
    transport_by_uris,
    transport_by_word,
)
from ehmi_ap.crypto.elements import attribute, base64_of, children, optional, single
from ehmi_ap.errors import BudgetExceeded, DecryptionFailed, MalformedSecurity

IV_BYTES = 12
TAG_BYTES = 16
OVERHEAD = IV_BYTES + TAG_BYTES
"""Bytes by which a ciphertext is longer than its plaintext."""

SMALL = 1 << 20
"""Up to here one call over all bytes is fastest, beyond it chunks are (python-stack 3)."""

_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_FAILED = "the message could not be decrypted"
_KEY_INFO, _DIGEST_METHOD, _MGF = f"{{{DS}}}KeyInfo", f"{{{DS}}}DigestMethod", f"{{{XENC11}}}MGF"
_PARTS = (
    "EncryptionMethod",
    _KEY_INFO,
    "CipherData",
    "EncryptionProperties",
    "ReferenceList",
    "CarriedKeyName",
)
_MAX_WRAPPED = 1024
_MAX_LABEL = 1024
_MAX_REFERENCES = 1000


@dataclass(frozen=True, slots=True)
class Transport:
    """The xenc:EncryptionMethod of a key: three URIs and OAEPparams; absent children have their default filled in."""

    uri: str
    digest: str
    mgf: str
    label: bytes | None = None

    def algorithm(self, allowed: Iterable[str] | None = None) -> KeyTransport:
        """The row of the algorithm table; NotAllowedAlgorithm when there is none or it is not in `allowed` (words)."""
        return transport_by_uris(self.uri, self.digest, self.mgf, allowed)


@dataclass(frozen=True, slots=True)
class ParsedEncryptedKey:
    """An xenc:EncryptedKey; `data_references` are the ids of its ReferenceList, without `#`."""

    id: str | None
    transport: Transport
    wrapped: bytes
    key_info: etree._Element | None
    data_references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedEncryptedData:
    """An xenc:EncryptedData whose ciphertext is a MIME part.

    `cipher` is a URI; `cid` is what follows `cid:`, percent-encoding as it came; `key_ref` is the id of the
    EncryptedKey that its KeyInfo names, None when it names none; `transforms` are those of the CipherReference.
    """

    id: str | None
    cipher: str
    mime_type: str | None
    type: str | None
    cid: str
    key_ref: str | None
    transforms: tuple[str, ...]

    def algorithm(self, allowed: Iterable[str] | None = None) -> Cipher:
        """The row of the algorithm table; NotAllowedAlgorithm when there is none or it is not in `allowed` (words)."""
        return CIPHERS.by_uri(self.cipher, allowed)


def read_encrypted_key(element: etree._Element) -> ParsedEncryptedKey:
    """Reads an xenc:EncryptedKey; its children may stand in any order (as4-wire 3.4).

    Raises:
        MalformedSecurity: not of the shape of XML Encryption 1.1, 3.5.1.
        BudgetExceeded: more than 1000 data references.
    """
    if element.tag != f"{{{XENC}}}EncryptedKey":
        raise MalformedSecurity("an xenc:EncryptedKey was expected")
    parts = children(element, XENC, _PARTS)
    cipher_data = children(single(parts, "CipherData"), XENC, ("CipherValue",))
    return ParsedEncryptedKey(
        id=element.get("Id"),
        transport=_transport(single(parts, "EncryptionMethod")),
        wrapped=base64_of(single(cipher_data, "CipherValue"), _MAX_WRAPPED),
        key_info=optional(parts, "KeyInfo"),
        data_references=_data_references(optional(parts, "ReferenceList")),
    )


def read_encrypted_data(element: etree._Element) -> ParsedEncryptedData:
    """Reads an xenc:EncryptedData that refers to a MIME part.

    Raises:
        MalformedSecurity: not of the shape of XML Encryption 1.1, 3.4, or without a CipherReference to a `cid:`.
    """
    if element.tag != f"{{{XENC}}}EncryptedData":
        raise MalformedSecurity("an xenc:EncryptedData was expected")
    parts = children(element, XENC, _PARTS)
    cipher_data = children(single(parts, "CipherData"), XENC, ("CipherReference",))
    reference = single(cipher_data, "CipherReference")
    uri = attribute(reference, "URI")
    if uri[:4].lower() != "cid:":
        raise MalformedSecurity("encrypted data that is no MIME part")
    return ParsedEncryptedData(
        id=element.get("Id"),
        cipher=attribute(single(parts, "EncryptionMethod"), "Algorithm"),
        mime_type=element.get("MimeType"),
        type=element.get("Type"),
        cid=uri[4:],
        key_ref=_key_ref(optional(parts, "KeyInfo")),
        transforms=_cipher_transforms(reference),
    )


def _transport(method: etree._Element) -> Transport:
    """The defaults of absent children: SHA-1 for the digest, MGF1 with SHA-1 (XML Encryption 1.1, 5.5.2)."""
    parts = children(method, XENC, ("OAEPparams", "KeySize", _DIGEST_METHOD, _MGF))
    uri = attribute(method, "Algorithm")
    digest, mgf = optional(parts, "DigestMethod"), optional(parts, "MGF")
    if mgf is not None and uri == RSA_OAEP_MGF1P:
        raise MalformedSecurity("rsa-oaep-mgf1p takes no MGF")
    label = optional(parts, "OAEPparams")
    return Transport(
        uri,
        SHA1 if digest is None else attribute(digest, "Algorithm"),
        MGF1_SHA1 if mgf is None else attribute(mgf, "Algorithm"),
        None if label is None else base64_of(label, _MAX_LABEL),
    )


def _data_references(element: etree._Element | None) -> tuple[str, ...]:
    if element is None:
        return ()
    references = children(element, XENC, ("DataReference",)).get("DataReference", ())
    if len(references) > _MAX_REFERENCES:
        raise BudgetExceeded("data references", _MAX_REFERENCES)
    return tuple(_fragment(attribute(each, "URI")) for each in references)


def _key_ref(key_info: etree._Element | None) -> str | None:
    """The id in KeyInfo/wsse:SecurityTokenReference/wsse:Reference, the link of as4-wire 3.2."""
    if key_info is None:
        return None
    reference = key_info.find(f"{{{_WSSE}}}SecurityTokenReference/{{{_WSSE}}}Reference")
    return None if reference is None else _fragment(attribute(reference, "URI"))


def _fragment(uri: str) -> str:
    if not uri.startswith("#") or len(uri) == 1:
        raise MalformedSecurity("a reference within the header does not start with #")
    return uri[1:]


def _cipher_transforms(reference: etree._Element) -> tuple[str, ...]:
    transforms = optional(children(reference, XENC, ("Transforms",)), "Transforms")
    if transforms is None:
        return ()
    found = children(transforms, DS, ("Transform",)).get("Transform", ())
    return tuple(attribute(each, "Algorithm") for each in found)


def unwrap(key: ParsedEncryptedKey, private_key: rsa.RSAPrivateKey, cipher_uri: str) -> bytes:
    """The content key, of the length that `cipher_uri` asks for; a random one when RSA-OAEP fails in any way.

    A wrong key thus shows only as a wrong tag later, as any damaged ciphertext does (as4-wire 3.4).

    Raises:
        NotAllowedAlgorithm: an unknown key transport or cipher; both are in clear, so this tells nothing.
    """
    length = CIPHERS.by_uri(cipher_uri).key_bytes
    oaep = _oaep(key.transport.algorithm(), key.transport.label)
    instead = secrets.token_bytes(length)
    try:
        content_key = private_key.decrypt(key.wrapped, oaep)
    except ValueError:
        return instead
    return content_key if len(content_key) == length else instead


def wrap(content_key: bytes, public_key: rsa.RSAPublicKey, word: str) -> bytes:
    """The content key encrypted for the holder of `public_key`; `word` names the key transport.

    Raises:
        NotAllowedAlgorithm: an unknown word.
    """
    return public_key.encrypt(content_key, _oaep(transport_by_word(word), None))


def _oaep(row: KeyTransport, label: bytes | None) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(row.mgf_hash()), row.digest_hash(), label)


def encrypt(chunks: Iterable[bytes], key: bytes, iv: bytes, cipher_word: str) -> Iterator[bytes]:
    """IV, ciphertext and tag in chunks, the whole being OVERHEAD bytes longer than the plaintext.

    `iv` are 12 random bytes, never used twice with the same key; that is the caller's duty.

    Raises:
        NotAllowedAlgorithm: an unknown cipher.
        ValueError: a key or IV of the wrong length.
    """
    if len(key) != CIPHERS.by_word(cipher_word).key_bytes or len(iv) != IV_BYTES:
        raise ValueError("key or IV of the wrong length")
    return _encrypted(iter(chunks), key, iv)


def _encrypted(chunks: Iterator[bytes], key: bytes, iv: bytes) -> Iterator[bytes]:
    first, second = next(chunks, b""), next(chunks, None)
    if second is None and len(first) <= SMALL:
        yield iv + AESGCM(key).encrypt(iv, first, None)
        return
    cipher = AesCipher(AES(key), GCM(iv)).encryptor()
    yield iv
    for chunk in _rejoined(first, second, chunks):
        yield cipher.update(chunk)
    cipher.finalize()
    yield cipher.tag


def decrypt(body: Body, key: bytes, cipher_uri: str) -> Iterator[bytes]:
    """The plaintext of IV, ciphertext and tag; UNVERIFIED until the iterator ends without an error.

    Raises (while it is iterated):
        DecryptionFailed: the tag is wrong, the body too short or the key of the wrong length: one text for all.
        NotAllowedAlgorithm: an unknown cipher.
    """
    if body.size < OVERHEAD or len(key) != CIPHERS.by_uri(cipher_uri).key_bytes:
        raise DecryptionFailed(_FAILED)
    try:
        if body.size <= SMALL:
            data = memoryview(read_all(body))
            yield AESGCM(key).decrypt(data[:IV_BYTES], data[IV_BYTES:], None)
        else:
            yield from _decrypted(body, key)
    except InvalidTag:
        raise DecryptionFailed(_FAILED) from None


def _decrypted(body: Body, key: bytes) -> Iterator[bytes]:
    end = body.size - TAG_BYTES
    iv, tag = b"".join(body.chunks(0, IV_BYTES)), b"".join(body.chunks(end))
    cipher = AesCipher(AES(key), GCM(iv, tag)).decryptor()
    for chunk in body.chunks(IV_BYTES, end):
        for piece in _pieces(chunk):
            yield cipher.update(piece)
    cipher.finalize()


def _rejoined(first: bytes, second: bytes | None, rest: Iterator[bytes]) -> Iterator[memoryview | bytes]:
    yield from _pieces(first)
    if second is not None:
        yield from _pieces(second)
    for chunk in rest:
        yield from _pieces(chunk)


def _pieces(chunk: bytes) -> Iterator[memoryview | bytes]:
    """A chunk of a resident body may be all of it; what is encrypted at once stays near CHUNK."""
    if len(chunk) <= 2 * CHUNK:
        yield chunk
        return
    view = memoryview(chunk)
    for start in range(0, len(chunk), CHUNK):
        yield view[start : start + CHUNK]
