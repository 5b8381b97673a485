"""What EDS is told, over REST: seen and dealt with by the administrator alone; every answer fits the OpenAPI document."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from store_samples import NOW, RECEIVER, later

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
