"""What the digest of a part is over: the Attachment-Content-Signature-Transform (WSS SwA profile; as4-wire 3.3).

The part's media type chooses: XML is canonicalised, text gets CRLF line ends, all else (every gzip) is taken as it is.
Only the digest sees the changed bytes; what is delivered is the original (as4-wire 9.5).
"""

import codecs
import re
from typing import Protocol

from ehmi_ap.crypto.c14n import canonical_document
from ehmi_ap.crypto.dsig import Digester
from ehmi_ap.crypto.safexml import XmlLimits, parse
from ehmi_ap.errors import BudgetExceeded, MalformedXml

XML_BYTES = 16 * 1024**2
"""Budget on an uncompressed XML part: canonicalisation needs it whole, in memory."""

_LIMITS = XmlLimits(
    bytes=XML_BYTES,
    elements=500_000,
    attributes=500_000,
    namespaces=10_000,
    depth=256,
    attributes_per_element=256,
)
_XML = re.compile(r"(text/xml|application/xml|(application|image)/.*\+xml)", re.IGNORECASE)
_DECLARATION = re.compile(rb"<\?xml\s[^>]*\?>")
_DECLARED = re.compile(rb"""\sencoding\s*=\s*["'](?P<name>[A-Za-z0-9._-]{1,40})["']""")
_ENCODINGS = ("utf-16", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")
_TEXT = re.compile(r"text/", re.IGNORECASE)


class ContentDigest(Protocol):
    """A digest being taken, chunk by chunk."""

    def update(self, data: bytes | bytearray | memoryview) -> None: ...

    def digest(self) -> bytes: ...


def is_xml(media_type: str) -> bool:
    """Whether the digest of such a part is over its canonical form, for which it has to be parsed."""
    return _XML.match(media_type) is not None


def content_digest(media_type: str, digest_uri: str) -> ContentDigest:
    """The digest that the signature transform takes of a part of this type (its Content-Type, parameters allowed).

    Its digest() raises MalformedXml for an XML part that is none; update() BudgetExceeded above XML_BYTES.
    """
    if is_xml(media_type):
        return _XmlDigest(digest_uri)
    if _TEXT.match(media_type):
        return _TextDigest(digest_uri)
    return Digester(digest_uri)


class _XmlDigest:
    """Over the exclusive canonical form, without comments, of the whole document."""

    def __init__(self, digest_uri: str) -> None:
        self._digest = Digester(digest_uri)
        self._data = bytearray()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        if len(self._data) + len(data) > XML_BYTES:
            raise BudgetExceeded("bytes of an uncompressed XML part", XML_BYTES)
        self._data += data

    def digest(self) -> bytes:
        root = parse(_utf8(bytes(self._data)), _LIMITS, instructions=True)
        self._digest.update(canonical_document(root))
        return self._digest.digest()


class _TextDigest:
    """Over the text with every CR, LF and CRLF written as CRLF."""

    def __init__(self, digest_uri: str) -> None:
        self._digest = Digester(digest_uri)
        self._after_cr = False

    def update(self, data: bytes | bytearray | memoryview) -> None:
        text = bytes(data)
        if self._after_cr and text.startswith(b"\n"):  # the CRLF was cut in two
            text = text[1:]
        if data:
            self._after_cr = bytes(data[-1:]) == b"\r"
        self._digest.update(text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n"))

    def digest(self) -> bytes:
        return self._digest.digest()


def _utf8(data: bytes) -> bytes:
    """The document in UTF-8, from UTF-16 or from the encoding its declaration names (XML 1.0 appendix F)."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:  # however it is laid out: the declaration is in no digest, and C4 must not read another text than we did
        declaration = _DECLARATION.match(data)
        declared = _DECLARED.search(declaration[0]) if declaration else None
        encoding = declared["name"].decode().lower() if declared else "utf-8"
    if encoding == "utf-8":
        return data
    if encoding not in _ENCODINGS:
        raise MalformedXml("an uncompressed XML part in an encoding that is not read here")
    try:
        return data.decode(encoding).encode()
    except UnicodeError:
        raise MalformedXml("an uncompressed XML part is not in the encoding it names") from None
