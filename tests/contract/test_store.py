"""The contract of ports.Store, over every implementation."""

import asyncio
import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from store_samples import (
    NOW,
    OURS,
    THEIRS,
    accept,
    claim_one,
    event,
    full_message,
    keep,
    later,
    message,
    payload,
    read,
    reply,
    signed,
)

from ehmi_ap.body import Body, read_all
from ehmi_ap.errors import NotFound, StoreError, SubmissionConflict
from ehmi_ap.lifecycle import TRANSITIONS, Happening, State
from ehmi_ap.model import UNDISCOVERED, Direction, EventKind, MessageId, Party, PartyId, Property
from ehmi_ap.ports import Blobs, Job, Query, Store, found_lane

OUT, IN = Direction.OUTBOUND, Direction.INBOUND
BIG = bytes(range(256)) * 1024  # 256 KiB: a file where bodies become files


def spooled(blobs: Blobs, data: bytes) -> Body:
    spool = blobs.spool()
    for start in range(0, len(data), 60_000):
        spool.write(data[start : start + 60_000])
    return spool.finish()


async def state_of(store: Store, key: int) -> State:
    stored = await store.get(key)
    assert stored is not None
    return stored.state


# accept


async def test_what_is_accepted_is_what_is_claimed(store: Store) -> None:
    """A message comes out of the store equal to the one that went in, bytes and order of its parts too."""
    original = full_message()
    assert await accept(store, original)
    job = await claim_one(store, OUT)
    assert read(job.message) == read(original)
    assert replace(job.message, payloads=()) == replace(original, payloads=())
    assert [replace(p, body=None) for p in job.message.payloads] == [replace(p, body=None) for p in original.payloads]
    assert (job.pmode, job.backend, job.attempts, job.first_at) == ("partner", "rest", 1, NOW)
    assert (job.signed, job.lost_code) == (None, None)


async def test_accepting_again_changes_nothing(store: Store) -> None:
    assert await accept(store)
    assert not await accept(store, events=[event(kind=EventKind.DUPLICATE)])
    assert len(await store.find(Query())) == 1
    assert [e.kind for e in await store.events()] == [EventKind.RECEIVED]


async def test_other_content_under_the_same_id_is_a_conflict(store: Store) -> None:
    await accept(store, fingerprint=b"one")
    with pytest.raises(SubmissionConflict):
        await accept(store, fingerprint=b"two")
    assert len(await store.find(Query())) == 1
    assert len(await store.events()) == 1


async def test_without_an_event_the_clock_says_since_when(store: Store) -> None:
    """Otherwise it is the time of the first event, so that the caller's clock rules."""
    before = datetime.now(UTC)
    await accept(store, events=[])
    job = await claim_one(store, OUT, at=datetime.now(UTC))
    assert before <= job.first_at <= datetime.now(UTC)


async def test_two_identical_submissions_in_flight_are_one_message(store: Store) -> None:
    assert sorted(await asyncio.gather(*[accept(store) for _ in range(8)])) == [False] * 7 + [True]
    assert len(await store.find(Query())) == 1


async def test_small_bodies_are_resident_when_claimed(store: Store) -> None:
    """The sender and the deliverer then work without a thread (design decision 24)."""
    await accept(store)
    await keep(store)
    for direction in Direction:
        job = await claim_one(store, direction)
        assert all(item.body.resident for item in job.message.payloads)


async def test_large_bodies_survive_their_spools(store: Store, blobs: Blobs) -> None:
    """The body that was given stays readable, and the one that is claimed is another reading of it."""
    body = spooled(blobs, BIG)
    await accept(store, message(payloads=(payload(body), payload(b"small"), payload(BIG + b"!"))))
    assert read_all(body) == BIG
    del body
    job = await claim_one(store, OUT)
    assert read(job.message) == [BIG, b"small", BIG + b"!"]
    first = job.message.payloads[0].body
    assert b"".join(first.chunks(250_000, 262_000)) == BIG[250_000:262_000]
    assert b"".join(first.chunks(262_144)) == b""


async def test_discarding_a_spool_after_it_was_stored_does_no_harm(store: Store, blobs: Blobs) -> None:
    spool = blobs.spool()
    spool.write(BIG)
    await accept(store, message(payloads=(payload(spool.finish()),)))
    spool.discard()
    spool.discard()
    assert read((await claim_one(store, OUT)).message) == [BIG]


async def test_a_stored_body_can_be_submitted_again(store: Store) -> None:
    """Relaying: what we received is sent on, and purging one leaves the other."""
    await keep(store, message("in@x", payloads=(payload(BIG),)))
    job = await claim_one(store, IN)
    await accept(store, message("out@x", payloads=job.message.payloads))
    await store.settle(job.key, Happening.SETTLED, now=NOW)
    await store.purge(payloads_before=later(1), messages_before=later(1))
    assert read((await claim_one(store, OUT)).message) == [BIG]


