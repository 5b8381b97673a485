"""What stands next to a fault: messages that are odd but right, answers in another dress, signals, C4's notice."""

import asyncio
import re
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes

from ehmi_ap.body import read_all
from ehmi_ap.model import EventKind, MessageId
from ehmi_ap.ports import Query
from tests import independent
from tests.bench.lean import EB
from tests.craft import Made, Message, Part, make
from tests.functional.bad_input.faults import Case, flipped, in_payload_head, resub, swap
from tests.functional.bad_input.http_cases import TAKEN
from tests.functional.bad_input.receiver import CANARY, PART, XML, Receiver

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = '<eb:Property name="originalSender">urn:c1</eb:Property><eb:Property name="finalRecipient">urn:c4</eb:Property>'
HARMLESS = XML.replace(CANARY.encode(), b"nobody")


def harmless(message: Message) -> Message:
    """Nobody's data, since this is stored."""
    parts = [Part(data=HARMLESS, compress=part.compress) for part in message.parts]
    return message.but(properties=PLAIN, parts=parts)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in TAKEN.items()])
async def test_odd_but_right_is_taken(receiver: Receiver, case: Case) -> None:
    """as4-wire 1.1, 1.4, 9.44: a receipt that repeats every reference, and C4's bytes are those of C1."""
    said = await receiver.send(harmless(case.make(receiver)))
    [message] = await receiver.accepted(said)
    assert [read_all(payload.body) for payload in message.payloads] == [HARMLESS]


async def test_error_status_and_fault_of_the_p_mode(receiver: Receiver) -> None:
    """ebMS3 core 6.6; as4-wire 1.3: 500 and env:Fault where the P-Mode asks for them, Body and all signed."""
    said = await receiver.send(receiver.message(action="fault", sign_body=False))
    await receiver.refused(said, "EBMS:0103", status=500)
    root = independent.check(said.answer.body, said.answer.headers["content-type"]).root
    assert root.findtext("s:Body/s:Fault/s:Code/s:Value", "", independent.NS).endswith(":Receiver")
    reason = root.findtext("s:Body/s:Fault/s:Reason/s:Text", "", independent.NS)
    assert reason == "The message's protection does not comply with the agreed policy."


def signal(inside: str, ref_to: str) -> Callable[[str], str]:
    """A signal in place of the user message."""
    info = (
        "<eb:MessageInfo><eb:Timestamp>2026-11-23T12:00:00Z</eb:Timestamp><eb:MessageId>signal@craft.example</eb:MessageId>"
        f"{f'<eb:RefToMessageId>{ref_to}</eb:RefToMessageId>' if ref_to else ''}</eb:MessageInfo>"
    )
    return resub("<eb:UserMessage>.*</eb:UserMessage>", f"<eb:SignalMessage>{info}{inside}</eb:SignalMessage>")


_ERROR = f'<eb:Error errorCode="EBMS:0004" severity="failure"><eb:ErrorDetail>{CANARY}</eb:ErrorDetail></eb:Error>'
_RECEIPT = '<eb:Receipt><x xmlns="urn:x"/></eb:Receipt>'


@pytest.mark.parametrize("sign", [True, False])
@pytest.mark.parametrize("inside", [_RECEIPT, _ERROR], ids=["receipt", "error"])
@pytest.mark.parametrize("ref_to", ["never@beta.example", f"{CANARY}", ""], ids=["unknown", "patient", "none"])
async def test_a_signal_about_a_message_we_never_sent(receiver: Receiver, inside: str, sign: bool, ref_to: str) -> None:
    """as4-wire 6.4: 202, empty; logged; a signal is never answered with an error."""
    said = await receiver.send(receiver.message(messaging=signal(inside, ref_to), parts=(), sign=sign))
    assert (said.answer.status, said.answer.body) == (202, b"")
    assert await receiver.kept() == receiver.before
    lines = receiver.said_to_the_operator()
    assert len(lines) == (1 if ref_to else 0)
    assert all("never sent" in line.getMessage() for line in lines)


async def test_a_signal_about_thousands_of_messages_says_little(receiver: Receiver) -> None:
    """Anybody may post one: it must not fill the log, nor keep the store busy."""
    errors = "".join(f'<eb:Error errorCode="EBMS:0004" refToMessageInError="{n}@x"/>' for n in range(1900))
    said = await receiver.send(receiver.message(messaging=signal(errors, "0@x"), parts=(), sign=False))
    assert (said.answer.status, said.answer.body) == (202, b"")
    assert len(receiver.said_to_the_operator()) <= 20
    assert said.cpu < 1


