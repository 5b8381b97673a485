"""Two access points that know each other, for the tests of this room: alpha sends, beta receives.

packed = sent(message(payload()))           # what alpha puts on the wire, encryption done
result = received(packed.wire)              # what beta makes of it
crafted(body=...)                           # the same exchange, made by hand with one thing wrong (tests/craft.py)
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import craft
import pki

from ehmi_ap.as4.pack import pack_receipt, seal, sign
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.as4.unpack import Rejected, Signal, Verified, conclude, unpack
from ehmi_ap.body import Body, MemoryBody, MemorySpool, read_all
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust
from ehmi_ap.model import MessageId, Outcome, Packed, PartyId, Payload, Property, Service, UserMessage, Wire
from ehmi_ap.pmode import PMode, parties

PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
ALPHA, BETA = PartyId("alpha", PARTY_TYPE), PartyId("beta", PARTY_TYPE)
SERVICE, ACTION = Service("urn:example:results"), "submit"
RECEIPT_ID = MessageId("receipt-1@beta.example")


@cache
def root() -> pki.Identity:
    return pki.make_ca("Exchange root")


@cache
def issuing() -> pki.Identity:
    return pki.make_ca("Exchange issuing CA", issuer=root())


@cache
def alpha() -> pki.Identity:
    return pki.make_leaf(issuing(), "alpha", key="a")


@cache
def beta() -> pki.Identity:
    return pki.make_leaf(issuing(), "beta", key="b")


@cache
def stranger() -> pki.Identity:
    return pki.make_leaf(pki.make_ca("Other root", key="d"), "stranger", key="c")


def certificate(identity: pki.Identity) -> Certificate:
    return Certificate.from_der(identity.der)


@cache
def keys_of(*identities: pki.Identity) -> Keys:
    """The first signs; all of them decrypt."""
    pairs = tuple(
        KeyPair(each.key, certificate(each), tuple(Certificate.from_x509(c) for c in each.chain)) for each in identities
    )
    return Keys(pairs[0], pairs)


@cache
def trust() -> Trust:
    return Trust(
        {
            "alpha": [certificate(alpha())],
            "beta": [certificate(beta())],
            "root": [certificate(root())],
            "issuing": [certificate(issuing())],
        }
    )


def outbound(**changes: Any) -> PMode:
    """Alpha's P-Mode for beta."""
    pmode = PMode(name="to-beta", us=ALPHA, partner=BETA, service=SERVICE, actions=(ACTION,), certificate="beta")
    return replace(pmode, **changes)


def inbound(**changes: Any) -> PMode:
    """Beta's P-Mode for alpha."""
    pmode = PMode(name="from-alpha", us=BETA, partner=ALPHA, service=SERVICE, actions=(ACTION,), certificate="alpha")
    return replace(pmode, **changes)


def security(pmode: PMode, **changes: Any) -> PMode:
    """The P-Mode with other security values."""
    return replace(pmode, security=replace(pmode.security, **changes))


def payload(data: bytes = b"<sample/>", mime_type: str = "application/xml", **more: Any) -> Payload:
    return Payload(body=MemoryBody(data), mime_type=mime_type, **more)


def message(*payloads: Payload, **changes: Any) -> UserMessage:
    from_, to = parties(outbound(), BETA)
    made = UserMessage(
        message_id=MessageId("message-1@alpha.example"),
        timestamp=pki.NOW,
        from_=from_,
        to=to,
        service=SERVICE,
        action=ACTION,
        conversation_id="conversation-1",
        properties=(Property("originalSender", "urn:c1"), Property("finalRecipient", "urn:c4", "urn:type")),
        payloads=payloads,
    )
    return replace(made, **changes)


def sent(made: UserMessage, pmode: PMode | None = None) -> Packed:
    """What alpha puts on the wire, read to its end as the network would."""
    used = pmode or outbound()
    signed = sign(made, used, keys=keys_of(alpha()), new_spool=MemorySpool)
    packed = seal(signed, made.message_id, used, to=certificate(beta()))
    return replace(packed, wire=resident(packed.wire))


def resident(wire: Wire) -> Wire:
    return replace(wire, body=MemoryBody(read_all(wire.body)))


def received(wire: Wire, *pmodes: PMode, now: datetime = pki.NOW, **more: Any) -> Verified | Signal | Rejected:
    """What beta makes of a request."""
    arguments: dict[str, Any] = {"keys": keys_of(beta()), "trust": trust(), "new_spool": MemorySpool, **more}
    return unpack(wire, pmodes=pmodes or (inbound(),), now=now, **arguments)


def verified(wire: Wire, *pmodes: PMode, **more: Any) -> Verified:
    result = received(wire, *pmodes, **more)
    assert isinstance(result, Verified), getattr(result, "error", result)
    return result


def rejected(wire: Wire, *pmodes: PMode, **more: Any) -> Rejected:
    result = received(wire, *pmodes, **more)
    assert isinstance(result, Rejected), result
    return result


def answered(result: Verified) -> Wire:
    """Beta's receipt."""
    receipt = receipt_for(result, message_id=RECEIPT_ID, now=pki.NOW)
    return pack_receipt(receipt, result.pmode, keys=keys_of(beta()))


def concluded(reply: Wire, packed: Packed, pmode: PMode | None = None, **more: Any) -> Outcome:
    """What alpha makes of an answer."""
    arguments: dict[str, Any] = {"trust": trust(), "now": pki.NOW, "message_id": packed.message_id, **more}
    return conclude(reply, references=packed.references, pmode=pmode or outbound(), **arguments)


def by_hand(**changes: Any) -> craft.Message:
    """A right message from alpha to beta, made without product code; `changes` plant what is wrong in it."""
    return craft.Message(
        sender=alpha(),
        recipient=beta(),
        from_id=ALPHA.value,
        to_id=BETA.value,
        party_type=PARTY_TYPE,
        service=SERVICE.value,
        action=ACTION,
        message_id="message-1@craft.example",
    ).but(**changes)


def crafted(**changes: Any) -> Wire:
    made = craft.make(by_hand(**changes))
    return Wire(content_type=made.content_type, body=MemoryBody(made.body))


def contents(payloads: Sequence[Payload]) -> list[bytes]:
    return [read_all(each.body) for each in payloads]


def read(body: Body) -> bytes:
    return read_all(body)