async def test_what_is_claimed_when_it_is_accepted_is_the_caller_s(store: Store) -> None:
    """One transaction stores it, its signed form and the first claim; when the lease runs out, another goes on."""
    key = await store.accept(
        message(), pmode="partner", backend="rest", fingerprint=b"f", events=[event()], signed=signed(b"z"), lease=30
    )
    assert key is not None
    assert await store.claim(OUT, now=NOW, lease=30, limit=1) == []
    assert await store.next_due(OUT) == later(30)
    again = await claim_one(store, OUT, at=later(30))
    assert (again.key, again.attempts) == (key, 2)
    assert again.signed is not None
    assert [read_all(part.body) for part in again.signed.parts] == [b"z"]


async def test_a_claim_of_what_is_there_already_changes_nothing(store: Store) -> None:
    assert await accept(store)
    again = store.accept(
        message(), pmode="partner", backend="rest", fingerprint=b"f", events=[event()], signed=signed(), lease=30
    )
    assert await again is None
    job = await claim_one(store, OUT)
    assert (job.attempts, job.signed) == (1, None)


# keep


async def test_keeping_gives_back_the_reply(store: Store) -> None:
    kept = await keep(store, answer=reply(b"<r1/>"))
    assert (read_all(kept.reply.body), kept.duplicate, kept.same) == (b"<r1/>", False, True)
    (stored,) = await store.find(Query())
    receipt = await store.receipt(stored.key)
    assert receipt is not None
    assert (read_all(receipt.body), receipt.content_type) == (b"<r1/>", kept.reply.content_type)
    assert stored.has_receipt


async def test_a_duplicate_gets_the_first_receipt_and_changes_nothing_else(store: Store) -> None:
    """AS4 TA10, design decision 1; also after C4 got it."""
    await keep(store, answer=reply(b"<first/>"))
    job = await claim_one(store, IN)
    await store.settle(job.key, Happening.SETTLED, now=NOW)
    again = await keep(store, answer=reply(b"<second/>"))
    assert (read_all(again.reply.body), again.duplicate, again.same) == (b"<first/>", True, True)
    assert await state_of(store, job.key) is State.DELIVERED
    assert await store.claim(IN, now=later(1e6), lease=60, limit=9) == []
    assert [e.kind for e in await store.events()] == [EventKind.RECEIVED, EventKind.DUPLICATE]


async def test_other_digests_under_a_known_id_get_the_first_receipt_too(store: Store) -> None:
    """Design decision 19."""
    await keep(store, fingerprint=b"one", answer=reply(b"<first/>"))
    again = await keep(store, message(payloads=(payload(b"other"),)), fingerprint=b"two")
    assert (read_all(again.reply.body), again.duplicate, again.same) == (b"<first/>", True, False)
    assert read((await claim_one(store, IN)).message) == [b"<doc/>"]


async def test_identical_messages_in_flight_are_kept_once(store: Store, blobs: Blobs) -> None:
    """Two POSTs at once: one row, one receipt for all."""
    answers = [reply(f"<r{number}/>".encode()) for number in range(8)]
    bodies = [spooled(blobs, BIG) for _ in answers]
    kept = await asyncio.gather(
        *[keep(store, message(payloads=(payload(b),)), answer=a) for a, b in zip(answers, bodies, strict=True)]
    )
    assert sorted(k.duplicate for k in kept) == [False] + [True] * 7
    assert len({read_all(k.reply.body) for k in kept}) == 1
    assert read((await claim_one(store, IN)).message) == [BIG]
    assert await store.claim(IN, now=NOW, lease=60, limit=9) == []


async def test_two_partners_may_use_one_message_id(store: Store) -> None:
    """Design decision 22: type and value of From belong to the key."""
    senders = [PartyId("a"), PartyId("b"), PartyId("a", "t"), PartyId(":a", "t"), PartyId("a", "t:")]
    for sender in senders:
        assert not (await keep(store, message(from_=Party(sender, "r")))).duplicate
    assert len(await store.claim(IN, now=NOW, lease=60, limit=9)) == len(senders)


async def test_a_message_to_ourselves_is_two_messages(store: Store) -> None:
    """Loopback: the inbound one has the MessageId of the outbound one."""
    await accept(store)
    assert not (await keep(store)).duplicate
    assert {s.direction for s in await store.find(Query(message_id=MessageId("m1@x")))} == {OUT, IN}
    assert [e.direction for e in await store.events(direction=IN)] == [IN]


async def test_a_test_message_is_answered_and_never_delivered(store: Store) -> None:
    await keep(store, state=State.ANSWERED)
    assert await store.claim(IN, now=later(1e6), lease=60, limit=1) == []
    assert await store.next_due(IN) is None
    assert (await keep(store)).duplicate
    (stored,) = await store.find(Query())
    assert (stored.state, stored.due) == (State.ANSWERED, None)


