"""A real access point that is told wrong things: `beta` of a pair, its store on disk, its listener on the loopback.

    said = await receiver.post(made)                      # one POST, as bytes on a socket
    receiver.refused(said, "EBMS:0101")                   # the exact answer, and that nothing else happened
    receiver.turned_away(said, 415)                       # below ebMS: one sentence

What an answer has to be is written down here once more, from as4-wire 6.2 and 6.4: none of it is taken from the product.
Answers are judged by tests/independent.py. Every message carries CANARY in a payload, a message property and a
PATIENTID; it must never come back, be logged or stay on disk.
"""

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import Config, HttpLimits
from ehmi_ap.model import DeliveryEvent, UserMessage
from ehmi_ap.ports import Query, Submit
from ehmi_ap.server import listening
from tests import craft, independent, pki
from tests.logged import logged
from tests.pair import ACTION, PARTY_TYPE, SERVICE, Side, write_pair
from tests.unit.server.conftest import Answer, Face

CANARY = "2509479989"
"""A CPR number that nobody has."""
HYPHENATED = f"{CANARY[:6]}-{CANARY[6:]}"
"""The same as people write it."""
MESSAGE_BYTES = 3_000_000
"""The receiver's budget on one request."""
GAMMA = "gamma"
"""A partner of beta who is known by the CA above its certificate, and by its name in it; `alpha`'s is pinned."""

KINDS = {
    "EBMS:0003": ("ValueInconsistent", "Content", "ebMS"),
    "EBMS:0004": ("Other", "Content", "ebMS"),
    "EBMS:0007": ("MimeInconsistency", "Unpackaging", "ebMS"),
    "EBMS:0008": ("FeatureNotSupported", "Unpackaging", "ebMS"),
    "EBMS:0009": ("InvalidHeader", "Unpackaging", "ebMS"),
    "EBMS:0010": ("ProcessingModeMismatch", "Processing", "ebMS"),
    "EBMS:0011": ("ExternalPayloadError", "Content", "ebMS"),
    "EBMS:0101": ("FailedAuthentication", "Processing", "security"),
    "EBMS:0102": ("FailedDecryption", "Processing", "security"),
    "EBMS:0103": ("PolicyNoncompliance", "Processing", "security"),
    "EBMS:0303": ("DecompressionFailure", "Communication", "ebMS"),
}
"""shortDescription, category and origin of each code (as4-wire 6.2)."""

TEXTS = {
    "EBMS:0003": "A header value is inconsistent with the message or the agreement.",
    "EBMS:0007": "The MIME parts do not fit together.",
    "EBMS:0008": "The message asks for a feature that is not supported here.",
    "EBMS:0009": "The ebMS header is not valid.",
    "EBMS:0010": "No P-Mode here fits the parties, roles, service, action, agreement and mpc of the message.",
    "EBMS:0011": "The payload parts do not match eb:PayloadInfo.",
    "EBMS:0101": "The signature or its certificate was not accepted.",
    "EBMS:0102": "The message could not be decrypted.",
    "EBMS:0103": "The message's protection does not comply with the agreed policy.",
    "EBMS:0303": "A compressed payload could not be decompressed.",
}
"""All that a peer is told, whatever exactly was wrong."""

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass
class C4:
    """A backend whose C4 fetches, so that what is stored stays as it is; remembers what it was told."""

    events: list[DeliveryEvent] = field(default_factory=list)
    fetches = True

    async def deliver(self, message: UserMessage) -> None:
        raise AssertionError("C4 fetches")

    async def notify(self, event: DeliveryEvent) -> None:
        self.events.append(event)

    async def run(self, submit: Submit) -> None:
        """Nothing is submitted here."""


@dataclass(frozen=True)
class Said:
    """What was asked and answered; `cpu` are the seconds of this process for both."""

    asked: craft.Made
    answer: Answer
    cpu: float


