"""Which assertions there are: the Commission's, and rules of 1.15 that it does not assert.

Ids, levels and subjects are those of the Commission's test assertions for eDelivery AS4 (v1.2) and of our own list of
1.15's other demands (G). A test says with `@assertion("CP_TA01")` which row it shows; several tests may show one row.
"""

from dataclasses import dataclass

import pytest

TRANSPORTS = ("in-process", "http")
"""The columns of the table, and the parameters of the fixture `transport`."""

LEVELS = {"M": "mandatory", "P": "preferred", "O": "permitted", "S": "should"}


@dataclass(frozen=True, slots=True)
class Row:
    """One assertion. `testable` False: the Commission marks it as not testable, and we look at what can be seen."""

    id: str
    level: str
    about: str
    testable: bool = True


ROWS = (
    Row("CP_TA01", "M", "One-Way/Push"),
    Row("CP_TA02", "M", "Two-Way/Push-and-Push"),
    Row("CP_TA03", "M", "one party each way"),
    Row("CP_TA04", "M", "plain payload under a compressing P-Mode"),
    Row("CP_TA05", "M", "payload in a MIME part, Body empty"),
    Row("CP_TA06", "M", "leading document first"),
    Row("CP_TA07", "M", "all parts travel together"),
    Row("CP_TA08", "M", "no external payloads"),
    Row("CP_TA09", "M", "retry"),
    Row("CP_TA10", "M", "retry that succeeds; duplicate answered"),
    Row("CP_TA11", "M", "no third-party error reporting", testable=False),
    Row("CP_TA12", "M", "signature: algorithms and coverage"),
    Row("CP_TA13", "M", "encryption: algorithm and recipient"),
    Row("CP_TA14", "M", "synchronous receipt, two-way P-Mode"),
    Row("CP_TA15", "M", "missing receipt reported"),
    Row("CP_TA16", "M", "ping, sending"),
    Row("CP_TA17", "M", "ping, receiving"),
    Row("CP_TA18", "M", "ConversationId always there", testable=False),
    Row("CP_TA19", "M", "ConversationId kept over two legs"),
    Row("CP_TA20", "O", "message properties, type optional"),
    Row("CP_TA21", "M", "multipart message"),
    Row("CP_TA22", "M", "simple SOAP message as receipt"),
    Row("CP_TA23", "M", "gzip on sending"),
    Row("CP_TA24", "M", "CompressionType"),
    Row("CP_TA25", "M", "MimeType"),
    Row("CP_TA26", "P", "MimeType missing"),
    Row("CP_TA27", "P", "CharacterSet UTF-16"),
    Row("CP_TA28", "P", "CharacterSet UTF-8"),
    Row("CP_TA29", "P", "CharacterSet invalid"),
    Row("CP_TA30", "M", "damaged gzip"),
    Row("CP_TA31", "P", "damaged gzip, the consumer hears of it"),
    Row("CP_TA32", "M", "decompressed delivery"),
    Row("CP_TA33", "M", "decompressed delivery of several"),
    Row("CP_TA34", "M", "compressed, then signed"),
    Row("CP_TA35", "M", "signed, then compressed"),
    Row("CP_TA36", "M", "compressed, then encrypted"),
    Row("CP_TA37", "M", "encrypted, then compressed"),
    Row("CP_TA38", "M", "compressed, signed, encrypted"),
    Row("CP_TA39", "M", "TLS is configurable"),
    Row("CP_TA40", "P", "no TLS 1.0, 1.1"),
    Row("CP_TA41", "M", "no SSL 2.0, 3.0"),
    Row("CP_TA42", "M", "suite not on the list"),
    Row("CP_TA43", "M", "suite on the list"),
    Row("CP_TA44", "O", "part properties, type optional"),
    Row("CP_TA45", "M", "payload order"),
    Row("CP_TA46", "M", "IPv4 and IPv6", testable=False),
    Row("4CT_TA01", "M", "C1 and C4 named"),
    Row("4CT_TA02", "O", "trackingIdentifier"),
    Row("4CT_TA03", "M", "From and To are the access points"),
    Row("SBDH_TA01", "M", "standalone SBDH comes first"),
    Row("SBDH_TA02", "M", "Manifest names the rest"),
    Row("DR_TA01", "M", "dynamic receiver: unknown but trusted"),
    Row("DR_TA02", "M", "dynamic receiver: wrong anchor"),
    Row("DR_TA03", "M", "dynamic receiver: policy missing"),
    Row("DR_TA04", "M", "dynamic receiver: someone else's name"),
    Row("DS_TA01", "M", "dynamic sender: four-corner look-up"),
    Row("DS_TA02", "M", "dynamic sender: point-to-point look-up"),
    Row("DS_TA03", "P", "dynamic sender: receipt signed by another certificate"),
    Row("G01", "M", "one UserMessage, SOAP 1.2, UTF-8; byte order mark taken"),
    Row("G02", "M", "P sets MessageId, ConversationId, RefToMessageId"),
    Row("G03", "M", "C is given MessageId, ConversationId, RefToMessageId"),
    Row("G04", "M", "MessageId is an RFC 2822 msg-id, unique"),
    Row("G05", "M", "AgreementRef configurable"),
    Row("G06", "M", "P-Mode by parties, roles, service, action, agreement"),
    Row("G07", "M", "messages without AgreementRef/@pmode sent and taken"),
    Row("G08", "M", "any message and part property, seen by C"),
    Row("G09", "M", "payload in the SOAP Body refused"),
    Row("G10", "M", "Content-IDs set by P, seen by C"),
    Row("G11", "M", "C is told the PartInfo order; MIME order means nothing"),
    Row("G12", "M", "no external href sent"),
    Row("G13", "M", "errors only on the back-channel"),
    Row("G14", "S", "P is told of errors that R returned"),
    Row("G19", "M", "UsernameToken never sent, refused"),
    Row("G20", "M", "broken, missing, partial and foreign signatures refused"),
    Row("G21", "M", "unencrypted or undecryptable message refused"),
    Row("G22", "M", "detached signature, Attachment-Content-Signature-Transform only"),
    Row("G23", "M", "key transport RSA-OAEP with MGF1-SHA-256"),
    Row("G25", "M", "all payload parts encrypted, nothing else"),
    Row("G26", "S", "token references selectable per partner"),
    Row("G28", "M", "CompressionType is ours: P cannot set it, C does not see it"),
    Row("G29", "M", "receipts only on the back-channel"),
    Row("G32", "M", "neither receipt nor 0202: P is told 0301"),
    Row("G33", "M", "a receipt for other digests settles nothing"),
    Row("G34", "M", "retry keeps MessageId and digests; duplicates found by MessageId"),
    Row("G35", "M", "no WS-ReliableMessaging, no WS-Reliability"),
    Row("G37", "M", "two PartyIds refused"),
    Row("G38", "M", "test service under every P-Mode"),
    Row("G45", "M", "four corner: missing property refused"),
    Row("G47", "M", "root named by start, every part with a Content-ID"),
    Row("G49", "M", "dynamic receiver: what fails is not delivered; intermediate as anchor"),
    Row("G50", "S", "PKIPath token sent and taken"),
)

BY_ID = {row.id: row for row in ROWS}


def assertion(row: str, *, over: str | None = None) -> pytest.MarkDecorator:
    """The test shows this row; `over` is its column where the test has no parameter `transport`."""
    return pytest.mark.assertion(row, over=over)