async def test_what_c4_fetches_itself_is_not_claimed(store: Store) -> None:
    await keep(store, fetched=True)
    assert await store.next_due(IN) is None
    assert await store.claim(IN, now=later(1e6), lease=60, limit=1) == []
    (stored,) = await store.find(Query(states=(State.RECEIVED,)))
    assert await store.settle(stored.key, Happening.SETTLED, now=NOW)
    assert not await store.settle(stored.key, Happening.SETTLED, now=NOW)
    assert await state_of(store, stored.key) is State.DELIVERED


# claim


async def test_the_oldest_due_comes_first_and_only_once(store: Store) -> None:
    for name, seconds in (("b", 2.0), ("a", 1.0), ("c", 3.0), ("future", 9.0)):
        await accept(store, message(name), events=[event(name, at=later(seconds))])
    assert await store.next_due(OUT) == later(1)
    first = await store.claim(OUT, now=later(3), lease=60, limit=2)
    second = await store.claim(OUT, now=later(3), lease=60, limit=2)
    assert [j.message.message_id for j in (*first, *second)] == ["a", "b", "c"]
    assert await store.claim(OUT, now=later(3), lease=60, limit=2) == []
    assert await store.next_due(OUT) == later(9)
    assert await store.next_due(IN) is None


async def test_claims_at_once_never_share_a_message(store: Store) -> None:
    for number in range(20):
        await accept(store, message(f"m{number}"))
    claims = await asyncio.gather(*[store.claim(OUT, now=NOW, lease=60, limit=3) for _ in range(10)])
    keys = [job.key for jobs in claims for job in jobs]
    assert (len(keys), len(set(keys))) == (20, 20)


async def test_a_lease_that_ran_out_is_claimed_again(store: Store) -> None:
    """A worker died; the next one goes on, with one attempt more."""
    await accept(store)
    first = await claim_one(store, OUT, lease=30)
    assert await store.next_due(OUT) == later(30)
    assert await store.claim(OUT, now=later(29.9), lease=30, limit=1) == []
    again = await claim_one(store, OUT, at=later(30))
    assert (again.key, again.attempts, again.first_at) == (first.key, 2, NOW)
    stored = await store.get(first.key)
    assert stored is not None
    assert (stored.state, stored.attempts, stored.due) == (State.SENDING, 2, None)


async def test_a_renewed_lease_does_not_run_out(store: Store) -> None:
    """Nor does renewing bring back what is done."""
    await accept(store)
    await accept(store, message("done"))
    first, second = await store.claim(OUT, now=NOW, lease=30, limit=2)
    await store.settle(second.key, Happening.SETTLED, now=later(1))
    await store.renew([first.key, second.key], now=later(20), lease=30)
    assert await store.next_due(OUT) == later(50)
    assert await store.claim(OUT, now=later(49), lease=30, limit=2) == []
    assert [job.key for job in await store.claim(OUT, now=later(50), lease=30, limit=2)] == [first.key]


async def test_a_claim_passes_over_the_busy(store: Store) -> None:
    """Outbound by P-Mode, inbound by backend; what was passed over keeps its place."""
    await accept(store, message("a"))
    assert await store.claim(OUT, now=NOW, lease=30, limit=9, pass_over=["partner"]) == []
    assert await store.next_due(OUT, pass_over=["partner"]) is None
    assert await store.next_due(OUT, pass_over=["rest"]) == NOW
    await keep(store)
    assert await store.claim(IN, now=NOW, lease=30, limit=9, pass_over=["rest"]) == []
    assert await store.next_due(IN, pass_over=["rest"]) is None
    assert len(await store.claim(IN, now=NOW, lease=30, limit=9, pass_over=["partner"])) == 1
    assert [job.message.message_id for job in await store.claim(OUT, now=NOW, lease=30, limit=9)] == ["a"]


async def test_all_lanes_share_one_order(store: Store) -> None:
    """Oldest due first whoever it is for; a lane that is passed over holds up nobody, a limit is for all together."""
    for number, lane in enumerate("bbaacbca"):
        await accept(store, message(f"{number}"), pmode=lane, events=[event(at=later(number))])

    async def claimed(limit: int, *pass_over: str) -> str:
        jobs = await store.claim(OUT, now=later(6), lease=600, limit=limit, pass_over=pass_over)
        return "".join(job.message.message_id for job in jobs)

    assert await store.next_due(OUT, pass_over=["b"]) == later(2)
    assert await claimed(3, "b", "unknown") == "234"
    assert await store.next_due(OUT, pass_over=["b"]) == later(6)
    assert await claimed(2, "a", "b", "c") == ""
    assert await claimed(3) == "015"
    assert await claimed(9) == "6"
    assert await store.next_due(OUT) == later(7)


async def test_one_who_lost_his_lease_cannot_take_it_from_the_next(store: Store) -> None:
    await keep(store)
    stale = await claim_one(store, IN, lease=30)
    fresh = await claim_one(store, IN, at=later(31))
    for happening in (Happening.MISSED, Happening.GIVEN_UP):
        assert not await store.settle(stale.key, happening, now=later(32), attempt=stale.attempts)
    assert await state_of(store, fresh.key) is State.DELIVERING
    assert await store.settle(fresh.key, Happening.MISSED, now=later(33), attempt=fresh.attempts)


