"""wsse:Security: the header's blocks as text, and the header taken apart (as4-wire 3.2, 3.4).

What we write, in this order (peers-live 10, sender 2): BST(recipient), EncryptedKey, EncryptedData..., BST(signer),
Signature; answers have the last two. No wsu:Timestamp, no white space. Ids are derived from the message id, so the
same message gives the same bytes. Only ds:SignedInfo has to be its own canonical form; crypto.dsig sees to that.

How the header is read: verify (signature), parts (encryption), tokens (whose key).
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ehmi_ap.as4.names import (
    DS,
    EC,
    ENCRYPTED_KEY_TOKEN,
    S12,
    SWA_CIPHERTEXT,
    SWA_CONTENT_ONLY,
    SWA_CONTENT_SIGNATURE,
    WSSE,
    WSSE11,
    WSU,
    XENC,
    XENC11,
)
from ehmi_ap.as4.soap import write_envelope
from ehmi_ap.as4.tokens import write_token
from ehmi_ap.crypto import dsig
from ehmi_ap.crypto.algorithms import CIPHERS, DIGESTS, RSA_OAEP_MGF1P, transport_by_word
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.model import MessageId, Reference
from ehmi_ap.pmode import Security

_SECURITY_START = b"<wsse:Security"


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one message's elements, all of one stem."""

    stem: str

    @classmethod
    def of(cls, message_id: MessageId) -> "Ids":
        return cls(hashlib.sha256(message_id.encode()).hexdigest()[:32])

    @property
    def messaging(self) -> str:
        return f"messaging-{self.stem}"

    @property
    def body(self) -> str:
        return f"body-{self.stem}"

    def encrypted_data(self, number: int) -> str:
        return f"ED-{number}-{self.stem}"


def signed_envelope(
    messaging: str,
    body: str,
    parts: Sequence[tuple[str, bytes]],
    *,
    ids: Ids,
    signer: KeyPair,
    security: Security,
    token: str,
) -> tuple[bytes, tuple[Reference, ...]]:
    """The envelope with a signature over eb:Messaging, env:Body and the parts, and what was signed.

    `messaging` and `body` are their own exclusive canonical form; `parts` are content ids with the digest of the
    part, taken with `security.digest`. `token` is the form in which the signer is named.
    """
    digest = DIGESTS.by_word(security.digest)
    signed = [
        (f"#{ids.messaging}", (EC,), hashlib.new(digest.hash_name, messaging.encode()).digest()),
        (f"#{ids.body}", (EC,), hashlib.new(digest.hash_name, body.encode()).digest()),
        *((f"cid:{content_id}", (SWA_CONTENT_SIGNATURE,), value) for content_id, value in parts),
    ]
    signed_info = dsig.signed_info(signed, algorithm=security.sign, digest=security.digest)
    value = dsig.sign(signed_info.encode(), signer.private_key, security.sign)
    named = write_token(token, signer.chain, f"X509-{ids.stem}")
    signature = (
        f'<ds:Signature xmlns:ds="{DS}" Id="SIG-{ids.stem}">{signed_info}<ds:SignatureValue>'
        f"{base64.b64encode(value).decode()}</ds:SignatureValue>"
        f'<ds:KeyInfo Id="KI-{ids.stem}">{named.reference}</ds:KeyInfo></ds:Signature>'
    )
    references = tuple(dsig.make_reference(*item, digest_word=security.digest) for item in signed)
    return write_envelope(_security(named.binary + signature), messaging, body), references


def _security(inside: str) -> str:
    return (
        f'<wsse:Security xmlns:env="{S12}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" env:mustUnderstand="true">'
        f"{inside}</wsse:Security>"
    )


def write_encryption(
    wrapped: bytes, content: Sequence[tuple[str, str]], *, ids: Ids, to: Certificate, security: Security
) -> str:
    """The EncryptedKey with its token, and an EncryptedData for each (content id, MIME type as signed)."""
    named = write_token(security.encrypt_token, (to,), f"G-{ids.stem}")
    numbered = [(ids.encrypted_data(number), *item) for number, item in enumerate(content, 1)]
    listed = "".join(f'<xenc:DataReference URI="#{data_id}"></xenc:DataReference>' for data_id, _, _ in numbered)
    return (
        f'{named.binary}<xenc:EncryptedKey xmlns:xenc="{XENC}" Id="EK-{ids.stem}">'
        f"{_key_method(security.key_transport)}"
        f'<ds:KeyInfo xmlns:ds="{DS}">{named.reference}</ds:KeyInfo>'
        f"<xenc:CipherData><xenc:CipherValue>{base64.b64encode(wrapped).decode()}</xenc:CipherValue></xenc:CipherData>"
        f"<xenc:ReferenceList>{listed}</xenc:ReferenceList></xenc:EncryptedKey>"
        + "".join(_encrypted_data(*item, ids=ids, cipher=security.cipher) for item in numbered)
    )


def _key_method(word: str) -> str:
    """EncryptionMethod with all its children written out: what is left out would mean SHA-1 (as4-wire 3.1)."""
    row = transport_by_word(word)
    mgf = (
        "" if row.uri == RSA_OAEP_MGF1P else f'<xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{row.mgf}"></xenc11:MGF>'
    )
    return (
        f'<xenc:EncryptionMethod Algorithm="{row.uri}">'
        f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{row.digest}"></ds:DigestMethod>{mgf}</xenc:EncryptionMethod>'
    )


def _encrypted_data(data_id: str, content_id: str, mime_type: str, *, ids: Ids, cipher: str) -> str:
    return (
        f'<xenc:EncryptedData xmlns:xenc="{XENC}" Id="{data_id}" MimeType="{mime_type}" Type="{SWA_CONTENT_ONLY}">'
        f'<xenc:EncryptionMethod Algorithm="{CIPHERS.by_word(cipher).uri}"></xenc:EncryptionMethod>'
        f'<ds:KeyInfo xmlns:ds="{DS}"><wsse:SecurityTokenReference xmlns:wsse11="{WSSE11}"'
        f' wsse11:TokenType="{ENCRYPTED_KEY_TOKEN}"><wsse:Reference URI="#EK-{ids.stem}"></wsse:Reference>'
        f'</wsse:SecurityTokenReference></ds:KeyInfo><xenc:CipherData><xenc:CipherReference URI="cid:{content_id}">'
        f'<xenc:Transforms><ds:Transform xmlns:ds="{DS}" Algorithm="{SWA_CIPHERTEXT}"></ds:Transform></xenc:Transforms>'
        "</xenc:CipherReference></xenc:CipherData></xenc:EncryptedData>"
    )


def add_encryption(envelope: bytes, encryption: str) -> bytes:
    """A signed envelope with `encryption` put first into its wsse:Security; every other byte stays."""
    inside = envelope.index(b">", envelope.index(_SECURITY_START)) + 1
    return envelope[:inside] + encryption.encode() + envelope[inside:]
