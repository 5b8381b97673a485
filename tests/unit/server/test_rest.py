"""The REST from end to end: C1 submits to alpha, C4 fetches from beta; every answer fits the OpenAPI document."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
import pytest
import pytest_asyncio

from ehmi_ap.backends.metadata import message_json
from ehmi_ap.model import Direction, EventKind, MessageId
from ehmi_ap.ports import Query
from ehmi_ap.server.internal import ROUTES
from tests.unit.server.rest import ADMIN, C4, DESCRIPTION, OTHER, PUSHED, Rest, at, exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")

XML = b"<a>one</a>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Rest, Rest]]:
    async with exchange(tmp_path_factory.mktemp("rest")) as running:
        yield running


@pytest.fixture
def c1(both: tuple[Rest, Rest]) -> Rest:
    return both[0]


@pytest.fixture
def c4(both: tuple[Rest, Rest]) -> Rest:
    return both[1]


async def sent(c1: Rest, *payloads: bytes, **metadata: object) -> str:
    """A message that C3 has acknowledged."""
    said = await c1.submit(*payloads, **metadata)
    assert said.status == 202, said.body
    message_id: str = said.json["message_id"]
    await c1.settled(message_id)
    return message_id


NET = {
    "smp": "https://127.0.0.1:1",
    "publishers": {"trust": ["pair-ca"], "private_addresses": True},
    "receivers": {"trust": ["pair-ca"]},
}
"""A network whose SMP is not there."""


async def test_a_receiver_that_was_not_looked_up_yet_has_no_id(c1: Rest) -> None:
    """C1 is answered before anybody is asked; `to` and `party` are null until somebody is found."""
    assert (await c1.ask("PUT", "/networks/net", token=ADMIN, json=NET)).status == 204
    template = {"network": "net", "service": "urn:dynamic", "actions": ["urn:document"]}
    put = await c1.ask("PUT", "/pmodes/dynamic", token=ADMIN, json=template)
    assert put.status == 204, put.body
    said = await c1.submit(XML, pmode="dynamic", service="urn:dynamic", action="urn:document", receiver="0088:4")
    message_id = said.json["message_id"]
    async for event in c1.ap.events(message_id=message_id):
        if event.kind is EventKind.ATTEMPT:
            break
    shown = (await c1.ask("GET", at(message_id))).json
    assert (shown["to"]["id"], shown["to"]["type"], shown["party"]) == (None, None, {"id": None, "type": None})
    assert (shown["state"], shown["last_code"]) == ("accepted", "discovery.unavailable")
    assert "127.0.0.1:1" in shown["last_detail"]
    [listed] = (await c1.ask("GET", "/messages?state=accepted")).json["messages"]
    assert listed["message_id"] == message_id

    [receiver] = (await c1.ask("GET", "/receivers", token=ADMIN)).json["receivers"]
    assert (receiver["participant"], receiver["use"]) == ("iso6523-actorid-upis::0088:4", "missed")
    assert (receiver["outcome"], receiver["problem"]["reason"]) == ("unavailable", "SMP_UNREACHABLE")
    assert (await c1.ask("GET", "/receivers?participant=0088%3A5", token=ADMIN)).json == {"receivers": []}
    assert (await c1.ask("DELETE", "/receivers?participant=0088%3A4", token=ADMIN)).json == {"forgotten": 1}
    assert (await c1.ask("DELETE", "/receivers", token=ADMIN)).json == {"forgotten": 0}
    assert (await c1.ask("GET", "/receivers")).status == 403

    needed = await c1.ask("DELETE", "/networks/net", token=ADMIN)
    assert (needed.status, "is not a network" in needed.json["findings"][0]) == (422, True)
    assert (await c1.ask("DELETE", "/pmodes/dynamic", token=ADMIN)).status == 204
    assert (await c1.ask("DELETE", "/networks/net", token=ADMIN)).status == 204


async def test_networks_are_administered_as_p_modes_are(c1: Rest) -> None:
    """Those that ship are there; an operator's own takes the place of one, until it is deleted."""
    names = (await c1.ask("GET", "/networks", token=ADMIN)).json["names"]
    assert {"ehmi", "peppol"} <= set(names)
    shipped = (await c1.ask("GET", "/networks/ehmi", token=ADMIN)).json
    assert (await c1.ask("PUT", "/networks/ehmi", token=ADMIN, json=NET)).status == 204
    assert (await c1.ask("GET", "/networks/ehmi", token=ADMIN)).json == NET
    toml = {"Accept": "application/toml", "Authorization": f"Bearer {ADMIN}"}
    async with c1.session.get(f"{c1.addresses.internal}/api/v1/networks/ehmi", headers=toml) as answer:
        assert 'smp = "https://127.0.0.1:1"' in await answer.text()
    wrong = await c1.ask("PUT", "/networks/ehmi", token=ADMIN, json={**NET, "colour": 1, "smp": "no url"})
    assert wrong.status == 422
    assert "colour" in " ".join(wrong.json["findings"])
    assert (await c1.ask("DELETE", "/networks/ehmi", token=ADMIN)).status == 204
    assert (await c1.ask("GET", "/networks/ehmi", token=ADMIN)).json == shipped
    assert (await c1.ask("DELETE", "/networks/ehmi", token=ADMIN)).status == 404
    assert (await c1.ask("GET", "/networks/nothing", token=ADMIN)).status == 404
    assert (await c1.ask("PUT", "/networks/..%2Fx", token=ADMIN, json=NET)).status == 422
    assert (await c1.ask("DELETE", "/networks/..%2Fehmi-ap", token=ADMIN)).status == 404


