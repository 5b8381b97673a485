"""The rules of ehmiSBDH as one table: what is checked, where, how strictly, and what to do about it.

An access point judges by the header alone (design decision 13); its levels are configurable. A message service handler
opens the document too. V-12, that no CPR number and no document is ever logged, is no check of an envelope: it is how
this program is written.
"""

from dataclasses import dataclass
from typing import Literal

from ehmi_ap.profile import Finding

Level = Literal["off", "warn", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of spec/ehmi.md 2.7, or a part of one that has a level of its own.

    `ap` and `msh` are its levels where an access point and a message service handler judge; None: they cannot.
    """

    id: str
    ap: Level | None
    msh: Level | None
    what: str
    fix: str
    place: str  # in spec/ehmi.md


RULES = (
    Rule(
        id="V-1",
        ap="reject",
        msh="reject",
        what="one payload, a well-formed StandardBusinessDocument without a DTD",
        fix="Send one StandardBusinessDocument: well-formed XML without a DTD.",
        place="2.1",
    ),
    Rule(
        id="V-2",
        ap="reject",
        msh="reject",
        what="the structure of ehmiSBDH 2.0.1",
        fix="Compare the envelope with the ehmiSBDH 2.0.1 profile, elements in its order.",
        place="2.2, O-3, O-4, O-38",
    ),
    Rule(
        id="V-3",
        ap="reject",
        msh="reject",
        what="HeaderVersion 1.0; Sender and Receiver are GLNs with a right check digit",
        fix="Write HeaderVersion 1.0, and for each partner 0088: and the 13 digits of its GLN, with Authority "
        "iso6523-actorid-upis.",
        place="2.2",
    ),
    Rule(
        id="V-4",
        ap="reject",
        msh=None,
        what="originalSender and finalRecipient are the SBDH's Sender and Receiver",
        fix="Give originalSender the value and type of Sender, and finalRecipient those of Receiver.",
        place="5.2",
    ),
    Rule(
        id="V-4-action",
        ap="warn",
        msh=None,
        what="eb:Service and eb:Action are the PROCESSID and the DOCUMENTID",
        fix="Agree on service and action with the partner; EHMI has not published them.",
        place="5.2, O-1",
    ),
    Rule(
        id="V-5",
        ap="reject",
        msh="reject",
        what="exactly one DOCUMENTID and one PROCESSID",
        fix="Write one scope of each of these two types; routing needs them.",
        place="2.4",
    ),
    Rule(
        id="V-5-status",
        ap="warn",
        msh="warn",
        what="exactly one SENDERID, RECEIVERID, MESSAGEIDENTIFIER and StatisticalInformation",
        fix="Write one scope of each of these types; delivery status needs them.",
        place="2.4, 6.3",
    ),
    Rule(
        id="V-5-scopes",
        ap="off",
        msh="warn",
        what="the scopes that the kind of envelope asks for, each once, with the right Identifier, and no unknown one",
        fix="Write the scopes of the ehmiSBDH profile, each with the Identifier dk-medcom-messaging "
        "(XDS-METADATA: dk-medcom-DocumentReference).",
        place="2.4, O-32, O-35, O-36, O-37",
    ),
    Rule(
        id="V-6",
        ap="warn",
        msh="warn",
        what="DOCUMENTID names Standard and TypeVersion (of a receipt only the Standard), and PROCESSID is EHMI's",
        fix="Use the DOCUMENTID, Standard and TypeVersion that belong together, and PROCESSID urn:ehmi:sdn-emergence.",
        place="2.5, O-6, O-7, O-10",
    ),
    Rule(
        id="V-7",
        ap="warn",
        msh="warn",
        what="InstanceIdentifier is a UUID",
        fix="Write a new UUID for every envelope.",
        place="2.2, O-38",
    ),
    Rule(
        id="V-8",
        ap="off",
        msh="warn",
        what="CreationDateAndTime has a UTC offset; a request's correlation repeats it and InstanceIdentifier, and "
        "expects the response ten minutes later",
        fix="Write the envelope's own CreationDateAndTime and InstanceIdentifier into CorrelationInformation, and an "
        "ExpectedResponseDateTime ten minutes later.",
        place="2.6, O-28",
    ),
    Rule(
        id="V-9",
        ap="warn",
        msh="warn",
        what="Type, Standard, mimeType and the reliable-messaging scope fit together: a receipt has a Response and "
        "says what it is for, everything else has a Request",
        fix="Write Standard, Type, mimeType and the EHMI-ReceiptAcknowledgement scope of one kind of envelope.",
        place="2.2, 2.3, 2.6, 3.2, O-5, O-12, O-13, O-31",
    ),
    Rule(
        id="V-9-signal",
        ap=None,
        msh="reject",
        what="the content of a receipt is a right ebBP signal, the one that Type and correlation tell of",
        fix="Write an ebBP 2.0 signal: ReceiptAcknowledgement, or Exception with an ExceptionType and a Reason.",
        place="3.1, O-12, O-15, O-30",
    ),
    Rule(
        id="V-10",
        ap=None,
        msh="reject",
        what="the content is base64 of a FHIR message that can be read, and whose ids, GLNs, SOR codes and patient are "
        "those of the header",
        fix="Wrap the FHIR message anew, so that the header says of it what it says itself.",
        place="2.4, 2.7",
    ),
    Rule(
        id="V-10-type",
        ap=None,
        msh="warn",
        what="the content is of the form that mimeType names",
        fix="Write application/fhir+xml for FHIR XML, application/fhir+json for FHIR JSON, application/xml for a "
        "signal.",
        place="2.3, O-5",
    ),
    Rule(
        id="V-10-missing",
        ap=None,
        msh="warn",
        what="the FHIR message has everything that the header repeats of it",
        fix="Give the Bundle an id, a MessageHeader with an id, and its sender and receiver with GLN and SOR code.",
        place="2.4",
    ),
    Rule(
        id="V-11",
        ap="warn",
        msh="warn",
        what="PATIENTID and XDS-METADATA in messages only, never in receipts and acknowledgements",
        fix="Leave PATIENTID and XDS-METADATA out of receipts and acknowledgements.",
        place="2.4",
    ),
)

_BY_ID = {rule.id: rule for rule in RULES}


def finding(rule: str, what: str, path: str = "") -> Finding:
    """A finding at the level an access point gives it, or a message service handler, where only that one can judge.

    `what` never shows a value of the envelope; `path` says where, as an XPath without prefixes.
    """
    row = _BY_ID[rule]
    return Finding(rule, row.ap or row.msh or "off", what, row.fix, path)


def level_at_msh(rule: str) -> Level:
    """How strictly a message service handler takes a rule."""
    return _BY_ID[rule].msh or "off"
