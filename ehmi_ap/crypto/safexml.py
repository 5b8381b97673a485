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
    """Budgets on one document: `bytes`, the rest in numbers of them; `depth` counts the root as 1."""

    bytes: int = 262_144
    elements: int = 20_000
    attributes: int = 4_000
    namespaces: int = 1_000
    depth: int = 64
    attributes_per_element: int = 64


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
    attributes = _count(data, limits)
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        raise _refusal(error, limits) from None
    if not instructions and _INSTRUCTION.search(data) and _HAS_INSTRUCTIONS(root):
        raise MalformedXml("a processing instruction is not allowed")
    _look(root, limits, attributes)
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


def _count(data: bytes, limits: XmlLimits) -> int:
    """What can be seen in the bytes; each count is at least the true number. Returns that of the attributes."""
    if b"<!DOCTYPE" in data:
        raise MalformedXml("a document type declaration is not allowed")
    tags = data.count(b"<")
    if tags > limits.elements and tags - data.count(b"</") > limits.elements:
        raise BudgetExceeded("elements", limits.elements)
    attributes = data.count(b"=")
    if attributes > limits.attributes:
        raise BudgetExceeded("attributes", limits.attributes)
    if data.count(b"xmlns") > limits.namespaces:
        raise BudgetExceeded("namespace declarations", limits.namespaces)
    return attributes


def _look(root: etree._Element, limits: XmlLimits, attributes: int) -> None:
    """What only the tree shows. Without a DTD there are no entities but the five predefined ones."""
    if root.getroottree().docinfo.internalDTD is not None:
        raise MalformedXml("a document type declaration is not allowed")
    if _deeper_than(limits.depth)(root):
        raise BudgetExceeded("levels of elements", limits.depth)
    if attributes > limits.attributes_per_element and _wider_than(limits.attributes_per_element)(root):
        raise BudgetExceeded("attributes in one element", limits.attributes_per_element)


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
