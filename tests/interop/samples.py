"""Payloads: one of each kind that is awkward in its own way."""

import json
import random
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from ehmi_ap.demo.envelope import standard_business_document
from tests.bench.floor import fhir_like
from tests.interop.letters import Part

XML = Part(
    data=b'<?xml version="1.0" encoding="UTF-8"?>\n<b:svar xmlns:b="urn:b" xmlns="urn:a"\tz="2" a="1"><e/>\xc3\xa6\xc3\xb8\xc3\xa5 &#x20ac;</b:svar>\n'
)
"""Not in canonical form: a declaration, attributes out of order, an empty element, a character reference."""

JSON = Part(
    data=json.dumps({"resourceType": "Bundle", "navn": "Lægerne på Torvet"}, ensure_ascii=False, indent=2).encode(),
    mime_type="application/json",
    ending=".json",
)
TEXT = Part(data="én\r\nto\ntre\rfire\n\r\n\rslut".encode(), mime_type="text/plain", ending=".txt")
"""Line ends of every kind, and none at the end: a digest over text normalises them, a delivery must not."""

PDF = Part(
    data=b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\r\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n--\r\n%%EOF\n",
    mime_type="application/pdf",
    ending=".pdf",
)
EMPTY = Part(data=b"", mime_type="application/octet-stream", ending=".bin")

KINDS = {"xml": XML, "json": JSON, "text": TEXT, "pdf": PDF, "empty": EMPTY}


@cache
def sized(size: int, mime_type: str = "application/xml") -> Part:
    """XML of this size, as compressible as FHIR is."""
    entries = b"".join(fhir_like(size))
    start, end = b"<Bundle>", b"</Bundle>"
    whole = entries[: entries.rindex(b"\n", 0, size - len(start) - len(end))]
    return Part(data=start + whole.ljust(size - len(start) - len(end)) + end, mime_type=mime_type)


@cache
def envelope() -> Part:
    """An ehmiSBDH with a HomeCareObservation; everybody in it is invented."""
    numbers = random.Random(4)
    document = standard_business_document(
        now=datetime.now(UTC), new_uuid=lambda: UUID(int=numbers.getrandbits(128), version=4)
    )
    return Part(data=document)
