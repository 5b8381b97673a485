"""A StandardBusinessDocument read as a stream: the facts of its header, and whether its structure is right.

Rules of this room:
- The document is read to its end (V-1: well-formed, one root, no DTD), but BinaryContent is never held: memory does
  not grow with it. What an access point decides on stands in the header.
- Structure (V-2) is checked by a table of our own (design decision 8). Values are trimmed before anything compares
  them (O-38). BinaryContent is accepted in the SBDH and in the Peppol namespace (O-3).
- A comment within a value is refused: readers disagree on what the value then is.
- A scope's value may be a CPR number: no finding shows one.

Source: spec/ehmi.md 2.1, 2.2, 2.6; rule ids of 2.7.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from ehmi_ap.body import Body
from ehmi_ap.ehmi.header import Correlation, Header, Scope
from ehmi_ap.ehmi.names import PEPPOL, SBDH
from ehmi_ap.ehmi.rules import finding
from ehmi_ap.model import Participant
from ehmi_ap.profile import Finding

HEADER_CHARACTERS = 1024 * 1024
"""Budget for all text outside BinaryContent; an XDS-METADATA scope holds a whole DocumentReference."""
HEADER_ELEMENTS = 2000
DEPTH = 64
QUIET_BYTES = 1024 * 1024
"""Budget for bytes of which the parser tells nothing: it is holding a name or an attribute of that size."""
_FEED = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading a document came to: a header, or the findings (V-1, V-2) that leave none.

    `claimed` says that the root is a StandardBusinessDocument, whatever came after it.
    """

    header: Header | None
    findings: tuple[Finding, ...] = ()
    claimed: bool = True


def read(body: Body, content: Callable[[str], None] | None = None) -> Reading:
    """Read a StandardBusinessDocument to its end, in memory that does not grow with its size (V-1, V-2).

    `content` is called with the text of BinaryContent, piece by piece; without it, that text is let pass.
    """
    reader = _Reader(content)
    # A parser with a target builds no tree: what the reader does not keep is gone with its chunk.
    target: Any = reader  # the stubs ask for parameters of type str | bytes; lxml passes str
    parser = etree.XMLParser(
        # huge_tree lifts libxml2's limit of 10 MB of text, which a BinaryContent may have; the budgets here replace it.
        target=target,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=True,
        recover=False,
    )
    quiet = 0
    try:
        for chunk in body.chunks():
            for start in range(0, len(chunk), _FEED):
                piece = chunk[start : start + _FEED]
                told, reader.told = reader.told, False
                quiet = len(piece) if told else quiet + len(piece)
                if quiet > QUIET_BYTES:
                    raise _Stop(finding("V-2", f"a name or an attribute of more than {QUIET_BYTES} bytes"))
                parser.feed(piece)
        parser.close()
    except _Stop as stop:
        return Reading(header=None, findings=(stop.finding,), claimed=reader.claimed)
    except etree.XMLSyntaxError as error:
        # libxml2's own text may repeat what it found; the place is enough.
        line, column = error.position
        broken = not_readable(f"not well-formed XML at line {line}, column {column}")
        return Reading(header=None, findings=(broken,), claimed=reader.claimed)
    if reader.findings:
        return Reading(header=None, findings=tuple(reader.findings))
    return Reading(header=_header(reader.values, reader.scopes))


def not_readable(what: str) -> Finding:
    """V-1: this is no StandardBusinessDocument at all."""
    return finding("V-1", what)


def is_date_time(text: str) -> bool:
    """Whether it has the form of an xs:dateTime, with or without an offset."""
    return _DATE_TIME.fullmatch(text) is not None


_ONE, _MAYBE, _MANY = (1, 1), (0, 1), (0, 10_000)

