"""An XML schema by hand: children in order, values without comments, no stray text (as4-wire 2.1, 6.4, 9.44).

Everything raises InvalidHeader (EBMS:0009) with the names of elements, never with what is in them.
"""

import re

from lxml import etree

from ehmi_ap.as4.names import EB
from ehmi_ap.errors import InvalidHeader

_SPACE = " \t\r\n"
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


class Cursor:
    """The child elements of one element, taken in schema order."""

    def __init__(self, parent: etree._Element, namespace: str = EB) -> None:
        self._parent = parent
        self._start = f"{{{namespace}}}"
        self._left = children_of(parent)
        self._left.reverse()

    def optional(self, local: str) -> etree._Element | None:
        """The next child, if it is the one named."""
        left = self._left
        return left.pop() if left and left[-1].tag == self._start + local else None

    def required(self, local: str) -> etree._Element:
        element = self.optional(local)
        if element is None:
            raise InvalidHeader(f"{local_name(self._parent)} lacks {local}, or has it out of order")
        return element

    def many(self, local: str) -> list[etree._Element]:
        """The next children as long as they are of that name; none is fine."""
        found: list[etree._Element] = []
        while (element := self.optional(local)) is not None:
            found.append(element)
        return found

    def some(self, local: str) -> list[etree._Element]:
        return [self.required(local), *self.many(local)]

    def end(self, *, foreign: bool = False) -> None:
        """Nothing is left, or with `foreign` only elements of other namespaces (``xsd:any ##other``)."""
        for element in self._left:
            if not foreign:
                raise InvalidHeader(f"{local_name(self._parent)} has {local_name(element)} where it does not belong")
            check_foreign(element)


def children_of(element: etree._Element) -> list[etree._Element]:
    """The child elements, where there is nothing else but white space and comments."""
    children: list[etree._Element] = []
    stray = is_text(element.text)
    for child in element:
        stray = stray or is_text(child.tail)
        if not isinstance(child, etree._Comment):
            children.append(child)
    if stray:
        raise InvalidHeader(f"{local_name(element)} has text between its elements")
    return children


def is_text(text: str | None) -> bool:
    """Whether there is more than XML white space."""
    return bool(text and text.strip(_SPACE))


def check_foreign(element: etree._Element) -> None:
    """The element is of another namespace than eb."""
    if etree.QName(element).namespace in (None, EB):
        raise InvalidHeader(f"{local_name(element)} does not belong there")


def value_of(element: etree._Element) -> str:
    """The text of an element without children; a comment in it would let two readers see two values."""
    if len(element):
        what = "a comment" if isinstance(element[0], etree._Comment) else "an element"
        raise InvalidHeader(f"{what} inside the value of {local_name(element)}")
    return (element.text or "").strip(_SPACE)


def filled_value(element: etree._Element) -> str:
    value = value_of(element)
    if not value:
        raise InvalidHeader(f"{local_name(element)} is empty")
    return value


def attribute_of(element: etree._Element, name: str) -> str | None:
    """An attribute that may be absent, but not empty."""
    value = element.get(name)
    if value is None:
        return None
    if not value.strip(_SPACE):
        raise InvalidHeader(f"@{name} of {local_name(element)} is empty")
    return value.strip(_SPACE)


def check_attributes(element: etree._Element, *allowed: str) -> None:
    """Unqualified attributes are those that the schema knows; those of other namespaces pass."""
    for name in element.attrib:
        if not str(name).startswith("{") and name not in allowed:
            raise InvalidHeader(f"{local_name(element)} has an attribute that the schema does not know")


def local_name(element: etree._Element) -> str:
    """The local name for a message; names are the peer's, so only plain ones are repeated."""
    name = etree.QName(element).localname
    return name if _PLAIN_NAME.fullmatch(name) else "an element"
