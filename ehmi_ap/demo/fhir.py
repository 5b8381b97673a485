"""FHIR resources as plain values, written as XML or JSON.

A resource is a dict whose keys stand in the order of FHIR's definition, which is the order of its XML elements
(FHIR R4, "XML representation"); JSON does not care. Only what the demo's message needs is here: no attribute but
`url` of an extension, no resource inside a resource but in a Bundle's entries.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from xml.sax.saxutils import escape, quoteattr

Value = object
"""A str, bool, int, Decimal, Element or sequence of Elements, as JSON has them."""

Element = Mapping[str, Value]


def to_json(resource: Element) -> bytes:
    """The resource as application/fhir+json."""
    return json.dumps(resource, ensure_ascii=False, indent=2, default=_number).encode() + b"\n"


def to_xml(resource: Element) -> bytes:
    """The resource as application/fhir+xml."""
    lines = "\n".join(_resource(resource, namespace=' xmlns="http://hl7.org/fhir"', indent=""))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{lines}\n'.encode()


def narrative(text: str) -> Element:
    """`text` of a resource: one generated paragraph."""
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(text)}</p></div>'}


def _resource(resource: Element, *, namespace: str, indent: str) -> Iterator[str]:
    name = resource["resourceType"]
    yield f"{indent}<{name}{namespace}>"
    yield from _children({key: value for key, value in resource.items() if key != "resourceType"}, indent + "  ")
    yield f"{indent}</{name}>"


def _children(element: Element, indent: str) -> Iterator[str]:
    for name, value in element.items():
        for item in value if isinstance(value, list | tuple) else (value,):
            yield from _child(name, item, indent)


def _child(name: str, value: Value, indent: str) -> Iterator[str]:
    if name == "div":
        yield f"{indent}{value}"
    elif not isinstance(value, Mapping):
        yield f"{indent}<{name} value={quoteattr(_text(value), {chr(10): '&#10;'})}/>"
    elif "resourceType" in value:
        yield f"{indent}<{name}>"
        yield from _resource(value, namespace="", indent=indent + "  ")
        yield f"{indent}</{name}>"
    else:
        url = f" url={quoteattr(str(value['url']))}" if name == "extension" else ""
        yield f"{indent}<{name}{url}>"
        yield from _children({k: v for k, v in value.items() if not (url and k == "url")}, indent + "  ")
        yield f"{indent}</{name}>"


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Value) -> float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"no FHIR value: {type(value).__name__}")
