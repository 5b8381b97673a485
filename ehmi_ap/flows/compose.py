"""From what C1 asks to the eb:UserMessage that is kept: what is missing is filled in, what cannot be sent is refused.

Pure. Everything that could fail later, when nobody waits for an answer any more, has to fail here (a bad submission
stores nothing and says what to change). Values keep the spelling they were given in; white space around a value is
refused rather than trimmed, because readers trim it and the fingerprint would lie.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from ehmi_ap.as4.pack import check_payloads
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import (
    UNDISCOVERED,
    MessageId,
    Participant,
    PartyId,
    Payload,
    Property,
    Service,
    Submission,
    UserMessage,
    is_message_id,
)
from ehmi_ap.pmode import DEFAULT_MPC, TEST_ACTION, PMode, agreed_action, agreed_service, is_test, parties
from ehmi_ap.profile import Addressing

ORIGINAL_SENDER = "originalSender"
FINAL_RECIPIENT = "finalRecipient"
TRACKING_IDENTIFIER = "trackingIdentifier"
FOUR_CORNER = (ORIGINAL_SENDER, FINAL_RECIPIENT, TRACKING_IDENTIFIER)
"""The message properties of eDelivery AS4 1.15 4.1.2, in the order in which we write them."""

_FIELD_OF = {ORIGINAL_SENDER: "sender", FINAL_RECIPIENT: "receiver", TRACKING_IDENTIFIER: "tracking_id"}
_PART_FIELD_OF = {"MimeType": "mime_type", "CharacterSet": "character_set"}

_LONGEST = 1024
_TEXT = re.compile(r"(?!\s)[^\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+(?<!\s)")


def fill(submission: Submission, said: Addressing) -> Submission:
    """What C1 left out of the routing facts, taken from its business envelope; what C1 gave stays."""
    return replace(
        submission,
        sender=submission.sender or said.sender,
        receiver=submission.receiver or said.receiver,
        service=submission.service or said.service,
        action=submission.action or (said.action if submission.service in (None, said.service) else None),
    )


def compose(
    submission: Submission,
    pmode: PMode,
    *,
    conversation_id: str | None,
    new_id: Callable[[], MessageId],
    now: datetime,
) -> UserMessage:
    """The message for a submission under its P-Mode; `to` is UNDISCOVERED where a look-up has to say who that is.

    `conversation_id` is that of the message which `ref_to` names, if we know it; it is used when C1 gives none
    (conformance CP_TA18, CP_TA19).

    Raises:
        SubmissionError: a value is missing, malformed or not C1's to set; the text says what to change.
    """
    from_, to = parties(pmode, addressee(submission, pmode), reply=submission.ref_to is not None)
    service = agreed_service(pmode, submission) or pmode.service
    message_id = _message_id(submission.message_id, "message_id") or new_id()
    if submission.conversation_id is not None:
        conversation_id = submission.conversation_id and _text(submission.conversation_id, "conversation_id")
    return UserMessage(
        message_id=message_id,
        timestamp=now,
        from_=from_,
        to=to,
        service=service,
        action=_action(submission, pmode, service),
        conversation_id=str(new_id()) if conversation_id is None else conversation_id,
        payloads=_payloads(submission.payloads, pmode),
        ref_to=_message_id(submission.ref_to, "ref_to"),
        mpc=None if pmode.mpc == DEFAULT_MPC else pmode.mpc,
        agreement=pmode.agreement,
        properties=_properties(submission, message_id, four_corner=pmode.four_corner),
    )


def addressee(submission: Submission, pmode: PMode) -> PartyId:
    """eb:To, as far as it is known without a look-up.

    Raises:
        SubmissionError: the P-Mode is for receiving only, or there is nobody to look for.
    """
    if pmode.network is not None:
        named = pmode.partner or submission.to
        if named is None and submission.receiver is None:
            raise SubmissionError(
                f"P-Mode {pmode.name} looks its partners up, and the submission names nobody to look for",
                fix="Give the receiver, or submit a business document whose envelope names it.",
            )
        return named or UNDISCOVERED
    certificate = pmode.certificate or not pmode.security.encrypt
    if pmode.partner is None or pmode.url is None or not certificate:
        missing = "partner" if pmode.partner is None else "url" if pmode.url is None else "certificate"
        raise SubmissionError(
            f"P-Mode {pmode.name} is for receiving only: it has no {missing}",
            fix=f"Name another P-Mode, or give this one a {missing}.",
        )
    return pmode.partner


def _action(submission: Submission, pmode: PMode, service: Service) -> str:
    if submission.action is not None:
        return _text(agreed_action(pmode, submission) or submission.action, "action")
    if is_test(service):
        return TEST_ACTION
    if len(pmode.actions) != 1:
        raise SubmissionError(
            f"P-Mode {pmode.name} has {len(pmode.actions)} actions and the submission names none",
            fix=f"Set `action` to one of: {', '.join(pmode.actions)}.",
        )
    return pmode.actions[0]


def _properties(submission: Submission, message_id: MessageId, *, four_corner: bool) -> tuple[Property, ...]:
    if four_corner and (submission.sender is None or submission.receiver is None):
        missing = "sender" if submission.sender is None else "receiver"
        raise SubmissionError(
            f"the submission has no {missing}, which this P-Mode requires (eDelivery AS4 1.15 4.1.2)",
            fix=f"Give the {missing}, or submit a business document whose envelope names it.",
        )
    for item in submission.properties:
        if item.name in _FIELD_OF:
            raise SubmissionError(
                f"{item.name} is not a property for C1 to set", fix=f"Give it as `{_FIELD_OF[item.name]}` instead."
            )
    found = (*_corners(submission), *(_property(item, "message property") for item in submission.properties))
    # Oxalis refuses a message without any property (peers-live 3); this one is free of meaning for everybody else.
    return found or (Property(TRACKING_IDENTIFIER, str(message_id)),)


def _corners(submission: Submission) -> Iterator[Property]:
    participants: tuple[tuple[str, Participant | None], ...] = (
        (ORIGINAL_SENDER, submission.sender),
        (FINAL_RECIPIENT, submission.receiver),
    )
    for name, participant in participants:
        if participant is not None:
            yield _property(Property(name, participant.value, participant.scheme), _FIELD_OF[name])
    if submission.tracking_id is not None:
        yield Property(TRACKING_IDENTIFIER, _text(submission.tracking_id, "tracking_id"))


def _property(item: Property, what: str) -> Property:
    _text(item.name, f"name of a {what}")
    _text(item.value, f"{what} {item.name}")
    if item.type is not None:
        _text(item.type, f"type of {what} {item.name}")
    return item


def _payloads(payloads: tuple[Payload, ...], pmode: PMode) -> tuple[Payload, ...]:
    """As they were given: content ids that C1 left out are made when the message is signed, the same each time."""
    check_payloads(payloads, pmode)
    if sum(payload.body.size for payload in payloads) > pmode.limits.message_bytes:
        raise SubmissionError(
            f"the payloads are larger than the {pmode.limits.message_bytes} bytes that P-Mode {pmode.name} sends",
            fix="Send less in one message, or raise limits.message_bytes if the partner takes more.",
        )
    for payload in payloads:
        for item in payload.properties:
            _check_part_property(item)
    return payloads


def _check_part_property(item: Property) -> None:
    if item.name == "CompressionType":
        raise SubmissionError(
            "CompressionType is not C1's to set: the P-Mode decides on compression (conformance G28)",
            fix="Leave it out, and submit the payload uncompressed.",
        )
    if item.name in _PART_FIELD_OF:
        raise SubmissionError(
            f"{item.name} is not a part property for C1 to set",
            fix=f"Give it as the payload's `{_PART_FIELD_OF[item.name]}` instead.",
        )
    _property(item, "part property")


def _message_id(value: MessageId | None, what: str) -> MessageId | None:
    if value is not None and not is_message_id(value):
        raise SubmissionError(
            f"`{what}` is no RFC 2822 msg-id of at most 255 characters",
            fix="Use the form left@right, for instance a UUID and a domain of yours, without angle brackets.",
        )
    return value


def _text(value: str, what: str) -> str:
    if len(value) > _LONGEST or not _TEXT.fullmatch(value):
        raise SubmissionError(
            f"the {what} is empty, too long, has white space around it or control characters in it",
            fix=f"Correct the {what}; it may have up to {_LONGEST} characters.",
        )
    return value
