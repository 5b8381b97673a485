"""The duplicate table of reliable messaging, observed: every message passes, and both ends are told (ehmi.md 3.3)."""

import pytest
from msh import EHMI, PRACTICE, REPOSITORY, Ehmi, rewritten, said, timeline
from sim import Net, Site, lose_answer

from ehmi_ap.ehmi.reliability import Arrival, ReceiptArrival
from ehmi_ap.ehmi.wrap import participant
from ehmi_ap.model import MessageId


async def seen(site: Site, message_id: MessageId) -> list[tuple[str, ...]]:
    """Code and text of what the timeline says of its ids."""
    return [line[1:] for line in await timeline(site, message_id) if line[0] == "seen-before"]


async def codes(site: Site, message_id: MessageId) -> list[str]:
    return [line[0] for line in await seen(site, message_id)]


ROWS = [
    (("e1", "m1"), Arrival.REPEAT, "Ignore what is in it", "it ignores this"),
    (("e2", "m1"), Arrival.RESEND, "may be lost", "sent again"),
    (("e1", "m2"), Arrival.REFUSE, "Use nothing of it", "of its own"),
]


@pytest.mark.parametrize(("ids", "row", "to_receiver", "to_sender"), ROWS, ids=[row for _, row, *_ in ROWS])
async def test_every_row_is_told_at_both_ends_and_the_message_delivered(
    ehmi: Ehmi, caplog: pytest.LogCaptureFixture, ids: tuple[str, str], row: Arrival, to_receiver: str, to_sender: str
) -> None:
    caplog.set_level("INFO", "ehmi_ap")
    hospital, practice = ehmi.hospital, ehmi.practice
    first = await ehmi.send(hospital, ehmi.request("e1", "m1"))
    assert await seen(hospital, first) == await seen(practice, first) == []
    again = ehmi.request(*ids)
    second = await ehmi.send(hospital, again)
    for site, words in ((hospital, to_sender), (practice, to_receiver)):
        [(code, text)] = await seen(site, second)
        assert code == row
        assert f"in message {first}" in text
        assert words in text
        assert site.counted[f"seen_before {row}"] == 1
        await site.report()
        assert ("seen-before", False, row) in site.inbox.told(second)
    assert [each.message_id for each in practice.inbox.messages] == [first, second]
    lines = [record for record in caplog.records if record.message == "the envelope is not new"]
    grave = {Arrival.REPEAT: ["WARNING", "INFO"], Arrival.REFUSE: ["WARNING"] * 2, Arrival.RESEND: ["INFO"] * 2}
    assert [(line.levelname, line.__dict__["code"]) for line in lines] == [(level, row) for level in grave[row]]


async def test_what_is_new_is_not_told(ehmi: Ehmi) -> None:
    """Nor an acknowledgement and a receipt, whose identifiers are of another sender."""
    request = ehmi.request("e1", "m1")
    await ehmi.send(ehmi.hospital, request)
    names = [
        await ehmi.send(ehmi.hospital, ehmi.request("e2", "m2")),
        await ehmi.send(ehmi.practice, ehmi.receipt(request, name="e1")),
        await ehmi.send(ehmi.practice, ehmi.acknowledgement(request, name="e2")),
    ]
    for name in names:
        assert await seen(ehmi.hospital, name) == await seen(ehmi.practice, name) == []


async def test_both_ids_known_but_never_together_is_an_error(ehmi: Ehmi) -> None:
    """Decision 52; and the first message of an envelope counts, not one that was to be refused."""
    for envelope, message in (("e1", "m1"), ("e2", "m2")):
        await ehmi.send(ehmi.hospital, ehmi.request(envelope, message))
    for _ in range(2):
        mixed = await ehmi.send(ehmi.hospital, ehmi.request("e1", "m2"))
        assert await codes(ehmi.practice, mixed) == [Arrival.REFUSE]
    again = await ehmi.send(ehmi.hospital, ehmi.request("e1", "m1"))
    assert await codes(ehmi.practice, again) == [Arrival.REPEAT]


async def test_without_a_messageidentifier_the_envelopes_own_stands_for_it(ehmi: Ehmi) -> None:
    def bare(envelope: str) -> bytes:
        return rewritten(ehmi.request(envelope), lambda header: said(header, MESSAGEIDENTIFIER=None))

    await ehmi.send(ehmi.hospital, bare("e1"))
    assert await codes(ehmi.practice, await ehmi.send(ehmi.hospital, bare("e2"))) == []
    assert await codes(ehmi.practice, await ehmi.send(ehmi.hospital, bare("e1"))) == [Arrival.REPEAT]
    assert await codes(ehmi.practice, await ehmi.send(ehmi.hospital, ehmi.request("e1"))) == [Arrival.REFUSE]


async def test_an_as4_duplicate_and_a_repeated_submission_are_the_same_message(net: Net, ehmi: Ehmi) -> None:
    """A retry of ours is below reliable messaging (design decision 2)."""
    request, name = ehmi.request(), MessageId("same@hospital.example")
    net.forecast(lose_answer)
    for _ in range(2):
        await ehmi.send(ehmi.hospital, request, message_id=name)
    net.clock.advance(31)
    await ehmi.carry()
    kinds = [line[0] for line in await timeline(ehmi.practice, name)]
    assert kinds == ["msg-received", "msg-sent", "duplicate"]
    for site in (ehmi.hospital, ehmi.practice):
        assert await seen(site, name) == []
        assert not [what for what in site.counted if what.startswith("seen_before")]