async def test_a_message_from_c1_to_c4_and_every_way_to_look_at_it(c1: Rest, c4: Rest):
    """The play: submit, follow, receipt; inbox, payloads, acknowledge, acknowledge again."""
    large = b"<large>" + b"x" * 600_000 + b"</large>"
    said = await c1.submit(
        XML,
        large,
        message_id="a-b+c/d%2F=e@lab.example",
        conversation_id="conversation-7",
        sender={"value": "0088:1", "scheme": "urn:gln"},
        receiver="0088:2",
        properties=[{"name": "kind", "value": "test"}],
        payloads=[{}, {"content_id": "large@lab.example", "properties": [{"name": "part", "value": "two"}]}],
    )
    message_id = "a-b+c/d%2F=e@lab.example"
    assert (said.status, said.json) == (202, {"message_id": message_id})
    assert said.headers["Location"].startswith("/api/v1/messages/a-b%2Bc%2Fd%252F%3De%40lab.example")
    await c1.settled(message_id)

    shown = (await c1.ask("GET", at(message_id))).json
    assert (shown["direction"], shown["state"], shown["backend"]) == ("outbound", "acknowledged", "c1")
    assert (shown["party"]["id"], shown["from"]["id"], shown["to"]["id"]) == ("beta", "alpha", "beta")
    assert shown["sender"] == {"value": "0088:1", "scheme": "urn:gln"}
    assert [payload["size"] for payload in shown["payloads"]] == [len(XML), len(large)]
    assert shown["has_receipt"]
    kinds = [event["kind"] for event in (await c1.ask("GET", at(message_id, "/events"))).json["events"]]
    assert kinds == ["msg-received", "msg-sent"]
    receipt = await c1.ask("GET", at(message_id, "/receipt"))
    assert b"NonRepudiationInformation" in receipt.body
    assert (await c4.ask("GET", at(message_id, "/receipt"))).body == receipt.body

    inbox = (await c4.ask("GET", "/inbox")).json["messages"]
    waiting = next(message for message in inbox if message["message_id"] == message_id)
    assert (waiting["state"], waiting["party"]["id"]) == ("received", "alpha")
    assert waiting["payloads"][1]["properties"] == [{"name": "part", "value": "two", "type": None}]
    for number, payload in enumerate((XML, large), 1):
        got = await c4.ask("GET", at(message_id, f"/payloads/{number}"))
        assert got.body == payload
        assert got.headers["Content-Type"] == "application/xml"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Disposition"] == "attachment"
    for _ in range(2):
        acknowledged = await c4.ask("POST", "/inbox" + at(message_id, "/ack").removeprefix("/messages"))
        assert acknowledged.status == 200
    assert (await c4.ask("GET", at(message_id))).json["state"] == "delivered"
    assert message_id not in [m["message_id"] for m in (await c4.ask("GET", "/inbox")).json["messages"]]


