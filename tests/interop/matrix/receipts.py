"""Answers that prove nothing, in place of the true receipt: ours to tell from a receipt, and phase4's.

Receipts are made by hand and signed with the right key, so that only what is said to be wrong is wrong. The message
has arrived each time; what is judged is what its sender makes of the answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ehmi_ap.lifecycle import State
from tests.interop import claims, samples
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.forging import CONTENT_TYPE, Forgery, forger, later_timestamp, one_more, without_last, wrong_digest
from tests.interop.http1 import Http, answer
from tests.interop.letters import Letter
from tests.interop.matrix import limits, terms
from tests.interop.proxy import Weather
from tests.interop.scene import Scene

GROUP = "Wrong receipts"
XML = Letter(parts=(samples.XML,))
FAULT = (
    '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Body><env:Fault><env:Code><env:Value>'
    'env:Receiver</env:Value></env:Code><env:Reason><env:Text xml:lang="en">no</env:Text></env:Reason></env:Fault>'
    "</env:Body></env:Envelope>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer and what is made of it: our code (None: settled by it), phase4's result and what it says of a receipt."""

    name: str
    what: str
    forgery: Forgery | None = None
    signer: Literal["peer", "other", "stranger"] = "peer"
    status: int = 200
    instead: Http | None = None
    ours: str | None
    theirs: str
    verified: bool = True
    references: str = "equal"

    @property
    def right(self) -> bool:
        """Whether it is a receipt that proves the message."""
        return self.ours is None

    @property
    def misread(self) -> bool:
        """Whether phase4 takes it for what it is not."""
        return not self.right and self.theirs == "SUCCESS"

    def weather(self, scene: Scene, peer: str) -> Weather:
        """What the proxy gives in place of the answer of `peer`."""
        if self.forgery is None:
            return Weather(answer=lambda _, true: self.instead or true)
        signer = getattr(scene.ids, peer if self.signer == "peer" else self.signer)
        return Weather(answer=forger(signer, self.forgery, status=self.status))


RIGHT, NOT_PROVEN, NOT_VERIFIED, NOTHING = None, "EBMS:0302", "EBMS:0101", "EBMS:0301"
NO_SIGNAL = "NO_SIGNAL_MESSAGE_RECEIVED"
FINAL = "TRANSPORT_ERROR_NO_RETRY"