@pytest.mark.parametrize("signal_text", ["", "<eb:Error/>", "<eb:Receipt/>"], ids=["nothing", "error", "receipt"])
async def test_a_signal_that_is_none(receiver: Receiver, signal_text: str) -> None:
    """as4-wire 6.4: schema, 0009; its own MessageId is not one that an error could name."""
    said = await receiver.send(
        receiver.message(message_id="signal@craft.example", messaging=signal(signal_text, "a@x"), parts=())
    )
    await receiver.refused(said, "EBMS:0009", signed=False)


async def told(receiver: Receiver, message_id: str) -> list[tuple[EventKind, str | None, str]]:
    """The events of one message."""
    events = [event async for event in receiver.face.ap.events(message_id=MessageId(message_id), follow=False)]
    return [(event.kind, event.code, event.detail) for event in events]


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("EBMS:0303", Part(data=XML, before_digest=flipped(-8))),
        ("EBMS:0011", Part(data=XML, href="https://example.invalid/")),
    ],
)
async def test_c4_hears_of_a_refusal_only_from_a_proven_sender(receiver: Receiver, code: str, part: Part) -> None:
    """CP_TA31: the MessageId, the code and our words; of a stranger's message nothing at all."""
    proven = await receiver.send(receiver.message(parts=[part]))
    await receiver.refused(proven, code)
    [(kind, told_code, detail)] = await told(receiver, proven.asked.message_id)
    assert (kind, told_code) == (EventKind.REFUSED, code)
    assert CANARY not in detail
    strange = await receiver.send(receiver.message(parts=[part], sender=receiver.issued("alpha")))
    await receiver.refused(strange, "EBMS:0101")
    assert await told(receiver, strange.asked.message_id) == []


FIRST = [
    # (a fault, and a later one; the first decides): HTTP, MIME, XML, header, P-Mode, decryption, signature, coverage, trust, parts, decompression, profile
    ("MIME before XML", 400, lambda r: r.message(mime=in_payload_head(b"Content-ID: <", b"Content-ID <"), envelope=lambda _: b"<x")),
    ("MIME before its budget on the envelope", 400, lambda r: r.message(mime=lambda body: body[:-60], envelope=lambda data: data + b" " * 300_000)),
    ("XML before header", 400, lambda r: r.message(envelope=swap(b"</env:Envelope>", b""), user_message=swap("<eb:PartyInfo>", "<x/><eb:PartyInfo>"))),
    ("header before P-Mode", "EBMS:0009", lambda r: r.message(timestamp="now", action="other")),
    ("Content-ID before header", "EBMS:0007", lambda r: r.message(timestamp="now", mime=in_payload_head(b"Content-ID: <p1@craft.example>\r\n", b""))),
    ("P-Mode before decryption", "EBMS:0010", lambda r: r.message(action="other", wrong_key=True)),
    ("P-Mode before signature", "EBMS:0010", lambda r: r.message(action="other", sign=False)),
    ("encryption missing before signature missing", "EBMS:0103", lambda r: r.message(encrypt=False, sign=False)),
    ("decryption before signature missing", "EBMS:0102", lambda r: r.message(wrong_key=True, sign=False)),
    ("decryption before signature value", "EBMS:0102", lambda r: r.message(wrong_key=True, signature_hash=hashes.SHA512())),
    ("decryption before trust", "EBMS:0102", lambda r: r.message(parts=[Part(data=XML, after_encrypt=flipped(-1))], sender=r.issued("delta"))),
    ("decryption before parts", "EBMS:0102", lambda r: r.message(wrong_key=True, parts=[Part(data=XML, href="http://x/")])),
    ("signature before coverage", "EBMS:0101", lambda r: r.message(sign_body=False, envelope=swap(b">c1<", b">c2<"))),
    ("coverage before trust", "EBMS:0103", lambda r: r.message(sign_body=False, sender=r.issued("delta"))),
    ("trust before parts", "EBMS:0101", lambda r: r.message(sender=r.issued("delta"), parts=[Part(data=XML, href="http://x/")])),
    ("parts before decompression", "EBMS:0011", lambda r: r.message(parts=[Part(data=XML, href="http://x/"), Part(content_id="2@x", before_digest=flipped(-8))])),
    ("payload's digest before decompression", "EBMS:0101", lambda r: r.message(parts=[Part(data=XML, before_digest=flipped(-8)), Part(content_id="2@x", after_sign=flipped(-1))])),
    ("decompression before profile", "EBMS:0303", lambda r: r.message(action="ehmi", parts=[Part(data=XML, before_digest=flipped(-8))])),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "message"), [pytest.param(*case, id=name) for name, *case in FIRST])
