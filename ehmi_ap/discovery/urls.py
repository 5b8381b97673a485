"""URLs of an SMP, and what makes a URL one that may be asked (spec/discovery.md 2.1, 2.7)."""

import ipaddress
from urllib.parse import quote, urlsplit

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import Dialect
from ehmi_ap.model import Participant

EBCORE = "urn:oasis:names:tc:ebcore:partyid-type:"
_PREFIX = {"oasis2": "/bdxr-smp-2"}  # OASIS SMP 2.0, 5.3.2; an SMP may speak several dialects at one base


def group_url(base: str, dialect: Dialect, participant: Participant, *, joint: str = ":") -> str:
    """The URL of the participant's ServiceGroup.

    Args:
        base: the SMP's URL, with or without a path, ending in slashes or not.
        joint: what stands between type and id of an ebCore Party Id: the EC's SMPs have ":", the text of OASIS "::".
    """
    scheme = participant.scheme or ""
    if scheme.lower().startswith(EBCORE):
        name = f"{scheme}{joint}{participant.value}"
    else:
        name = _name(scheme, participant.value, dialect)
    return f"{base.rstrip('/')}{_PREFIX.get(dialect, '')}/{_segment(name)}"


def service_metadata_url(
    base: str, dialect: Dialect, participant: Participant, document: Identifier, *, joint: str = ":"
) -> str:
    """The URL of the participant's ServiceMetadata for a document type; arguments as group_url()."""
    name = _name(document.scheme or "", document.value, dialect)
    return f"{group_url(base, dialect, participant, joint=joint)}/services/{_segment(name)}"


def _name(scheme: str, value: str, dialect: Dialect) -> str:
    return f"{scheme}::{value}" if scheme or dialect != "oasis2" else value


def _segment(text: str) -> str:
    """Everything but the unreserved characters of RFC 3986 is escaped, a slash too."""
    return quote(text, safe="")


def refusal(url: str, *, https_only: bool, private: bool) -> str | None:
    """Why a URL from DNS, an SMP or a redirect must not be asked or sent to; None when it may.

    Only what the URL shows is judged. Which address a name has, the network looks at when it connects.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in ("https", "http") or not host or any(not "!" <= c <= "~" for c in url):
        return "it is not an http or https URL"
    if https_only and parts.scheme != "https":
        return "it is not https"
    if parts.username is not None or parts.fragment:
        return "it has a user or a fragment"
    if not private and _is_private(host):
        return "it names an address that is not a public one"
    return None


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = address.ipv4_mapped if address.version == 6 else None
    return not (mapped or address).is_global
