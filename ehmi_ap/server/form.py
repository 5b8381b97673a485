"""multipart/form-data as it arrives (RFC 7578, RFC 2046 5.1.1): events out of chunks, no I/O.

Everything is bounded before it is kept: preamble, header block, number of parts; only a delimiter's length of a
part's bytes is ever held back. What does not fit the grammar is refused, never guessed at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ehmi_ap.errors import RequestRefused

PREAMBLE = 1024
HEADER_BYTES = 16384
PARTS = 101

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))')


@dataclass(frozen=True, slots=True)
class FormPart:
    """The start of a part: its field name and its Content-Type (None: it has none)."""

    name: str
    content_type: str | None


class End(Enum):
    """The end of a part."""

    OF_PART = "end of part"


Event = FormPart | bytes | End


class _At(Enum):
    PREAMBLE = 1
    DELIMITER = 2
    HEADERS = 3
    BODY = 4
    EPILOGUE = 5


class FormReader:
    """Turns chunks into events: FormPart, its bytes in pieces, End.OF_PART, and so on for each part.

    Every method raises RequestRefused (400, 413, 431) when the body is not well formed or over a budget.
    """

    def __init__(self, boundary: str | None) -> None:
        if boundary is None or not _BOUNDARY.fullmatch(boundary):
            raise _bad("the Content-Type of the request has no usable boundary")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._buffer = b"\r\n"  # the first delimiter may stand at the very start, without the line end before it
        self._at = _At.PREAMBLE
        self._parts = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete."""
        self._buffer += data
        while True:
            before = (self._at, len(self._buffer))
            event = self._step()
            if event is not None:
                yield event
            elif (self._at, len(self._buffer)) == before:
                return

    def finish(self) -> None:
        """The body is over: raises unless the closing delimiter was seen."""
        if self._at is not _At.EPILOGUE:
            raise _bad("the body ends before its closing boundary")

    def _step(self) -> Event | None:
        if self._at is _At.HEADERS:
            return self._headers()
        if self._at is _At.BODY:
            return self._body()
        if self._at is _At.PREAMBLE:
            self._preamble()
        elif self._at is _At.DELIMITER:
            self._after_delimiter()
        else:
            self._buffer = b""  # an epilogue says nothing
        return None

    def _preamble(self) -> None:
        found = self._buffer.find(self._delimiter)
        if found < 0 and len(self._buffer) > PREAMBLE + len(self._delimiter):
            raise _bad("the boundary does not occur at the start of the body")
        if found >= 0:
            self._buffer = self._buffer[found + len(self._delimiter) :]
            self._at = _At.DELIMITER

    def _after_delimiter(self) -> None:
        if self._buffer.startswith(b"--"):
            self._at = _At.EPILOGUE
            return
        end = self._buffer.find(b"\r\n", 0, 128)
        if end < 0 and len(self._buffer) < 128:
            return
        if end < 0 or self._buffer[:end].strip(b" \t"):
            raise _bad("a boundary is followed by something else than the end of its line")
        self._buffer = self._buffer[end:]  # the line end stays: a header block may be empty
        self._at = _At.HEADERS

    def _headers(self) -> FormPart | None:
        end = self._buffer.find(b"\r\n\r\n", 0, HEADER_BYTES + 4)
        if end < 0:
            if len(self._buffer) > HEADER_BYTES:
                raise RequestRefused(431, "The headers of a part are too large.")
            return None
        rest = self._buffer[end + 2 :]
        if len(rest) < len(self._delimiter) and self._delimiter.startswith(rest):
            return None  # the blank line's end may be the delimiter's too, where a part has no body
        self._parts += 1
        if self._parts > PARTS:
            raise RequestRefused(413, f"The form has more than {PARTS} parts.")
        part = _part(self._buffer[:end])
        self._buffer = rest if rest.startswith(self._delimiter) else rest[2:]
        self._at = _At.BODY
        return part

    def _body(self) -> bytes | End | None:
        found = self._buffer.find(self._delimiter)
        if found == 0:
            self._buffer = self._buffer[len(self._delimiter) :]
            self._at = _At.DELIMITER
            return End.OF_PART
        ready = found if found > 0 else len(self._buffer) - len(self._delimiter) + 1
        if ready <= 0:
            return None
        piece, self._buffer = self._buffer[:ready], self._buffer[ready:]
        return piece


def _part(block: bytes) -> FormPart:
    try:
        lines = block.decode("utf-8").split("\r\n")
    except UnicodeDecodeError:
        raise _bad("the headers of a part are not UTF-8") from None
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or name[0] in " \t" or name.lower().strip() in headers:
            raise _bad("a header line of a part is malformed or repeated")
        headers[name.lower().strip()] = value.strip()
    if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        raise _bad("a part has a Content-Transfer-Encoding")
    return FormPart(_field_name(headers.get("content-disposition", "")), headers.get("content-type"))


def _field_name(disposition: str) -> str:
    kind, _, _ = disposition.partition(";")
    if kind.strip().lower() == "form-data":
        for key, quoted, plain in _PARAMETER.findall(disposition):
            if key.lower() == "name":
                return re.sub(r"\\(.)", r"\1", quoted) if quoted else str(plain)
    raise _bad("a part has no Content-Disposition: form-data with a name")


def _bad(what: str) -> RequestRefused:
    return RequestRefused(400, f"The form is not well formed: {what}.")
