"""The OpenAPI 3.1 document, written from the table of routes and the types of their documents."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic.json_schema import JsonSchemaMode

from ehmi_ap import __version__
from ehmi_ap.server.documents import adapter
from ehmi_ap.server.problem import MEDIA_TYPE as PROBLEM_TYPE
from ehmi_ap.server.problem import Problem
from ehmi_ap.server.routes import API, JSON, Access, Given, Parameter, Route

Json = dict[str, Any]

_REFS = "#/components/schemas/{model}"
_FORM = "multipart/form-data"


def document(routes: Sequence[Route]) -> Json:
    """What GET /api/v1/openapi.json serves."""
    schemas = _Schemas()
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ehmi-ap",
            "version": __version__,
            "summary": "REST of an AS4 access point: submit, follow, fetch, administer.",
            "description": "Errors are application/problem+json and say whose fault it is, what to do about it, and "
            "whether sending the same again may help.",
        },
        "servers": [{"url": API}],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


class _Schemas:
    """JSON Schemas of the types met so far; dataclasses become components."""

    def __init__(self) -> None:
        self._components: dict[str, Json] = {}

    def of(self, kind: Any, mode: JsonSchemaMode = "serialization") -> Json:
        schema: Json = adapter(kind).json_schema(ref_template=_REFS, mode=mode, by_alias=True)
        self._components.update(schema.pop("$defs", {}))
        name = getattr(kind, "__name__", "")
        if schema.get("type") == "object" and schema.get("title") == name:
            self._components[name] = schema
            return {"$ref": _REFS.format(model=name)}
        return schema

    def components(self) -> dict[str, Json]:
        return dict(sorted(self._components.items()))


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {"operationId": route.name, "summary": route.what, "responses": _responses(route, schemas)}
    if route.parameters:
        operation["parameters"] = [_parameter(parameter, schemas) for parameter in route.parameters]
    if route.takes:
        content = {given.media: _taken(given, schemas) for given in route.takes}
        operation["requestBody"] = {"required": True, "content": content}
    if route.access is Access.OPEN:
        operation["security"] = []
    else:
        operation["description"] = f"With {route.access.value} token."
    return operation


def _responses(route: Route, schemas: _Schemas) -> Json:
    answers: Json = {}
    for status, given in route.answers.items():
        answers[str(status)] = {"description": given.what, **_content({given.media: _shape(given, schemas)})}
    for status in sorted({*route.refusals, *_usual(route)}):
        answers[str(status)] = {
            "description": "refused",
            **_content({PROBLEM_TYPE: {"schema": schemas.of(Problem)}}),
        }
    return answers


def _usual(route: Route) -> Iterable[int]:
    """What any request with a token may be answered."""
    if route.access is Access.OPEN:
        return (500,)
    return (401, 403, 500, 503) if route.access is Access.ADMIN else (401, 500, 503)


def _content(content: Mapping[str, Json]) -> Json:
    return {"content": dict(content)} if "" not in content else {}


def _shape(given: Given, schemas: _Schemas) -> Json:
    if given.kind is None:
        return {} if given.media != JSON else {"schema": {"type": "object"}}
    return {"schema": schemas.of(given.kind)}


def _taken(given: Given, schemas: _Schemas) -> Json:
    if given.media != _FORM:
        return {} if given.kind is None else {"schema": schemas.of(given.kind, "validation")}
    return {
        "schema": {
            "type": "object",
            "required": ["metadata"],
            "properties": {"metadata": schemas.of(given.kind, "validation")},
            "additionalProperties": {"description": "a payload; the parts' order counts, their names do not"},
        },
        "encoding": {"metadata": {"contentType": JSON}},
    }


def _parameter(parameter: Parameter, schemas: _Schemas) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.what,
        "schema": schemas.of(parameter.kind),
    }
