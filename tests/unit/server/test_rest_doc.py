"""docs/reference/rest.md names every route, parameter, key, status, metric and method of the client, and no other."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from ehmi_ap.client import Client
from ehmi_ap.server import documents, status_documents
from ehmi_ap.server.internal import ROUTES
from ehmi_ap.server.problem import Problem

DOC = (Path(__file__).parents[3] / "docs" / "reference" / "rest.md").read_text()


def test_every_route_is_there_and_no_other():
    documented = set(re.findall(r"`(GET|POST|PUT|DELETE) /api/v1(/[^`]*)`", DOC))
    assert documented - {("GET", "/openapi.json")} == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_query_parameter_is_there(route):
    for parameter in route.parameters:
        if parameter.where == "query":
            assert re.search(rf"`[?]?{parameter.name}=?`", DOC), parameter.name


@pytest.mark.parametrize(
    "kind", [documents.Message, documents.Metadata, documents.PayloadInfo, status_documents.Report, Problem]
)
def test_every_key_is_there(kind):
    for key in TypeAdapter(kind).json_schema(by_alias=True)["properties"]:
        assert re.search(rf'[`"]{key}[`"]', DOC), key


def test_every_key_of_an_event_is_there():
    for field in fields(documents.Event):
        assert f'"{field.name}"' in DOC


def test_every_refusal_is_there():
    table = DOC.partition("| status | `code` |")[2].partition("\n\n")[0]
    named = {int(status) for status in re.findall(r"\b[45]\d\d\b", table)}
    assert {status for route in ROUTES for status in route.refusals} <= named


def test_every_method_of_the_client_is_there():
    public = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    table = DOC.partition("| REST | Client |")[2]
    assert public - {"close"} == set(re.findall(r"`(\w+)\(", table))
