"""Faults of the wire, as functions from a request to another one: what a proxy does to a message on its way."""

import re

from tests.interop.http1 import Http


def flip_last_part(http: Http) -> Http:
    """One bit in the middle of the last part: ciphertext, or a payload that is only signed."""
    pieces = _pieces(http)
    head, data = pieces[-2].split(b"\r\n\r\n", 1)
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    return http.but(body=_joined(http, [*pieces[:-2], head + b"\r\n\r\n" + changed, pieces[-1]]))


def other_conversation(http: Http) -> Http:
    """Another value in eb:Messaging, as long as the first."""
    changed = re.sub(rb"(ConversationId>)(.)", lambda found: found[1] + bytes([found[2][0] ^ 1]), http.body, count=1)
    assert changed != http.body
    return http.but(body=changed)


def drop_last_part(http: Http) -> Http:
    pieces = _pieces(http)
    return http.but(body=_joined(http, [*pieces[:-2], pieces[-1]]))


def add_part(http: Http) -> Http:
    """One part more than the header lists."""
    pieces = _pieces(http)
    extra = b"\r\nContent-Type: application/octet-stream\r\nContent-ID: <extra@wire>\r\n\r\nnobody signed this\r\n"
    return http.but(body=_joined(http, [*pieces[:-1], extra, pieces[-1]]))


def swap_parts(http: Http) -> Http:
    """The last two parts change places; nothing that is signed changes."""
    pieces = _pieces(http)
    return http.but(body=_joined(http, [*pieces[:-3], pieces[-2], pieces[-3], pieces[-1]]))


def add_doctype(http: Http) -> Http:
    """A document type declaration before the envelope."""
    changed = re.sub(rb"(<\w+:Envelope)", rb"<!DOCTYPE x []>\1", http.body, count=1)
    assert changed != http.body
    return http.but(body=changed)


def lose_boundary(http: Http) -> Http:
    """multipart/related without the parameter that says how it is divided."""
    return http.but(content_type=re.sub(r";\s*boundary=(\"[^\"]*\"|[^;]*)", "", http.content_type))


def _delimiter(http: Http) -> bytes:
    found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', http.content_type)
    assert found is not None
    return b"--" + (found[1] or found[2]).encode()


def _pieces(http: Http) -> list[bytes]:
    """What stands between the delimiters: preamble, parts, and the end."""
    return http.body.split(_delimiter(http))


def _joined(http: Http, pieces: list[bytes]) -> bytes:
    return _delimiter(http).join(pieces)
