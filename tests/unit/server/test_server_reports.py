"""What EDS is told, over REST: seen and dealt with by the administrator alone; every answer fits the OpenAPI document."""

from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio
from store_samples import NOW, RECEIVER, later

from ehmi_ap.model import MessageId
from ehmi_ap.reports import ReportState
from tests.unit.server.rest import ADMIN, Rest, exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def c4(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rest]:
    """An access point that reports to nobody by itself, so that what waits goes on to wait."""
    async with exchange(tmp_path_factory.mktemp("rest")) as running:
        yield running[1]


async def test_what_waits_is_shown_with_why_and_without_facts(c4: Rest) -> None:
    seq = await c4.keep_told("shown@x")
    await c4.ap.store.reports.hold([seq], until=later(60), what="EDS answers with HTTP 503", fix="Wait.", counts=True)
    said = await c4.ask("GET", "/eds/reports?message_id=shown%40x", token=ADMIN)
    assert said.status == 200
    assert said.json == {
        "reports": [
            {
                "seq": seq,
                "message_id": "shown@x",
                "direction": "inbound",
                "kind": "msg-received",
                "failed": False,
                "at": NOW.isoformat().replace("+00:00", "Z"),
                "organisation": {"sor": RECEIVER.sor, "gln": RECEIVER.gln},
                "state": "waiting",
                "tries": 1,
                "what": "EDS answers with HTTP 503",
                "fix": "Wait.",
                "reference": None,
                "changed_at": NOW.isoformat().replace("+00:00", "Z"),
            }
        ],
        "next": None,
    }
    assert b"0101010227" not in said.body


