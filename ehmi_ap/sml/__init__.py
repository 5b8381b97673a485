"""A client of the SML's management service (BDMSL), for who operates an SMP; an access point itself never calls it.

Rules of this room:
- Only the command line imports it, and nothing else knows zeep (an import contract): an access point reads what an SML
  and SMPs publish, and writes to neither.
- Everything that is asked is checked before anything is sent (SmlInput), and nothing is sent twice.
- An answer is bounded, parsed by crypto.safexml and judged here; zeep makes the requests and reads the values of a
  result, both by sml.wsdl alone. It fetches nothing and sees no bytes that came from elsewhere.

    context = client_context(certificate=Path("smp.pem"))    # ehmi_ap.net.tls
    with Sml("https://api.sml.test.tech.peppol.org/edelivery-sml", context) as sml:
        sml.create("MY-SMP", [Participant("0088:5790000121526", "iso6523-actorid-upis")])
"""

from ehmi_ap.sml.faults import (
    SmlBadRequest,
    SmlError,
    SmlInput,
    SmlInternalError,
    SmlNotFound,
    SmlTls,
    SmlUnauthorized,
    SmlUnavailable,
    SmlUnreadable,
)
from ehmi_ap.sml.service import Sml
from ehmi_ap.sml.values import Publisher, new_migration_key

__all__ = [
    "Publisher",
    "Sml",
    "SmlBadRequest",
    "SmlError",
    "SmlInput",
    "SmlInternalError",
    "SmlNotFound",
    "SmlTls",
    "SmlUnauthorized",
    "SmlUnavailable",
    "SmlUnreadable",
    "new_migration_key",
]