async def test_the_document_has_the_keys_that_every_backend_is_told(c1: Rest):
    message_id = await sent(c1, XML)
    stored = await c1.ap.store.find(Query(message_id=MessageId(message_id), direction=Direction.OUTBOUND))
    told = message_json(stored[0].message)
    shown = (await c1.ask("GET", at(message_id))).json
    same = {key: shown[key] for key in told if key != "timestamp"}
    assert same == {key: value for key, value in told.items() if key != "timestamp"}


async def test_repeating_a_submission_with_its_message_id_is_safe(c1: Rest):
    first = await c1.submit(XML, message_id="again@lab.example")
    again = await c1.submit(XML, message_id="again@lab.example")
    other = await c1.submit(b"<a>other</a>", message_id="again@lab.example")
    assert (first.status, again.status, other.status) == (202, 202, 409)
    assert again.json == first.json
    problem = other.json
    assert (problem["code"], problem["fault"], problem["resend"]) == ("submission.conflict", "submitter", False)
    assert problem["fix"]
    found = (await c1.ask("GET", "/messages?message_id=again%40lab.example")).json["messages"]
    assert len(found) == 1
    await c1.settled("again@lab.example")


async def test_a_bad_submission_stores_nothing_and_says_what_to_change(c1: Rest):
    before = await c1.ap.store.counts()
    for metadata, word in (
        ({"service": "urn:unknown"}, "service"),
        ({"pmode": "nobody"}, "P-Mode"),
        ({"action": 7}, "action"),
        ({"colour": "red"}, "colour"),
        ({"\ud800": 1}, "\\ud800"),
        ({"payloads": []}, "payload"),
        ({"message_id": "two words"}, "essage"),
    ):
        said = await c1.submit(XML, **metadata)
        assert said.status == 422
        problem = said.json
        assert problem["code"] == "submission"
        assert word in problem["detail"] + problem["fix"]
        assert said.headers["Content-Type"] == "application/problem+json"
    assert await c1.ap.store.counts() == before


async def test_a_form_that_is_none_is_refused(c1: Rest):
    boundary = "multipart/form-data; boundary=b"
    part = b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n%s\r\n--b--\r\n'
    for content_type, body, status in (
        ("multipart/form-data", b"", 400),
        (boundary, b"", 400),
        (boundary, b"--b--\r\n", 400),
        (boundary, part.replace(b"metadata", b"payload") % b"{}", 400),
        (boundary, part % b"not JSON", 422),
        (boundary, part % (b"[" * 100_000), 422),
        (boundary, part % b"[]", 422),
        (boundary, part % (b" " * 300_000), 413),
        ("multipart/related; boundary=b", b"", 415),
        ("application/json", b"{}", 415),
        ("nonsense", b"", 415),
    ):
        said = await c1.ask("POST", "/messages", data=body, headers={"Content-Type": content_type})
        assert said.status == status, (content_type, body[:80], said.body)
        assert said.json["code"] in ("request", "submission")
    said = await c1.ask(
        "POST", "/messages", data=b"x", headers={"Content-Encoding": "gzip"}, skip_auto_headers=["Content-Type"]
    )
    assert said.status == 415


async def test_xml_alone_is_a_submission_where_the_pmode_fits(c1: Rest, c4: Rest):
    headers = {"Content-Type": "application/xml; charset=utf-8"}
    for _ in range(2):
        said = await c1.ask("POST", "/messages?pmode=beta&message_id=sbd%40lab", data=XML, headers=headers)
        assert (said.status, said.json) == (202, {"message_id": "sbd@lab"})
    await c1.settled("sbd@lab")
    assert (await c4.ask("GET", at("sbd@lab", "/payloads/1"))).body == XML
    other = await c1.ask("POST", "/messages?message_id=sbd%40lab", data=b"<b/>", headers=headers)
    assert other.status == 409
    said = await c1.ask("POST", "/messages?pmode=nobody", data=XML, headers=headers)
    assert (said.status, said.json["fault"]) == (422, "submitter")


