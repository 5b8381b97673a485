"""Elements of SMP documents: children by name, values without comments, times, identifiers.

Rules: what a document has beside that (extensions, what only informs people) is passed over; what is read is there
once or not at all. A value with a comment in it is refused: the signature does not cover comments, so anybody could
put one in and cut the value short for some readers.
"""

import re
from datetime import UTC, datetime, timedelta

from lxml import etree

from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.errors import DiscoveryError

_ALWAYS = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)
_SPACE = " \t\r\n"
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_DAY = r"(\d{4}-\d\d-\d\d)"
_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_DATE = re.compile(_DAY + _ZONE)
_DATE_TIME = re.compile(_DAY + r"T(\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?" + _ZONE)


def malformed(what: str) -> DiscoveryError:
    """The document is not as its dialect's schema says: Untrusted."""
    return fault("METADATA_MALFORMED", f"the SMP's document is malformed: {what}")


def many(parent: etree._Element, namespace: str, local: str) -> list[etree._Element]:
    """The children of that name."""
    return parent.findall(f"{{{namespace}}}{local}")


def optional(parent: etree._Element, namespace: str, local: str) -> etree._Element | None:
    """The child of that name, None when there is none; Untrusted when there are several."""
    found = many(parent, namespace, local)
    if len(found) > 1:
        raise malformed(f"{_name(parent)} has {len(found)} children {local} where one was expected")
    return found[0] if found else None


def single(parent: etree._Element, namespace: str, local: str) -> etree._Element:
    """The one child of that name; Untrusted when there is none or more than one."""
    found = optional(parent, namespace, local)
    if found is None:
        raise malformed(f"{_name(parent)} has no {local}")
    return found


def value(element: etree._Element | None) -> str:
    """The text of an element without the white space around it; empty when there is no element.

    Raises:
        Untrusted: there is an element, a comment or a processing instruction inside.
    """
    if element is None:
        return ""
    if len(element):
        raise malformed(f"the value of {_name(element)} is not plain text")
    return (element.text or "").strip(_SPACE)


def attribute(element: etree._Element, name: str) -> str | None:
    """An attribute without the white space around it; None when it is absent or empty."""
    return (element.get(name) or "").strip(_SPACE) or None


def identifier(element: etree._Element, scheme: str) -> Identifier:
    """An identifier, its scheme in the attribute named `scheme`; Untrusted when it is empty."""
    text = value(element)
    if not text:
        raise malformed(f"{_name(element)} is empty")
    return Identifier(text, attribute(element, scheme))


def moment(text: str) -> datetime | None:
    """The instant of an xs:dateTime or the start of an xs:date; in UTC where it names no zone. Empty: None.

    Raises:
        ValueError: neither.
    """
    if not text:
        return None
    if found := _DATE.fullmatch(text):
        day, time, fraction, zone = found[1], "00:00:00", None, found[2]
    elif found := _DATE_TIME.fullmatch(text):
        day, time, fraction, zone = found[1], found[2], found[3], found[4]
    else:
        raise ValueError("neither a date nor a time")
    next_day = time == "24:00:00"  # XML Schema part 2, 3.2.7: the first instant of the next day
    at = datetime.fromisoformat(f"{day}T{'00:00:00' if next_day else time}.{(fraction or '0')[:6]:0<6}{zone or 'Z'}")
    try:
        return (at + timedelta(days=next_day)).astimezone(UTC)
    except OverflowError:  # the end of the year 9999, which stands for never, in a zone behind UTC
        return _NEVER if at.year > 1 else _ALWAYS


def _name(element: etree._Element) -> str:
    """The local name for an error; names are the publisher's, so only plain ones are repeated."""
    name = etree.QName(element).localname
    return name if _PLAIN_NAME.fullmatch(name) else "an element"
