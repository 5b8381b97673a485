"""A look-up raises nothing, whatever DNS and SMPs say; and no change of signed metadata changes what is found."""

from contextlib import suppress
from urllib.parse import urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ehmi_ap.discovery.found import Found, Missed
from ehmi_ap.discovery.identifiers import read_identifier, read_participant
from ehmi_ap.discovery.naptr import Skipped, apply, select
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.discovery.urls import refusal
from ehmi_ap.errors import Misconfigured
from ehmi_ap.model import Participant
from ehmi_ap.questions import DnsAnswer, DnsStatus, Naptr, WebAnswer, WebFailure
from tests.simulated_network import (
    GROUP_URL,
    METADATA_URL,
    NAME,
    World,
    answered,
    group,
    metadata,
    redirect,
    served,
    signed,
)

GOOD = signed(metadata())
FOUND = World().found()
EXPRESSION = st.text(alphabet="!.*^$()[]+?|{}\\1ia-z~#", max_size=60)
NAPTRS = st.builds(
    Naptr,
    order=st.integers(0, 3),
    preference=st.integers(0, 3),
    flags=st.sampled_from(["U", "u", "S", ""]),
    service=st.sampled_from(["Meta:SMP", "oasis-bdxr-smp-2", "x"]),
    regexp=st.one_of(st.text(max_size=80), EXPRESSION, st.just("!.*!https://smp.example!")),
)


@given(st.one_of(st.text(max_size=255), EXPRESSION), st.text(alphabet="ab.1-", max_size=253), st.booleans())
@settings(max_examples=500, deadline=None)
def test_a_regexp_field_is_applied_or_passed_over(field: str, name: str, regexp: bool) -> None:
    with suppress(Skipped):
        assert isinstance(apply(field, name, regexp=regexp), str)


@given(st.lists(NAPTRS, max_size=6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_whatever_is_chosen_may_be_asked(records: list[Naptr], regexp: bool) -> None:
    choice = select(records, NAME, ("Meta:SMP",), regexp=regexp)
    assert (choice.url is None) == (choice.record is None)
    if choice.url is not None:
        assert refusal(choice.url, https_only=True, private=True) is None


@given(st.text(max_size=300), st.sampled_from([None, "iso6523-actorid-upis"]))
@settings(max_examples=500, deadline=None)
def test_identifiers_are_read_or_refused(text: str, scheme: str | None) -> None:
    for read in (read_participant, read_identifier):
        with suppress(Misconfigured):
            assert read(text, scheme).value


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_dns_name_is_one_or_refused(value: str, scheme: str, zone: str) -> None:
    with suppress(Misconfigured):
        name = dns_name(Participant(value, scheme), zone, Network(name="x").naming)
        assert len(name) <= 253
        assert name.isascii()


@given(st.text(max_size=200), st.sampled_from(["", "https://", "https://ap.example/", "https://ap.example:"]))
@settings(max_examples=500, deadline=None)
def test_a_url_that_may_be_asked_has_a_host_and_no_secrets(text: str, before: str) -> None:
    if refusal(before + text, https_only=True) is None:
        parts = urlsplit(before + text)
        assert parts.hostname
        assert (parts.scheme, parts.username, parts.query, parts.fragment) == ("https", None, "", "")


DNS = st.builds(
    DnsAnswer,
    status=st.sampled_from(DnsStatus),
    naptrs=st.lists(NAPTRS, max_size=3).map(tuple),
    aliases=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    texts=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    ttl=st.one_of(st.none(), st.integers(0, 9999)),
    secure=st.booleans(),
    detail=st.text(max_size=30),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [GOOD, signed(group()), signed(redirect()), b"<a/>", b"<a", signed(metadata(dialect="oasis2")), b"\xff\xfe<\0"]
    ),
)
WEB = st.one_of(
    st.builds(WebAnswer, status=st.integers(0, 999), body=BODIES),
    st.builds(WebAnswer, status=st.sampled_from([200, 200, 200, 304, 404]), body=BODIES),
    st.builds(WebAnswer, failure=st.sampled_from(WebFailure), detail=st.text(max_size=30)),
)


@given(DNS, DNS, WEB, WEB, st.booleans(), st.sampled_from(["off", "prefer", "require"]))
@settings(max_examples=400, deadline=None)
def test_a_look_up_raises_nothing(
    first: DnsAnswer, again: DnsAnswer, there: WebAnswer, listed: WebAnswer, legacy: bool, dnssec: str
) -> None:
    world = World(dns={NAME: first}, again={NAME: again})
    world.change(legacy=legacy, regexp=True, resolver={"dnssec": dnssec}, publishers={"https_only": False})
    world.web |= {METADATA_URL: there, GROUP_URL: listed}
    result = world.look_up()
    assert isinstance(result, Found | Missed)
    assert all(step.evidence.isprintable() and step.what.isprintable() for step in result.steps)
    if isinstance(result, Found):
        assert result.endpoint == FOUND.endpoint


@given(st.integers(0, len(GOOD) - 1), st.one_of(st.binary(max_size=3), st.sampled_from([b"<!---->", b"&#10;", b" "])))
@example(GOOD.index(b"https://ap."), b"https://evil.example/")
@settings(max_examples=500, deadline=None)
def test_no_change_of_the_metadata_changes_the_endpoint(at: int, inserted: bytes) -> None:
    """A byte is replaced by others: it is refused, or means the same (white space in a tag, say)."""
    world = World()
    for changed in (GOOD[:at] + inserted + GOOD[at + 1 :], GOOD[:at] + inserted + GOOD[at:]):
        world.web[METADATA_URL] = served(changed)
        result = world.look_up()
        assert isinstance(result, Missed) or result.endpoint == FOUND.endpoint


def test_the_endpoint_is_found_where_nothing_is_changed() -> None:
    world = World()
    world.web[METADATA_URL] = answered(metadata())
    assert world.found().endpoint == FOUND.endpoint
