"""What an SMP publishes, as nouns that all three dialects share (spec/discovery.md 2.2).

Dialects: `peppol` (Peppol SMP 1.x, BUSDOX), `oasis1` (OASIS BDXR SMP 1.0) and `oasis2` (OASIS SMP 2.0). What only
informs people (description, contacts, required signatures, extensions) is not read.
"""

import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.distinguished import same_name
from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.errors import XmlSecurityError
from ehmi_ap.model import Participant

Dialect = Literal["peppol", "oasis1", "oasis2"]
Use = Literal["any", "sign", "encrypt", "other"]

_ARMOUR = re.compile(r"-----(?:BEGIN|END)[A-Z0-9 ]*-----")
_MAX_TEXT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCertificate:
    """A certificate as published; `fault` says why it cannot be used, where it cannot.

    `use` is what it is for: `other` stands for a TypeCode (OASIS SMP 2.0) that names neither signing nor encryption.
    """

    certificate: Certificate | None
    use: Use = "any"
    type_code: str | None = None
    activates: datetime | None = None
    expires: datetime | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEndpoint:
    """An endpoint as published, usable or not. Times are aware, None is unbounded; `fault`: one could not be read."""

    transport_profile: str
    url: str | None
    certificates: tuple[PublishedCertificate, ...]
    activates: datetime | None = None
    expires: datetime | None = None
    fault: str | None = None

    def active_at(self, at: datetime) -> bool:
        """From the moment of activation on, and before that of expiration."""
        begun = self.activates is None or self.activates <= at
        return self.fault is None and begun and (self.expires is None or at < self.expires)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a redirect leads, and who has to have signed what is there (spec/discovery.md 2.7).

    `subject` is the CertificateUID of the 1.x dialects; `certificates` those of OASIS SMP 2.0, where none says nothing.
    """

    href: str
    subject: str | None = None
    certificates: tuple[PublishedCertificate, ...] = ()

    def accepts(self, signer: Certificate) -> bool:
        """Whether `signer` is the one that was announced; names are compared by their RDNs."""
        if self.subject is not None:
            return bool(self.subject) and same_name(self.subject, signer.x509.subject)
        return not self.certificates or any(each.certificate == signer for each in self.certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The endpoints of some processes; no `identifiers`: of any (OASIS SMP 2.0, which may redirect for each)."""

    identifiers: tuple[Identifier, ...]
    endpoints: tuple[PublishedEndpoint, ...] = ()
    redirect: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """ServiceMetadata: a participant's endpoints for one document type. `signature` is None in what we write."""

    dialect: Dialect
    participant: Participant
    document: Identifier
    processes: tuple[Process, ...]
    signature: Enveloped | None = field(default=None, repr=False)

    @property
    def endpoints(self) -> tuple[tuple[Process, PublishedEndpoint], ...]:
        """All endpoints in the order of the document, each with its process."""
        return tuple((process, endpoint) for process in self.processes for endpoint in process.endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """ServiceMetadata that another SMP has (Peppol and OASIS SMP 1.0)."""

    dialect: Dialect
    target: Target
    signature: Enveloped | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A document type in a ServiceGroup; `document` is None where its URL could not be understood."""

    document: Identifier | None
    href: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """ServiceGroup: the document types of a participant. Not signed; with OASIS SMP 2.0 it may be."""

    dialect: Dialect
    participant: Participant
    references: tuple[Reference, ...]
    signature: Enveloped | None = field(default=None, repr=False)

    @property
    def documents(self) -> tuple[Identifier, ...]:
        return tuple(each.document for each in self.references if each.document is not None)


Document = Metadata | Redirect | Group


def certificate_of(text: str) -> tuple[Certificate | None, str | None]:
    """The certificate that a text stands for, or why there is none (spec/discovery.md 2.5).

    SMPs publish base64 with any white space in it, PEM, and base64 of PEM.
    """
    try:
        data = _decoded(text)
        if data.startswith(b"-----BEGIN"):
            data = _decoded(data.decode("ascii"))
        return Certificate.from_der(data), None
    except XmlSecurityError as error:
        return None, error.what
    except ValueError:  # of base64 and of ASCII; it says nothing that helps
        return None, "the text is not a certificate in base64"


def _decoded(text: str) -> bytes:
    if len(text) > _MAX_TEXT:
        raise ValueError
    return binascii.a2b_base64("".join(_ARMOUR.sub("", text).split()), strict_mode=True)