async def test_a_success_counts_whoever_reports_it(store: Store) -> None:
    await accept(store)
    stale = await claim_one(store, OUT, lease=30)
    fresh = await claim_one(store, OUT, at=later(31))
    assert await store.settle(stale.key, Happening.SETTLED, now=later(32), attempt=stale.attempts, receipt=reply())
    assert not await store.settle(fresh.key, Happening.MISSED, now=later(33), attempt=fresh.attempts)
    assert await state_of(store, fresh.key) is State.ACKNOWLEDGED


# signed


async def test_what_was_signed_comes_with_every_later_claim(store: Store, blobs: Blobs) -> None:
    """A retry carries the same bytes (design decision 2)."""
    await accept(store)
    job = await claim_one(store, OUT)
    original = signed(b"small", spooled(blobs, BIG), b"")
    await store.keep_signed(job.key, original)
    assert read_all(original.parts[1].body) == BIG
    await store.settle(job.key, Happening.MISSED, now=NOW, code="EBMS:0301")
    again = await claim_one(store, OUT)
    assert again.signed is not None
    assert again.signed.envelope == original.envelope
    assert again.signed.references == original.references
    assert [(p.content_id, p.mime_type) for p in again.signed.parts] == [
        (p.content_id, p.mime_type) for p in original.parts
    ]
    assert [read_all(p.body) for p in again.signed.parts] == [b"small", BIG, b""]
    assert again.lost_code == "EBMS:0301"
    assert read(again.message) == [b"<doc/>"]


async def test_what_was_signed_first_stays(store: Store, blobs: Blobs) -> None:
    """Two workers after a lost lease: the receipt of either is judged by one set of digests."""
    await accept(store)
    job = await claim_one(store, OUT)
    second = signed(spooled(blobs, BIG), envelope=b"<second/>")
    await store.keep_signed(job.key, signed(b"1", envelope=b"<first/>"))
    await store.keep_signed(job.key, second)
    assert read_all(second.parts[0].body) == BIG
    again = await claim_one(store, OUT, at=later(61))
    assert again.signed is not None
    assert again.signed.envelope == b"<first/>"
    assert [read_all(p.body) for p in again.signed.parts] == [b"1"]


async def test_after_the_receipt_evidence_and_payload_stay(store: Store) -> None:
    await accept(store)
    job = await claim_one(store, OUT)
    await store.keep_signed(job.key, signed(BIG))
    await store.settle(job.key, Happening.SETTLED, now=NOW, receipt=reply(b"<proof/>"))
    known = await store.sent(MessageId("m1@x"))
    assert known is not None
    assert known.references == signed().references
    stored = await store.get(job.key)
    assert stored is not None
    assert (stored.has_receipt, stored.payloads_kept) == (True, True)
    assert read(stored.message) == [b"<doc/>"]


async def test_sent_knows_what_a_late_signal_names(store: Store) -> None:
    assert await store.sent(MessageId("m1@x")) is None
    await keep(store)
    assert await store.sent(MessageId("m1@x")) is None
    await accept(store)
    known = await store.sent(MessageId("m1@x"))
    assert known is not None
    assert (known.references, known.state, known.pmode, known.backend) == ((), State.ACCEPTED, "partner", "rest")
    assert known.message.to == Party(THEIRS, "responder")
    job = await claim_one(store, OUT)
    await store.keep_signed(job.key, signed(b"x"))
    known = await store.sent(MessageId("m1@x"))
    assert known is not None
    assert (known.key, known.state, known.references) == (job.key, State.SENDING, signed().references)


# found by a look-up


ELSEWHERE = PartyId("0088:5790000000002", "urn:type")


async def found(store: Store, job: Job, to: PartyId = THEIRS, **changes: Any) -> bool:
    values = {"attempt": job.attempts, "to": to, "signers": [b"cert"], "signed": None, "events": [], **changes}
    return await store.keep_found(job.key, **values)


async def again(store: Store, job: Job) -> Job:
    """The next attempt of a message."""
    await store.settle(job.key, Happening.MISSED, now=NOW)
    return await claim_one(store, OUT)


