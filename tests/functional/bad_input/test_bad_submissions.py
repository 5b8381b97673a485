"""What C1 asks that cannot be done: nothing is stored, and C1 reads what to change (issue: "a bad submission from C1")."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given, settings

from tests.functional.bad_input.documents import DOCUMENT, PATIENT
from tests.functional.bad_input.mutations import CHANGES, STROKES, WITHIN, rebuilt, struck
from tests.functional.bad_input.receiver import CANARY, XML
from tests.logged import logged
from tests.pair import ACTION, SERVICE
from tests.unit.server.rest import Rest, Said, exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A form that cannot be sent. `words` are in what C1 is told; `media` are the Content-Types of the payloads."""

    name: str
    metadata: Any = field(default_factory=dict)
    payloads: tuple[bytes, ...] = (XML,)
    words: tuple[str, ...]
    status: int = 422
    code: str = "submission"


def _payload(**said: Any) -> dict[str, Any]:
    return {"payloads": [said]}


def _properties(*properties: tuple[str, Any]) -> dict[str, Any]:
    return {"properties": [{"name": name, "value": value} for name, value in properties]}


CASES = [
    Case(name="a service that no P-Mode has", metadata={"service": "urn:other"}, words=("service", "partner add")),
    Case(name="an action that no P-Mode has", metadata={"action": "other"}, words=("action", "P-Mode")),
    Case(name="a partner that no P-Mode has", metadata={"to": "delta"}, words=("partner", "P-Mode")),
    Case(name="a patient for a partner", metadata={"to": {"id": CANARY, "type": CANARY}}, words=("partner",)),
    Case(name="an agreement that no P-Mode has", metadata={"agreement": "urn:agreed"}, words=("agreement",)),
    Case(name="a P-Mode that is not there", metadata={"pmode": "nobody"}, words=("name", "P-Mode")),
    Case(name="a P-Mode for receiving only", metadata={"action": "fetch"}, words=("receiving only", "url")),
    Case(name="several P-Modes that fit", metadata={"action": "both"}, words=("one", "two", "`pmode`")),
    Case(name="a key that nobody knows", metadata={"colour": CANARY}, words=("colour",)),
    Case(name="an action that is a number", metadata={"action": int(CANARY)}, words=("action",)),
    Case(name="a service that is a list", metadata={"service": [CANARY]}, words=("service",)),
    Case(name="a partner without an id", metadata={"to": {"type": CANARY}}, words=("to", "id")),
    Case(name="properties that are text", metadata={"properties": CANARY}, words=("properties",)),
    Case(name="a property without a value", metadata={"properties": [{"name": "x"}]}, words=("value",)),
    Case(name="a property that is a number", metadata=_properties(("x", int(CANARY))), words=("value",)),
    Case(name="an empty property", metadata=_properties(("x", "")), words=("message property x", "empty")),
    Case(name="a property with white space around it", metadata=_properties(("x", f" {CANARY}")), words=("message property x",)),
    Case(name="a property with a control character", metadata=_properties(("x", f"{CANARY}\x01")), words=("control characters",)),
    Case(name="a property of 2000 characters", metadata=_properties(("x", CANARY * 200)), words=("1024",)),
    Case(name="originalSender as a property", metadata=_properties(("originalSender", CANARY)), words=("`sender`",)),
    Case(name="finalRecipient as a property", metadata=_properties(("finalRecipient", CANARY)), words=("`receiver`",)),
    Case(name="trackingIdentifier as a property", metadata=_properties(("trackingIdentifier", CANARY)), words=("`tracking_id`",)),
    Case(name="an empty sender", metadata={"sender": ""}, words=("sender",)),
    Case(name="a tracking id with a line end", metadata={"tracking_id": f"{CANARY}\n"}, words=("tracking_id",)),
    Case(name="a conversation of white space", metadata={"conversation_id": " "}, words=("conversation_id",)),
    Case(name="a MessageId of two words", metadata={"message_id": f"{CANARY} a@x"}, words=("`message_id`", "left@right")),
    Case(name="a MessageId in angle brackets", metadata={"message_id": "<a@x>"}, words=("`message_id`", "angle brackets")),
    Case(name="a MessageId of 300 characters", metadata={"message_id": "a" * 300 + "@x"}, words=("255",)),
    Case(name="an answer to no MessageId", metadata={"ref_to_message_id": CANARY}, words=("`ref_to`",)),
    Case(name="one payload, described as none", metadata={"payloads": []}, words=("0 payloads are described", "1 came")),
    Case(name="one payload, described as two", metadata={"payloads": [{"mime_type": "text/xml"}] * 2}, words=("2 payloads are described",)),
    Case(name="a MIME type with parameters", metadata=_payload(mime_type=f"text/xml; x={CANARY}"), words=("MIME type", "without parameters")),
    Case(name="a MIME type that is none", metadata=_payload(mime_type=CANARY), words=("type/subtype",)),
    Case(name="a content id with a space", metadata=_payload(content_id=f"{CANARY} x"), words=("content id",)),
    Case(name="a content id twice", payloads=(XML, XML), metadata={"payloads": [{"content_id": "a@x"}] * 2}, words=("same content id",)),
    Case(name="a character set that is none", metadata=_payload(character_set="!utf"), words=("character set", "IANA")),
    Case(name="CompressionType as a part property", metadata=_payload(properties=[{"name": "CompressionType", "value": "x"}]), words=("CompressionType", "P-Mode")),
    Case(name="MimeType as a part property", metadata=_payload(properties=[{"name": "MimeType", "value": CANARY}]), words=("`mime_type`",)),
    Case(name="an empty part property", metadata=_payload(properties=[{"name": "x", "value": ""}]), words=("part property x",)),
    Case(name="more payloads than the partner takes", payloads=(XML,) * 29, words=("29 payloads", "at most 28", "outbound_parts")),
    Case(name="more bytes than the P-Mode sends", metadata={"action": "small"}, payloads=(XML * 20,), words=("2000 bytes", "message_bytes")),
    Case(name="four corners without a sender", metadata={"action": "corners", "receiver": "0088:1"}, words=("no sender", "4.1.2")),
    Case(name="four corners without a receiver", metadata={"action": "corners", "sender": "0088:1"}, words=("no receiver",)),
    Case(name="no SBD where the profile asks for one", metadata={"action": "ehmi", "sender": "0088:1", "receiver": "0088:2"}, words=("V-1",)),
    Case(name="metadata that is no JSON", metadata=CANARY + "{", words=("not JSON",)),
    Case(name="metadata that is a list", metadata=[CANARY], words=("not a JSON object",)),
    Case(name="metadata that is nested without end", metadata="[" * 50_000, words=("not JSON",)),
    Case(name="metadata of 300 kB", metadata={"action": "x" * 300_000}, words=("262144",), status=413, code="request"),
]  # fmt: skip


