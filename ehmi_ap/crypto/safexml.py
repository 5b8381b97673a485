"""The only XML parser of the package: no DTD, no entities, no network, UTF-8, bounded.

Rules (python-stack 8): everything that could make a later step quadratic is counted in the bytes, before the
parser sees them; what the bytes cannot show is looked at right after. The encoding is forced to UTF-8 so that the
counting cannot be evaded. The tree is never changed: white space, comments and prefixes stay as they were sent.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from lxml import etree

from ehmi_ap.errors import BudgetExceeded, MalformedXml

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_RULES = {code: name for name, code in vars(etree.ErrorTypes).items() if isinstance(code, int)}
_BOM = b"\xef\xbb\xbf"
_ID_NAMES = frozenset((f"{{{WSU}}}Id", "Id", "ID", "id"))
_LONGEST_VALUE = "bytes in one value", 10_000_000
_INSTRUCTION = re.compile(rb"<\?(?!xml\s)")
_HAS_INSTRUCTIONS = etree.XPath("boolean(//processing-instruction())")


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """Budgets on one document: `bytes`, the rest in numbers of them; `depth` counts the root as 1.

    `scope` is how many namespace declarations may be in scope at an element, were there as many elements as may be:
    canonicalising looks them up one by one at each element, so what is bounded is their sum over all elements.
    """

    bytes: int = 262_144
    elements: int = 20_000
    attributes: int = 4_000
    namespaces: int = 1_000
    depth: int = 64
    attributes_per_element: int = 64
    scope: int = 25


DEFAULT_LIMITS = XmlLimits()


def parse(data: bytes, limits: XmlLimits = DEFAULT_LIMITS, *, instructions: bool = False) -> etree._Element:
    """The root element of a document; `instructions` allows processing instructions, which SOAP forbids.

    Raises:
        MalformedXml: not well-formed, not UTF-8, or with a DOCTYPE or a processing instruction.
        BudgetExceeded: more of something than `limits` allows.
    """
    if len(data) > limits.bytes:
        raise BudgetExceeded("bytes of XML", limits.bytes)
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
    counts = _count(data, limits)
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise _refusal(error, limits) from None
    if not instructions and _INSTRUCTION.search(data) and _HAS_INSTRUCTIONS(root):
        raise MalformedXml("a processing instruction is not allowed")
    _look(root, limits, counts)
    return root


def index_ids(root: etree._Element) -> dict[str, etree._Element]:
    """Every element that carries an id (wsu:Id, Id, ID or id) by each of its ids.

    Raises:
        MalformedXml: two elements have the same id (as4-wire 9.15); one element having it twice is fine (9.16).
    """
    index: dict[str, etree._Element] = {}
    for element in root.iter(etree.Element):
        for name in element.keys():  # noqa: SIM118 - an element is no mapping
            if name in _ID_NAMES and index.setdefault(cast(str, element.get(name)), element) is not element:
                raise MalformedXml("two elements have the same id")
    return index


def _parser() -> etree.XMLParser:
    # A new one for each document costs 3 us and needs no thread-local state; sharing one would serialise the threads.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=False,
        remove_pis=False,
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was seen in the bytes; each is at least the true number."""

    elements: int
    attributes: int
    namespaces: int


def _count(data: bytes, limits: XmlLimits) -> _Counts:
    if b"<!DOCTYPE" in data:
        raise MalformedXml("a document type declaration is not allowed")
    elements, attributes, namespaces = data.count(b"<"), data.count(b"="), data.count(b"xmlns")
    if elements > limits.elements and (elements := elements - data.count(b"</")) > limits.elements:
        raise BudgetExceeded("elements", limits.elements)
    if attributes > limits.attributes:
        raise BudgetExceeded("attributes", limits.attributes)
    if namespaces > limits.namespaces:
        raise BudgetExceeded("namespace declarations", limits.namespaces)
    return _Counts(elements, attributes, namespaces)


def _look(root: etree._Element, limits: XmlLimits, counts: _Counts) -> None:
    """What only the tree shows. Without a DTD there are no entities but the five predefined ones."""
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedXml("a document type declaration is not allowed")
    if _deeper_than(limits.depth)(root):
        raise BudgetExceeded("levels of elements", limits.depth)
    if counts.attributes > limits.attributes_per_element and _wider_than(limits.attributes_per_element)(root):
        raise BudgetExceeded("attributes in one element", limits.attributes_per_element)
    look_ups = limits.elements * limits.scope
    if counts.elements * counts.namespaces > look_ups and _in_scope(root) > look_ups:
        raise BudgetExceeded("namespace declarations in scope", limits.scope)


def _in_scope(root: etree._Element) -> int:
    """The namespace declarations in scope, added up over all elements."""
    total, scopes, declared = 0, [0], 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "start", "end")):
        if event == "start-ns":
            declared += 1
        elif event == "start":
            scopes.append(scopes[-1] + declared)
            total, declared = total + scopes[-1], 0
        else:
            scopes.pop()
    return total


@cache
def _deeper_than(depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


@cache
def _wider_than(attributes: int) -> etree.XPath:
    return etree.XPath(f"boolean(//*/@*[{attributes + 1}])")


def _refusal(error: etree.XMLSyntaxError, limits: XmlLimits) -> MalformedXml | BudgetExceeded:
    """libxml2's message may quote the document; only its place and the name of the rule are told."""
    rule = _RULES.get(cast(Any, error).code, "syntax")  # its error_log has the errors of other documents too
    if rule == "ERR_RESOURCE_LIMIT":  # libxml2's own: depth 256, or ten million bytes in one value
        deep = "depth" in error.msg
        return BudgetExceeded("levels of elements", limits.depth) if deep else BudgetExceeded(*_LONGEST_VALUE)
    line, column = error.position
    return MalformedXml(f"not well-formed XML at line {line}, column {column} ({rule})")