async def test_whom_a_look_up_found_is_kept_with_the_message(store: Store) -> None:
    """Receiver, what was signed for it, who signs its receipts, and the event: one transaction."""
    await accept(store, message(to=Party(UNDISCOVERED, "responder")))
    job = await claim_one(store, OUT)
    assert (job.message.to.id, job.lane, job.signers) == (UNDISCOVERED, "partner", ())
    told = event(kind=EventKind.DISCOVERED, detail="SMP https://smp.example")
    assert await found(store, job, ELSEWHERE, signed=signed(b"1"), events=[told])
    (stored,) = await store.find(Query(party=ELSEWHERE.value))
    assert stored.message.to == Party(ELSEWHERE, "responder")
    assert await store.find(Query(party="")) == []
    known = await store.sent(MessageId("m1@x"))
    assert known is not None
    assert (known.references, known.signers) == (signed().references, (b"cert",))
    assert [e.kind for e in await store.undelivered_events("rest", limit=9)] == [
        EventKind.RECEIVED,
        EventKind.DISCOVERED,
    ]
    job = await again(store, job)
    assert (job.message.to, job.signers) == (Party(ELSEWHERE, "responder"), (b"cert",))
    assert replace(job.message, payloads=()) == replace(stored.message, payloads=())
    assert job.signed is not None
    assert [read_all(part.body) for part in job.signed.parts] == [b"1"]


async def test_an_access_point_without_a_type_is_found_too(store: Store) -> None:
    await accept(store, message(to=Party(UNDISCOVERED, "responder")))
    job = await claim_one(store, OUT)
    assert await found(store, job, PartyId("urn:ap"))
    assert (await again(store, job)).message.to == Party(PartyId("urn:ap"), "responder")


async def test_what_goes_elsewhere_is_signed_anew(store: Store, blobs: Blobs) -> None:
    """The bytes signed for another access point go, files too; the certificates of both stay."""
    await accept(store)
    job = await claim_one(store, OUT)
    assert await found(store, job, signed=signed(spooled(blobs, BIG), envelope=b"<first/>"))
    assert await found(store, job, signers=[b"new", b"cert"])
    job = await again(store, job)
    assert job.signed is not None
    assert (job.signed.envelope, job.signers) == (b"<first/>", (b"cert", b"new"))
    second = signed(spooled(blobs, BIG + b"2"), b"small", envelope=b"<second/>")
    assert await found(store, job, ELSEWHERE, signed=second, signers=[b"third"])
    job = await again(store, job)
    assert job.signed is not None
    assert (job.signed.envelope, job.signers) == (b"<second/>", (b"cert", b"new", b"third"))
    assert [read_all(part.body) for part in job.signed.parts] == [BIG + b"2", b"small"]
    assert read(job.message) == [b"<doc/>"]


async def test_who_lost_his_lease_changes_nothing_of_what_was_found(store: Store) -> None:
    """Nor who comes after the receipt: the next one's bytes are those that were sent."""
    await accept(store)
    stale = await claim_one(store, OUT, lease=30)
    fresh = await claim_one(store, OUT, at=later(31))
    assert await found(store, fresh, signed=signed(b"fresh", envelope=b"<fresh/>"))
    late = signed(BIG, envelope=b"<stale/>")
    assert not await found(store, stale, ELSEWHERE, signed=late, signers=[b"x"], events=[event()])
    assert not await found(store, replace(fresh, key=77))
    assert (await store.find(Query()))[0].message.to.id == THEIRS
    assert len(await store.events()) == 1
    await store.settle(fresh.key, Happening.SETTLED, now=later(32))
    assert not await found(store, fresh, ELSEWHERE)
    known = await store.sent(MessageId("m1@x"))
    assert known is not None
    assert (known.signers, known.message.to.id) == ((b"cert",), THEIRS)


async def test_who_was_found_waits_in_a_lane_of_its_own(store: Store) -> None:
    """Under one P-Mode, a dead access point holds up neither the others nor those that nobody looked for yet."""
    for name in "abcd":
        to = UNDISCOVERED if name in "bd" else THEIRS
        signers = [b"cert"] if name == "a" else []
        await accept(store, message(name, to=Party(to, "responder")), signers=signers)
    lane = found_lane("partner", THEIRS)

    async def waiting(*pass_over: str) -> str:
        jobs = await store.claim(OUT, now=NOW, lease=60, limit=9, pass_over=pass_over)
        for job in jobs:
            if job.message.message_id == "b" and job.lane == "partner":
                await found(store, job)
            await store.settle(job.key, Happening.MISSED, now=NOW)
        return "".join(f"{job.message.message_id}{job.lane == lane:d}" for job in jobs)

    assert await waiting(lane) == "b0c0d0"
    assert await waiting("partner") == "a1b1"
    assert await store.next_due(OUT, pass_over=[lane, "partner"]) is None
    assert await waiting() == "a1b1c0d0"


async def test_what_was_found_goes_with_its_message(store: Store) -> None:
    await accept(store, signers=[b"cert"])
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.SETTLED, now=NOW)
    assert await store.purge(payloads_before=later(1), messages_before=later(1)) == 1
    assert await accept(store)
    assert (await claim_one(store, OUT)).signers == ()


# settle