async def test_states_choose_and_pages_follow_each_other(c4: Rest) -> None:
    seqs = [await c4.keep_told(f"page-{number}@x") for number in range(3)]
    await c4.ap.store.reports.settle(seqs[1], ReportState.TAKEN, now=NOW, reference="AuditEvent/1")
    seen: list[int] = []
    cursor = ""
    while True:
        page = (await c4.ask("GET", f"/eds/reports?state=waiting,parked&limit=1{cursor}", token=ADMIN)).json
        seen += [report["seq"] for report in page["reports"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert [seq for seq in seen if seq in seqs] == [seqs[0], seqs[2]]
    assert seen == sorted(set(seen))
    taken = (await c4.ask("GET", "/eds/reports?state=taken", token=ADMIN)).json["reports"]
    assert [(report["seq"], report["reference"]) for report in taken] == [(seqs[1], "AuditEvent/1")]


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=501", "cursor=x"])
async def test_what_cannot_be_asked_is_refused(c4: Rest, query: str) -> None:
    assert (await c4.ask("GET", f"/eds/reports?{query}", token=ADMIN)).status == 400


async def test_a_backend_sees_none_of_it(c4: Rest) -> None:
    assert (await c4.ask("GET", "/eds/reports")).status == 403
    assert (await c4.ask("GET", "/eds/reports", token=None)).status == 401


async def test_what_was_mended_is_told_again(c4: Rest) -> None:
    """One, or all; what EDS has is not."""
    parked, also = await c4.keep_told("parked@x"), await c4.keep_told("also@x")
    for seq in (parked, also):
        await c4.ap.store.reports.settle(seq, ReportState.PARKED, now=NOW, what="EDS answers with HTTP 422")
    said = await c4.ask("POST", f"/eds/reports/{parked}/retry", token=ADMIN)
    assert (said.status, said.json["state"], said.json["what"]) == (202, "waiting", "EDS answers with HTTP 422")
    said = await c4.ask("POST", f"/eds/reports/{parked}/retry", token=ADMIN)
    assert (said.status, said.json["state"]) == (202, "waiting")
    counts = await c4.ap.store.reports.counts()
    said = await c4.ask("POST", "/eds/retry", token=ADMIN)
    assert (said.status, said.json) == (202, {"retried": sum(counts.values())})
    assert await c4.ap.store.reports.find(states=[ReportState.PARKED]) == []
    await c4.ap.store.reports.settle(also, ReportState.TAKEN, now=NOW)
    said = await c4.ask("POST", f"/eds/reports/{also}/retry", token=ADMIN)
    assert (said.status, said.json["code"], "taken" in said.json["detail"]) == (409, "not-allowed", True)


async def test_what_is_dropped_is_so_for_good(c4: Rest) -> None:
    seq = await c4.keep_told("drop@x")
    for_good = await c4.ask("POST", f"/eds/reports/{seq}/drop", token=ADMIN, json={"reason": "a test, ældre"})
    assert (for_good.status, for_good.json["state"], for_good.json["what"]) == (200, "dropped", "a test, ældre")
    again = await c4.ask("POST", f"/eds/reports/{seq}/drop", token=ADMIN, json={"reason": "another"})
    assert (again.status, again.json["code"]) == (409, "not-allowed")
    assert (await c4.ask("POST", f"/eds/reports/{seq}/retry", token=ADMIN)).status == 409
    [report] = (await c4.ask("GET", "/eds/reports?message_id=drop%40x", token=ADMIN)).json["reports"]
    assert (report["state"], report["what"]) == ("dropped", "a test, ældre")


async def test_the_log_has_the_drop_and_no_number_of_a_patient(c4: Rest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    seq = await c4.keep_told("logged@x")
    await c4.ask("POST", f"/eds/reports/{seq}/drop", token=ADMIN, json={"reason": "wrong patient 010101-0227"})
    [line] = [record.__dict__ for record in caplog.records if "dropped" in record.getMessage()]
    assert (line["message_id"], line["kind"], line["detail"]) == ("logged@x", "msg-received", "wrong patient [number]")


@pytest.mark.parametrize(
    "body",
    [
        "", "nope", "[]", "{}", '{"reason": ""}', '{"reason": " "}', '{"reason": 7}', '{"reason": "x", "colour": 1}',
        '{"reason": "two\\nlines"}', '{"reason": "bell\\u0007"}', '{"reason": "\\ud800"}', '{"reason": "a\\u2028b"}',
        f'{{"reason": "{"x" * 201}"}}',
    ],
)  # fmt: skip
async def test_a_reason_is_one_line_and_needed(c4: Rest, body: str) -> None:
    seq = await c4.keep_told(f"reason-{body!r}@x")
    said = await c4.ask("POST", f"/eds/reports/{seq}/drop", token=ADMIN, data=body)
    assert (said.status, "one line of 1 to 200 characters" in said.json["detail"]) == (400, True)
    report = await c4.ap.store.reports.get(seq)
    assert report is not None
    assert report.state is ReportState.WAITING


async def test_a_body_that_is_too_large_is_not_read(c4: Rest) -> None:
    said = await c4.ask("POST", "/eds/reports/1/drop", token=ADMIN, data=BytesIO(b"x" * 1_100_000))
    assert said.status == 413


@pytest.mark.parametrize("seq", ["0", "999999999", "9" * 18, "9" * 19, "x", "-1", "1%2F"])
async def test_what_is_not_there_is_not_found(c4: Rest, seq: str) -> None:
    assert (await c4.ask("POST", f"/eds/reports/{seq}/retry", token=ADMIN)).status == 404
    said = await c4.ask("POST", f"/eds/reports/{seq}/drop", token=ADMIN, json={"reason": "x"})
    assert (said.status, said.json["code"]) == (404, "not-found")


async def test_a_backend_changes_none_of_it(c4: Rest) -> None:
    seq = await c4.keep_told("mine@x")
    for path in (f"/eds/reports/{seq}/retry", "/eds/retry", f"/eds/reports/{seq}/drop"):
        assert (await c4.ask("POST", path, json={"reason": "x"})).status == 403
    assert [report.state for report in await c4.ap.store.reports.find(message_id=MessageId("mine@x"))] == ["waiting"]
