"""The DNS name under which the SML has a participant (OASIS BDX Location 1.0, Peppol SML 1.3, BUSDOX).

Rules: only the hash is made of the folded identifier; the identifier itself stays as it is. The form is the network's
`naming`; what a participant lacks (a scheme, the four digits of its ISO 6523 code) drops out of the name.
"""

import base64
import hashlib
import re

from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.identifiers import ebcore
from ehmi_ap.discovery.network import Naming
from ehmi_ap.model import Participant

LEGACY = Naming(digest="md5", encoding="hex", prefix="B-")
"""BUSDOX: an address record or CNAME, under which the SMP is at port 80."""

_LABEL = re.compile(r"[A-Za-z0-9_*](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_ICD = re.compile(r"([0-9]{4}):")
_LONGEST = 253


def dns_name(participant: Participant, zone: str, naming: Naming) -> str:
    """The name to ask for, absolute and without its last dot (spec/discovery.md 1.1).

    An ebCore party id is hashed as its whole URN, and has no scheme in its name.

    Raises:
        Misconfigured: scheme or zone make no DNS name.
    """
    urn = ebcore(participant)
    value, scheme = (urn, None) if urn else (participant.value, participant.scheme)
    icd = _ICD.match(value)
    name = naming.template.format(
        hash=_label(f"{scheme}::{value}" if scheme and naming.hashed == "scheme::value" else value, naming),
        scheme=(scheme or "").lower(),
        icd=icd[1] if icd else "",
        zone=zone,
    )
    labels = [label for label in name.split(".") if label]
    name = ".".join(labels)
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise fault("DOMAIN_NAME_SYNTAX_ERROR", f"{name[:_LONGEST]} is no DNS name")
    return name


def _label(text: str, naming: Naming) -> str:
    if text == "*":  # BUSDOX has participants of every identifier
        return text
    digest = hashlib.new(naming.digest, text.lower().encode(), usedforsecurity=False).digest()
    code = digest.hex() if naming.encoding == "hex" else base64.b32encode(digest).decode().rstrip("=").lower()
    return naming.prefix + code
