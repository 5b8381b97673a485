"""Which of the keys at hand opens which part of a captured message (for inspect).

unpack chooses its key by the token and learns nothing when it is wrong. Here every key at hand is tried on every
EncryptedKey: unwrap() answers a wrong key with a random content key, so a key fits when it gives the same answer twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa

from ehmi_ap.as4 import mime
from ehmi_ap.as4.findings import EncryptionFinding, KeyState, Notes
from ehmi_ap.as4.mime import Part
from ehmi_ap.as4.names import SWA_CIPHERTEXT, SWA_CONTENT_ONLY
from ehmi_ap.as4.parts import Encryption, Lock, encrypted_parts, linked_keys, read_encryption
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.tokens import Direct, read_binary, read_reference
from ehmi_ap.as4.verify import binary_tokens, known_certificates
from ehmi_ap.crypto.algorithms import RSA_OAEP, RSA_OAEP_MGF1P
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import PrivateKey, Trust
from ehmi_ap.crypto.xenc import ParsedEncryptedData, ParsedEncryptedKey, unwrap
from ehmi_ap.errors import EbmsError, NotAllowedAlgorithm, PolicyNoncompliance, XmlSecurityError
from ehmi_ap.pmode import Security

_PROFILE = Security()
_GIVE_A_KEY = "Give the private key of the recipient with --key."


@dataclass(frozen=True, slots=True)
class Unlocked:
    """How parts are opened, by index; `closed` are the encrypted ones that no key at hand opens."""

    finding: EncryptionFinding = field(default_factory=EncryptionFinding)
    locks: dict[int, Lock] = field(default_factory=dict)
    closed: frozenset[int] = frozenset()


def unlock(
    envelope: Envelope,
    parts: Sequence[Part],
    *,
    keys: Sequence[PrivateKey],
    known: Trust,
    complete: bool,
    notes: Notes,
) -> Unlocked:
    """Step 5 for a capture. `known` resolves tokens without a certificate; `complete` False: parts may be absent."""
    try:
        encryption = read_encryption(envelope)
    except EbmsError as error:
        notes.error(error)
        return Unlocked(EncryptionFinding(present=True, key="wrong"))
    if not encryption.keys and not encryption.data:
        return Unlocked()
    _judge_algorithms(encryption, notes)
    _judge_tokens(encryption, envelope, notes)
    found = _encrypted(encryption, parts, complete, notes)
    states: set[KeyState] = set()
    locks: dict[int, Lock] = {}
    contents = {id(data): _open(data, encryption, keys) for data in encryption.data}
    for data in encryption.data:
        if contents[id(data)] is not None:
            states.add("ok")
        else:
            ours = _computable(data, encryption) and _names_one_of(keys, data, encryption, envelope, known)
            states.add("wrong" if ours else "none-fits")
    for index, data in found.items():
        content_key = contents[id(data)]
        if content_key is not None:
            locks[index] = Lock(content_key, data.cipher, data.mime_type)
    key = _worst(states)
    if key == "wrong":
        notes.add("EBMS:0102", "the message names a key that was given, but that key does not open it")
    if key == "none-fits":
        notes.add("EBMS:0102", "no key that was given opens the message", _GIVE_A_KEY, grave=False)
    finding = EncryptionFinding(present=True, key=key, algorithms=tuple(_algorithms(encryption)))
    return Unlocked(finding, locks, frozenset(found.keys() - locks.keys()))


def _worst(states: set[KeyState]) -> KeyState | None:
    order: tuple[KeyState, ...] = ("wrong", "none-fits", "ok")
    return next((state for state in order if state in states), None)


def _encrypted(
    encryption: Encryption, parts: Sequence[Part], complete: bool, notes: Notes
) -> dict[int, ParsedEncryptedData]:
    """The EncryptedData of each part that is there."""
    try:
        return encrypted_parts(encryption, parts)
    except PolicyNoncompliance as error:
        if complete:
            notes.error(error)
    at = {mime.find(parts, "cid:" + data.cid): data for data in encryption.data}
    return {index: data for index, data in at.items() if index}


def _open(data: ParsedEncryptedData, encryption: Encryption, keys: Sequence[PrivateKey]) -> bytes | None:
    """The content key of an EncryptedData, by whichever key gives one."""
    numbers = linked_keys(data, encryption) or range(len(encryption.keys))
    for number in numbers:
        for key in keys:
            if isinstance(key, rsa.RSAPrivateKey):
                content_key = _unwrapped(encryption.keys[number], key, data.cipher)
                if content_key is not None:
                    return content_key
    return None


def _unwrapped(encrypted: ParsedEncryptedKey, key: rsa.RSAPrivateKey, cipher: str) -> bytes | None:
    try:
        first, second = unwrap(encrypted, key, cipher), unwrap(encrypted, key, cipher)
    except NotAllowedAlgorithm:  # named by _judge_algorithms
        return None
    return first if first == second else None


def _computable(data: ParsedEncryptedData, encryption: Encryption) -> bool:
    """Whether all algorithms are known here, so that a key that does not open is a wrong one."""
    try:
        data.algorithm()
        for number in linked_keys(data, encryption):
            encryption.keys[number].transport.algorithm()
    except NotAllowedAlgorithm:
        return False
    return True


def _names_one_of(
    keys: Sequence[PrivateKey],
    data: ParsedEncryptedData,
    encryption: Encryption,
    envelope: Envelope,
    known: Trust,
) -> bool:
    """Whether the token of a key for this EncryptedData names the certificate of a key at hand."""
    ours = [key.public_key() for key in keys]
    for number in linked_keys(data, encryption):
        try:
            reference = read_reference(encryption.keys[number].key_info)
            named: tuple[Certificate, ...]
            if isinstance(reference, Direct):
                named = (read_binary(reference, binary_tokens(envelope)).certificate,)
            else:
                named = known_certificates(reference, known)
        except XmlSecurityError:  # a token that cannot be read names nobody
            continue
        if any(certificate.public_key in ours for certificate in named):
            return True
    return False


def _judge_tokens(encryption: Encryption, envelope: Envelope, notes: Notes) -> None:
    """Tokens that cannot be read: an access point goes by them, though a key at hand may open the message.

    One of several has no weight: it may be another recipient's.
    """
    for key in encryption.keys:
        with notes.noting(code="EBMS:0102", grave=len(encryption.keys) == 1):
            reference = read_reference(key.key_info)
            if isinstance(reference, Direct):
                read_binary(reference, binary_tokens(envelope))


def _algorithms(encryption: Encryption) -> list[str]:
    """The URIs of key transport, its digest and mask generation (RSA-OAEP only), and of the ciphers; each once."""
    uris: list[str] = []
    for transport in (key.transport for key in encryption.keys):
        oaep = transport.uri in (RSA_OAEP, RSA_OAEP_MGF1P)
        uris += (transport.uri, transport.digest, transport.mgf) if oaep else (transport.uri,)
    return list(dict.fromkeys([*uris, *(data.cipher for data in encryption.data)]))


def _judge_algorithms(encryption: Encryption, notes: Notes) -> None:
    """Name what is off the profile; what cannot be computed at all is named by the same words."""
    for data in encryption.data:
        with notes.noting():
            data.algorithm(_PROFILE.accept_cipher)
        if data.transforms != (SWA_CIPHERTEXT,):
            notes.add("EBMS:0103", "a part is encrypted with a transform that AS4 does not allow", grave=False)
        if data.type not in (None, SWA_CONTENT_ONLY):
            notes.add("EBMS:0103", "a part is encrypted together with its headers, not its content only", grave=False)
    for key in encryption.keys:
        with notes.noting():
            key.transport.algorithm(_PROFILE.accept_key_transport)
