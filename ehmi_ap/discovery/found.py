"""What a look-up was asked for, what it found, and every step on the way with its evidence."""

from dataclasses import dataclass
from datetime import datetime

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.errors import (
    DiscoveryError,
    Misconfigured,
    NotRegistered,
    NotSupported,
    Unavailable,
    Untrusted,
)
from ehmi_ap.model import Participant


@dataclass(frozen=True, slots=True)
class Identifier:
    """A document type or process identifier, in the spelling it was given in; `scheme` None: it has none."""

    value: str
    scheme: str | None = None

    def __str__(self) -> str:
        return f"{self.scheme}::{self.value}" if self.scheme else self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Whose endpoint is looked for, and for what."""

    participant: Participant
    document: Identifier
    process: Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the receiver's access point is, as its SMP publishes it.

    `encryption` is the certificate to encrypt for; `signing` are those that may sign the receipts: the same one
    unless the SMP publishes one for each use (OASIS SMP 2.0). The times are aware; None is unbounded. It expires with
    the time for which one of these certificates is published, too.
    """

    url: str
    transport_profile: str
    encryption: Certificate
    signing: tuple[Certificate, ...]
    activates: datetime | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a look-up: what was done, what was seen, and whether the look-up could go on from it.

    `warning` marks what did not stop it and should be looked at all the same.
    """

    what: str
    evidence: str
    ok: bool = True
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The endpoint, with what proves it. `usable_until` is the end of the endpoint, or of a certificate on the way."""

    endpoint: Endpoint
    steps: tuple[Step, ...]
    usable_until: datetime
    smp: str = ""  # the URL that the metadata came from, a redirect followed
    signer: str = ""  # subject of the certificate that the metadata is signed with
    metadata: bytes = b""  # as it was signed, to be judged again
    last_modified: str | None = None
    ttl: int | None = None  # seconds that the DNS answers may be kept; None: no DNS was asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Why there is no endpoint; the last step is the one that failed."""

    error: DiscoveryError
    steps: tuple[Step, ...]


Result = Found | Missed

FOUND = "found"
OUTCOMES = (FOUND, *(each.outcome for each in (NotRegistered, NotSupported, Unavailable, Untrusted, Misconfigured)))
"""The words for what a look-up came to (design decision 14)."""