_CHILDREN: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "": {"StandardBusinessDocument": _ONE},
    "StandardBusinessDocument": {"StandardBusinessDocumentHeader": _ONE, "BinaryContent": _ONE},
    "StandardBusinessDocumentHeader": {
        "HeaderVersion": _ONE,
        "Sender": _ONE,
        "Receiver": _ONE,
        "DocumentIdentification": _ONE,
        "BusinessScope": _ONE,
    },
    "Sender": {"Identifier": _ONE},
    "Receiver": {"Identifier": _ONE},
    "DocumentIdentification": {
        "Standard": _ONE,
        "TypeVersion": _ONE,
        "InstanceIdentifier": _ONE,
        "Type": _ONE,
        "MultipleType": _MAYBE,
        "CreationDateAndTime": _ONE,
    },
    "BusinessScope": {"Scope": _MANY},
    "Scope": {
        "Type": _ONE,
        "InstanceIdentifier": _ONE,
        "Identifier": _ONE,
        "CorrelationInformation": _MANY,
        "BusinessService": _MANY,
    },
    "CorrelationInformation": {
        "RequestingDocumentCreationDateTime": _ONE,
        "RequestingDocumentInstanceIdentifier": _ONE,
        "ExpectedResponseDateTime": _MAYBE,
    },
    "BusinessService": {"BusinessServiceName": _ONE, "ServiceTransaction": _ONE},
    "ServiceTransaction": {},
}
"""What may stand in what, in this order, and how often; what is not a key holds text only."""

_PLACE = {"BusinessService": "CorrelationInformation"}
"""The two kinds of ScopeInformation may stand in any order."""

_DATE_TIME = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DATES = ("CreationDateAndTime", "RequestingDocumentCreationDateTime", "ExpectedResponseDateTime")
_FINDINGS = 20  # more say nothing new


