"""Whether an HTTP answer is one that the OpenAPI document describes. A small JSON Schema reader, strict about extra keys."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "$ref", "type", "anyOf", "enum", "const", "properties", "required", "additionalProperties", "items", "title",
    "description", "format", "default",
}  # fmt: skip


class Description:
    """An OpenAPI document, asked about answers."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def operation(self, method: str, path: str) -> Mapping[str, Any]:
        """The operation that a request below /api/v1 falls under."""
        for template, operations in self.document["paths"].items():
            pattern = re.sub(r"\{\w+\}", "[^/]+", template)
            if method.lower() in operations and re.fullmatch(pattern, path):
                return operations[method.lower()]
        raise AssertionError(f"{method} {path} is not described")

    def check(self, method: str, path: str, status: int, media: str, body: bytes) -> None:
        """Raises AssertionError when status, media type or body are not as described."""
        responses = self.operation(method, path)["responses"]
        assert str(status) in responses, f"{method} {path}: status {status} is not described"
        content = responses[str(status)].get("content", {})
        media = media.partition(";")[0]
        if not content:
            assert body == b""
            return
        described = content.get(media, content.get("*/*"))
        assert described is not None, f"{method} {path}: {media} is not described"
        if "schema" in described:
            wrong = list(self.mistakes(described["schema"], json.loads(body), "body"))
            assert not wrong, wrong

    def mistakes(self, schema: Mapping[str, Any], value: Any, place: str) -> Iterator[str]:
        """Everything about a value that its schema does not allow."""
        assert set(schema) <= _KNOWN, f"{place}: this reader does not know {set(schema) - _KNOWN}"
        if "$ref" in schema:
            yield from self.mistakes(self._component(schema["$ref"]), value, place)
        if "anyOf" in schema and all(list(self.mistakes(option, value, place)) for option in schema["anyOf"]):
            yield f"{place}: fits none of the alternatives"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{place}: is none of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            yield f"{place}: is not {schema['const']}"
        if "type" in schema and not _is(value, schema["type"]):
            yield f"{place}: is no {schema['type']}"
        elif isinstance(value, dict):
            yield from self._members(schema, value, place)
        elif isinstance(value, list) and "items" in schema:
            for number, item in enumerate(value):
                yield from self.mistakes(schema["items"], item, f"{place}[{number}]")

    def _members(self, schema: Mapping[str, Any], value: dict[str, Any], place: str) -> Iterator[str]:
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{place}: {name} is missing"
        for name, member in value.items():
            if name in properties:
                yield from self.mistakes(properties[name], member, f"{place}.{name}")
            elif properties and not schema.get("additionalProperties"):
                yield f"{place}: {name} is not described"

    def _component(self, reference: str) -> Mapping[str, Any]:
        component: Mapping[str, Any] = self.document["components"]["schemas"][reference.rpartition("/")[2]]
        return component


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
