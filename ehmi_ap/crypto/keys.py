"""Our keys, and whom we trust; parsed from bytes, never from files.

Rules: private keys are checked once, when they are loaded, and never printed. A token of a peer that names a key
(certificate, SKI, issuer and serial, thumbprint) is compared with what is known here; nothing in it is trusted.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.errors import MalformedSecurity, TokenNotFound

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey
_KEY_TYPES = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    x25519.X25519PrivateKey,
)
_BEGIN = b"-----BEGIN "
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----\r?\n?", re.DOTALL)
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key with its certificate; `chain` is the certificate and those above it, leaf first."""

    private_key: PrivateKey = field(repr=False)
    certificate: Certificate
    chain: tuple[Certificate, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """What we sign with, and what we decrypt with: the newest first, older ones kept while peers still use them."""

    signing: KeyPair
    decryption: tuple[KeyPair, ...]

    def for_certificate(self, certificate: Certificate) -> KeyPair | None:
        """Our decryption key with exactly this certificate."""
        return next((pair for pair in self.decryption if pair.certificate == certificate), None)

    def for_ski(self, ski: bytes) -> KeyPair | None:
        """Our decryption key with this SubjectKeyIdentifier."""
        return next((pair for pair in self.decryption if pair.certificate.ski == ski), None)

    def for_issuer_serial(self, issuer: str, serial: int) -> KeyPair | None:
        """Our decryption key whose certificate has this issuer (RFC 2253 text) and serial number."""
        return next((pair for pair in self.decryption if pair.certificate.has_issuer_serial(issuer, serial)), None)

    def for_thumbprint(self, sha1: bytes) -> KeyPair | None:
        """Our decryption key whose certificate has this SHA-1 thumbprint."""
        return next((pair for pair in self.decryption if pair.certificate.sha1 == sha1), None)


class Trust:
    """The certificates we know, by name: partners' own ones and CAs. Who is trusted for what is the P-Mode's say."""

    def __init__(self, named: Mapping[str, Sequence[Certificate]]) -> None:
        self._named = {name: tuple(certificates) for name, certificates in named.items()}
        self._all = tuple(dict.fromkeys(each for certificates in self._named.values() for each in certificates))
        self._anchors: dict[tuple[str, ...], tuple[Certificate, ...]] = {}
        self._by_ski = _index(self._all, lambda certificate: certificate.ski)
        self._by_thumbprint = _index(self._all, lambda certificate: certificate.sha1)
        self._by_serial = _index(self._all, lambda certificate: certificate.serial_number)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._named)

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """All of them, each once."""
        return self._all

    def certificate(self, name: str) -> Certificate:
        """The first certificate of that name.

        Raises:
            TokenNotFound: there is none.
        """
        found = self._named.get(name)
        if not found:
            raise TokenNotFound(f"no certificate is named {name}")
        return found[0]

    def anchors(self, names: Iterable[str]) -> tuple[Certificate, ...]:
        """All certificates of these names; TokenNotFound when a name is unknown."""
        wanted = tuple(names)
        found = self._anchors.get(wanted)
        if found is None:
            missing = [name for name in wanted if not self._named.get(name)]
            if missing:
                raise TokenNotFound(f"no certificate is named {missing[0]}")
            found = tuple(dict.fromkeys(each for name in wanted for each in self._named[name]))
            self._anchors[wanted] = found  # the names are those of P-Modes, never a peer's
        return found

    def find_by_ski(self, ski: bytes) -> tuple[Certificate, ...]:
        """Every known certificate with this SubjectKeyIdentifier: a renewed one often has the same key."""
        return self._by_ski.get(ski, ())

    def find_by_issuer_serial(self, issuer: str, serial: int) -> tuple[Certificate, ...]:
        """Every known certificate with this issuer (RFC 2253 text) and serial number."""
        return tuple(each for each in self._by_serial.get(serial, ()) if each.has_issuer_serial(issuer, serial))

    def find_by_thumbprint(self, sha1: bytes) -> tuple[Certificate, ...]:
        """Every known certificate with this SHA-1 thumbprint."""
        return self._by_thumbprint.get(sha1, ())


def _index(certificates: Iterable[Certificate], key: Callable[[Certificate], _K]) -> dict[_K, tuple[Certificate, ...]]:
    found: dict[_K, tuple[Certificate, ...]] = {}
    for certificate in certificates:
        found[key(certificate)] = (*found.get(key(certificate), ()), certificate)
    return found


