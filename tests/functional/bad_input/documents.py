"""A right ehmiSBDH to change, and what the header of its message has to say."""

import itertools
import re
from datetime import UTC, datetime
from uuid import UUID

from lxml import etree

from ehmi_ap.demo.envelope import standard_business_document

_NUMBERS = itertools.count(1)
DOCUMENT = standard_business_document(
    now=datetime(2026, 11, 23, 12, 0, tzinfo=UTC), new_uuid=lambda: UUID(int=next(_NUMBERS), version=4)
)
_SCOPES = {
    scope.findtext("{*}Type"): scope.findtext("{*}InstanceIdentifier") or ""
    for scope in etree.fromstring(DOCUMENT).iter("{*}Scope")
}
PATIENT = _SCOPES["PATIENTID"]
"""The invented patient's number."""
_ENDS = re.findall(rb'<Identifier Authority="([^"]+)">([^<]+)<', DOCUMENT)[:2]
CORNERS = "".join(
    f'<eb:Property name="{name}" type="{scheme.decode()}">{value.decode()}</eb:Property>'
    for name, (scheme, value) in zip(("originalSender", "finalRecipient"), _ENDS, strict=True)
)