async def test_the_first_step_that_fails_decides(
    receiver: Receiver, answer: int | str, message: Callable[[Receiver], Message]
) -> None:
    """as4-wire 6.4: HTTP, MIME, XML, header, P-Mode, decryption, signature, coverage, trust, parts, decompression, profile."""
    said = await receiver.send(message(receiver))
    if isinstance(answer, int):
        await receiver.turned_away(said, answer)
    else:
        await receiver.refused(said, answer, signed=answer not in ("EBMS:0007", "EBMS:0009", "EBMS:0010"))


async def test_all_faults_of_decryption_look_alike(receiver: Receiver) -> None:
    """as4-wire 3.4, 6.4: no oracle. Answers differ in ids, times and signature alone."""
    wrong = [
        {"wrong_key": True},
        {"recipient": receiver.alpha.identity},
        {"parts": [Part(data=XML, after_encrypt=flipped(-1))]},
        {"parts": [Part(data=XML, after_encrypt=lambda data: data[:9])]},
    ]
    answers = [await receiver.send(receiver.message(message_id="oracle@craft.example", **each)) for each in wrong]
    plain = {
        re.sub(rb"[0-9a-f-]{32,36}|(?<=Timestamp>)[^<]*|(?<=Value>)[^<]*", b"", said.answer.body) for said in answers
    }
    assert len(plain) == 1
    assert {len(said.answer.headers) for said in answers} == {len(answers[0].answer.headers)}


async def test_a_refused_message_may_come_again_mended(receiver: Receiver) -> None:
    """A refusal is no reception: the same MessageId is taken when it is right, and not as a duplicate."""
    right = harmless(receiver.message(message_id="mended@craft.example"))
    await receiver.refused(
        await receiver.send(right.but(parts=[Part(data=HARMLESS, before_digest=flipped(-8))])), "EBMS:0303"
    )
    await receiver.refused(await receiver.send(right.but(sender=receiver.issued("delta"))), "EBMS:0101")
    said = await receiver.send(right)
    [message] = await receiver.accepted(said)
    assert [read_all(payload.body) for payload in message.payloads] == [HARMLESS]
    forged = await receiver.send(right.but(parts=[PART], sender=receiver.issued("delta")))
    await receiver.refused(forged, "EBMS:0101")
    again = await receiver.send(right)
    assert again.answer.body == said.answer.body


async def test_right_and_wrong_ones_at_once(receiver: Receiver) -> None:
    """Each gets its own answer, however they come together; what is kept is what was right."""
    wrong = {
        "EBMS:0010": {"action": "other"},
        "EBMS:0101": {"sender": receiver.issued("delta")},
        "EBMS:0102": {"wrong_key": True},
        "EBMS:0103": {"sign_body": False},
        "EBMS:0303": {"parts": [Part(data=XML, before_digest=flipped(-8))]},
    }
    right = [harmless(receiver.message()) for _ in range(10)]
    made = [make(message) for message in right]
    made += [make(receiver.message(**changes)) for changes in wrong.values() for _ in range(6)]
    answers = await asyncio.gather(*(receiver.talk(each) for each in made))
    for each, answer in zip(made, answers, strict=True):
        facts = independent.check(answer.body, answer.headers["content-type"])
        ref_to = facts.root.findtext(".//eb:MessageInfo/eb:RefToMessageId", "", independent.NS)
        assert ref_to == each.message_id
    codes = [code for answer in answers for code in independent.check(answer.body, "application/soap+xml").errors]
    assert codes == [code for code in wrong for _ in range(6)]
    found = await receiver.face.ap.store.find(Query(since=None, limit=100))
    assert {each.message_id for each in made[:10]} <= {stored.message.message_id for stored in found}
    assert not {each.message_id for each in made[10:]} & {stored.message.message_id for stored in found}


async def test_a_request_that_is_an_answer_of_ours(receiver: Receiver) -> None:
    """A reflected error or receipt is a signal about nothing we sent: 202."""
    said = await receiver.send(receiver.message(action="other"))
    body = said.answer.body
    assert EB.encode() in body
    reflected = await receiver.post(Made(said.answer.headers["content-type"], body, "x", body))
    assert (reflected.answer.status, reflected.answer.body) == (202, b"")


async def test_a_message_made_for_this_table_is_right(receiver: Receiver) -> None:
    """All cases start from this one."""
    made = make(harmless(receiver.message()))
    facts = independent.check(made.body, made.content_type, keys=[receiver.beta.identity.key_pem])
    assert facts.signed
    assert facts.encrypted
    assert [payload for _, _, payload in facts.payloads] == [HARMLESS]
