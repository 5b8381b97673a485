"""What of an HTTP answer is used: its bytes, bounded before and after an encoding is undone, JSON, and two headers."""

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from ehmi_ap.questions import WebFailure


class UnusableAnswer(Exception):
    """An answer came, but not one to be used; `failure` says which kind of trouble, the text says what."""

    def __init__(self, failure: WebFailure, what: str) -> None:
        super().__init__(what)
        self.failure = failure


async def body_of(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body, at most `limit` bytes, also when it is inflated.

    An encoding is undone though none was offered: some peers use one all the same (peers-live 2).

    Raises:
        UnusableAnswer: it is too large, or its Content-Encoding is unknown or broken.
    """
    if (answer.content_length or 0) > limit:
        raise _too_large(limit)
    data = bytearray()
    async for piece in answer.content.iter_any():
        data += piece
        if len(data) > limit:
            raise _too_large(limit)
    return _decoded(bytes(data), answer.headers.get("Content-Encoding", ""), limit)


def object_of(body: bytes) -> Mapping[str, Any]:
    """The JSON object in it; an empty one where there is none, or one that is nested too deeply to be read."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def retry_after(answer: aiohttp.ClientResponse) -> float | None:
    """Retry-After in seconds, given as such or as a date (RFC 9110 10.2.3); None for none or nonsense."""
    value = answer.headers.get("Retry-After")
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    at = _moment(value)
    return None if at is None else max(0.0, (at - datetime.now(UTC)).total_seconds())


def date_of(answer: aiohttp.ClientResponse) -> datetime | None:
    """The server's clock when it answered (RFC 9110 6.6.1); None for none or nonsense."""
    value = answer.headers.get("Date")
    return None if value is None else _moment(value)


def _moment(value: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _decoded(data: bytes, encoding: str, limit: int) -> bytes:
    word = encoding.strip().lower()
    if word in ("", "identity") or not data:
        return data
    if word not in ("gzip", "x-gzip", "deflate"):
        raise UnusableAnswer(WebFailure.BROKEN, "the answer has a Content-Encoding that was not offered")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise UnusableAnswer(WebFailure.BROKEN, f"the answer's Content-Encoding {word} is broken") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise UnusableAnswer(WebFailure.BROKEN, f"the answer's Content-Encoding {word} is broken")
    return plain


def _too_large(limit: int) -> UnusableAnswer:
    return UnusableAnswer(WebFailure.TOO_LARGE, f"the answer is larger than {limit} bytes")