@pytest.mark.parametrize("message_id", ["{a}@lab", "a'b@lab", "~!#$%&*@lab", "x/y/./z@lab", "a|b^c`d@lab"])
async def test_any_message_id_can_be_asked_for(c1: Rest, message_id):
    await sent(c1, XML, message_id=message_id)
    assert (await c1.ask("GET", at(message_id))).json["message_id"] == message_id
    assert (await c1.ask("GET", at(message_id, "/payloads/1"))).body == XML


async def test_filters_and_pages(c1: Rest):
    ids = [await sent(c1, XML, conversation_id="pages", receiver={"value": f"r{n}"}, sender="s") for n in range(5)]
    seen, cursor = [], ""
    while True:
        page = (await c1.ask("GET", f"/messages?conversation=pages&limit=2{cursor}")).json
        seen += [message["message_id"] for message in page["messages"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids[::-1]
    for query, count in (
        ("direction=outbound", 5),
        ("direction=inbound", 0),
        ("state=acknowledged", 5),
        ("state=failed,accepted&state=sending", 0),
        ("party=beta", 5),
        ("party=gamma", 0),
        ("participant=r3", 1),
        ("since=2000-01-01T00:00:00Z", 5),
        ("since=2999-01-01T00:00:00%2B01:00", 0),
    ):
        page = (await c1.ask("GET", f"/messages?conversation=pages&{query}")).json
        assert len(page["messages"]) == count, query


@pytest.mark.parametrize(
    "query",
    [
        "direction=up",
        "state=lost",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=-1",
        "cursor=x",
    ],
)
async def test_a_wrong_filter_is_answered_with_what_is_right(c1: Rest, query):
    said = await c1.ask("GET", f"/messages?{query}")
    assert said.status == 400
    assert query.partition("=")[0] in said.json["detail"]


async def test_what_is_not_there(c1: Rest):
    message_id = await sent(c1, XML)
    for path in (
        at("nobody@lab.example"),
        at("nobody@lab.example", "/events"),
        at(message_id, "/payloads/2"),
        at(message_id, "/payloads/0"),
        at(message_id, "/payloads/x"),
    ):
        said = await c1.ask("GET", path)
        assert (said.status, said.json["code"]) == (404, "not-found")
    said = await c1.ask("POST", at(message_id, "/resend"))
    assert (said.status, said.json["code"]) == (409, "not-allowed")
    for kind in ("pmodes", "certificates"):
        said = await c1.ask("GET", f"/{kind}/nothing", token=ADMIN)
        assert (said.status, said.json["fix"]) == (404, f"List what there is with GET /api/v1/{kind}.")
    async with c1.session.get(f"{c1.addresses.internal}/api/v1/nothing") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with c1.session.patch(f"{c1.addresses.internal}/api/v1/messages") as answer:
        assert (answer.status, answer.content_type) == (405, "application/problem+json")
        assert answer.headers["Allow"] == "GET,POST"


async def test_a_backend_sees_only_its_own(c1: Rest, c4: Rest):
    message_id = await sent(c1, XML, conversation_id="private")
    for path in (at(message_id), at(message_id, "/events"), at(message_id, "/receipt"), at(message_id, "/payloads/1")):
        assert (await c1.ask("GET", path, token=OTHER)).status == 404
        assert (await c1.ask("GET", path, token=ADMIN)).status == 200
    assert (await c1.ask("POST", at(message_id, "/resend"), token=OTHER)).status == 404
    assert (await c1.ask("GET", "/messages", token=OTHER)).json["messages"] == []
    assert (await c1.ask("GET", "/events", token=OTHER)).json["events"] == []
    assert (await c4.ask("GET", "/inbox", token=OTHER)).json["messages"] == []
    assert (await c4.ask("POST", f"/inbox/{message_id}/ack", token=OTHER)).status == 404
    seen = (await c4.ask("GET", "/inbox?limit=500", token=ADMIN)).json["messages"]
    assert message_id in [message["message_id"] for message in seen]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {C4}", C4, "Bearer \xff"])
async def test_without_a_known_token_nothing(c1: Rest, header):
    for route in ROUTES:
        url = c1.addresses.internal + "/api/v1" + route.path
        headers = {} if header is None else {"Authorization": header}
        async with c1.session.request(route.method, url, headers=headers) as answer:
            problem = await answer.json(content_type="application/problem+json")
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="ehmi-ap"')
            assert problem["code"] == "request"


async def test_only_the_administrator_administers(c1: Rest):
    for method, path in (
        ("GET", "/pmodes"),
        ("GET", "/pmodes/beta"),
        ("PUT", "/pmodes/beta"),
        ("DELETE", "/pmodes/beta"),
        ("GET", "/certificates"),
        ("PUT", "/certificates/x"),
    ):
        assert (await c1.ask(method, path)).status == 403
    said = await c1.ask("POST", "/messages?backend=other", data=XML, headers={"Content-Type": "application/xml"})
    assert said.status == 403


async def test_the_inbox_is_in_the_order_of_arrival(c1: Rest, c4: Rest):
    """A correction comes after what it corrects."""
    ids = [await sent(c1, XML, conversation_id="order") for _ in range(3)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await c4.ask("GET", f"/inbox?limit=2{cursor}")).json
        seen += [m["message_id"] for m in page["messages"] if m["conversation_id"] == "order"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ids


async def test_only_a_backend_that_fetches_has_an_inbox(c4: Rest):
    said = await c4.ask("GET", "/inbox", token=PUSHED)
    assert (said.status, said.json["code"]) == (409, "not-allowed")
    assert (await c4.ask("GET", "/messages", token=PUSHED)).status == 200


async def test_one_message_id_under_two_directions_is_ambiguous(c1: Rest, c4: Rest):
    """Beta replies to alpha under the MessageId that alpha used: legal, if unwise."""
    message_id = await sent(c1, XML)
    assert (await c4.submit(XML, message_id=message_id)).status == 202
    await c4.settled(message_id)
    said = await c4.ask("GET", at(message_id))
    assert said.status == 409
    assert said.json["code"] == "request.ambiguous"
    assert said.json["candidates"] == [
        {"direction": "outbound", "party": "alpha"},
        {"direction": "inbound", "party": "alpha"},
    ]
    for direction in ("inbound", "outbound"):
        shown = await c4.ask("GET", at(message_id, f"?direction={direction}&party=alpha"))
        assert (shown.status, shown.json["direction"]) == (200, direction)
    assert (await c4.ask("POST", f"/inbox/{message_id}/ack")).status == 200


async def test_events_come_as_they_happen(c1: Rest):
    """A long poll that waits is answered by the next submission, not by the clock."""
    last = (await c1.ask("GET", "/events?after=0")).json["last"]
    waiting = asyncio.create_task(c1.ask("GET", f"/events?after={last}&wait=30"))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    message_id = await sent(c1, XML)
    page = (await waiting).json
    assert page["events"][0]["message_id"] == message_id
    assert page["last"] >= page["events"][-1]["seq"] > last
    rest = (await c1.ask("GET", f"/events?after={last}")).json["events"]
    assert [event["kind"] for event in rest if event["message_id"] == message_id] == ["msg-received", "msg-sent"]
    empty = (await c1.ask("GET", f"/events?after={page['last'] + 100}&wait=0.05")).json
    assert empty["events"] == []
    for query in ("after=x", "wait=61", "wait=-1", "after=-1"):
        assert (await c1.ask("GET", f"/events?{query}")).status == 400


async def test_pmodes_are_administered_without_a_restart(c1: Rest):
    names = (await c1.ask("GET", "/pmodes", token=ADMIN)).json["names"]
    assert names == ["beta"]
    pmode = (await c1.ask("GET", "/pmodes/beta", token=ADMIN)).json
    assert pmode["partner"] == "beta"
    toml = await c1.ask("GET", "/pmodes/beta", token=ADMIN, headers={"Accept": "application/json"})
    assert toml.json == pmode
    second = {**pmode, "service": "urn:second"}
    assert (await c1.submit(XML, service="urn:second")).status == 422
    assert (await c1.ask("PUT", "/pmodes/second", token=ADMIN, json=second)).status == 204
    assert (await c1.submit(XML, service="urn:second", message_id="second@lab.example")).status == 202
    wrong = await c1.ask("PUT", "/pmodes/second", token=ADMIN, json={**second, "colour": 1, "actions": 7})
    assert wrong.status == 422
    assert {"colour", "actions"} <= set(" ".join(wrong.json["findings"]).replace(":", " ").split())
    assert (await c1.ask("GET", "/pmodes/second", token=ADMIN)).json["service"] == "urn:second"
    assert (await c1.ask("DELETE", "/pmodes/second", token=ADMIN)).status == 204
    assert (await c1.ask("DELETE", "/pmodes/second", token=ADMIN)).status == 404
    assert (await c1.ask("GET", "/pmodes/second", token=ADMIN)).status == 404
    assert (await c1.submit(XML, service="urn:second")).status == 422


async def test_a_pmode_may_be_sent_and_got_as_toml(c1: Rest):
    async with c1.session.get(
        f"{c1.addresses.internal}/api/v1/pmodes/beta",
        headers={"Accept": "application/toml", "Authorization": f"Bearer {ADMIN}"},
    ) as answer:
        assert answer.content_type == "application/toml"
        text = (await answer.text()).replace("urn:ehmi-ap:tests", "urn:third")
    headers = {"Content-Type": "application/toml"}
    assert (await c1.ask("PUT", "/pmodes/third", token=ADMIN, data=text, headers=headers)).status == 204
    assert (await c1.ask("GET", "/pmodes/third", token=ADMIN)).json["service"] == "urn:third"
    assert (await c1.ask("DELETE", "/pmodes/third", token=ADMIN)).status == 204
    for kind, body, status in (
        ("application/toml", "x", 400),
        ("application/json", "[]", 400),
        ("application/json", "{", 400),
        ("text/plain", "", 415),
    ):
        said = await c1.ask("PUT", "/pmodes/third", token=ADMIN, data=body, headers={"Content-Type": kind})
        assert said.status == status


@pytest.mark.parametrize("name", ["..%2Fkeys", "a%2Fb", ".hidden", "a%00b", "x" * 100])
async def test_names_are_no_paths(c1: Rest, name):
    pmode = (await c1.ask("GET", "/pmodes/beta", token=ADMIN)).json
    assert (await c1.ask("GET", f"/pmodes/{name}", token=ADMIN)).status == 404
    assert (await c1.ask("PUT", f"/pmodes/{name}", token=ADMIN, json=pmode)).status == 422
    assert (await c1.ask("DELETE", f"/certificates/{name}", token=ADMIN)).status in (404, 422)
    assert (await c1.ask("GET", f"/certificates/{name}", token=ADMIN)).status == 404


async def test_certificates_are_administered_without_a_restart(c1: Rest):
    listed = (await c1.ask("GET", "/certificates", token=ADMIN)).json["certificates"]
    assert {each["name"] for each in listed} == {"beta", "pair-ca"}
    beta = next(each for each in listed if each["name"] == "beta")
    assert "CN=beta" in beta["certificates"][0]["subject"]
    pem = (await c1.ask("GET", "/certificates/beta", token=ADMIN)).body
    assert pem.startswith(b"-----BEGIN CERTIFICATE-----")
    headers = {"Content-Type": "application/x-pem-file"}
    assert (await c1.ask("PUT", "/certificates/copy", token=ADMIN, data=pem, headers=headers)).status == 204
    assert (await c1.ask("GET", "/certificates/copy", token=ADMIN)).body == pem
    assert (await c1.ask("DELETE", "/certificates/copy", token=ADMIN)).status == 204
    assert (await c1.ask("DELETE", "/certificates/copy", token=ADMIN)).status == 404
    assert (await c1.ask("DELETE", "/certificates/beta", token=ADMIN)).status == 422
    said = await c1.ask("PUT", "/certificates/bad", token=ADMIN, data=b"nonsense", headers=headers)
    assert said.status == 422
    assert (
        await c1.ask("PUT", "/certificates/big", token=ADMIN, data=BytesIO(b"x" * 1_100_000), headers=headers)
    ).status == 413


async def test_health_and_metrics_are_open_and_name_nobody(c1: Rest):
    message_id = await sent(c1, XML, sender="2512489996", receiver="1234567890")
    async with c1.session.get(f"{c1.addresses.internal}/health") as answer:
        assert (answer.status, (await answer.json())["status"]) == (200, "ok")
    async with c1.session.get(f"{c1.addresses.internal}/metrics") as answer:
        text = await answer.text()
    assert 'ehmi_ap_messages{direction="outbound",state="acknowledged"}' in text
    assert 'ehmi_ap_outcomes_total{code="",what="submitted"}' in text
    assert 'ehmi_ap_rest_request_seconds_count{route="submitMessage",status="202"}' in text
    for secret in (message_id, "2512489996", "1234567890", "beta", "alpha"):
        assert secret not in text


async def test_health_is_503_when_nothing_can_be_stored(c1: Rest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ehmi_ap.store.blobs.LEAST_FREE", 1 << 62)
    monkeypatch.setattr("ehmi_ap.flows.probe.SELDOM", 0.0)
    async with c1.session.get(f"{c1.addresses.internal}/health") as answer:
        said = await answer.json()
        assert (answer.status, said["status"]) == (503, "trouble")
        assert "the disk is full" in said["trouble"][0]


async def test_the_openapi_document_is_served_and_complete(c1: Rest):
    async with c1.session.get(f"{c1.addresses.internal}/api/v1/openapi.json") as answer:
        described = await answer.json()
    assert described == json.loads(json.dumps(DESCRIPTION.document))
    assert described["openapi"] == "3.1.0"
    rows = {(route.path, route.method.lower()) for route in ROUTES}
    assert {(path, method) for path, methods in described["paths"].items() for method in methods} == rows
    names = [operation["operationId"] for methods in described["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


async def test_every_route_of_the_application_is_described(c1: Rest):
    from ehmi_ap.server import internal_application

    served = {
        (re.sub(r":\[\^/\]\+", "", route.resource.canonical), route.method)
        for route in internal_application(c1.ap).router.routes()
        if route.resource is not None
    }
    described = {(f"/api/v1{route.path}", route.method) for route in ROUTES}
    assert served == described | {(path, "GET") for path in ("/api/v1/openapi.json", "/health", "/metrics")}


async def test_no_log_line_names_a_participant_or_holds_a_payload(c1: Rest, caplog):
    caplog.set_level("DEBUG")
    await sent(c1, b"<secret>2512489996</secret>", sender="1111111118", receiver="2222222228")
    await c1.ask("GET", "/messages?participant=1111111118")
    await c1.ask("GET", "/messages?participant=1111111118&state=wrong")
    await c1.submit(b"<secret>2512489996</secret>", sender="1111111118", receiver="2222222228", service="x")
    logged = [str(record.__dict__) for record in caplog.records if record.name.startswith("ehmi_ap")]
    assert logged
    for secret in ("2512489996", "1111111118", "2222222228"):
        assert not [line for line in logged if secret in line]


async def test_an_upload_that_breaks_off_leaves_nothing(c1: Rest):
    before = await c1.ap.store.counts()

    async def half() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{}\r\n--b\r\n'
        yield b'Content-Disposition: form-data; name="p"\r\n\r\n' + b"x" * 2_000_000
        raise ConnectionAbortedError

    url = f"{c1.addresses.internal}/api/v1/messages"
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Authorization": f"Bearer {c1.token}"}
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        async with aiohttp.ClientSession() as session:
            await session.post(url, data=half(), headers=headers)
    spool = c1.ap.config.store / "payloads" / "spool"
    async with asyncio.timeout(5):
        while list(spool.iterdir()):
            await asyncio.sleep(0.005)
    assert await c1.ap.store.counts() == before


async def test_a_stored_payload_that_became_shorter_breaks_off(c1: Rest):
    """Nobody is to take half a payload, or an error message, for the payload."""
    message_id = await sent(c1, b"<large>" + b"x" * 3_000_000 + b"</large>", conversation_id="short")
    kept = c1.ap.config.store / "payloads" / "kept"
    file = max((path for path in kept.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(file, 1_000_000)
    with pytest.raises(aiohttp.ClientError):
        await c1.ask("GET", at(message_id, "/payloads/1"))
    file.unlink()
    gone = await c1.ask("GET", at(message_id, "/payloads/1"))
    assert (gone.status, gone.json["code"]) == (404, "not-found")
