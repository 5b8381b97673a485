"""Errors as problems: each with whose fault it is, what to do, and whether the same may succeed later."""

import json

import pytest
from aiohttp import web

from ehmi_ap.errors import (
    Ambiguous,
    BackendError,
    ConfigError,
    HttpRefusal,
    NotAllowed,
    NotFound,
    RequestRefused,
    StoreError,
    SubmissionConflict,
    SubmissionError,
)
from ehmi_ap.server.problem import Candidate, answer, problem_of


@pytest.mark.parametrize(
    ("error", "status", "code", "fault", "resend"),
    [
        (SubmissionError("x"), 422, "submission", "submitter", False),
        (SubmissionConflict("x"), 409, "submission.conflict", "submitter", False),
        (NotFound("x"), 404, "not-found", "submitter", False),
        (NotAllowed("x"), 409, "not-allowed", "submitter", False),
        (ConfigError(["x", "y"]), 422, "config", "operator", False),
        (StoreError("x"), 503, "store", "access point", True),
        (BackendError("x"), 500, "backend", "recipient system", True),
        (HttpRefusal(413, "x"), 413, "request", "submitter", False),
        (HttpRefusal(408, "x"), 408, "request", "submitter", True),
        (RequestRefused(410, "x"), 410, "request", "submitter", False),
        (web.HTTPNotFound(), 404, "request", "submitter", False),
        (Ambiguous([("inbound", "p")] * 2), 409, "request.ambiguous", "submitter", False),
        (RuntimeError("2512489996"), 500, "internal", "access point", True),
    ],
)
def test_every_error_answers_the_four_questions(error, status, code, fault, resend):
    problem = problem_of(error)
    assert (problem.status, problem.code, problem.fault, problem.resend) == (status, code, fault, resend)
    assert problem.type == f"urn:ehmi-ap:problem:{code}"
    assert problem.title
    assert problem.detail
    assert problem.fix


def test_a_failure_of_ours_shows_nothing_of_itself():
    said = answer(RuntimeError("2512489996"))
    assert said.status == 500
    assert isinstance(said.body, bytes)
    assert b"2512489996" not in said.body


def test_findings_and_candidates_are_listed():
    assert problem_of(ConfigError(["one", "two"])).findings == ("one", "two")
    candidates = (Candidate(direction="inbound", party="p"), Candidate(direction="inbound", party="q"))
    assert problem_of(Ambiguous([("inbound", "p"), ("inbound", "q")])).candidates == candidates


def test_headers_that_belong_to_a_status():
    assert answer(RequestRefused(401, "x")).headers["WWW-Authenticate"].startswith("Bearer")
    assert answer(StoreError("x")).headers["Retry-After"] == "30"
    assert answer(web.HTTPMethodNotAllowed("PUT", ["GET"])).headers["Allow"] == "GET"
    said = answer(NotFound("x"))
    assert said.content_type == "application/problem+json"
    assert isinstance(said.body, bytes)
    assert json.loads(said.body)["status"] == 404
    assert said.keep_alive is None
    assert answer(HttpRefusal(413, "x")).keep_alive is False
