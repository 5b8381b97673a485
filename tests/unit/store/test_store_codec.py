"""Nouns to rows and back: nothing is lost, nothing is changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from store_samples import event, full_message, message, signed

from ehmi_ap.body import Body, MemoryBody, read_all
from ehmi_ap.model import (
    AgreementRef,
    EventKind,
    MessageId,
    Party,
    PartyId,
    Payload,
    Property,
    Service,
    UserMessage,
)
from ehmi_ap.store import codec
from ehmi_ap.store.codec import Place

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
maybe = st.none() | text
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=zones)
properties = st.lists(st.builds(Property, text, text, maybe), max_size=3).map(tuple)
parties = st.builds(Party, st.builds(PartyId, text, maybe), text)
NOWHERE = MemoryBody(b"")
payloads = st.builds(
    Payload,
    body=st.just(NOWHERE),
    mime_type=text,
    content_id=maybe,
    character_set=maybe,
    properties=properties,
)
messages = st.builds(
    UserMessage,
    message_id=text.map(MessageId),
    timestamp=moments,
    from_=parties,
    to=parties,
    service=st.builds(Service, text, maybe),
    action=text,
    conversation_id=text,
    payloads=st.lists(payloads, max_size=3).map(tuple),
    ref_to=maybe,
    mpc=maybe,
    agreement=st.none() | st.builds(AgreementRef, text, maybe),
    properties=properties,
)


@given(messages)
def test_every_message_comes_back_as_it_was(original: UserMessage) -> None:
    places = [Place(number, number * 7, None if number else "file") for number, _ in enumerate(original.payloads)]
    asked: list[Place] = []

    def body(place: Place) -> Body:
        asked.append(place)
        return NOWHERE

    again = codec.decode_message(codec.encode_message(original, places), body)
    assert again == original
    assert again.timestamp.utcoffset() == original.timestamp.utcoffset()
    assert asked == places


def test_a_header_holds_no_bytes_of_a_payload() -> None:
    original = message(payloads=(replace(full_message().payloads[0], body=MemoryBody(b"secret")),))
    assert "secret" not in codec.encode_message(original, [Place(6)])


@given(moments)
def test_moments_are_exact_and_keep_their_order(when: datetime) -> None:
    assert codec.moment(codec.micros(when)) == when
    assert codec.micros(when + timedelta(microseconds=1)) == codec.micros(when) + 1
    assert codec.moment(codec.micros(when)).tzinfo is UTC


def test_what_was_signed_comes_back_as_it_was() -> None:
    original = signed(b"abc", b"", b"defg")
    inline = b"abcdefg"
    meta = codec.encode_signed(original, [Place(3), Place(0, 3), Place(4, 3)])

    def body(place: Place) -> Body:
        return MemoryBody(inline[place.start : place.start + place.size])

    again = codec.decode_signed(meta, original.envelope, body)
    assert again == original
    assert codec.decode_references(meta) == original.references
    assert [read_all(part.body) for part in again.parts] == [b"abc", b"", b"defg"]


@given(st.sampled_from(EventKind), moments, st.booleans(), maybe, text)
def test_every_event_comes_back_as_it_was(
    kind: EventKind, at: datetime, failed: bool, code: str | None, detail: str
) -> None:
    original = event(kind=kind, at=at, failed=failed, code=code, detail=detail)
    row = codec.event_row(original, "rest")
    assert codec.decode_event([*row, 7]) == replace(original, backend="rest", seq=7)
