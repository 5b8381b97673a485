"""The algorithms we can compute: P-Mode word <-> URI, one table per kind.

Rules: a URI that is in no table cannot be used, whatever an allow-list says; which rows of a table may be used
is the caller's allow-list of words (P-Mode). `legacy` rows exist so that a capture can be inspected; no P-Mode
may name them. A new algorithm is one more row, and one more family in dsig or xenc if it is of a new kind.
Sources: W3C XML Signature 1.1, XML Encryption 1.1, RFC 9231; as4-wire 3.1.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cryptography.hazmat.primitives import hashes

from ehmi_ap.errors import NotAllowedAlgorithm

DS = "http://www.w3.org/2000/09/xmldsig#"
DSIG_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
ENVELOPED = DS + "enveloped-signature"

REFUSED = {
    "rsa-1_5": XENC + "rsa-1_5",
    "tripledes-cbc": XENC + "tripledes-cbc",
    "aes128-cbc": XENC + "aes128-cbc",
    "aes192-cbc": XENC + "aes192-cbc",
    "aes256-cbc": XENC + "aes256-cbc",
}
"""Known by name only, to be refused by name: padding oracles, no integrity (as4-wire 3.1)."""

_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,  # legacy rows, and OAEP, where collisions do not matter
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class _Row(Protocol):
    @property
    def word(self) -> str: ...
    @property
    def uri(self) -> str: ...


_R = TypeVar("_R", bound=_Row)


@dataclass(frozen=True, slots=True)
class DigestAlgorithm:
    """A ds:DigestMethod; `hash_name` is hashlib's, `size` in bytes."""

    word: str
    uri: str
    hash_name: str
    size: int
    legacy: bool = False

    def hash(self) -> hashes.HashAlgorithm:
        return _HASHES[self.hash_name]()


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """A ds:SignatureMethod; `family` selects how dsig computes it and which keys fit."""

    word: str
    uri: str
    family: str
    hash_name: str
    legacy: bool = False

    def hash(self) -> hashes.HashAlgorithm:
        return _HASHES[self.hash_name]()


@dataclass(frozen=True, slots=True)
class Cipher:
    """A content cipher of xenc:EncryptedData; all are AES-GCM: IV of 12 bytes before, tag of 16 behind."""

    word: str
    uri: str
    key_bytes: int


@dataclass(frozen=True, slots=True)
class KeyTransport:
    """An RSA-OAEP of xenc:EncryptedKey; `digest` and `mgf` are the URIs of its children."""

    word: str
    uri: str
    digest: str
    mgf: str
    digest_name: str
    mgf_name: str

    def digest_hash(self) -> hashes.HashAlgorithm:
        return _HASHES[self.digest_name]()

    def mgf_hash(self) -> hashes.HashAlgorithm:
        return _HASHES[self.mgf_name]()


class Table(Generic[_R]):
    """Rows of one kind, found by P-Mode word or by URI.

    `purpose` goes into the error, e.g. "digest http://... is not allowed"; `words` are all that a P-Mode may use.
    """

    def __init__(self, purpose: str, rows: Iterable[_R]) -> None:
        self.purpose = purpose
        self.rows = tuple(rows)
        self._words = {row.word: row for row in self.rows}
        self._uris = {row.uri: row for row in self.rows}
        self.words = tuple(row.word for row in self.rows if not getattr(row, "legacy", False))

    def by_word(self, word: str) -> _R:
        """Raises NotAllowedAlgorithm."""
        row = self._words.get(word)
        if row is None:
            raise NotAllowedAlgorithm(self.purpose, shown(word))
        return row

    def by_uri(self, uri: str, allowed: Iterable[str] | None = None) -> _R:
        """The row of `uri`; `allowed` are the words of the caller's allow-list (None: any row).

        Raises:
            NotAllowedAlgorithm: no such row, not on the list, or legacy (no list can allow those).
        """
        row = self._uris.get(uri)
        if row is None or (allowed is not None and (row.word not in allowed or row.word not in self.words)):
            raise NotAllowedAlgorithm(self.purpose, shown(uri))
        return row


