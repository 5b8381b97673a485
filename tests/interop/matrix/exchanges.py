"""Exchanges that have to succeed, both ways: how they are made, and those that differ in how a message is secured."""

from collections.abc import Iterator
from functools import partial

from tests.interop import claims, samples
from tests.interop.cells import Cell, Way
from tests.interop.letters import Letter, Terms
from tests.interop.matrix import terms

ARRIVES = "delivered once, byte for byte, and proven by a receipt"

XML = Letter(parts=(samples.XML,))
TWO = Letter(parts=(samples.XML, samples.JSON))


def both(name: str, group: str, what: str, letter: Letter = XML, agreed: Terms = terms.PLAIN) -> Iterator[Cell]:
    """The same exchange each way."""
    for way, run in ((Way.OUT, claims.out), (Way.IN, claims.in_)):
        yield Cell(name, group, way, what, ARRIVES, partial(run, letter=letter, terms=agreed))


def cells() -> Iterator[Cell]:
    group = "Security"
    yield from both("signed-encrypted", group, "signed and encrypted, as eDelivery AS4 1.15 has it")
    yield from both("signed-only", group, "signed, not encrypted", agreed=terms.SIGN_ONLY)
    strong = "rsa-sha512, SHA-512 digests and aes256-gcm, as agreed"
    yield Cell("strong", group, Way.IN, strong, ARRIVES, partial(claims.in_, letter=XML, terms=terms.STRONG))
    for token, agreed in terms.SIGNED_BY.items():
        yield from both(f"sign-{token}", group, f"the signer named by {NAMES[token]}", agreed=agreed)
    for token, agreed in terms.ENCRYPTED_FOR.items():
        for cell in both(f"encrypt-{token}", group, f"the recipient named by {NAMES[token]}", agreed=agreed):
            if cell.id != "encrypt-pkipath-in":  # WSS4J writes none
                yield cell
    for token, agreed in terms.RECEIPT_BY.items():
        what = f"our receipt's signer named by {NAMES[token]}"
        yield Cell(f"receipt-{token}", group, Way.IN, what, ARRIVES, partial(claims.in_, letter=XML, terms=agreed))


NAMES = {
    "bst": "a BinarySecurityToken",
    "pkipath": "a PKIPath",
    "ski": "SubjectKeyIdentifier",
    "issuer-serial": "issuer and serial number",
    "thumbprint": "thumbprint",
}
