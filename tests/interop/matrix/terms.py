"""The agreements of the matrix: a P-Mode of ours for each, and what phase4 is told for each of its messages.

The defaults of `Terms` are those of eDelivery AS4 1.15; every name here differs from them in what its name says.
"""

from tests.interop.letters import Party, Terms

TOKENS = ("bst", "pkipath", "ski", "issuer-serial", "thumbprint")

_AT_ONCE = {"first_wait": 0.05, "factor": 1.0, "jitter": 0.0}

PLAIN = Terms(name="plain")
UNCOMPRESSED = Terms(name="uncompressed", compress=False)
SIGN_ONLY = Terms(name="sign-only", encrypt_token=None)
STRONG = Terms(name="strong", sign="rsa-sha512", digest="sha512", cipher="aes256-gcm")
MANY = Terms(name="many", pmode={"limits": {"outbound_parts": 40}})
SIGNED_BY = {token: Terms(name=f"sign-{token}", sign_token=token) for token in TOKENS}
ENCRYPTED_FOR = {token: Terms(name=f"encrypt-{token}", encrypt_token=token) for token in TOKENS}
RECEIPT_BY = {token: Terms(name=f"receipt-{token}", receipt_token=token) for token in TOKENS}

AGREEMENT = Terms(name="agreement", agreement={"value": "urn:agreed:between:us"})
TYPED_AGREEMENT = Terms(name="typed-agreement", agreement={"value": "agreed", "type": "urn:type:of:agreement"})
TYPED_SERVICE = Terms(name="typed-service", service={"value": "results", "type": "urn:type:of:service"})
URIS = Terms(name="uris", us=Party(id="urn:ap:ours", type=None), peer=Party(id="urn:ap:theirs", type=None))
TWO_WAY = Terms(name="two-way", two_way=True)
FOUR_CORNER = Terms(name="four-corner", pmode={"four_corner": True})

RETRYING = Terms(name="retrying", pmode={"retry": {**_AT_ONCE, "attempts": 3}})
IMPATIENT = Terms(name="impatient", pmode={"retry": {**_AT_ONCE, "attempts": 3}, "timeout": 3.0})
FOR_ANOTHER = Terms(name="for-another", pmode={"certificate": "other"})
ERROR_500 = Terms(name="error-500", pmode={"error_status": 500})
ERROR_FAULT = Terms(name="error-fault", pmode={"error_status": 500, "error_fault": True})

EHMI = Terms(
    name="ehmi",
    service={"value": "urn:ehmi:sdn-emergence"},
    action="urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
    "##urn:dk:medcom:fhir:homecareobservation-message::1.2",
    pmode={"profile": "ehmi", "four_corner": True},
)

ALL = (
    PLAIN,
    UNCOMPRESSED,
    SIGN_ONLY,
    STRONG,
    MANY,
    *SIGNED_BY.values(),
    *ENCRYPTED_FOR.values(),
    *RECEIPT_BY.values(),
    AGREEMENT,
    TYPED_AGREEMENT,
    TYPED_SERVICE,
    URIS,
    TWO_WAY,
    FOUR_CORNER,
    RETRYING,
    IMPATIENT,
    FOR_ANOTHER,
    ERROR_500,
    ERROR_FAULT,
    EHMI,
)