@dataclass(repr=False)
class Receiver:
    """The access point, its partners' keys, and what it has of anybody's data."""

    face: Face
    alpha: Side
    beta: Side
    c4: C4
    log: list[logging.LogRecord] = field(default_factory=list)
    before: Any = None

    @property
    def authority(self) -> pki.Identity:
        """The CA above everybody."""
        issuer = self.alpha.identity.issuer
        assert issuer is not None
        return issuer

    def issued(
        self, name: str = GAMMA, *, key: str = "c", issuer: pki.Identity | None = None, **more: Any
    ) -> pki.Identity:
        """A certificate below the CA, valid now unless told otherwise."""
        now = datetime.now(UTC)
        window = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=30), **more}
        return pki.make_leaf(issuer or self.authority, name, key=key, **window)

    def message(self, **changes: Any) -> craft.Message:
        """A right message from alpha; CANARY stands wherever a patient may."""
        return craft.Message(
            sender=self.alpha.identity,
            recipient=self.beta.identity,
            from_id=self.alpha.name,
            to_id=self.beta.name,
            party_type=PARTY_TYPE,
            service=SERVICE,
            action=ACTION,
            properties=PROPERTIES,
            parts=(PART,),
        ).but(**changes)

    async def post(self, made: craft.Made, headers: bytes | None = None) -> Said:
        """POST a message; `headers` replace its Content-Type header."""
        self.log.clear()
        self.before = await self.kept()
        started = time.process_time()
        answer = await self.talk(made, headers)
        return Said(made, answer, time.process_time() - started)

    async def talk(self, made: craft.Made, headers: bytes | None = None) -> Answer:
        """One request on a connection of its own; nobody is named in its answer."""
        if headers is None:
            headers = f"Content-Type: {made.content_type}\r\n".encode()
        connection = await self.face.connect()
        head = b"POST /as4 HTTP/1.1\r\nHost: beta\r\n%sContent-Length: %d\r\n\r\n" % (headers, len(made.body))
        await connection.send(head, made.body)
        answer = await connection.answer()
        connection.writer.close()
        self.face.connections.remove(connection)
        assert not names_somebody(f"{answer.headers} {answer.body!r}")
        return answer

    async def send(self, message: craft.Message) -> Said:
        """Make a message and POST it."""
        return await self.post(craft.make(message))

    # -- judging

    async def turned_away(self, said: Said, status: int) -> None:
        """Refused below ebMS: the status, one sentence of text/plain, no detail (as4-wire 6.4)."""
        answer = said.answer
        assert answer.status == status, (answer.status, answer.text)
        assert answer.headers["content-type"].lower() == "text/plain; charset=utf-8"
        sentence = answer.text.removesuffix("\n")
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 120
        assert "retry-after" not in answer.headers
        await self.untouched(said, code=None)

    async def refused(
        self, said: Said, code: str, *, signed: bool = True, named: bool = True, status: int = 200, text: str = ""
    ) -> None:
        """Refused with an eb:Error (as4-wire 6.1, 6.2, 6.4).

        `signed` says that the P-Mode is known, `named` that the MessageId is; `text` where it is not the code's own.
        """
        answer = said.answer
        assert answer.status == status, answer.text[:300]
        facts = independent.check(answer.body, answer.headers["content-type"], certificates=[self.beta.identity.pem])
        assert facts.errors == [code]
        assert facts.signed is signed
        if signed:
            assert facts.signer == self.beta.identity.cert
        ref_to = said.asked.message_id if named else None
        assert (
            facts.root.findtext(".//eb:SignalMessage/eb:MessageInfo/eb:RefToMessageId", None, independent.NS) == ref_to
        )
        error = facts.root.find(".//eb:Error", independent.NS)
        assert error is not None
        short, category, origin = KINDS[code]
        assert dict(error.attrib) == {
            "errorCode": code,
            "severity": "failure",
            "shortDescription": short,
            "category": category,
            "origin": origin,
            **({"refToMessageInError": ref_to} if ref_to else {}),
        }
        description, detail = error
        assert description.get(_XML_LANG) == "en"
        assert description.text == (text or TEXTS[code])
        assert detail.text == description.text
        assert facts.root.findall("s:Body/*", independent.NS) == [] or status == 500
        await self.untouched(said, code=code)

    async def untouched(self, said: Said, *, code: str | None) -> None:
        """Nothing was stored, delivered or left behind; one line for the operator; the patient nowhere."""
        assert await self.kept() == self.before
        [line] = self.said_to_the_operator()
        told = vars(line)
        assert line.getMessage() in ("message refused", "AS4 request refused")
        assert told["what"]
        assert told["fix"]
        assert code is None or told["code"] == code

    def said_to_the_operator(self) -> list[logging.LogRecord]:
        """The lines of the log about the last request; the patient is in none of them, at whatever level."""
        assert not [record for record in self.log if names_somebody(json.dumps(vars(record), default=repr))]
        return [record for record in self.log if record.name.startswith("ehmi_ap") and record.levelno >= logging.INFO]

    async def accepted(self, said: Said) -> list[UserMessage]:
        """A signed receipt for every reference; what C4 got for this MessageId."""
        answer = said.answer
        assert answer.status == 200, answer.text[:300]
        facts = independent.check(answer.body, answer.headers["content-type"], certificates=[self.beta.identity.pem])
        assert facts.errors == []
        assert facts.signer == self.beta.identity.cert
        assert facts.receipt
        found = await self.face.ap.store.find(Query(message_id=said.asked.message_id))  # type: ignore[arg-type]
        return [stored.message for stored in found]

    async def kept(self) -> object:
        """What the store has: messages by state, payload files, spools."""
        folder = self.face.ap.config.store / "payloads"
        files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
        return await self.face.ap.store.counts(), files

    def traces(self) -> list[Path]:
        """Files of the store in which the patient is."""
        folder = self.face.ap.config.store
        return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


