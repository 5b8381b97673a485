"""The OpenAPI document: written from the table of routes, whole, and right about what is sent, too."""

import re
from typing import Any

import pytest

from ehmi_ap.backends.metadata import read_description
from ehmi_ap.errors import SubmissionError
from ehmi_ap.server.internal import ROUTES
from ehmi_ap.server.openapi import document
from ehmi_ap.server.routes import Access
from tests.unit.server.openapi_check import Description

DESCRIPTION = Description(document(ROUTES))


def schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_row_is_described_in_full(route):
    operation = DESCRIPTION.operation(route.method, re.sub(r"\{\w+\}", "x", route.path))
    assert operation["operationId"] == route.name
    assert operation["summary"].endswith(".")
    in_path = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", route.path))
    assert all(p["description"] and p["schema"] for p in operation.get("parameters", []))
    assert {str(status) for status in route.answers} <= set(operation["responses"])
    assert "401" in operation["responses"]
    assert ("403" in operation["responses"]) or route.access is Access.BACKEND
    assert ("requestBody" in operation) == (route.method == "PUT" or route.name in ("submitMessage", "dropReport"))


def test_every_reference_is_there():
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(DESCRIPTION.document)))
    assert references == set(DESCRIPTION.document["components"]["schemas"])


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"to": {"id": "beta", "type": "urn:x"}, "service": "urn:s", "action": "a", "payloads": [{}]},
        {"sender": {"value": "1", "scheme": "urn:gln"}, "receiver": "2", "tracking_id": "t", "pmode": "p"},
        {"properties": [{"name": "n", "value": "v"}], "ref_to_message_id": "r@x", "agreement": {"value": "a"}},
        {"payloads": [{"mime_type": "text/xml", "content_id": "c@x", "character_set": "utf-8", "properties": []}]},
    ],
)
def test_metadata_that_is_taken_is_described(metadata):
    taken = {**metadata, "payloads": [{"mime_type": "text/xml", **part} for part in metadata.get("payloads", [])]}
    assert read_description(taken)
    assert not list(DESCRIPTION.mistakes(schema("Metadata"), metadata, "metadata"))


@pytest.mark.parametrize("metadata", [{"colour": 1}, {"action": 7}, {"properties": [{"name": "n"}]}, {"payloads": "x"}])
def test_metadata_that_is_refused_is_not_described(metadata):
    with pytest.raises(SubmissionError):
        read_description(metadata)
    assert list(DESCRIPTION.mistakes(schema("Metadata"), metadata, "metadata"))