def shown(uri: str) -> str:
    """What of a peer's URI may stand in an error: printable ASCII, 120 characters at most."""
    return "".join(c if "!" <= c <= "~" else "?" for c in uri[:120]) or "(none)"


SIGNATURES = Table(
    "signature algorithm",
    (
        SignatureAlgorithm("rsa-sha256", DSIG_MORE + "rsa-sha256", "rsa-pkcs1", "sha256"),
        SignatureAlgorithm("rsa-sha384", DSIG_MORE + "rsa-sha384", "rsa-pkcs1", "sha384"),
        SignatureAlgorithm("rsa-sha512", DSIG_MORE + "rsa-sha512", "rsa-pkcs1", "sha512"),
        SignatureAlgorithm("rsa-sha1", DS + "rsa-sha1", "rsa-pkcs1", "sha1", legacy=True),
    ),
)
DIGESTS = Table(
    "digest",
    (
        DigestAlgorithm("sha256", XENC + "sha256", "sha256", 32),
        DigestAlgorithm("sha384", DSIG_MORE + "sha384", "sha384", 48),
        DigestAlgorithm("sha512", XENC + "sha512", "sha512", 64),
        DigestAlgorithm("sha1", DS + "sha1", "sha1", 20, legacy=True),
    ),
)
CIPHERS = Table(
    "cipher",
    (
        Cipher("aes128-gcm", XENC11 + "aes128-gcm", 16),
        Cipher("aes192-gcm", XENC11 + "aes192-gcm", 24),
        Cipher("aes256-gcm", XENC11 + "aes256-gcm", 32),
    ),
)

RSA_OAEP = XENC11 + "rsa-oaep"
RSA_OAEP_MGF1P = XENC + "rsa-oaep-mgf1p"
MGF1_SHA1 = XENC11 + "mgf1sha1"
SHA1 = DS + "sha1"


def _transports() -> Iterable[KeyTransport]:
    for digest in DIGESTS.rows:
        for mgf in DIGESTS.rows:
            word = f"rsa-oaep-{digest.word}-mgf1{mgf.word}"
            yield KeyTransport(word, RSA_OAEP, digest.uri, f"{XENC11}mgf1{mgf.word}", digest.hash_name, mgf.hash_name)
    for digest in DIGESTS.rows:
        word = f"rsa-oaep-mgf1p-{digest.word}"
        yield KeyTransport(word, RSA_OAEP_MGF1P, digest.uri, MGF1_SHA1, digest.hash_name, "sha1")


KEY_TRANSPORTS = {row.word: row for row in _transports()}
"""RSA-OAEP by word: every digest with every MGF1, and the older rsa-oaep-mgf1p, whose MGF1 is always SHA-1."""

_TRANSPORT_BY_URIS = {(row.uri, row.digest, row.mgf): row for row in KEY_TRANSPORTS.values()}


def transport_by_word(word: str) -> KeyTransport:
    """Raises NotAllowedAlgorithm."""
    row = KEY_TRANSPORTS.get(word)
    if row is None:
        raise NotAllowedAlgorithm("key transport", shown(word))
    return row


def transport_by_uris(uri: str, digest: str, mgf: str, allowed: Iterable[str] | None = None) -> KeyTransport:
    """The row of an EncryptionMethod with its DigestMethod and MGF; `allowed` as in Table.by_uri.

    Raises:
        NotAllowedAlgorithm: no such combination (rsa-1_5, key wrap), or not on the list.
    """
    row = _TRANSPORT_BY_URIS.get((uri, digest, mgf))
    if row is None or (allowed is not None and row.word not in allowed):
        raise NotAllowedAlgorithm("key transport", shown(row.word if row else uri))
    return row
