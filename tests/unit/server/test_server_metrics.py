"""What Prometheus is told: counts by words of ours, never by anybody else's."""

import re

from store_samples import NOW, RECEIVER, enveloped, keep, later, message

from ehmi_ap.lifecycle import State
from ehmi_ap.reports import ReportState
from ehmi_ap.server import metrics
from tests.unit.server.conftest import face

REQUEST = (
    b"POST /as4 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml\r\nContent-Length: 4\r\n\r\n<a/>"
)


async def test_requests_outcomes_and_states_are_counted(tmp_path):
    async with face(tmp_path) as running:
        await running.ask(REQUEST)
        await running.ask(REQUEST)
        await running.ask(b"GET /as4 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        running.ap.stats["refused EBMS:0101"] += 3
        running.ap.lookups["net", "unavailable"] = (2, 7.5)
        text = (await metrics.of(running.ap).exposition(running.ap.store, NOW)).decode()
    assert 'ehmi_ap_as4_requests_total{status="400"} 2.0' in text
    assert "ehmi_ap_as4_request_seconds_count 2.0" in text
    assert 'ehmi_ap_outcomes_total{code="EBMS:0101",what="refused"} 3.0' in text
    assert 'ehmi_ap_lookup_seconds_sum{network="net",outcome="unavailable"} 7.5' in text
    assert 'ehmi_ap_lookup_seconds_count{network="net",outcome="unavailable"} 2.0' in text
    for state in State:
        assert len(re.findall(rf'ehmi_ap_messages{{direction="\w+",state="{state.value}"}} 0.0', text)) == 1


async def test_what_eds_was_not_told_is_counted_and_has_an_age(tmp_path):
    async with face(tmp_path) as running:
        store = running.ap.store
        text = (await metrics.of(running.ap).exposition(store, NOW)).decode()
        assert "ehmi_ap_eds_oldest_seconds 0.0" in text
        for name in ("parked@x", "first@x", "second@x"):
            told = enveloped(organisation=RECEIVER)
            await keep(store, message(name), backend="c4", fetched=True, enveloped=told)
        parked, *_ = await store.reports.find()
        await store.reports.settle(parked.event.seq, ReportState.PARKED, now=NOW)
        text = (await metrics.of(running.ap).exposition(store, later(90))).decode()
    assert 'ehmi_ap_eds_reports{state="waiting"} 2.0' in text
    assert 'ehmi_ap_eds_reports{state="parked"} 1.0' in text
    assert "ehmi_ap_eds_oldest_seconds 90.0" in text


async def test_both_faces_count_into_the_same_registry_and_access_points_do_not(tmp_path):
    async with face(tmp_path / "one") as one, face(tmp_path / "two") as two:
        assert metrics.of(one.ap) is metrics.of(one.ap)
        assert metrics.of(one.ap).registry is not metrics.of(two.ap).registry
        await one.ask(REQUEST)
        assert "ehmi_ap_as4_requests_total{" not in (await metrics.of(two.ap).exposition(two.ap.store, NOW)).decode()
