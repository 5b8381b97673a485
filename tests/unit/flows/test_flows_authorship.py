"""Who made what C1 submits: what is refused before anything is read, and what goes on of what is not."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pki
import pytest
from flow_world import KEYS, PMODE, keep, world
from lxml import etree

from ehmi_ap.agreements import Agreements, Authorship
from ehmi_ap.body import Body, MemoryBody, read_all
from ehmi_ap.crypto import enveloped, jws
from ehmi_ap.crypto.algorithms import EXC_C14N
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair, Trust
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.errors import Fault, NoSignersAgreed, SignatureRefused, SubmissionError
from ehmi_ap.flows import authorship
from ehmi_ap.flows.deliver import deliver
from ehmi_ap.flows.submit import submit
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction, MessageId, Payload, Service, Submission, UserMessage
from ehmi_ap.pmode import TEST_SERVICE
from ehmi_ap.ports import Query
from ehmi_ap.profile import Addressing, Profile

NewId = Callable[[], MessageId]

ROOT = pki.make_ca("system root")


def key_pair(identity: pki.Identity) -> KeyPair:
    chain = tuple(Certificate.from_x509(each) for each in identity.chain)
    return KeyPair(identity.key, chain[0], chain)


MSH = key_pair(pki.make_leaf(ROOT, "msh", key="b"))
OTHER = key_pair(pki.make_leaf(ROOT, "another of the same CA", key="c"))
STRANGER = key_pair(pki.make_leaf(pki.make_ca("elsewhere", key="d"), "msh", key="b"))
DELIVERY = key_pair(pki.make_leaf(ROOT, "delivery", key="p256"))
TRUST = Trust({"root": [Certificate.from_x509(ROOT.cert)], "msh": [MSH.certificate]})
XML = b"<a xmlns='urn:a' z='1' b='2'><!-- who --><b>\n</b></a>"
BY_JWS = Authorship(demand="jws", trust=("root",), key=DELIVERY)
BY_XML = replace(BY_JWS, demand="xml")
BY_ANY = replace(BY_JWS, demand="any")


def signed(data: bytes, pair: KeyPair = MSH, **changes: Any) -> Payload:
    signature = jws.make(jws.digest_of(MemoryBody(data)), pair)
    return replace(Payload(body=MemoryBody(data), mime_type="application/xml", jws=signature), **changes)


def plain(data: bytes = XML) -> Payload:
    return Payload(body=MemoryBody(data), mime_type="application/xml")


def untouchable(payload: Payload) -> Addressing | None:
    raise AssertionError("it was read before it was verified")


def agreed(
    new_id: NewId,
    now: datetime,
    authors: dict[str, Authorship],
    *,
    profile: str = "asks",
    trust: Trust = TRUST,
    **changes: Any,
) -> World:
    """A world in which the profile `asks` wants signatures, and `plain` does not."""
    agreements = Agreements(pmodes=(replace(PMODE, profile=profile),), keys=KEYS, trust=trust, authorship=authors)
    profiles = {"asks": Profile(name="asks", signed=True), "plain": Profile(name="plain")}
    return world(new_id, now, agreements=lambda: agreements, profiles=profiles, **changes)


async def stored(to: World) -> tuple[UserMessage, ...]:
    return tuple(each.message for each in await to.store.find(Query()))


async def bytes_of(to: World) -> list[bytes]:
    return [read_all(payload.body) for message in await stored(to) for payload in message.payloads]


# -- by JWS


async def test_a_signed_payload_is_taken_as_it_is_and_its_signature_ends_here(
    new_id: NewId, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    to = agreed(new_id, now, {"msh": BY_JWS})

    with caplog.at_level(logging.INFO):
        await submit(Submission(payloads=(signed(XML),)), to, backend="msh")

    assert await bytes_of(to) == [XML]
    assert [payload.jws for message in await stored(to) for payload in message.payloads] == [None]
    assert [vars(each)["signer"] for each in caplog.records] == [MSH.certificate.sha256]


async def test_the_same_may_be_submitted_again_under_another_signature(new_id: NewId, now: datetime) -> None:
    """PS256 is never twice the same, and a repetition has to be one."""
    to = agreed(new_id, now, {"msh": BY_JWS})
    for _ in range(2):
        assert (
            await submit(Submission(payloads=(signed(XML),), message_id=MessageId("1@c1")), to, backend="msh") == "1@c1"
        )
    assert len(await stored(to)) == 1


SIGNATURE = signed(XML).jws or ""

REFUSED: dict[str, tuple[tuple[Payload, ...], str]] = {
    "missing": ((plain(),), "no JWS"),
    "missing on the second payload": ((signed(XML), plain()), "no JWS"),
    "of another payload": ((signed(b"<other/>", body=MemoryBody(XML)),), "payload 1 does not count: .*something else"),
    "swapped between payloads": (
        (signed(b"<1/>", body=MemoryBody(b"<2/>")), signed(b"<2/>", body=MemoryBody(b"<1/>"))),
        "payload 1 does not count",
    ),
    "wrong on the second payload": ((signed(XML), signed(XML, body=MemoryBody(XML + b" "))), "payload 2 does not"),
    "by a stranger of the same name and key": ((signed(XML, STRANGER),), "no path from the certificate"),
    "empty": ((signed(XML, jws=""),), "not a JWS"),
    "of no JWS at all": ((signed(XML, jws="Signature: yes"),), "not a JWS"),
    "too long": ((signed(XML, jws=SIGNATURE + "A" * jws.MAX_CHARACTERS),), "characters of a JWS"),
    "without payloads": ((), "no payload that could be signed"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_not_rightly_signed_is_refused_before_it_is_read(case: str, new_id: NewId, now: datetime) -> None:
    payloads, words = REFUSED[case]
    to = agreed(new_id, now, {"msh": BY_JWS})
    to = replace(to, profiles={"asks": Profile(name="asks", signed=True, address=untouchable)})

    with pytest.raises(SignatureRefused, match=words) as caught:
        await submit(Submission(payloads=payloads), to, backend="msh")

    assert (caught.value.code, caught.value.fault) == ("submission.signature", Fault.C1)
    assert await stored(to) == ()


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (replace(BY_JWS, subjects=("CN=another,O=Test,C=DK",)), "subject"),
        (replace(BY_JWS, policies=("1.2.3",)), "policies"),
    ],
)
async def test_the_table_says_who_may_sign(terms: Authorship, words: str, new_id: NewId, now: datetime) -> None:
    with pytest.raises(SignatureRefused, match=words):
        await submit(Submission(payloads=(signed(XML),)), agreed(new_id, now, {"msh": terms}), backend="msh")


async def test_a_certificate_that_has_ended(new_id: NewId, now: datetime) -> None:
    late = now + 11 * pki.YEAR

    with pytest.raises(SignatureRefused, match="expired"):
        await submit(Submission(payloads=(signed(XML),)), agreed(new_id, late, {"msh": BY_JWS}), backend="msh")


async def test_who_is_taken_out_of_the_trust_is_refused_at_once(new_id: NewId, now: datetime) -> None:
    """As an administrator does it over REST: the agreements are another value from one message to the next."""
    pinned = replace(BY_JWS, trust=("msh",))
    before = agreed(new_id, now, {"msh": pinned})
    after = agreed(new_id, now, {"msh": pinned}, trust=Trust({"msh": [OTHER.certificate]}))
    current = [before.agreements()]
    to = replace(before, agreements=lambda: current[0])

    await submit(Submission(payloads=(signed(XML),)), to, backend="msh")
    current[0] = after.agreements()
    with pytest.raises(SignatureRefused, match="no path"):
        await submit(Submission(payloads=(signed(XML),)), to, backend="msh")
    await submit(Submission(payloads=(signed(XML, OTHER),)), to, backend="msh")


@dataclass
class Changing:
    """A file that C1 can still write: other bytes each time it is read."""

    contents: Iterator[bytes]
    size: int
    resident: bool = False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        yield next(self.contents)[start:stop]


async def test_what_is_verified_is_what_is_stored_whatever_becomes_of_c1_s_file(new_id: NewId, now: datetime) -> None:
    to = agreed(new_id, now, {"msh": BY_JWS})
    body: Body = Changing(iter([XML, b"<forged/>", b"<forged/>"]), len(XML))

    await submit(Submission(payloads=(signed(XML, body=body),)), to, backend="msh")

    assert await bytes_of(to) == [XML]


# -- who need not sign


async def test_a_profile_that_asks_takes_nothing_of_a_backend_of_which_nothing_is_said(
    new_id: NewId, now: datetime
) -> None:
    for authors in ({}, {"msh": Authorship()}):
        to = agreed(new_id, now, authors)
        with pytest.raises(NoSignersAgreed, match=r"profile asks .* backend msh") as caught:
            await submit(Submission(payloads=(plain(),)), to, backend="msh")
        assert (caught.value.fault, caught.value.code) == (Fault.OPERATOR, "submission.no-signers")
        assert await stored(to) == ()


async def test_a_signature_that_nobody_can_judge_is_not_passed_over(new_id: NewId, now: datetime) -> None:
    for profile, authors, ours, words in (
        ("plain", {"msh": Authorship()}, False, "ehmi-ap.toml"),
        ("asks", {"msh": Authorship(built_together=True)}, False, "Leave the signature out"),
        ("asks", {}, True, "Leave the signature out"),
    ):
        to = agreed(new_id, now, authors, profile=profile)
        with pytest.raises(NoSignersAgreed) as caught:
            await submit(Submission(payloads=(signed(XML),)), to, backend="msh", ours=ours)
        assert words in caught.value.fix
        assert await stored(to) == ()


@pytest.mark.parametrize(
    ("authors", "embedded", "ours"),
    [({"msh": Authorship(built_together=True)}, (), False), ({}, ("msh",), False), ({"msh": BY_JWS}, (), True)],
)
async def test_who_is_built_together_with_us_need_not_sign(
    authors: dict[str, Authorship], embedded: tuple[str, ...], ours: bool, new_id: NewId, now: datetime
) -> None:
    to = agreed(new_id, now, authors, embedded=embedded)
    await submit(Submission(payloads=(plain(),)), to, backend="msh", ours=ours)
    assert await bytes_of(to) == [XML]


async def test_other_profiles_do_not_ask_but_a_table_does(new_id: NewId, now: datetime) -> None:
    to = agreed(new_id, now, {"msh": BY_JWS}, profile="plain")

    await submit(Submission(payloads=(plain(),)), to, backend="another")
    with pytest.raises(SignatureRefused):
        await submit(Submission(payloads=(plain(),)), to, backend="msh")


async def test_a_message_to_the_test_service_is_no_business_of_a_profile(new_id: NewId, now: datetime) -> None:
    to = agreed(new_id, now, {})
    await submit(Submission(payloads=(), service=Service(TEST_SERVICE)), to, backend="msh")
    assert len(await stored(to)) == 1


# -- by XML signature


@pytest.mark.parametrize("terms", [BY_XML, BY_ANY])
async def test_of_a_signed_document_the_octets_that_were_signed_go_on(
    terms: Authorship, new_id: NewId, now: datetime
) -> None:
    to = agreed(new_id, now, {"msh": terms})
    document = b"<?xml version='1.0'?>\n" + enveloped.signed(XML, MSH)

    await submit(Submission(payloads=(plain(document),)), to, backend="msh")

    canonical = etree.tostring(etree.fromstring(XML), method="c14n", with_comments=False)
    assert await bytes_of(to) == [canonical] == [b'<a xmlns="urn:a" b="2" z="1"><b>\n</b></a>']


async def test_a_signature_canonicalised_exclusively_is_taken_too(new_id: NewId, now: datetime) -> None:
    to = agreed(new_id, now, {"msh": BY_XML})
    document = enveloped.signed(XML, MSH, c14n=EXC_C14N)
    await submit(Submission(payloads=(plain(document),)), to, backend="msh")
    assert len(await stored(to)) == 1


async def test_any_takes_a_jws_over_the_document_as_it_is(new_id: NewId, now: datetime) -> None:
    to = agreed(new_id, now, {"msh": BY_ANY})
    document = enveloped.signed(XML, OTHER)
    await submit(Submission(payloads=(signed(document),)), to, backend="msh")
    assert await bytes_of(to) == [document]


BIG = b"<a>" + b"x" * authorship.XML_LIMITS.bytes + b"</a>"
XML_REFUSED: dict[str, tuple[Authorship, Payload, str]] = {
    "unsigned": (BY_XML, plain(), "not signed"),
    "neither of the two": (BY_ANY, plain(), "not signed"),
    "a JWS where the document is to be signed": (BY_XML, signed(XML), "a JWS, and an XML signature is agreed"),
    "a signed document where a JWS is agreed": (BY_JWS, plain(enveloped.signed(XML, MSH)), "no JWS"),
    "changed": (BY_XML, plain(enveloped.signed(XML, MSH).replace(b'z="1"', b'z="3"')), "digest"),
    "by a stranger": (BY_XML, plain(enveloped.signed(XML, STRANGER)), "no path"),
    "by somebody else of the CA": (
        replace(BY_XML, trust=("msh",)),
        plain(enveloped.signed(XML, OTHER)),
        "no path",
    ),
    "by SHA-1": (BY_XML, plain(enveloped.signed(XML, MSH, algorithm="rsa-sha1", digest="sha1")), "sha1 is not"),
    "no XML": (BY_XML, plain(b"{}"), "not well-formed"),
    "with a DTD": (BY_XML, plain(b"<!DOCTYPE a>" + enveloped.signed(XML, MSH)), "document type"),
    "too large": (BY_XML, plain(BIG), "too many for an XML signature"),
    "with a wrong JWS beside": (
        BY_ANY,
        signed(b"other", body=MemoryBody(enveloped.signed(XML, MSH))),
        "something else",
    ),
}


@pytest.mark.parametrize("case", XML_REFUSED)
async def test_a_document_that_is_not_rightly_signed(case: str, new_id: NewId, now: datetime) -> None:
    terms, payload, words = XML_REFUSED[case]
    to = agreed(new_id, now, {"msh": terms})

    with pytest.raises(SignatureRefused, match=words):
        await submit(Submission(payloads=(payload,)), to, backend="msh")
    assert await stored(to) == ()


async def test_a_refusal_shows_nothing_of_the_document(
    new_id: NewId, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    canary = b"2509479989"
    broken = enveloped.signed(b"<a><cpr>" + canary + b"</cpr></a>", MSH)
    caplog.set_level(logging.DEBUG)
    for data in (
        broken.replace(canary, canary[::-1]),
        broken[:-3],
        b"<a " + canary,
        broken.replace(b"<cpr>", b"<cpr/>"),
    ):
        with pytest.raises(SubmissionError) as caught:
            await submit(Submission(payloads=(plain(data),)), agreed(new_id, now, {"msh": BY_XML}), backend="msh")
        said = f"{caught.value} {caught.value.fix} {[vars(each) for each in caplog.records]}"
        assert canary.decode() not in said
        assert canary[::-1].decode() not in said


# -- to C4


class Taking:
    fetches = False

    def __init__(self) -> None:
        self.taken: list[UserMessage] = []

    async def deliver(self, message: UserMessage) -> None:
        self.taken.append(message)


async def delivered(to: World) -> bool:
    await keep(to, "a", backend="msh")
    [job] = await to.store.claim(Direction.INBOUND, now=to.now(), lease=60, limit=1)
    return await deliver(job, to)


async def test_c4_gets_our_signature_over_the_very_bytes(new_id: NewId, now: datetime) -> None:
    c4 = Taking()
    to = agreed(new_id, now, {"msh": BY_JWS}, backends={"msh": c4})

    assert await delivered(to)

    [payload] = c4.taken[0].payloads
    ours = Signers(anchors=(DELIVERY.certificate,))
    assert jws.verify(payload.jws or "", jws.digest_of(payload.body), ours, now=now) == DELIVERY.certificate


@pytest.mark.parametrize("terms", [Authorship(), Authorship(built_together=True), replace(BY_JWS, key=None)])
async def test_without_a_key_nothing_is_signed(terms: Authorship, new_id: NewId, now: datetime) -> None:
    c4 = Taking()
    assert await delivered(agreed(new_id, now, {"msh": terms}, backends={"msh": c4}))
    assert [payload.jws for payload in c4.taken[0].payloads] == [None]


async def test_with_a_certificate_that_has_ended_nothing_is_delivered_until_there_is_a_new_one(
    new_id: NewId, now: datetime
) -> None:
    c4 = Taking()
    to = agreed(new_id, now + 11 * pki.YEAR, {"msh": BY_JWS}, backends={"msh": c4})

    assert not await delivered(to)

    [found] = await to.store.find(Query())
    assert (found.state, found.last_code) == (State.RECEIVED, "blocked")
    assert "signs for backend msh" in found.last_detail
    assert c4.taken == []