class _Stop(Exception):
    """Reading on makes no sense; `finding` says why. It leaves the parser, never this module."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.rule)
        self.finding = finding


class _Reader:
    """The parser's target: keeps the header's texts, lets BinaryContent pass, checks the structure."""

    def __init__(self, content: Callable[[str], None] | None) -> None:
        self._content = content
        self.claimed = False
        self.told = False  # since the caller looked last
        self.findings: list[Finding] = []
        self.values: dict[str, str] = {}  # path below the root -> text or attribute
        self.scopes: list[Scope] = []
        self._path: list[str] = []
        self._seen: list[list[str]] = [[]]
        self._text: list[str] = []
        self._skipping = 0
        self._elements = 0
        self._characters = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.told = True
        self._elements += 1
        if self._elements > HEADER_ELEMENTS:
            raise _Stop(finding("V-2", f"more than {HEADER_ELEMENTS} elements"))
        if len(self._path) + self._skipping > DEPTH:
            raise _Stop(finding("V-2", f"more than {DEPTH} levels of elements", self._place()))
        self._count(sum(len(key) + len(value) for key, value in attributes.items()))
        if self._skipping or not self._expected(tag):
            self._skipping += 1
            return
        self.claimed = True
        name = tag.rpartition("}")[2]
        self._seen[-1].append(name)
        self._path.append(name)
        self._seen.append([])
        self._text = []
        for key in ("Authority", "mimeType", "encoding"):
            if key in attributes:
                self.values["/".join((*self._path[1:], "@" + key))] = attributes[key].strip()

    def _expected(self, tag: str) -> bool:
        parent = self._path[-1] if self._path else ""
        namespace, _, name = tag.lstrip("{").rpartition("}")
        right = namespace == SBDH or (name == "BinaryContent" and namespace == PEPPOL)
        if right and name in _CHILDREN.get(parent, {}):
            return True
        if not self._path:
            raise _Stop(not_readable("the root is not a StandardBusinessDocument in the SBDH namespace"))
        self._find(f"{parent} must not hold {_shown(name) if right else _shown(tag)}")
        return False

    def end(self, _tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
            return
        name, seen = self._path[-1], self._seen.pop()
        if name in _CHILDREN:
            self._check_children(name, seen)
        elif name != "BinaryContent":
            self._keep(name, "".join(self._text).strip())
        self._text = []
        self._path.pop()
        if name == "Scope":
            self._close_scope()

    def _check_children(self, name: str, seen: Sequence[str]) -> None:
        allowed = _CHILDREN[name]
        for child, (least, most) in allowed.items():
            count = seen.count(child)
            if not least <= count <= most:
                self._find(f"{name} has {count} {child}" if count else f"{name} has no {child}")
        places = [_PLACE.get(child, child) for child in seen]
        order = list(allowed)
        if places != sorted(places, key=order.index):
            self._find(f"the elements of {name} are not in their order")

    def _keep(self, name: str, text: str) -> None:
        self.values["/".join(self._path[1:])] = text
        if not text:
            self._find(f"{name} is empty")
        elif name in _DATES and not is_date_time(text):
            self._find(f"{name} is not a date and time of the form 2026-09-01T10:00:00+02:00")
        elif name == "MultipleType" and text != "false":
            self._find("MultipleType is not false")

    def _close_scope(self) -> None:
        prefix = "StandardBusinessDocumentHeader/BusinessScope/Scope/"
        kind, value, identifier = (
            self.values.pop(prefix + key, "") for key in ("Type", "InstanceIdentifier", "Identifier")
        )
        correlation = self._correlation(prefix + "CorrelationInformation/Requesting")
        self.scopes.append(Scope(kind, value, identifier, correlation))

    def _correlation(self, prefix: str) -> Correlation | None:
        created_at = self.values.pop(prefix + "DocumentCreationDateTime", "")
        instance_identifier = self.values.pop(prefix + "DocumentInstanceIdentifier", "")
        expected_at = self.values.pop(prefix.removesuffix("Requesting") + "ExpectedResponseDateTime", None)
        if not (created_at and instance_identifier):
            return None
        return Correlation(created_at=created_at, instance_identifier=instance_identifier, expected_at=expected_at)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > HEADER_CHARACTERS:
            raise _Stop(finding("V-2", f"more than {HEADER_CHARACTERS} characters of header"))

    def data(self, text: str) -> None:
        self.told = True
        if not self._path:
            return
        if self._path[-1] == "BinaryContent":
            if self._content is not None and not self._skipping:
                self._content(text)
            return
        self._count(len(text))
        if self._skipping:
            return
        if self._path[-1] not in _CHILDREN:
            self._text.append(text)
        elif not text.isspace():
            self._find(f"{self._path[-1]} must not hold text")

    def comment(self, _text: str) -> None:
        self.told = True
        self._interrupted("a comment")

    def pi(self, _target: str, _data: str | None = None) -> None:
        self._interrupted("a processing instruction")

    def _interrupted(self, what: str) -> None:
        if self._path and not self._skipping and self._path[-1] not in _CHILDREN:
            self._find(f"{self._path[-1]} holds {what}")

    def doctype(self, name: str, *_identifiers: str | None) -> None:
        self.claimed = name.rpartition(":")[2] == "StandardBusinessDocument"
        raise _Stop(not_readable("the document has a DTD"))

    def close(self) -> None:
        if ("BinaryContent/@mimeType" not in self.values) and not self.findings:
            self._find("BinaryContent has no mimeType")

    def _find(self, what: str) -> None:
        if len(self.findings) < _FINDINGS:
            self.findings.append(finding("V-2", what, self._place()))

    def _place(self) -> str:
        """Where the reader is; a scope by its number."""
        scope = f"Scope[{len(self.scopes) + 1}]"
        return "".join(f"/{scope if name == 'Scope' else name}" for name in self._path)


_NUMBER = re.compile(r"[0-9]{6}-?[0-9]{4}")


def _shown(name: str) -> str:
    """An element's name for a finding: it can be long, and hold the digits of a CPR number."""
    name = _NUMBER.sub("[number]", name)
    return name if len(name) <= 120 else name[:120] + "..."


def _header(values: Mapping[str, str], scopes: Sequence[Scope]) -> Header:
    top = "StandardBusinessDocumentHeader/"
    facts = top + "DocumentIdentification/"
    return Header(
        version=values[top + "HeaderVersion"],
        sender=Participant(values[top + "Sender/Identifier"], values.get(top + "Sender/Identifier/@Authority")),
        receiver=Participant(values[top + "Receiver/Identifier"], values.get(top + "Receiver/Identifier/@Authority")),
        standard=values[facts + "Standard"],
        type_version=values[facts + "TypeVersion"],
        instance_identifier=values[facts + "InstanceIdentifier"],
        type=values[facts + "Type"],
        created_at=values[facts + "CreationDateAndTime"],
        scopes=tuple(scopes),
        mime_type=values["BinaryContent/@mimeType"],
        encoding=values.get("BinaryContent/@encoding"),
    )