PROPERTIES = (
    '<eb:Property name="originalSender">urn:c1</eb:Property><eb:Property name="finalRecipient">urn:c4</eb:Property>'
    f'<eb:Property name="patient">{CANARY}</eb:Property>'
)
XML = (
    "<StandardBusinessDocument><Scope><Type>PATIENTID</Type>"
    f"<InstanceIdentifier>{CANARY}</InstanceIdentifier></Scope></StandardBusinessDocument>"
).encode()
PART = craft.Part(data=XML)


def names_somebody(text: str) -> bool:
    """Whether the patient can be read in it."""
    return CANARY in text or HYPHENATED in text


@asynccontextmanager
async def receiving(folder: Path) -> AsyncIterator[Receiver]:
    """`beta`, with all the P-Modes that the tests need, for as long as the block runs."""
    alpha, beta = write_pair(folder)
    _write_pmodes(beta)
    config = Config.load(beta.config)
    config = replace(
        config,
        backends={},
        default_backend=None,
        limits=HttpLimits(message_bytes=MESSAGE_BYTES),
        as4=replace(config.as4, port=0),
        internal=replace(config.internal, port=0),
    )
    c4 = C4()
    async with AccessPoint(config, backends={"c4": c4}) as ap, listening(ap) as addresses:
        receiver = Receiver(Face(ap, addresses), alpha, beta, c4)
        with logged() as receiver.log:
            yield receiver
        traces = receiver.traces()
    assert traces == [], "the patient of a refused message is still on disk"


def _write_pmodes(beta: Side) -> None:
    """Beside the pair's own: one action for each thing that a P-Mode may ask differently."""
    own = (beta.home / "pmodes" / "alpha.toml").read_text().replace(f'["{ACTION}"]', "{actions}")
    variants = {
        "sign-only": "[security]\nencrypt = false\n",
        "four-corner": "four_corner = true\n",
        "fault": "error_status = 500\nerror_fault = true\n",
        "small": "[limits]\nmessage_bytes = 100000\nparts = 2\ninflated_bytes = 50000\ninflate_ratio = 50\n",
        "bst-only": '[security]\naccept_token = ["bst"]\n',
    }
    for action, toml in variants.items():
        (beta.home / "pmodes" / f"{action}.toml").write_text(own.replace("{actions}", f'["{action}"]') + toml)
    ehmi = 'profile = "ehmi"\nfour_corner = true\n'
    (beta.home / "pmodes" / "ehmi.toml").write_text(own.replace("{actions}", '["ehmi"]') + ehmi)
    (beta.home / "pmodes" / "gamma.toml").write_text(
        f'partner = "{GAMMA}"\nservice = "{SERVICE}"\nactions = ["{ACTION}"]\ntrust = ["pair-ca"]\n'
        'party_binding = "subject-cn"\n'
    )
