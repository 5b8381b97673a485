"""Reading the elements of XML Signature and XML Encryption strictly: no unknown child, no stray text.

Rules: comments and white space between elements are legal (as4-wire 9.44); a comment inside a value is not, since
`el.text` would then show half of it. base64 may be wrapped any way (as4-wire 9.22).
"""

import binascii
import re
from functools import lru_cache

from lxml import etree

from ehmi_ap.errors import MalformedSecurity

_ESCAPES = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
_SPECIAL = re.compile("[" + "".join(_ESCAPES) + "]").search
_ESCAPED = str.maketrans(_ESCAPES)

Children = dict[str, list[etree._Element]]


def children(element: etree._Element, namespace: str, names: tuple[str, ...]) -> Children:
    """The child elements by local name.

    A name written as {uri}local is of another namespace than `namespace`.

    Raises:
        MalformedSecurity: an element that is not named, or text between elements.
    """
    wanted = _wanted(namespace, names)
    found: Children = {}
    if (text := element.text) and not text.isspace():
        raise MalformedSecurity("text where only elements belong")
    for child in element:
        if (text := child.tail) and not text.isspace():
            raise MalformedSecurity("text where only elements belong")
        name = wanted.get(child.tag)
        if name is not None:
            found.setdefault(name, []).append(child)
        elif not isinstance(child, etree._Comment):
            raise MalformedSecurity(f"an element that does not belong beside {next(iter(wanted.values()))}")
    return found


@lru_cache
def _wanted(namespace: str, names: tuple[str, ...]) -> dict[str, str]:
    return {name if name[0] == "{" else f"{{{namespace}}}{name}": name.rpartition("}")[2] for name in names}


def single(found: Children, name: str) -> etree._Element:
    """The one element of that name; MalformedSecurity when there is none or more than one."""
    elements = found.get(name, ())
    if len(elements) != 1:
        raise MalformedSecurity(f"{len(elements)} elements {name} where one was expected")
    return elements[0]


def optional(found: Children, name: str) -> etree._Element | None:
    """The element of that name, None when there is none; MalformedSecurity when there are several."""
    return single(found, name) if name in found else None


def attribute(element: etree._Element, name: str) -> str:
    """The value of a required attribute; MalformedSecurity when it is absent."""
    value = element.get(name)
    if value is None:
        raise MalformedSecurity(f"{name} is missing")
    return value


def text_of(element: etree._Element) -> str:
    """The text of an element without children or comments; MalformedSecurity when it has any."""
    if len(element):
        raise MalformedSecurity("a value is not plain text")
    return element.text or ""


def base64_of(element: etree._Element, limit: int) -> bytes:
    """The bytes that the element's base64 stands for, one at least and `limit` at most; else MalformedSecurity."""
    text = text_of(element)
    if len(text) > 2 * limit + 64:  # room for white space, however it is wrapped
        raise MalformedSecurity("a base64 value is too long")
    try:
        data = binascii.a2b_base64(b"".join(text.encode("ascii").split()), strict_mode=True)
    except ValueError:  # binascii.Error is one; so is what is not ASCII
        raise MalformedSecurity("a value is not base64") from None
    if not 0 < len(data) <= limit:
        raise MalformedSecurity("a base64 value is empty or too long")
    return data


def no_children(element: etree._Element) -> None:
    """Raises MalformedSecurity when an element that takes no parameters has child elements."""
    if len(element) and any(isinstance(child.tag, str) for child in element):
        raise MalformedSecurity("an algorithm has parameters that it does not take")


def escaped(value: str) -> str:
    """An attribute value as canonical XML writes it (between double quotes)."""
    return value.translate(_ESCAPED) if _SPECIAL(value) else value
