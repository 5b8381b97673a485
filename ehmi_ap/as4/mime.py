"""multipart/related and bare SOAP, read in place and written without copying (as4-wire 1.1, 1.2, 9; RFC 2046, 2387).

Reading finds the delimiters in one pass over the body and makes every part a slice of it. Rules:

- The line end before a delimiter belongs to the delimiter; nothing else is ever cut off a part.
- Bare LF counts as a line end as well as CRLF; an empty line before the first delimiter and a missing line end
  after the last are as good as none (Oxalis, Domibus; peers-live 2).
- The root is the part that `start` names, otherwise the first; whoever reads gets it first.
- Everything has a bound: preamble, header block, parts, bytes of the envelope and of each part.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import unquote

from ehmi_ap.as4.names import MULTIPART_TYPE, SOAP_CONTENT_TYPE, SOAP_TYPE
from ehmi_ap.as4.transfer import FalseEncoding, undo
from ehmi_ap.body import Body, Joined, MemoryBody, Slice
from ehmi_ap.errors import HttpRefusal, MimeInconsistency
from ehmi_ap.model import Wire


@dataclass(frozen=True, slots=True)
class MimeLimits:
    """Budgets: `parts` counts the root too; `part_bytes` is for one part, the others are bytes as well."""

    parts: int = 101
    header_bytes: int = 16384
    preamble: int = 1024
    soap_bytes: int = 262144
    part_bytes: int = 4 * 1024**3


DEFAULT_LIMITS = MimeLimits()


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part. Header names in lower case; `content_id` without angle brackets; `body` has its CTE undone."""

    headers: Mapping[str, str]
    content_id: str | None
    content_type: str
    body: Body


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """Type/subtype and parameters, names in lower case; tolerant of quotes, case and order.

    Raises ValueError when there is no type/subtype, a quoted string without end, or a parameter twice.
    """
    head = _TYPE.match(value)
    if head is None:
        raise ValueError("no media type")
    parameters: dict[str, str] = {}
    at = head.end()
    while (match := _PARAMETER.match(value, at)) is not None:
        at = match.end()
        name, quoted, plain = match["name"], match["quoted"], match["plain"]
        if name is None:
            continue  # an empty parameter: `;;` or a `;` at the end
        if name.lower() in parameters or (plain is not None and plain.startswith('"')):
            raise ValueError("a parameter twice, or a quoted string without end")
        parameters[name.lower()] = plain.strip() if quoted is None else _unescaped(quoted)
    if at != len(value):
        raise ValueError("unreadable parameters")
    return head["type"].lower(), parameters


