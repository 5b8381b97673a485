"""A MedCom FHIR message put into its envelope, as a sending message service handler does (spec/ehmi.md 2.2 to 2.6)."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from ehmi_ap import gln, sor
from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.checks import RECEIPT_WITHIN
from ehmi_ap.ehmi.envelope_text import ContentNamespace, legal, write
from ehmi_ap.ehmi.header import Correlation, Header, Scope
from ehmi_ap.ehmi.message import Message, read_kind, read_message
from ehmi_ap.errors import EnvelopeError, SubmissionError
from ehmi_ap.model import Organisation, Participant

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")  # FHIR's id
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_STATISTICS = re.compile(r"[!-~]{1,255}")
_PATIENT = re.compile(r"[0-9]{6}[0-9A-Z]{4}")
_ACKNOWLEDGEMENT_VERSION = "2.0"
_UNKNOWN = "unknown"  # of what an acknowledgement acknowledges (ehmi.md 2.4)


def wrap(
    content: bytes,
    *,
    now: datetime,
    new_uuid: Callable[[], UUID],
    version: str | None = None,
    statistics: str | None = None,
    acknowledges: str | None = None,
    receiver: Organisation | None = None,
    xds_metadata: str | None = None,
    namespace: ContentNamespace = "peppol",
) -> bytes:
    """The ehmiSBDH around a FHIR message Bundle, XML or JSON; the bytes of `content` are not changed.

    Args:
        now: the envelope's CreationDateAndTime; aware.
        new_uuid: gives the envelope's InstanceIdentifier, which is never used again.
        version: TypeVersion, where MessageHeader.definition does not end in `|VERSION`.
        statistics: StatisticalInformation, when it is more than `MCM:` and the Standard.
        acknowledges: id of the Bundle that an acknowledgement is for, which does not stand in it.
        receiver: who gets a secondary copy (design decision 50); None: the message's own receiver.
        xds_metadata: the DocumentReference of a secondary copy, JSON or XML.
        namespace: of BinaryContent (O-3).

    Raises:
        SubmissionError: the content is no FHIR message, or does not say what its envelope has to; the text shows none
            of its values.
    """
    try:
        message = read_message(content)
    except EnvelopeError as error:
        raise SubmissionError(f"the message cannot be wrapped: {error.what}", fix=_FIX) from None
    standard = _needed(message.standard, _CODE, "MessageHeader.eventCoding.code")
    acknowledgement = standard == names.ACKNOWLEDGEMENT_STANDARD
    version = version or message.version or (_ACKNOWLEDGEMENT_VERSION if acknowledgement else "")
    version = _needed(version, _CODE, "version at the end of MessageHeader.definition")
    sender = _organisation(message.sender, "sender")
    receiver = _organisation(receiver or message.receiver, "receiver")
    envelope_id, created = str(new_uuid()), now.isoformat(timespec="seconds")
    scopes = [
        ("DOCUMENTID", names.fhir_documentid(standard, version)),
        ("PROCESSID", names.PROCESSID),
        *([] if acknowledgement else _patient(message)),
        ("SENDERID", sender.sor),
        ("RECEIVERID", receiver.sor),
        ("MESSAGEIDENTIFIER", _needed(message.message_id, _ID, "MessageHeader.id")),
        ("MESSAGEENVELOPEIDENTIFIER", _needed(message.bundle_id, _ID, "Bundle.id")),
        ("StatisticalInformation", _needed(statistics or f"MCM:{standard}", _STATISTICS, "StatisticalInformation")),
        *(_original(message, acknowledges) if acknowledgement else []),
    ]
    header = Header(
        version="1.0",
        sender=participant(sender),
        receiver=participant(receiver),
        standard=standard,
        type_version=version,
        instance_identifier=envelope_id,
        type="Bundle",
        created_at=created,
        scopes=(
            *(Scope(kind, value, names.IDENTIFIER) for kind, value in scopes),
            request_scope(envelope_id, now),
            *_xds(xds_metadata),
        ),
        mime_type=names.FHIR_XML if message.form == "xml" else names.FHIR_JSON,
        encoding="UTF-8",
    )
    return write(header, content, namespace)


def request_scope(envelope_id: str, now: datetime) -> Scope:
    """The reliable-messaging scope of an envelope that asks for a receipt (ehmi.md 2.6)."""
    correlation = Correlation(
        created_at=now.isoformat(timespec="seconds"),
        instance_identifier=envelope_id,
        expected_at=(now + RECEIPT_WITHIN).isoformat(timespec="seconds"),
    )
    return Scope(names.RELIABLE, names.REQUEST, names.IDENTIFIER, correlation)


def participant(organisation: Organisation) -> Participant:
    """An organisation as Sender or Receiver."""
    return Participant(f"0088:{organisation.gln}", names.AUTHORITY)


_FIX = "Correct the message: a FHIR Bundle with a MessageHeader, and in it all that it refers to."


def _needed(value: str, form: re.Pattern[str], what: str) -> str:
    if not value:
        raise SubmissionError(f"the message has no {what}, or several", fix=_FIX)
    if not form.fullmatch(value):
        raise SubmissionError(f"the {what} has not the form that it has to have", fix=_FIX)
    return value


def _organisation(found: Organisation, role: str) -> Organisation:
    _needed(found.sor, sor.CODE, f"SOR code of the {role}")
    if not gln.is_valid(found.gln):
        wrong = "none, or several" if not found.gln else "no right one (13 digits, the last a check digit)"
        raise SubmissionError(f"the {role} has to have one GLN; it has {wrong}", fix=_FIX)
    return found


def _patient(message: Message) -> Iterator[tuple[str, str]]:
    """PATIENTID; none where the message is about nobody."""
    if len(message.patients) > 1:
        raise SubmissionError("the message is about several patients; its envelope can name one", fix=_FIX)
    for patient in message.patients:
        yield "PATIENTID", _needed(patient, _PATIENT, "CPR number of the patient")


def _original(message: Message, bundle_id: str | None) -> Iterator[tuple[str, str]]:
    """What an acknowledgement is for (ehmi.md 2.4)."""
    yield "ORIGINALMESSAGEIDENTIFIER", _needed(message.answers, _ID, "MessageHeader.response.identifier")
    if bundle_id is not None:
        yield "ORIGINALMESSAGEENVELOPEIDENTIFIER", _needed(bundle_id, _ID, "id of the Bundle that is acknowledged")
    yield "ORIGINALMESSAGESTANDARD", _UNKNOWN
    yield "ORIGINALMESSAGEVERSION", _UNKNOWN


def _xds(metadata: str | None) -> Iterator[Scope]:
    if metadata is None:
        return
    try:
        kind = read_kind(legal(metadata).encode())
    except EnvelopeError as error:
        raise SubmissionError(f"the XDS metadata cannot be used: {error.what}") from None
    if kind != "DocumentReference":
        raise SubmissionError("the XDS metadata is no FHIR DocumentReference")
    yield Scope(names.XDS, metadata.strip(), names.XDS_IDENTIFIER)
