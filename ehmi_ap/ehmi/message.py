"""What a MedCom FHIR message says of itself: the facts that its envelope repeats (spec/ehmi.md 2.2, 2.4).

FHIR XML or FHIR JSON, told apart by the first character, never by the declared type (O-5). Nothing is checked against
profiles: that is the business of the systems at the ends. What is not there is empty; wrapping says what it needs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lxml import etree

from ehmi_ap.crypto.safexml import XmlLimits, parse
from ehmi_ap.errors import EnvelopeError, XmlSecurityError
from ehmi_ap.model import Organisation

FHIR = "http://hl7.org/fhir"
GLN = "https://www.gs1.org/gln"
SOR = "urn:oid:1.2.208.176.1.1"
CPR = "urn:oid:1.2.208.176.1.2"
ECPR = "urn:oid:1.2.208.176.1.6.1.1"  # of who has no CPR number

LARGEST = 100 * 1024 * 1024
"""Bytes of a message that we read (ehmi.md 5.4)."""
_LIMITS = XmlLimits(bytes=LARGEST, elements=1_000_000, attributes=4_000_000, namespaces=100_000, scope=100)

Form = Literal["xml", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The facts of a message Bundle; what it does not say, or says in several ways, is empty."""

    form: Form
    bundle_id: str
    message_id: str  # MessageHeader.id
    standard: str  # MessageHeader.eventCoding.code
    version: str  # after the pipe of MessageHeader.definition
    sender: Organisation
    receiver: Organisation
    patients: tuple[str, ...] = field(repr=False)  # CPR or eCPR, each once
    answers: str = ""  # MessageHeader.response.identifier


class _Node(Protocol):
    """A part of a resource, whichever way it is written."""

    @property
    def kind(self) -> str:
        """The resource's type."""

    def each(self, *path: str) -> Iterator["_Node"]:
        """What stands at the path below, in order."""

    def text(self, *path: str) -> str:
        """The value of the first that stands there; empty when none does."""


def sniff(content: bytes) -> Form | None:
    """How it is written, by its first character after white space; None: neither XML nor JSON."""
    first = content[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    forms: dict[bytes, Form] = {b"<": "xml", b"{": "json"}
    return forms.get(first)


def read_message(content: bytes) -> Message:
    """The facts of a FHIR message.

    Raises:
        EnvelopeError: it is no Bundle in FHIR XML or JSON; the text shows none of its values.
    """
    form, bundle = _read(content)
    if bundle.kind != "Bundle":
        raise EnvelopeError("the content is no FHIR Bundle")
    entries = [(entry.text("fullUrl"), each) for entry in bundle.each("entry") for each in entry.each("resource")]
    headers = [resource for _, resource in entries if resource.kind == "MessageHeader"]
    header = headers[0] if len(headers) == 1 else None
    return Message(
        form=form,
        bundle_id=bundle.text("id"),
        message_id=header.text("id") if header else "",
        standard=header.text("eventCoding", "code") if header else "",
        version=header.text("definition").rpartition("|")[2] if header and "|" in header.text("definition") else "",
        sender=_organisation(header.text("sender", "reference") if header else "", entries),
        receiver=_organisation(_destination(header) if header else "", entries),
        patients=_patients(entries),
        answers=header.text("response", "identifier") if header else "",
    )


def read_kind(content: bytes) -> str:
    """The type of a FHIR resource, empty for what is none.

    Raises:
        EnvelopeError: it is neither XML nor JSON.
    """
    return _read(content)[1].kind


def _read(content: bytes) -> tuple[Form, _Node]:
    form = sniff(content)
    if form is None:
        raise EnvelopeError("the content is neither XML nor JSON")
    return form, _Xml.read(content) if form == "xml" else _Json.read(content)


def _destination(header: _Node) -> str:
    """The one destination, or the primary one of several."""
    all_ = list(header.each("destination"))
    primary = [
        each for each in all_ if any(use.text() == "primary" for use in each.each("extension", "valueCoding", "code"))
    ]
    chosen = all_ if len(all_) == 1 else primary
    return chosen[0].text("receiver", "reference") if len(chosen) == 1 else ""


def _organisation(reference: str, entries: Sequence[tuple[str, _Node]]) -> Organisation:
    """The organisation that a reference leads to; empty where it leads to none in the Bundle, or to several."""
    found = [
        resource
        for url, resource in entries
        if reference and resource.kind == "Organization" and reference in (url, f"Organization/{resource.text('id')}")
    ]
    if len(found) != 1:
        return Organisation("", "")
    return Organisation(_identifier(found[0], SOR), _identifier(found[0], GLN))


def _identifier(resource: _Node, system: str) -> str:
    values = {each.text("value") for each in resource.each("identifier") if each.text("system") == system}
    return values.pop() if len(values) == 1 else ""


def _patients(entries: Sequence[tuple[str, _Node]]) -> tuple[str, ...]:
    patients = (resource for _, resource in entries if resource.kind == "Patient")
    found = (next(filter(None, (_identifier(each, system) for system in (CPR, ECPR))), "") for each in patients)
    return tuple(dict.fromkeys(filter(None, found)))


@dataclass(frozen=True, slots=True)
class _Json:
    value: object

    @classmethod
    def read(cls, content: bytes) -> "_Json":
        if len(content) > LARGEST:
            raise EnvelopeError(f"the content is larger than {LARGEST} bytes")
        try:
            # No number is used, and long ones cost time.
            value = json.loads(
                content.decode("utf-8-sig"), object_pairs_hook=_unique, parse_int=_ignored, parse_float=_ignored
            )
        except UnicodeDecodeError:
            raise EnvelopeError("the content is not UTF-8") from None
        except json.JSONDecodeError as error:
            raise EnvelopeError(f"the content is not JSON at line {error.lineno}, column {error.colno}") from None
        except RecursionError:
            raise EnvelopeError("the content has too many levels") from None
        return cls(value)

    @property
    def kind(self) -> str:
        return self.text("resourceType")

    def each(self, *path: str) -> Iterator["_Json"]:
        found = [self.value]
        for name in path:
            below = [each[name] for each in found if isinstance(each, dict) and name in each]
            found = [item for each in below for item in (each if isinstance(each, list) else [each])]
        return (_Json(each) for each in found)

    def text(self, *path: str) -> str:
        first = next(self.each(*path), None)
        return first.value if first is not None and isinstance(first.value, str) else ""


def _ignored(_number: str) -> None:
    return None


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """An object whose members have different names: readers disagree on which of two counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EnvelopeError("an object of the content has two members of one name")
    return found


@dataclass(frozen=True, slots=True)
class _Xml:
    element: etree._Element

    @classmethod
    def read(cls, content: bytes) -> "_Xml":
        try:
            return cls(parse(content, _LIMITS, instructions=True))
        except XmlSecurityError as error:
            raise EnvelopeError(f"the content cannot be read: {error}") from None

    @property
    def kind(self) -> str:
        namespace, _, name = self.element.tag.lstrip("{").rpartition("}")
        return name if namespace == FHIR else ""

    def each(self, *path: str) -> Iterator["_Xml"]:
        found = [self.element]
        for name in path:
            found = [child for each in found for child in each.iterchildren(f"{{{FHIR}}}{name}")]
            if name == "resource":  # an element around the resource, which JSON does not have
                found = [child for each in found for child in each.iterchildren(etree.Element)]
        return (_Xml(each) for each in found)

    def text(self, *path: str) -> str:
        first = next(self.each(*path), None)
        return (first.element.get("value") or "") if first is not None else ""
