"""The URLs at which an SMP has groups and metadata (Peppol SMP 1.4, OASIS SMP 1.0 and 2.0).

Rules: every identifier is one path segment, in which all but unreserved characters is percent-encoded (RFC 3986 2.3),
and is sent as it is written here.
"""

from collections.abc import Sequence
from urllib.parse import quote

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.identifiers import ebcore
from ehmi_ap.model import Participant

SMP2 = "bdxr-smp-2"
_SERVICES = "/services/"


def group_urls(base: str, participant: Participant, *, smp2: bool) -> tuple[str, ...]:
    """The URLs of a participant's ServiceGroup below an SMP's base URL, the preferred form first."""
    root = f"{base.rstrip('/')}/{SMP2}" if smp2 else base.rstrip("/")
    return tuple(f"{root}/{_encoded(text)}" for text in _participant(participant, smp2=smp2))


def metadata_urls(base: str, participant: Participant, document: Identifier, *, smp2: bool) -> tuple[str, ...]:
    """The URLs of the metadata for one document, in the same forms."""
    name = _encoded(_joined(document.scheme, document.value, smp2=smp2))
    return tuple(f"{each}{_SERVICES}{name}" for each in group_urls(base, participant, smp2=smp2))


def redirected(href: str, participant: Participant, document: Identifier, *, smp2: bool) -> str:
    """Where a redirect leads: to metadata, or to the base URL of an SMP, as either is seen in redirects (2.7)."""
    if _SERVICES in href:
        return href
    return metadata_urls(href, participant, document, smp2=smp2)[0]


def shapes(service: str | None, dialects: Sequence[str]) -> tuple[bool, ...]:
    """Whether to ask by the URLs of SMP 2.0, of 1.0, or both in this order.

    A service of SMP 2.0 has its URLs only. `Meta:SMP` may stand for both, as may a configured SMP:
    then the network's dialects decide.
    """
    if service is not None and service.lower().startswith("oasis-bdxr-smp-2"):
        return (True,)
    return tuple(dict.fromkeys(dialect == "oasis2" for dialect in dialects))


def _participant(participant: Participant, *, smp2: bool) -> tuple[str, ...]:
    """An ebCore id as the European Commission joins it, then as the text of OASIS SMP does (1.3)."""
    urn = ebcore(participant)
    if urn is None:
        return (_joined(participant.scheme, participant.value, smp2=smp2),)
    return tuple(dict.fromkeys((urn, _joined(participant.scheme, participant.value, smp2=True))))


def _joined(scheme: str | None, value: str, *, smp2: bool) -> str:
    """`scheme::value`; without a scheme SMP 1.0 leads with `::`, and 2.0 does not."""
    return f"{scheme}::{value}" if scheme else value if smp2 else f"::{value}"


def _encoded(text: str) -> str:
    return quote(text, safe="")
