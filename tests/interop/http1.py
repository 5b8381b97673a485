"""HTTP/1.1 requests and answers as they travel, read from a stream and changed; with Content-Length or chunked."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Http:
    """A request or an answer: `head` with its empty line, the body as it was framed, and without that."""

    head: bytes
    framed: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Lower case names."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def content(self) -> tuple[bytes, str]:
        """Body and Content-Type, as the independent checker wants them."""
        return self.body, self.content_type

    @property
    def length(self) -> int:
        """The Content-Length; 0 for none."""
        return int(self.headers.get("content-length", 0))

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.head.split(b" ", 2)[1])

    def but(self, *, body: bytes | None = None, content_type: str | None = None, status: int | None = None) -> "Http":
        """The same with something changed; a changed body has a Content-Length."""
        start, *lines = self.head.decode("latin-1").rstrip("\r\n").split("\r\n")
        if status is not None:
            start = f"HTTP/1.1 {status} Changed"
        if content_type is not None:
            lines = [f"Content-Type: {content_type}" if _name(line) == "content-type" else line for line in lines]
        framed, plain = self.framed, self.body
        if body is not None:
            framing = ("content-length", "transfer-encoding", "content-encoding")
            lines = [line for line in lines if _name(line) not in framing] + [f"Content-Length: {len(body)}"]
            framed = plain = body
        return Http("\r\n".join([start, *lines, "", ""]).encode("latin-1"), framed, plain)


def answer(status: int, content_type: str = "", body: bytes = b"") -> Http:
    """An answer of our own making."""
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
    return Http(f"HTTP/1.1 {status} Made\r\n{kind}{length}\r\n".encode(), body, body)


def _name(line: str) -> str:
    return line.partition(":")[0].strip().lower()


async def read_head(reader: asyncio.StreamReader) -> bytes | None:
    """Start line and headers; None when the connection has ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    return await read_head(reader) if head.startswith(b"HTTP/1.1 100") else head


async def read_body(reader: asyncio.StreamReader, head: bytes, *, request: bool) -> Http:
    bare = Http(head, b"", b"")
    headers = bare.headers
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunked(reader, head)
    if "content-length" in headers:
        data = await reader.readexactly(bare.length)
    else:
        data = b"" if request or bare.status in (204, 304) else await reader.read()
    return Http(head, data, data)


async def _chunked(reader: asyncio.StreamReader, head: bytes) -> Http:
    framed: list[bytes] = []
    plain: list[bytes] = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        data = await reader.readexactly(size + 2)
        framed += [line, data]
        if size == 0:  # trailers are used by nobody here
            return Http(head, b"".join(framed), b"".join(plain))
        plain.append(data[:-2])
