"""What can be done wrong to a message made by hand, in words short enough for a table (tests/craft.py makes it).

A Case names one fault and the exact answer to it. The changes insist that they change something, so that no case is
right by accident.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lxml import etree

from tests.bench.lean import DS, EB, S12, SMS10, WSSE, WSU, X509P, XENC
from tests.craft import Message, Part
from tests.functional.bad_input.receiver import PART, XML, Receiver

T = TypeVar("T", str, bytes)
NAMES = {"s": S12, "eb": EB, "wsse": WSSE, "wsu": WSU, "ds": DS, "xenc": XENC}
ID = f"{{{WSU}}}Id"
BOUNDARY = b"craft-7d3f0c"

Make = Callable[[Receiver], Message]
UNKNOWN_SKI = f'<wsse:KeyIdentifier EncodingType="{SMS10}#Base64Binary" ValueType="{X509P}#X509SubjectKeyIdentifier">AAAA</wsse:KeyIdentifier>'
"""A reference to a certificate that nobody has."""
FAULT = "env:MustUnderstand"
"""The answer to a mandatory header that nobody here knows."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault. `answer` is a status, an EBMS code or FAULT; `headers` makes HTTP headers from the Content-Type."""

    name: str
    make: Make
    answer: int | str
    signed: bool = True
    named: bool = True
    text: str = ""
    headers: Callable[[str], str] | None = None


def cases(answer: int | str, made: dict[str, Make], **same: bool) -> list[Case]:
    """Cases that are all answered alike."""
    return [Case(name=name, make=make, answer=answer, **same) for name, make in made.items()]


# -- text and bytes


def swap(old: T, new: T, count: int = -1) -> Callable[[T], T]:
    """Replace what has to be there."""

    def change(text: T) -> T:
        assert old in text, f"nothing to change: {old!r}"
        return text.replace(old, new, count)

    return change


def resub(pattern: str, new: str, count: int = 0) -> Callable[[str], str]:
    """Replace what a regular expression has to find."""

    def change(text: str) -> str:
        changed, times = re.subn(pattern, new, text, count=count, flags=re.DOTALL)
        assert times, f"nothing to change: {pattern}"
        return changed

    return change


def gone(pattern: str) -> Callable[[str], str]:
    """Cut out what a regular expression has to find."""
    return resub(pattern, "")


def element_gone(tag: str) -> Callable[[str], str]:
    """Cut out the first element of that name, written with its prefix, and all in it."""
    return resub(rf"<{tag}[ >].*?</{tag}>", "", 1)


def into(tag: str, xml: str) -> Callable[[str], str]:
    """Put something at the end of the last element of that name."""

    def change(text: str) -> str:
        before, end, after = text.rpartition(f"</{tag}>")
        assert end
        return f"{before}{xml}{end}{after}"

    return change


def flipped(at: int) -> Callable[[bytes], bytes]:
    """One bit of one byte is another."""

    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[at] ^= 1
        return bytes(changed)

    return change


def put(at: int, new: bytes) -> Callable[[bytes], bytes]:
    """Other bytes at that place."""
    return lambda data: data[:at] + new + data[at + len(new) :]


# -- payloads


def with_part(**changes: object) -> Make:
    """The one payload with something done to it."""
    return lambda r: r.message(parts=[Part(data=XML, **changes)])  # type: ignore[arg-type]


def with_second(**changes: object) -> Make:
    """A second payload beside the one, with something done to it."""
    return lambda r: r.message(parts=[PART, Part(content_id="2@x", **changes)])  # type: ignore[arg-type]


def with_security(change: Callable[[str], str]) -> Make:
    """The finished Security header, changed."""
    return lambda r: r.message(security=change)


def text_flipped(tag: str) -> Callable[[str], str]:
    """One bit of the base64 text of the first such element is another."""

    def change(text: str) -> str:
        start = text.index(f"<{tag}>") + len(f"<{tag}>")
        end = text.index(f"</{tag}>", start)
        data = base64.b64decode(text[start:end])
        return text[:start] + base64.b64encode(flipped(len(data) // 2)(data)).decode() + text[end:]

    return change


# -- MIME


def in_payload_head(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Change the header block of the last part."""

    def change(body: bytes) -> bytes:
        at = body.rindex(b"--" + BOUNDARY + b"\r\n")
        assert old in body[at:]
        return body[:at] + body[at:].replace(old, new, 1)

    return change


def encoded(encoding: str, encode: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The last part in another Content-Transfer-Encoding."""

    def change(body: bytes) -> bytes:
        start = body.index(b"\r\n\r\n", body.rindex(b"--" + BOUNDARY + b"\r\n")) + 4
        end = body.rindex(b"\r\n--" + BOUNDARY + b"--")
        changed = body[:start] + encode(body[start:end]) + body[end:]
        return in_payload_head(b"Encoding: binary", b"Encoding: " + encoding.encode())(changed)

    return change


def base64_lines(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def extra_part(head: bytes, data: bytes = b"x", times: int = 1) -> Callable[[bytes], bytes]:
    """Further parts at the end."""
    close = b"--" + BOUNDARY + b"--"
    part = b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"
    return swap(close, part * times + close)


# -- the envelope as a tree


def tree(change: Callable[[etree._Element], object]) -> Callable[[bytes], bytes]:
    """Change the finished envelope as a tree; signatures stay what they are."""

    def rewrite(data: bytes) -> bytes:
        root = etree.fromstring(data)
        change(root)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    return rewrite


def at(root: etree._Element, path: str) -> etree._Element:
    """The one element at a path."""
    found = root.findall(path, NAMES)
    assert len(found) == 1, f"{len(found)} elements at {path}"
    return found[0]


def copied(element: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(element, with_tail=False))


def renamed(name: str, element: etree._Element) -> etree._Element:
    """A copy with another wsu:Id, or none."""
    copy = copied(element)
    if name:
        copy.set(ID, name)
    else:
        del copy.attrib[ID]
    return copy