async def bring(store: Store, state: State) -> int:
    """A message in the state asked for."""
    if state is State.ANSWERED:
        await keep(store, state=State.ANSWERED)
        return (await store.find(Query()))[0].key
    outbound = state in (State.ACCEPTED, State.SENDING, State.ACKNOWLEDGED, State.FAILED)
    await (accept(store) if outbound else keep(store))
    if state in (State.ACCEPTED, State.RECEIVED):
        return (await store.find(Query()))[0].key
    job = await claim_one(store, OUT if outbound else IN)
    if state in (State.ACKNOWLEDGED, State.DELIVERED):
        await store.settle(job.key, Happening.SETTLED, now=NOW)
    if state in (State.FAILED, State.UNDELIVERED):
        await store.settle(job.key, Happening.GIVEN_UP, now=NOW)
    return job.key


@pytest.mark.parametrize(
    ("state", "happening"),
    [
        pytest.param(state, happening, id=f"{state.value}-{happening.value}")
        for state, happening in itertools.product(State, Happening)
        if happening is not Happening.CLAIMED
    ],
)
async def test_states_change_as_the_table_says(store: Store, state: State, happening: Happening) -> None:
    """All states times all happenings: the table and nothing else; what is not allowed leaves no trace."""
    key = await bring(store, state)
    before = await store.get(key)
    written = len(await store.events())
    allowed = happening in TRANSITIONS[state]
    told = [event(kind=EventKind.SENT)]
    assert await store.settle(key, happening, now=later(5), events=told, receipt=reply(), code="c") is allowed
    after = await store.get(key)
    assert after is not None
    assert after.state is TRANSITIONS[state].get(happening, state)
    assert len(await store.events()) == written + allowed
    if not allowed:
        assert (before and replace(before, message=message())) == replace(after, message=message())


async def test_claiming_is_not_settling(store: Store) -> None:
    await accept(store)
    with pytest.raises(ValueError, match="claim"):
        await store.settle(1, Happening.CLAIMED, now=NOW)


async def test_nothing_settles_a_message_that_is_not_there(store: Store) -> None:
    assert not await store.settle(77, Happening.SETTLED, now=NOW, receipt=reply(), events=[event()])
    assert await store.events() == []
    assert await store.get(77) is None
    assert await store.receipt(77) is None


async def test_a_miss_waits_until_it_is_due(store: Store) -> None:
    await accept(store)
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.MISSED, now=later(1), due=later(30), code="EBMS:0005", detail="no route")
    assert await store.next_due(OUT) == later(30)
    stored = await store.get(job.key)
    assert stored is not None
    assert (stored.state, stored.due, stored.last_code) == (State.ACCEPTED, later(30), "EBMS:0005")
    assert (stored.last_detail, stored.changed_at, stored.attempts) == ("no route", later(1), 1)
    assert await store.claim(OUT, now=later(29), lease=1, limit=1) == []
    assert (await claim_one(store, OUT, at=later(30))).attempts == 2


@pytest.mark.parametrize("state", [State.ACCEPTED, State.SENDING, State.FAILED])
async def test_a_late_receipt_settles(store: Store, state: State) -> None:
    """Also while another worker has it; that one's miss then comes to nothing."""
    key = await bring(store, state)
    assert await store.settle(key, Happening.SETTLED, now=later(9), receipt=reply(b"<late/>"))
    assert not await store.settle(key, Happening.MISSED, now=later(10), due=later(11))
    assert not await store.settle(key, Happening.GIVEN_UP, now=later(10))
    assert await state_of(store, key) is State.ACKNOWLEDGED
    assert await store.claim(OUT, now=later(1e6), lease=1, limit=1) == []
    receipt = await store.receipt(key)
    assert receipt is not None
    assert read_all(receipt.body) == b"<late/>"


async def test_acknowledged_without_a_receipt(store: Store) -> None:
    """Design decision 23: the proof is lost, the message is not."""
    key = await bring(store, State.SENDING)
    assert await store.settle(key, Happening.SETTLED, now=NOW, code="EBMS:4001")
    stored = await store.get(key)
    assert stored is not None
    assert (stored.state, stored.has_receipt, stored.last_code) == (State.ACKNOWLEDGED, False, "EBMS:4001")
    assert await store.receipt(key) is None


@pytest.mark.parametrize("state", [State.FAILED, State.UNDELIVERED])
async def test_resending_starts_anew(store: Store, state: State) -> None:
    key = await bring(store, state)
    assert await store.settle(key, Happening.RESENT, now=later(100))
    stored = await store.get(key)
    assert stored is not None
    assert (stored.attempts, stored.first_at, stored.due) == (0, later(100), later(100))
    job = await claim_one(store, stored.direction, at=later(100))
    assert (job.key, job.attempts, job.first_at) == (key, 1, later(100))


async def test_resending_remembers_how_the_last_attempt_was_lost(store: Store) -> None:
    """The peer may have it: a duplicate error on the next attempt is still understood (design decision 18)."""
    await accept(store)
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.GIVEN_UP, now=NOW, code="EBMS:0301")
    await store.settle(job.key, Happening.RESENT, now=NOW)
    assert (await claim_one(store, OUT)).lost_code == "EBMS:0301"