def load_certificates(data: bytes) -> list[Certificate]:
    """All certificates of a PEM file in their order, or the one of a DER file.

    Raises:
        MalformedSecurity: no certificate in it.
        CertificateRefused: as Certificate.from_der.
    """
    if _BEGIN not in data:
        return [Certificate.from_der(data)]
    blocks = [block for label, block in _blocks(data) if label.endswith("CERTIFICATE")]
    if not blocks:
        raise MalformedSecurity("no certificate in the PEM file")
    return [Certificate.from_pem(block) for block in blocks]


def load_private_key(data: bytes, password: str | None = None) -> PrivateKey:
    """The first private key of a PEM file, or the one of a DER file; its numbers are checked (some 40 ms for RSA).

    Raises:
        MalformedSecurity: no private key, a wrong or missing password, or a kind of key that is not supported.
    """
    if _BEGIN not in data:
        return _private_key(data, password)
    blocks = [block for label, block in _blocks(data) if label.endswith("PRIVATE KEY")]
    if not blocks:
        raise MalformedSecurity("no private key in the PEM file")
    return _private_key(blocks[0], password)


def load_key_pairs(data: bytes, password: str | None = None) -> list[KeyPair]:
    """Every private key that has its certificate beside it, in a PEM or a PKCS#12 file, in the order of the file.

    PEM files may simply be joined: key, certificate, CA certificates in any order.

    Raises:
        MalformedSecurity: neither PEM nor PKCS#12, a wrong or missing password, a kind of key that is not supported
            (X25519 only as PEM), or a key without its certificate.
        CertificateRefused: as Certificate.from_der.
    """
    if _BEGIN not in data:
        return [_from_pkcs12(data, password)]
    blocks = _blocks(data)
    keys = [_private_key(block, password) for label, block in blocks if label.endswith("PRIVATE KEY")]
    certificates = [Certificate.from_pem(block) for label, block in blocks if label.endswith("CERTIFICATE")]
    if not keys:
        raise MalformedSecurity("no private key in the PEM file")
    return [_pair(key, certificates) for key in keys]


def _pair(key: PrivateKey, certificates: Sequence[Certificate]) -> KeyPair:
    public = key.public_key()
    own = next((each for each in certificates if each.public_key == public), None)
    if own is None:
        raise MalformedSecurity("a private key without its certificate")
    return KeyPair(key, own, _chain(own, certificates))


def _chain(leaf: Certificate, certificates: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The leaf and those above it that lie in the same file, by their names; whether they fit, the peer will judge."""
    chain = [leaf]
    while True:
        issuer = chain[-1].x509.issuer
        above = next((each for each in certificates if each.x509.subject == issuer and each not in chain), None)
        if above is None:
            return tuple(chain)
        chain.append(above)


def _from_pkcs12(data: bytes, password: str | None) -> KeyPair:
    try:
        store = pkcs12.load_pkcs12(data, None if password is None else password.encode())
    except TypeError:  # it was opened, and holds an X25519 key, for one
        raise MalformedSecurity("a kind of private key that is not supported in PKCS#12; give it as PEM") from None
    except UnsupportedAlgorithm:
        raise MalformedSecurity("PKCS#12 with an algorithm that is not supported; give the key as PEM") from None
    except ValueError:
        raise MalformedSecurity("neither PEM nor PKCS#12, or the password is wrong") from None
    if not isinstance(store.key, _KEY_TYPES) or store.cert is None:
        raise MalformedSecurity("no private key with its certificate in the PKCS#12 file")
    others = [Certificate.from_x509(each.certificate) for each in store.additional_certs]
    return _pair(store.key, [Certificate.from_x509(store.cert.certificate), *others])


def _private_key(block: bytes, password: str | None) -> PrivateKey:
    """Tries without the password when the key turns out not to be encrypted."""
    load = load_pem_private_key if _BEGIN in block else load_der_private_key
    for secret in (password.encode(), None) if password is not None else (None,):
        try:
            key = load(block, secret)
        except TypeError:
            continue
        except (ValueError, UnsupportedAlgorithm):
            break
        if isinstance(key, _KEY_TYPES):
            return key
        raise MalformedSecurity("a kind of private key that is not supported")
    raise MalformedSecurity("no private key that can be read, or the password is wrong or missing")


def _blocks(data: bytes) -> list[tuple[str, bytes]]:
    return [(match[1].decode(), match[0]) for match in _BLOCK.finditer(data)]
