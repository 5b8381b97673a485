"""Where phase4 4.4.1 does something else than eDelivery AS4 1.15 asks: what it does, and where that can be read."""

from tests.interop.cells import Limit

DUPLICATE = Limit(
    name="duplicate",
    what="A message that it has already is answered with an error (EBMS:0004, from 4.5.0 EBMS:4001), never with its "
    "first receipt.",
    source="[phax/phase4#371](https://github.com/phax/phase4/issues/371); `incoming/AS4RequestHandler.java` 1722-1737",
)
ANY_RECEIPT = Limit(
    name="any-receipt",
    what="Its sender takes any receipt for success: unsigned or half signed, by another party, with other digests, "
    "without non-repudiation information, or for another message. A caller who wants more has to compare for itself.",
    source="`sender/AbstractAS4UserMessageBuilder.java` 1003-1007",
)
PARTY = Limit(
    name="party",
    what="A signer is not bound to the party that it signs for: any certificate below a trusted CA will do.",
    source="`incoming/soap/SoapHeaderElementProcessorWSS4J.java` 223: WSS4J's check against the trust store is the only "
    "one",
)
TEST_SERVICE = Limit(
    name="test-service",
    what="A test message is known by its P-Mode, not by its service and action; without a P-Mode of its own it goes to "
    "the backend like any other.",
    source="`model/AS4Helper.java` 76-80, `incoming/AS4IncomingHandler.java` 906",
)
SILENCE = Limit(
    name="silence",
    what="What it cannot parse as XML it answers with HTTP 204 and nothing else.",
    source="`incoming/AS4IncomingHandler.java` 384-403",
)
REFERENCES = Limit(
    name="references",
    what="A signature with more than 30 references is refused: 28 payloads are the most, beside eb:Messaging and Body.",
    source="Apache Santuario 4.0.4, `DOMSignedInfo.java` 63 and 186; WSS4J 4.0.1, `SignatureProcessor.java` 354",
)
PART_ORDER = Limit(
    name="part-order",
    what="MIME parts have to come in the order of eb:PartInfo.",
    source="`incoming/soap/SoapHeaderElementProcessorWSS4J.java` 590-605",
)
X509_SKI = Limit(
    name="x509-ski",
    what="A key that is named without a SecurityTokenReference is refused. Some networks name it so, and our P-Modes can.",
    source="WS-I Basic Security Profile 1.1, R5417 and R5426; WSS4J 4.0.1, `BSPRule.java` 90 and 113",
)