# events


async def test_events_are_numbered_upwards_and_found_by_message(store: Store) -> None:
    await accept(store, message("a"))
    await keep(store, message("a"))
    await accept(store, message("b"))
    await store.record([event("a", EventKind.ERROR, code="EBMS:0004", detail="said the peer", failed=True)])
    everything = await store.events()
    assert [e.message_id for e in everything] == ["a", "a", "b", "a"]
    assert sorted({e.seq for e in everything}) == [e.seq for e in everything]
    assert await store.events(after=everything[1].seq) == everything[2:]
    assert await store.events(limit=2) == everything[:2]
    of_a = await store.events(message_id=MessageId("a"), direction=OUT)
    assert of_a == [everything[0], everything[3]]
    assert replace(of_a[1], seq=0) == event(
        "a", EventKind.ERROR, code="EBMS:0004", detail="said the peer", failed=True, backend="rest"
    )
    assert await store.events(message_id=MessageId("a"), after=of_a[0].seq, direction=OUT) == [of_a[1]]


async def test_each_backend_is_told_its_own_events_once(store: Store) -> None:
    """Events carry the backend of their message, unless they name another; those of no message are nobody's."""
    await accept(store, message("a"), backend="one")
    await accept(store, message("b"), backend="two")
    await accept(store, message("c"), backend="one", events=[event("c", backend="two")])
    await store.record([event("a", EventKind.ATTEMPT), event("unknown", EventKind.REFUSED)])
    job = await claim_one(store, OUT)
    await store.settle(job.key, Happening.SETTLED, now=NOW, events=[event("a", EventKind.SENT)])
    mine = await store.undelivered_events("one", limit=9)
    assert [(e.message_id, e.kind) for e in mine] == [
        ("a", EventKind.RECEIVED),
        ("a", EventKind.ATTEMPT),
        ("a", EventKind.SENT),
    ]
    assert [e.message_id for e in await store.undelivered_events("two", limit=9)] == ["b", "c"]
    assert await store.undelivered_events("", limit=9) == []
    assert await store.undelivered_events("one", limit=1) == mine[:1]
    await store.events_delivered("one", [mine[0].seq, mine[2].seq])
    await store.events_delivered("two", [mine[1].seq])
    assert await store.undelivered_events("one", limit=9) == [mine[1]]
    await store.events_delivered("one", [e.seq for e in mine])
    assert await store.undelivered_events("one", limit=9) == []
    assert len(await store.undelivered_events("two", limit=9)) == 2


async def test_a_repeated_message_is_told_to_the_backend_that_has_it(store: Store) -> None:
    await keep(store, backend="first")
    await keep(store, backend="second")
    assert [e.kind for e in await store.undelivered_events("first", limit=9)] == [
        EventKind.RECEIVED,
        EventKind.DUPLICATE,
    ]
    assert await store.undelivered_events("second", limit=9) == []


# find


async def test_find_by_each_filter(store: Store) -> None:
    await accept(store, message("a", conversation_id="c2"), backend="one")
    await accept(store, message("b", to=Party(PartyId("other"), "r")), events=[event("b", at=later(50))])
    swapped = (Property("originalSender", "sor:222"), Property("finalRecipient", "sor:333"))
    await keep(store, message("c", from_=Party(THEIRS, "r"), to=Party(OURS, "r"), properties=swapped))
    await keep(store, message("d", from_=Party(THEIRS, "r"), properties=()), state=State.ANSWERED)

    async def ids(**filters: object) -> str:
        return "".join(s.message.message_id for s in await store.find(Query(**filters)))  # type: ignore[arg-type]

    assert await ids() == "dcba"
    assert await ids(direction=OUT) == "ba"
    assert await ids(states=(State.ANSWERED,)) == "d"
    assert await ids(states=(State.ANSWERED, State.RECEIVED)) == "dc"
    assert await ids(message_id=MessageId("b")) == "b"
    assert await ids(party=THEIRS.value) == "dca"
    assert await ids(participant="sor:222") == "cba"
    assert await ids(participant="sor:333") == "c"
    assert await ids(conversation_id="c2") == "a"
    assert await ids(backend="one") == "a"
    assert await ids(since=later(1)) == "b"
    assert await ids(direction=IN, states=(State.RECEIVED,), participant="sor:333") == "c"
    assert await ids(conversation_id="' OR 1 --") == ""


async def test_pages_go_on_where_the_last_one_ended(store: Store) -> None:
    for number in range(7):
        await accept(store, message(f"{number}"))
    page = await store.find(Query(limit=3))
    rest = await store.find(Query(limit=9, after=page[-1].key))
    assert [s.message.message_id for s in (*page, *rest)] == list("6543210")
    page = await store.find(Query(limit=3, oldest_first=True))
    rest = await store.find(Query(limit=9, oldest_first=True, after=page[-1].key))
    assert [s.message.message_id for s in (*page, *rest)] == list("0123456")