@dataclass
class C1:
    """The REST of alpha, and everything that is logged while it is asked."""

    rest: Rest
    log: list[logging.LogRecord]

    async def kept(self) -> object:
        files = sorted(str(path) for path in (self.store / "payloads").rglob("*") if path.is_file())
        return await self.rest.ap.store.counts(), files

    @property
    def store(self) -> Path:
        return self.rest.ap.config.store

    async def submit(self, metadata: Any, *payloads: bytes, **more: Any) -> Said:
        form = aiohttp.FormData()
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        form.add_field("metadata", text, content_type="application/json")
        for number, payload in enumerate(payloads):
            form.add_field(f"p{number}", payload, content_type="application/xml", filename=f"{CANARY}.xml")
        return await self.rest.ask("POST", "/messages", data=form, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def c1(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[C1]:
    with logged() as records:
        async with exchange(tmp_path_factory.mktemp("submissions")) as (alpha, beta):
            base = {"partner": "beta", "url": beta.addresses.as4, "certificate": "beta", "service": SERVICE}
            for name, more in {
                "corners": {"actions": ["corners"], "four_corner": True},
                "ehmi": {"actions": ["ehmi"], "profile": "ehmi"},
                "small": {"actions": ["small"], "limits": {"message_bytes": 2000}},
                "one": {"actions": ["both"], "agreement": "urn:one"},
                "two": {"actions": ["both"], "agreement": "urn:two"},
            }.items():
                await alpha.ap.put_pmode(name, {**base, **more})
            await alpha.ap.put_pmode(
                "fetch", {"partner": "beta", "certificate": "beta", "service": SERVICE, "actions": ["fetch"]}
            )
            yield C1(alpha, records)
            store = alpha.ap.config.store
    traces = [path for path in store.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert traces == [], "the patient of a refused submission is still on disk"


def refused(c1: C1, said: Said, status: int, code: str, words: tuple[str, ...]) -> None:
    """A problem whose every member is there, that says what to change and shows nobody (RFC 9457)."""
    assert said.status == status, said.body
    assert said.headers["Content-Type"] == "application/problem+json"
    problem = said.json
    assert (problem["status"], problem["code"], problem["fault"]) == (status, code, "submitter")
    assert problem["type"] == f"urn:ehmi-ap:problem:{code}"
    assert problem["resend"] is False
    assert problem["title"]
    assert problem["fix"]
    missing = [word for word in words if word not in problem["detail"] + problem["fix"]]
    assert missing == [], problem
    assert CANARY not in f"{said.headers} {said.body!r}"
    assert not [record for record in c1.log if CANARY in str(vars(record))]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
async def test_a_bad_submission_stores_nothing_and_says_what_to_change(c1: C1, case: Case) -> None:
    before = await c1.kept()
    c1.log.clear()
    fitting = {"service": SERVICE, "action": ACTION, "properties": [{"name": "patient", "value": CANARY}]}
    metadata = {**fitting, **case.metadata} if isinstance(case.metadata, dict) else case.metadata
    said = await c1.submit(metadata, *case.payloads)
    refused(c1, said, case.status, case.code, case.words)
    assert await c1.kept() == before


OTHER = [
    ("no Content-Type that is taken", {"Content-Type": "application/json"}, b"{}", 415, ("application/xml", "multipart/form-data")),
    ("no boundary", {"Content-Type": "multipart/form-data"}, XML, 400, ("boundary",)),
    ("a boundary that is not there", {"Content-Type": "multipart/form-data; boundary=b"}, XML * 20, 400, ("boundary",)),
    ("a form without metadata", {"Content-Type": "multipart/form-data; boundary=b"}, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + XML + b"\r\n--b--\r\n", 400, ("`metadata`",)),
    ("a form that is cut", {"Content-Type": "multipart/form-data; boundary=b"}, b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; name="p"\r\n\r\n' + XML * 5000, 400, ("ends before",)),
    ("a form with headers without end", {"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\nX: " + CANARY.encode() * 2000, 431, ("headers",)),
    ("a form in gzip", {"Content-Type": "multipart/form-data; boundary=b", "Content-Encoding": "gzip"}, XML, 415, ("Content-Encoding",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"), [pytest.param(*case, id=name) for name, *case in OTHER]
)
async def test_a_request_that_is_no_submission(
    c1: C1, headers: dict[str, str], body: bytes, status: int, words: tuple[str, ...]
) -> None:
    before = await c1.kept()
    c1.log.clear()
    said = await c1.rest.ask("POST", "/messages", data=body, headers=headers)
    refused(c1, said, status, "request", words)
    assert await c1.kept() == before


SBD = [
    ("not XML", CANARY.encode(), ("SBD",)),
    ("another document", XML, ("SBD",)),
]


@pytest.mark.parametrize(("document", "words"), [pytest.param(*case, id=name) for name, *case in SBD])
async def test_a_document_that_says_nothing_of_where_it_goes(c1: C1, document: bytes, words: tuple[str, ...]) -> None:
    """No P-Mode is named, and the document names none."""
    before = await c1.kept()
    said = await c1.rest.ask("POST", "/messages", data=document, headers={"Content-Type": "application/xml"})
    refused(c1, said, 422, "submission", ("`pmode`",))
    assert await c1.kept() == before


async def test_nobody_submits_without_a_token_or_in_anothers_name(c1: C1) -> None:
    before = await c1.kept()
    for token, query, status in ((None, "", 401), ("wrong-token", "", 401), ("", "?backend=c4", 403)):
        said = await c1.rest.ask(
            "POST", f"/messages{query}", data=XML, headers={"Content-Type": "application/xml"}, token=token
        )
        refused(c1, said, status, "request", ())
    assert await c1.kept() == before


ASKED = [
    ("GET", f"/messages/{CANARY}%40x", 404),
    ("GET", f"/messages/{CANARY}%40x/events", 404),
    ("GET", f"/messages/{CANARY}%40x/payloads/1", 404),
    ("POST", f"/messages/{CANARY}%40x/resend", 404),
    ("POST", f"/inbox/{CANARY}%40x/ack", 404),
    ("GET", f"/messages?state={CANARY}", 400),
    ("GET", f"/messages?since={CANARY}", 400),
    ("GET", f"/messages?limit=-{CANARY}", 400),
    ("GET", f"/messages?cursor={CANARY}x", 400),
    ("GET", f"/messages?direction={CANARY}", 400),
]


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
async def test_what_is_asked_for_is_not_repeated(c1: C1, method: str, path: str, status: int) -> None:
    """A MessageId or a filter may be a patient's number."""
    c1.log.clear()
    said = await c1.rest.ask(method, path)
    refused(c1, said, status, "not-found" if status == 404 else "request", ())


@settings(WITHIN, max_examples=80)
@given(strokes=STROKES, changes=CHANGES)
async def test_a_document_changed_anywhere(
    c1: C1, strokes: list[tuple[str, float, float, int, bytes]], changes: list[tuple[str, int, int]]
) -> None:
    """C1's envelope is taken, or refused with what to change; never a 500, and its patient in no answer and no log."""
    header = DOCUMENT.index(b"</StandardBusinessDocumentHeader>")
    for document in (struck(DOCUMENT[:header], strokes) + DOCUMENT[header:], rebuilt(DOCUMENT, changes)):
        c1.log.clear()
        said = await c1.rest.ask(
            "POST", "/messages?pmode=ehmi", data=document, headers={"Content-Type": "application/xml"}
        )
        assert PATIENT not in said.body.decode() + str([vars(record) for record in c1.log])
        if said.status != 202:
            refused(c1, said, 422, "submission", ())
