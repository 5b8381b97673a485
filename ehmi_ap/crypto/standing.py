"""What OCSP and CRLs share: the word on a certificate, and what their signatures and clocks are held to."""

from datetime import timedelta
from enum import StrEnum

from cryptography.hazmat.primitives import hashes

SKEW = timedelta(minutes=5)
"""How far our clock may be behind that of a responder or CA."""

SHA2 = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
"""The hashes that an answer may be signed with."""


class Standing(StrEnum):
    """Is a certificate revoked? From the best to the worst."""

    GOOD = "good"
    UNAVAILABLE = "unavailable"  # nobody gave an answer that may be believed; a later try may
    UNKNOWN = "unknown"  # whoever could be asked does not know it, or it names nobody
    REVOKED = "revoked"