def _unescaped(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted


def read(wire: Wire, limits: MimeLimits = DEFAULT_LIMITS) -> list[Part]:
    """The parts, root (the SOAP envelope) first; a bare application/soap+xml is one part.

    Raises HttpRefusal with the status of as4-wire 6.4 (400, 413, 415, 431).
    """
    try:
        kind, parameters = media_type(wire.content_type)
    except ValueError:
        raise HttpRefusal(415, "The Content-Type is missing or unreadable.") from None
    if kind == SOAP_TYPE:
        _check_size(wire.body, limits.soap_bytes, "SOAP envelope")
        return [Part({"content-type": wire.content_type}, None, wire.content_type, wire.body)]
    if kind != MULTIPART_TYPE or parameters.get("type", SOAP_TYPE).lower() != SOAP_TYPE:
        raise HttpRefusal(415, "The Content-Type is neither multipart/related nor application/soap+xml.")
    boundary = parameters.get("boundary", "")
    if not 0 < len(boundary) <= _BOUNDARY_LENGTH or not boundary.isascii():
        raise HttpRefusal(400, "The Content-Type has no usable boundary.")
    return _multipart(wire.body, boundary.encode(), parameters.get("start"), limits)


def find(parts: Sequence[Part], href: str) -> int | None:
    """Index of the part that a `cid:` URI names: the raw id first, then percent-decoded (as4-wire 1.2)."""
    if not href.startswith("cid:"):
        return None
    raw = href[len("cid:") :]
    for wanted in (raw, unquote(raw)):
        for index, part in enumerate(parts):
            if part.content_id == wanted:
                return index
    return None


def check_content_ids(parts: Sequence[Part]) -> None:
    """Every part but the root has a Content-ID of its own. Raises MimeInconsistency (0007)."""
    seen = {parts[0].content_id} if parts else set()
    for part in parts[1:]:
        if not part.content_id:
            raise MimeInconsistency("a MIME part has no Content-ID")
        if part.content_id in seen:
            raise MimeInconsistency("two MIME parts have the same Content-ID")
        seen.add(part.content_id)


def join(root: bytes, parts: Sequence[tuple[str, str, Body]], boundary: str) -> Wire:
    """multipart/related of the root and (content id, content type, body) parts; no parts: bare application/soap+xml.

    Nothing is read; the size is known. `boundary` occurs in no part. Raises ValueError for a boundary, id or type
    that would break the header it goes into.
    """
    if not parts:
        return Wire(content_type=SOAP_CONTENT_TYPE, body=MemoryBody(root))
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError("the boundary is not of RFC 2046 characters")
    ids = {content_id for content_id, _, _ in parts}
    root_id = next(name for name in (f"root{n or ''}@soap" for n in range(len(ids) + 1)) if name not in ids)
    bodies: list[Body] = [_head("", boundary, root_id, SOAP_CONTENT_TYPE), MemoryBody(root)]
    for content_id, content_type, body in parts:
        bodies += (_head("\r\n", boundary, content_id, content_type), body)
    bodies.append(MemoryBody(f"\r\n--{boundary}--\r\n".encode("ascii")))
    return Wire(
        content_type=f'{MULTIPART_TYPE}; boundary="{boundary}"; type="{SOAP_TYPE}"; start="<{root_id}>"; '
        f'start-info="{SOAP_TYPE}"',
        body=Joined(tuple(bodies)),
    )


def _head(before: str, boundary: str, content_id: str, content_type: str) -> MemoryBody:
    if not _PLAIN.fullmatch(content_id + content_type) or "<" in content_id or ">" in content_id:
        raise ValueError("a Content-ID or Content-Type that cannot stand in a MIME header")
    return MemoryBody(
        (
            f"{before}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{content_id}>\r\n\r\n"
        ).encode("ascii")
    )


# -- reading the parts


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A delimiter line: `start` is where the line end before it begins, `stop` where the line after it begins."""

    start: int
    stop: int
    closing: bool


def _multipart(body: Body, boundary: bytes, start: str | None, limits: MimeLimits) -> list[Part]:
    delimiters = _delimiters(body, boundary, limits)
    parts = [_part(body, opening.stop, closing, limits) for opening, closing in pairwise(delimiters)]
    if not parts:
        raise HttpRefusal(400, "The multipart body has no part.")
    root = _root(parts, start)
    if _type_of(root) != SOAP_TYPE:
        raise HttpRefusal(400, "The root part is not application/soap+xml.")
    _check_size(root.body, limits.soap_bytes, "SOAP envelope")
    return [root, *(part for part in parts if part is not root)]


def _root(parts: Sequence[Part], start: str | None) -> Part:
    """The part that `start` names; the first when it names none, as phase4 takes it always (as4-wire 1.1)."""
    if start:
        for part in parts:
            if part.content_id == _bare(start):
                return part
    return parts[0]


def _type_of(part: Part) -> str | None:
    try:
        return media_type(part.content_type)[0]
    except ValueError:
        return None


def _delimiters(body: Body, boundary: bytes, limits: MimeLimits) -> list[_Delimiter]:
    """All delimiter lines up to the closing one, in one pass."""
    needle = b"\n--" + boundary
    if needle not in b"\n" + b"".join(body.chunks(0, min(limits.preamble + len(needle) + 1, body.size))):
        raise HttpRefusal(400, "The boundary is not in the body.")  # before all of it is searched
    found: list[_Delimiter] = []
    false = 0
    for start, stop in _candidates(body, needle):
        delimiter = _delimiter(body, start, stop)
        if delimiter is None:  # a longer boundary, of a multipart within a part
            false += 1
            if false > _FALSE_DELIMITERS:
                raise HttpRefusal(400, "The boundary occurs within the parts.")
            continue
        found.append(delimiter)
        if len(found) > limits.parts and not delimiter.closing:
            raise HttpRefusal(413, f"The message has more than {limits.parts} parts.")
        if delimiter.closing:
            return found
    raise HttpRefusal(400, "The multipart body is cut short.")


def _candidates(body: Body, needle: bytes) -> Iterator[tuple[int, int]]:
    """Where `needle` occurs, as (begin, end), begin moved before a CR; the body counts as if LF stood before it.

    Chunks are searched in place; only the last len(needle) bytes are carried over, the first of them just to see
    whether it is a CR.
    """
    carry = b"\n"
    before = -1  # offset of carry[0]
    offset = 0
    for chunk in body.chunks():
        edge = carry + chunk[: len(needle) - 1]
        at = edge.find(needle, 1 if len(carry) == len(needle) else 0)
        if 0 <= at < len(carry):
            after_cr = at > 0 and edge[at - 1] == _CR
            yield max(before + at - after_cr, 0), before + at + len(needle)
        at = chunk.find(needle)
        while at >= 0:
            previous = chunk[at - 1] if at else carry[-1]
            yield offset + at - (previous == _CR), offset + at + len(needle)
            at = chunk.find(needle, at + len(needle))
        offset += len(chunk)
        carry = (carry + chunk)[-len(needle) :] if len(chunk) < len(needle) else chunk[-len(needle) :]
        before = offset - len(carry)


def _delimiter(body: Body, start: int, stop: int) -> _Delimiter | None:
    """What follows the boundary: `--`, white space and a line end, or the end of the body after `--`."""
    match = _REST_OF_LINE.match(b"".join(body.chunks(stop, min(stop + _PADDING, body.size))))
    if match is None:
        return None
    closing = match["closing"] is not None
    if not closing and not match["end"]:
        return None
    return _Delimiter(start, stop + match.end(), closing)


def _part(body: Body, start: int, closing: _Delimiter, limits: MimeLimits) -> Part:
    """The part between two delimiters; `start` is the first byte of its header block."""
    block, length = _header_block(body, start, closing, limits)
    headers = _headers(block)
    content = Slice(body, min(start + length, closing.start), closing.start)
    _check_size(content, limits.part_bytes, "part")
    try:
        decoded = undo(headers.get("content-transfer-encoding", ""), content)
    except FalseEncoding as error:
        raise HttpRefusal(400, f"A part of the message has a wrong Content-Transfer-Encoding: {error}.") from None
    return Part(
        headers=headers,
        content_id=_bare(headers.get("content-id", "")) or None,
        content_type=headers.get("content-type") or "text/plain",  # RFC 2045 5.2
        body=decoded,
    )


def _header_block(body: Body, start: int, closing: _Delimiter, limits: MimeLimits) -> tuple[bytes, int]:
    """The header lines, and how many bytes they take with the empty line after them.

    That empty line may be the line end of the next delimiter, for an empty part.
    """
    end = min(start + limits.header_bytes + len(b"\r\n\r\n"), closing.stop)
    head = b"".join(body.chunks(start, end))
    match = _HEADERS_END.search(head)
    if match is None and len(head) > limits.header_bytes:
        raise HttpRefusal(431, f"The headers of a part take more than {limits.header_bytes} bytes.")
    if match is None or start + match.start() > closing.start:
        raise HttpRefusal(400, "The headers of a part do not end.")
    return head[: match.start()], match.end()


def _headers(block: bytes) -> dict[str, str]:
    """Names in lower case and values of a header block, unfolded (RFC 822 3.1.1; as4-wire 9.42)."""
    headers: dict[str, str] = {}
    for line in _FOLD.sub(" ", block.decode("latin-1")).replace("\r\n", "\n").split("\n"):
        if not line:
            continue
        name, colon, value = line.partition(":")
        key = name.rstrip(" \t").lower()
        if not colon or not _TOKEN.fullmatch(key) or _CONTROL.search(value):
            raise HttpRefusal(400, "A header of a part is malformed.")
        if key in headers and key in _SINGLE:
            raise HttpRefusal(400, "A part has two Content-ID, Content-Type or Content-Transfer-Encoding headers.")
        headers.setdefault(key, value.strip(" \t"))
    return headers


def _bare(content_id: str) -> str:
    """An id without its angle brackets; both are needed for either to go."""
    text = content_id.strip()
    return text[1:-1].strip() if text.startswith("<") and text.endswith(">") else text


def _check_size(body: Body, limit: int, what: str) -> None:
    if body.size > limit:
        raise HttpRefusal(413, f"A {what} of the message has more than {limit} bytes.")


_CR = 0x0D
_PADDING = 72  # bytes after a boundary in which its line has to end
_BOUNDARY_LENGTH = 200  # RFC 2046 allows 70
_FALSE_DELIMITERS = 64
_SINGLE = ("content-id", "content-type", "content-transfer-encoding")
# Possessive, so that a long run of white space is walked through once and not once for each of its characters.
_TYPE = re.compile(r"[ \t]*+(?P<type>[!#$%&'*+.^_`|~0-9A-Za-z-]++/[!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+(?=;|\Z)")
_PARAMETER = re.compile(
    r"[ \t]*+;[ \t]*+(?:(?P<name>[!#$%&\'*+.^_`|~0-9A-Za-z-]++)[ \t]*+=[ \t]*+"
    r'(?:"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t]*+(?=;|\Z)|(?P<plain>[^;]*+))|(?=;|\Z))'
)
_ESCAPED = re.compile(r"\\(.)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FOLD = re.compile(r"\r?\n[ \t]+")
_HEADERS_END = re.compile(rb"(?:\A|\r?\n)\r?\n")
_REST_OF_LINE = re.compile(rb"(?P<closing>--)?[ \t]*(?P<end>\r?\n|\Z)?")
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=?-]{1,70}")
_PLAIN = re.compile(r"[\x20-\x7e]+")