async def test_a_secondary_copy_is_another_message(ehmi: Ehmi) -> None:
    """It has the MessageIdentifier of the original (decision 50); at an access point that serves both ends, too."""
    serve_both(ehmi)
    await ehmi.send(ehmi.hospital, ehmi.request("e1"))
    copy = await ehmi.send(ehmi.hospital, ehmi.request("e2", to=REPOSITORY))
    assert await codes(ehmi.hospital, copy) == await codes(ehmi.practice, copy) == []


async def test_one_envelopeidentifier_for_two_receivers_is_an_error(ehmi: Ehmi) -> None:
    """The mistake that is easily made with a copy."""
    serve_both(ehmi)
    await ehmi.send(ehmi.hospital, ehmi.request("e1"))
    copy = await ehmi.send(ehmi.hospital, ehmi.request("e1", to=REPOSITORY))
    assert await codes(ehmi.hospital, copy) == await codes(ehmi.practice, copy) == [Arrival.REFUSE]


def serve_both(ehmi: Ehmi) -> None:
    """The practice's access point is the repository's as well."""
    both = tuple(participant(each).value for each in (PRACTICE, REPOSITORY))
    for site, other in ((ehmi.hospital, ehmi.practice), (ehmi.practice, ehmi.hospital)):
        site.knows(other, **EHMI, participants=both)
    ehmi.hospital.pmodes = [pmode for pmode in ehmi.hospital.pmodes if pmode.name == ehmi.practice.name]


async def test_what_a_message_of_another_backend_was_called_is_not_told(ehmi: Ehmi) -> None:
    first = await ehmi.send(ehmi.hospital, ehmi.request(), backend="others")
    second = await ehmi.send(ehmi.hospital, ehmi.request())
    [(code, text)] = await seen(ehmi.hospital, second)
    assert code == Arrival.REPEAT
    assert first not in text
    [(_, text)] = await seen(ehmi.practice, second)  # one backend at this end
    assert first in text


# receipts


@pytest.mark.parametrize(
    ("first", "then", "row"),
    [
        (True, True, ReceiptArrival.IGNORE),
        (False, False, ReceiptArrival.IGNORE),
        (True, False, ReceiptArrival.CONTRADICTION),
        (False, True, ReceiptArrival.CONTRADICTION),
        (True, None, ReceiptArrival.IGNORE),
        (None, False, ReceiptArrival.IGNORE),
    ],
)
async def test_a_receipt_after_a_receipt(
    ehmi: Ehmi, first: bool | None, then: bool | None, row: ReceiptArrival
) -> None:
    """Also where one does not say which it is."""
    request = ehmi.request()
    await ehmi.send(ehmi.hospital, request)

    def receipt(positive: bool | None, name: str) -> bytes:
        made = ehmi.receipt(request, positive=positive is not False, name=name)
        return made if positive is not None else ehmi.receipt(request, name=name, type="Odd")

    one = await ehmi.send(ehmi.practice, receipt(first, "r1"))
    two = await ehmi.send(ehmi.practice, receipt(then, "r2"))
    for site in (ehmi.hospital, ehmi.practice):
        assert await seen(site, one) == []
        [(code, text)] = await seen(site, two)
        assert code == row
        assert f"in message {one}" in text
        assert site.counted[f"seen_before {row}"] == 1


async def test_the_first_receipt_is_what_others_are_compared_with(ehmi: Ehmi) -> None:
    request = ehmi.request()
    await ehmi.send(ehmi.hospital, request)
    found = [
        await codes(
            ehmi.hospital, await ehmi.send(ehmi.practice, ehmi.receipt(request, positive=good, name=f"r{number}"))
        )
        for number, good in enumerate((True, False, True, False))
    ]
    contradiction = [ReceiptArrival.CONTRADICTION]
    assert found == [[], contradiction, [ReceiptArrival.IGNORE], contradiction]


async def test_a_receipt_with_ids_of_another_one_is_told_and_answered_by_nobody(ehmi: Ehmi) -> None:
    for number in (1, 2):
        await ehmi.send(ehmi.hospital, ehmi.request(f"e{number}", f"m{number}"))
    await ehmi.send(ehmi.practice, ehmi.receipt(ehmi.request("e1", "m1"), name="r"))
    second = await ehmi.send(ehmi.practice, ehmi.receipt(ehmi.request("e2", "m2"), name="r"))
    [(code, text)] = await seen(ehmi.hospital, second)
    assert code == Arrival.REPEAT
    assert text.endswith("Nobody answers a receipt: its receiver ignores it.")


async def test_a_receipt_and_an_acknowledgement_for_one_message_are_no_duplicates(ehmi: Ehmi) -> None:
    request = ehmi.request()
    await ehmi.send(ehmi.hospital, request)
    acknowledgement = await ehmi.send(ehmi.practice, ehmi.acknowledgement(request))
    receipt = await ehmi.send(ehmi.practice, ehmi.receipt(request))
    assert await codes(ehmi.hospital, acknowledgement) == await codes(ehmi.hospital, receipt) == []
