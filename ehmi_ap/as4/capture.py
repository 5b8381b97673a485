"""A captured AS4 message as a file: whatever the capturing tool left of HTTP, made into a Wire (for inspect).

Taken as they come, with CRLF or bare LF and with or without a byte order mark:

- an HTTP request or response as on the wire, its status line with or without a reason; interim 1xx answers before it;
- header lines without a first line, as logs keep them, or the header of a MIME message;
- a multipart body without any header: the boundary is that of the first line that starts with ``--``;
- a bare SOAP envelope.

Transfer-Encoding and Content-Encoding are undone where the bytes still have them: a log often keeps the header line
of an encoding that it has undone itself. Everything is bounded by the size of the file, but for gzip, which has a
bound of its own.
"""

import re
from dataclasses import dataclass

from ehmi_ap.as4.compression import Gunzip
from ehmi_ap.as4.mime import media_type
from ehmi_ap.as4.names import MULTIPART_TYPE, SOAP_CONTENT_TYPE, SOAP_TYPE
from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import DecompressionFailure, HttpRefusal
from ehmi_ap.model import Wire

HEAD_BYTES = 65536
INFLATED_BYTES = 1024**3
_BOM = b"\xef\xbb\xbf"
_GIVE_ANOTHER = "Capture the whole HTTP request or response, its MIME body, or the SOAP envelope."
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Capture:
    """What was captured. `complete` is False for a bare envelope without headers: its parts may just not be there."""

    wire: Wire
    complete: bool


def read_capture(data: bytes) -> Capture:
    """Find the AS4 message in a captured file.

    Raises:
        HttpRefusal: there is nothing in it that could be one (no body, no envelope, no multipart).
    """
    status, headers, body = _head(data.removeprefix(_BOM))
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _unchunked(body)
    elif headers.get("content-length", "").isdecimal():
        body = body[: int(headers["content-length"])]  # what follows is the next message on the connection
    if headers.get("content-encoding", "").lower() in ("gzip", "x-gzip") and body.startswith(_GZIP_MAGIC):
        body = _inflated(body)
    content_type = headers.get("content-type", "")
    if not _is_as4(content_type):
        content_type = _guess(body)
    wire = Wire(content_type=content_type, body=MemoryBody(body), status=status)
    return Capture(wire, complete=bool(headers) or not content_type.startswith(SOAP_TYPE))


def _head(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields (names in lower case) and the rest; 200 and none where there is no head."""
    while True:
        head = _HEAD.match(data[:HEAD_BYTES])
        if head is None:
            return 200, {}, data
        status = int(head["status"] or 200)
        rest = data[head.end() :]
        if not 100 <= status < 200:
            return status, _fields(head["fields"].decode("latin-1")), rest
        data = rest


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in _FOLD.sub(" ", text).splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _unchunked(body: bytes) -> bytes:
    """The chunks joined (RFC 9112 7.1); the body itself where it is not chunked any more; cut short, what is there."""
    chunks: list[bytes] = []
    at = 0
    while (size := _CHUNK_SIZE.match(body, at)) is not None:
        length = int(size[1], 16)
        chunks.append(body[size.end() : size.end() + length])
        at = size.end() + length
        if length == 0:
            break
    return b"".join(chunks) if chunks else body


def _inflated(body: bytes) -> bytes:
    gunzip = Gunzip(INFLATED_BYTES)
    try:
        inflated = b"".join(gunzip.feed(body))
        gunzip.finish()
    except DecompressionFailure:
        raise HttpRefusal(400, "The gzip content encoding of the capture is damaged.", fix=_GIVE_ANOTHER) from None
    return inflated


def _is_as4(content_type: str) -> bool:
    """Whether the header says enough to read the body by."""
    try:
        kind, parameters = media_type(content_type)
    except ValueError:
        return False
    return kind == SOAP_TYPE or (kind == MULTIPART_TYPE and bool(parameters.get("boundary")))


def _guess(body: bytes) -> str:
    """The Content-Type that the body itself suggests."""
    if body.removeprefix(_BOM).lstrip().startswith(b"<"):
        return SOAP_CONTENT_TYPE
    first = _FIRST_DELIMITER.search(body, 0, HEAD_BYTES)
    if first is None:
        raise HttpRefusal(400, "There is no SOAP envelope and no multipart message in the capture.", fix=_GIVE_ANOTHER)
    return f'{MULTIPART_TYPE}; boundary="{first[1].decode("latin-1")}"; type="{SOAP_TYPE}"'


_HEAD = re.compile(
    rb"(?:\r?\n)*(?:HTTP/[0-9.]+[ ](?P<status>[0-9]{3})[^\r\n]*\r?\n|[A-Z]+[ ][^\s]+[ ]HTTP/[0-9.]+\r?\n)?"
    rb"(?P<fields>(?:(?!--)[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)*)\r?\n"
)
_FOLD = re.compile(r"\r?\n[ \t]+")
_CHUNK_SIZE = re.compile(rb"(?:\r?\n)?([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_FIRST_DELIMITER = re.compile(
    rb"^--([\x21\x23-\x5b\x5d-\x7e](?:[\x20\x21\x23-\x5b\x5d-\x7e]{0,198}[\x21\x23-\x5b\x5d-\x7e])?)[ \t]*\r?$",
    re.MULTILINE,
)