async def test_counts(store: Store) -> None:
    assert await store.counts() == {}
    await accept(store, message("a"))
    await accept(store, message("b"))
    await keep(store, message("c"))
    await claim_one(store, OUT)
    assert await store.counts() == {(OUT, State.ACCEPTED): 1, (OUT, State.SENDING): 1, (IN, State.RECEIVED): 1}


# purge


async def test_payloads_go_first_then_messages(store: Store, blobs: Blobs) -> None:
    """The duplicate key and the receipt stay as long as the message does."""
    await keep(store, message(payloads=(payload(b"small"), payload(spooled(blobs, BIG)), payload(b""))))
    job = await claim_one(store, IN)
    await store.settle(job.key, Happening.SETTLED, now=later(1))
    assert await store.purge(payloads_before=later(1), messages_before=later(1)) == 0
    assert await store.purge(payloads_before=later(2), messages_before=NOW) == 1
    assert await store.purge(payloads_before=later(2), messages_before=NOW) == 0
    stored = await store.get(job.key)
    assert stored is not None
    assert not stored.payloads_kept
    assert [p.body.size for p in stored.message.payloads] == [5, len(BIG), 0]
    for item in stored.message.payloads[:2]:
        with pytest.raises(NotFound):
            read_all(item.body)
    assert (await keep(store)).duplicate
    assert await store.purge(payloads_before=later(2), messages_before=later(2)) == 1
    assert await store.get(job.key) is None
    assert await store.receipt(job.key) is None
    assert await store.events() == []
    assert await store.undelivered_events("rest", limit=9) == []
    assert not (await keep(store)).duplicate


async def test_keys_are_never_given_twice(store: Store) -> None:
    """A face that still names a purged message does not hit another."""
    key = await bring(store, State.DELIVERED)
    await store.purge(payloads_before=later(1), messages_before=later(1))
    assert await bring(store, State.DELIVERED) > key


@pytest.mark.parametrize("state", [s for s in State if TRANSITIONS[s]])
async def test_what_is_not_final_is_never_purged(store: Store, state: State) -> None:
    """FAILED and UNDELIVERED too: a person has to look."""
    key = await bring(store, state)
    assert await store.purge(payloads_before=later(1e9), messages_before=later(1e9)) == 0
    stored = await store.get(key)
    assert stored is not None
    assert stored.payloads_kept
    assert read(stored.message) == [b"<doc/>"]
    assert len(await store.events()) == 1


@pytest.mark.parametrize("state", [State.FAILED, State.UNDELIVERED])
async def test_what_failed_goes_when_nobody_came_for_it(store: Store, state: State) -> None:
    """Its payloads after their own time, itself when the log's time is over too (ehmi R-AP-17)."""
    key = await bring(store, state)
    far = later(1e9)
    assert await store.purge(payloads_before=far, messages_before=NOW, failed_payloads_before=far) == 1
    stored = await store.get(key)
    assert stored is not None
    assert (stored.state, stored.payloads_kept) == (state, False)
    assert await store.purge(payloads_before=far, messages_before=far, failed_payloads_before=NOW) == 0
    assert await store.purge(payloads_before=far, messages_before=far, failed_payloads_before=far) == 1
    assert await store.get(key) is None


async def test_purging_one_leaves_the_events_of_its_namesake(store: Store) -> None:
    await keep(store, message(from_=Party(PartyId("a"), "r")))
    await keep(store, message(from_=Party(PartyId("b"), "r")))
    job = await claim_one(store, IN)
    await store.settle(job.key, Happening.SETTLED, now=NOW)
    assert await store.purge(payloads_before=later(1), messages_before=later(1)) == 1
    assert len(await store.events()) == 1


async def test_old_events_of_no_message_are_purged(store: Store) -> None:
    await accept(store)
    await store.record([event("gone", at=NOW), event("young", at=later(9)), event("m1@x", at=NOW)])
    assert len(await store.events(message_id=MessageId("gone"))) == 1
    assert await store.purge(payloads_before=later(1), messages_before=later(1)) == 0
    assert [e.message_id for e in await store.events()] == ["m1@x", "young", "m1@x"]
    assert await store.events(message_id=MessageId("gone")) == []


# check


async def test_a_check_changes_nothing(store: Store) -> None:
    key = await accept(store)
    assert key is not None
    before = (await store.counts(), await store.events(), await state_of(store, key))
    await store.check()
    assert (await store.counts(), await store.events(), await state_of(store, key)) == before


async def test_a_check_of_a_closed_store_fails(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreError):
        await store.check()


# close


async def test_after_close_nothing_is_taken(store: Store) -> None:
    await accept(store)
    stored = await store.get(1)
    assert stored is not None
    await store.close()
    for attempt in (accept(store, message("b")), store.find(Query()), store.claim(OUT, now=NOW, lease=1, limit=1)):
        with pytest.raises(StoreError):
            await attempt
    await store.close()