ANSWERS = (
    Answer(name="by-hand", what="a right receipt", forgery=Forgery(), ours=RIGHT, theirs="SUCCESS"),
    Answer(
        name="status-202",
        what="a right receipt with HTTP 202",
        forgery=Forgery(),
        status=202,
        ours=RIGHT,
        theirs="SUCCESS",
    ),
    Answer(
        name="status-500",
        what="a right receipt with HTTP 500",
        forgery=Forgery(),
        status=500,
        ours=RIGHT,
        theirs="SUCCESS",
    ),
    Answer(
        name="unsigned",
        what="a receipt that is not signed",
        forgery=Forgery(signed=()),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
        verified=False,
    ),
    Answer(
        name="unknown-signer",
        what="a receipt signed below an unknown CA",
        forgery=Forgery(),
        signer="stranger",
        ours=NOT_PROVEN,
        theirs=FINAL,
    ),
    Answer(
        name="other-signer",
        what="a receipt signed by another party of the same CA",
        forgery=Forgery(),
        signer="other",
        ours=NOT_PROVEN,
        theirs="SUCCESS",
    ),
    Answer(
        name="altered",
        what="a receipt changed after it was signed",
        forgery=Forgery(afterwards=later_timestamp),
        ours=NOT_VERIFIED,
        theirs=FINAL,
    ),
    Answer(
        name="only-body",
        what="a receipt whose signature covers the Body alone",
        forgery=Forgery(signed=("body",)),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
    ),
    Answer(
        name="only-messaging",
        what="a receipt whose signature covers eb:Messaging alone",
        forgery=Forgery(signed=("messaging",)),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
    ),
    Answer(
        name="wrong-digest",
        what="a receipt with another digest of the payload",
        forgery=Forgery(references=wrong_digest),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
        references="different",
    ),
    Answer(
        name="reference-missing",
        what="a receipt that does not mention the payload",
        forgery=Forgery(references=without_last),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
        references="different",
    ),
    Answer(
        name="reference-added",
        what="a receipt with a reference to what was never sent",
        forgery=Forgery(references=one_more),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
        references="different",
    ),
    Answer(
        name="no-information",
        what="a receipt without non-repudiation information",
        forgery=Forgery(information=False),
        ours=NOT_PROVEN,
        theirs="SUCCESS",
        references="absent",
    ),
    Answer(
        name="other-message",
        what="a receipt for another message",
        forgery=Forgery(ref_to="another@message.example"),
        ours=NOTHING,
        theirs="SUCCESS",
    ),
    Answer(
        name="warning",
        what="an error signal of severity warning alone, in place of a receipt",
        forgery=Forgery(warning=True),
        ours=NOTHING,
        theirs="AS4_ERROR_MESSAGE_RECEIVED",
    ),
    Answer(name="empty-200", what="HTTP 200 and nothing", instead=answer(200), ours=NOTHING, theirs=NO_SIGNAL),
    Answer(name="empty-202", what="HTTP 202 and nothing", instead=answer(202), ours=NOTHING, theirs=NO_SIGNAL),
    Answer(name="empty-204", what="HTTP 204", instead=answer(204), ours=NOTHING, theirs="TRANSPORT_ERROR"),
    Answer(
        name="page",
        what="HTTP 200 and a web page",
        instead=answer(200, "text/html", b"<html><body>It works!</body></html>"),
        ours=NOTHING,
        theirs=NO_SIGNAL,
    ),
    Answer(
        name="not-found",
        what="HTTP 404",
        instead=answer(404, "text/plain", b"not here"),
        ours="EBMS:0005",
        theirs=NO_SIGNAL,
    ),
    Answer(
        name="fault",
        what="HTTP 500 and a SOAP fault without eb:Messaging",
        instead=answer(500, CONTENT_TYPE, FAULT.encode()),
        ours="EBMS:0005",
        theirs=FINAL,
    ),
)


def cells() -> Iterator[Cell]:
    for each in ANSWERS:
        yield Cell(
            name=f"answer-{each.name}",
            group=GROUP,
            way=Way.OUT,
            what=each.what,
            expected="settled by it"
            if each.right
            else f"not settled by it; failed with {each.ours} when the attempts are used up",
            run=partial(_out, each=each),
        )
        yield Cell(
            name=f"answer-{each.name}",
            group=GROUP,
            way=Way.IN,
            what=each.what,
            expected=_expected_of_phase4(each),
            run=partial(_in, each=each),
            limit=limits.ANY_RECEIPT if each.misread else None,
        )


def _expected_of_phase4(each: Answer) -> str:
    if each.theirs != "SUCCESS":
        return "phase4 calls it a failure"
    return "phase4 calls it success" + ("" if each.right else ", which it is not")


async def _out(scene: Scene, each: Answer) -> None:
    attempts = 1 if each.right or (each.instead and each.instead.status == 404) else 3
    scene.to_phase4.forecast(*[each.weather(scene, "phase4")] * attempts)
    sent = await claims.send(scene, XML, terms.RETRYING)
    if each.ours is None:
        equal((sent.stored.state, sent.stored.attempts), (State.ACKNOWLEDGED, 1))
        await scene.ours.proven(sent.stored)
    else:
        claims.given_up(sent, each.ours, attempts=attempts)
    equal(len(sent.exchanges), attempts)
    await claims.at_phase4(scene, sent.message_id, XML, terms.RETRYING)


async def _in(scene: Scene, each: Answer) -> None:
    scene.to_ours.forecast(each.weather(scene, "ours"))
    result = await scene.phase4_sends(XML, terms.PLAIN)
    equal((result["result"], bool(result["errors"])), (each.theirs, each.name == "warning"))
    if each.theirs == "SUCCESS":
        receipt = result["receipt"]
        found = (receipt["signed"], receipt["signature_verified"], receipt["references"])
        equal(found, (each.verified, each.verified, each.references))
    else:
        equal(result["receipt"], None)
    await claims.at_c4(scene, result["message_id"], XML, terms.PLAIN)
