"""Writes docs/reference/errors.md out of ehmi_ap.errors: `python -m tests.errors_reference`.

tests/test_reference_pages.py fails when the page says something else than the classes do.
"""

from collections.abc import Iterator
from pathlib import Path

from ehmi_ap import errors
from ehmi_ap.errors import ApError, EbmsError, HttpRefusal, PeerError, RequestRefused, XmlSecurityError
from ehmi_ap.server.problem import _STATUS

FILE = Path(__file__).parent.parent / "docs" / "reference" / "errors.md"

MEANINGS: dict[type[ApError], str] = {
    errors.ConfigError: "ehmi-ap.toml, a P-Mode, a key or a certificate is wrong; `findings` has every mistake",
    errors.SubmissionError: "what C1 asked for cannot be sent; nothing was stored",
    errors.SubmissionConflict: "this `message_id` was submitted before with other content; nothing was stored",
    errors.SignatureRefused: "a payload is not signed, or by nobody who may sign, or is not what was signed; nothing of it was "
    "read or stored ([how to connect an MSH](../how-to/connect-an-msh.md))",
    errors.NoSignersAgreed: "what C1 submits has to be signed, or was signed, and the backend's table does not say who may",
    errors.RequestRefused: "a request to the REST that cannot be answered as it is",
    errors.Ambiguous: "several stored messages have the MessageId that was asked for; `candidates` names them",
    errors.NotFound: "no such message, payload, receipt, P-Mode or certificate, or it is another backend's",
    errors.NotAllowed: "it is there, but its state does not allow this: a message that is not failed, or "
    "whose payloads are no longer kept, cannot be resent",
    errors.PeerError: "what a peer sent is against the protocol or the agreement; every one raised is one of those below",
    errors.HttpRefusal: "a request below ebMS that we cannot read",
    errors.MustUnderstand: "a SOAP header that must be understood and is not known here, split and join included",
    errors.EbmsError: "answered with an eb:Error; one leaf for each code, see below",
    errors.EnvelopeError: "an ehmiSBDH, its signal or the FHIR message in it that cannot be read; raised to programs of a message "
    "service handler, never by the access point",
    errors.XmlSecurityError: "XML, a signature, encryption or a certificate is wrong, in the words of `ehmi_ap.crypto`",
    errors.MalformedXml: "XML that is not well-formed or not UTF-8, or has a DOCTYPE, entity or processing instruction",
    errors.BudgetExceeded: "more of something than is read",
    errors.MalformedSecurity: "a signature, key or token without the form that its schema asks for",
    errors.NotAllowedAlgorithm: "an algorithm, transform or token form that is not on the P-Mode's list",
    errors.ReferenceNotFound: "a reference that points at nothing, or at more than one thing",
    errors.WrongDigest: "something was changed after it was signed",
    errors.WrongSignature: "the signature was not made with the key of the certificate that it names",
    errors.TokenNotFound: "a token that names no certificate known here",
    errors.DecryptionFailed: "ciphertext, tag or key is wrong; which of them is not told",
    errors.CertificateRefused: "a certificate that must not be used: `reason` is untrusted, expired, not-yet-valid, "
    "unfit, weak, policy or subject",
    errors.DiscoveryError: "where a participant receives was not found out; every one raised is one of those below, and "
    "`reason` tells the causes of one apart",
    errors.NotRegistered: "the network does not know the participant",
    errors.NotSupported: "the participant is known, but not for this document, process or transport",
    errors.Unavailable: "DNS or the SMP could not be asked",
    errors.Untrusted: "what was found must not be used: signature, signer, identifiers, address or certificate",
    errors.Misconfigured: "our own names or credentials are wrong or were refused",
    errors.SendingBlocked: "our own P-Mode, key or certificate stands in the way of an attempt to send",
    errors.TransportError: "no whole answer came from the other side",
    errors.BackendError: "C4's system did not take a message",
    errors.StoreError: "our database or disk failed",
}

SEEN: dict[type[ApError], str] = {
    errors.SendingBlocked: "event of the message; its code to C1 when it stays so",
    errors.DiscoveryError: "never itself",
    **dict.fromkeys(
        (errors.NotRegistered, errors.NotSupported, errors.Unavailable, errors.Untrusted, errors.Misconfigured),
        "`ehmi-ap lookup`; event of the message; its code to C1 when it stays so",
    ),
    errors.TransportError: "event of the message; EBMS:0005 to C1 when it stays so",
    errors.BackendError: "event of the message; state `undelivered` when it stays so",
    errors.StoreError: "REST {status}; the AS4 port answers 503 with Retry-After",
    errors.HttpRefusal: "AS4 port: its own status, text/plain",
    errors.MustUnderstand: "AS4 port: 500 with env:MustUnderstand",
    errors.EbmsError: "AS4 port: 200 or 500, as `error_status` of the P-Mode says",
    errors.PeerError: "never itself",
    errors.EnvelopeError: "raised by `unwrap` and `read_signal`; `ehmi-ap unwrap`",
    errors.RequestRefused: "REST: its own status",
    errors.Ambiguous: "REST 409",
}

CODES: dict[str, tuple[str, str, str]] = {
    "EBMS:0003": (
        (
            "two PartyIds in From or To; a PartyId or Service without type that is no URI; CompressionType other than "
            "application/gzip, or without MimeType; a CharacterSet that is no name; one of these properties twice"
        ),
        "no",
        "The peer corrects the header. An untyped PartyId can be allowed: `party_id_uri = false`.",
    ),
    "EBMS:0004": (
        "a rule of the profile with level `reject` is broken; the rule's id is in the text",
        "no",
        "The peer corrects the document. Levels are set in `[checks]`.",
    ),
    "EBMS:0007": (
        "a MIME part without Content-ID, or two with the same",
        "no",
        "The peer corrects its MIME.",
    ),
    "EBMS:0008": (
        "a payload in the SOAP Body, a PullRequest, a user message together with a signal",
        "no",
        "The peer uses one-way push with MIME parts.",
    ),
    "EBMS:0009": (
        (
            "no eb:Messaging or two, an element out of place, a value that its schema does not allow, a comment inside a "
            "value, one id twice, two signatures"
        ),
        "no",
        "The peer corrects the header. `ehmi-ap inspect` names the place.",
    ),
    "EBMS:0010": (
        (
            "no P-Mode has this To, From, roles, service, action, agreement and mpc; or originalSender or finalRecipient "
            "is missing, empty or there twice under a P-Mode with four corners"
        ),
        "after the P-Mode was corrected, on either side",
        "The log names the first value that no P-Mode has. Compare it with the P-Mode.",
    ),
    "EBMS:0011": (
        "an eb:PartInfo without a MIME part, a MIME part without an eb:PartInfo, an href that is not `cid:`",
        "no",
        "The peer corrects the message.",
    ),
    "EBMS:0101": (
        (
            "a wrong digest or signature value; a certificate that is unknown, untrusted, expired, not valid yet, too "
            "weak, for another use, without an agreed policy, or not bound to the PartyId. C1 is told it as well when the "
            "signature of a receipt does not verify"
        ),
        "after the certificate was exchanged",
        "Compare the SHA-256 of the certificate that the peer signs with and the one we have for it.",
    ),
    "EBMS:0102": (
        "whatever goes wrong in decryption, with one text for all of it",
        "after the certificate was exchanged",
        "Check that the peer encrypts for our current certificate; keep the old key in `[[keys.decryption]]`.",
    ),
    "EBMS:0103": (
        (
            "not signed, or not all of it; not encrypted; an algorithm, transform or token form that the P-Mode does not "
            "accept; more references, transforms, prefixes or keys than are read; a UsernameToken; an expired wsu:Timestamp"
        ),
        "no",
        "Compare `[security]` of the P-Mode with the peer's settings.",
    ),
    "EBMS:0202": (
        "we failed to store the message, and the P-Mode has `answer_own_failure = true`",
        "yes",
        "Ours: see StoreError.",
    ),
    "EBMS:0302": (
        (
            "not answered to a peer. C1 is told it: a receipt came, but it does not prove that this message arrived; its "
            "digests are others, or its signer is not the partner's"
        ),
        "yes, as an operator's resend",
        "Show the peer its receipt with `ehmi-ap inspect --request`.",
    ),
    "EBMS:0303": (
        "gzip that is damaged, has something after it, or inflates to more than the P-Mode's budget",
        "no",
        "The peer sends other bytes; `[limits]` of the P-Mode has the budgets.",
    ),
}

HEAD = """\
# Errors

<!-- Written by `python -m tests.errors_reference` out of `ehmi_ap/errors.py`; change the classes or the texts there. -->

Every error answers four questions, in the log, in REST and on the command line: what happened, whose fault it is
(`fault`), what to do (`fix`), and whether the very same thing is worth trying again (`resend`). What peers answer us with
is another list: [received errors](received-errors.md).

## Raised by the package

`code` is the word for programs. *Again* says whether the same request may succeed later unchanged. *Where it is seen*
says what a program gets; the command line prints the error and exits as [its page](cli.md#exit-codes) says. `ehmi-ap sml`
has errors of its own, in [its page](../how-to/register-in-the-sml.md#when-it-does-not-work).

| error | code | fault | again | meaning | where it is seen |
|---|---|---|---|---|---|
"""

ADVICE = """
What to do, where the place that raised it says nothing more exact:

| code | advice |
|---|---|
"""

XML = """
## XML security

The words in which `ehmi_ap.crypto` says no. Reading a message turns each into an answer: MalformedXml of the envelope is
HTTP 400 and BudgetExceeded of it is 413; in a signature or in encryption, what is not allowed, points at nothing or is
too much is EBMS:0103, and the rest is EBMS:0101 or EBMS:0102. In configuration they become findings.

| error | meaning |
|---|---|
"""

EBMS = """
## EBMS codes

The fault is the peer's, but for 0202, which is ours. The HTTP status is 200, or 500 where the P-Mode says
`error_status = 500`; severity is always failure. The peer reads one general sentence, our log the exact one. An error is
signed when the P-Mode is known. *Again*: whether sending the same message again helps.

| code | name | category, origin | when | again | what to do |
|---|---|---|---|---|---|
"""

TAIL = """
EBMS:0001 is never answered: a value that no P-Mode has is 0010 here, whatever the value is.

More codes are told to C1 without being errors of this list, when they stay so until the retries are used up:
EBMS:0301 when the peer was reached and no receipt came (ask it whether it has the message, and resend if not),
EBMS:0005 when it could not be reached (see TransportError), `blocked` when our own P-Mode, key or certificate stood in
the way (see SendingBlocked), `discovery.unavailable` and `discovery.misconfigured` when the receiver could not be looked
up. Where attempts failed in different ways, C1 is told the one that came furthest: 0302 or 0101 before 0301, before
0005, before those in which nothing left us. What a look-up finds out for good (`discovery.not-registered`,
`discovery.not-supported`, `discovery.untrusted`) is told at once.

## HTTP without an eb:Error

| status | when the AS4 port answers so |
|---|---|
| 202 | a receipt or error was posted to us; nothing is owed for it, whatever it says |
| 400 | boundary missing or not in the body; malformed part headers; a wrong Content-Transfer-Encoding; a body that was \
cut; XML that is not well-formed, not UTF-8, or has a DOCTYPE; no SOAP 1.2 envelope with one Header and one Body |
| 404, 405 | another path, another method |
| 408 | headers or body came too slowly |
| 413 | a budget: body, envelope, number of parts, size of a part |
| 415 | Content-Type missing, unreadable or another; Content-Encoding |
| 417 | an Expect header other than 100-continue |
| 431 | headers of the request, or of a part, that are too large |
| 500 | a mandatory SOAP header that is not known here (with env:MustUnderstand); a failure of our own |
| 503 | our store failed, or too many requests are in progress; Retry-After says when to come back |

400 to 431 say that resending the same bytes is of no use (408: that the network was too slow). 500 and 503 without
env:MustUnderstand are ours, and the peer's retries are right.
"""


def leaves(root: type[ApError] = ApError) -> Iterator[type[ApError]]:
    """Every error below `root` that errors.py defines, in its order; not those of other modules."""
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, root)]
    return (each for each in found if each is not root)


def render() -> str:
    """The whole page."""
    general = [each for each in leaves() if not issubclass(each, XmlSecurityError | EbmsError)]
    general.insert(general.index(HttpRefusal), EbmsError)
    rows = "".join(_row(each) for each in general)
    advice = "".join(f"| `{each.code}` | {each.default_fix} |\n" for each in general if each is not PeerError)
    xml = "".join(f"| {each.__name__} | {MEANINGS[each]} |\n" for each in leaves(XmlSecurityError))
    ebms = "".join(_code(each) for each in leaves(EbmsError) if issubclass(each, EbmsError))
    return HEAD + rows + ADVICE + advice + XML + xml + EBMS + ebms + TAIL


def _row(error: type[ApError]) -> str:
    again = "yes" if error.retryable else "no"
    seen = SEEN.get(error, "REST {status}").format(status=_status(error))
    code = "`peer.` and four digits" if error is EbmsError else f"`{error.code}`"
    return f"| {error.__name__} | {code} | {error.fault.value} | {again} | {MEANINGS[error]} | {seen} |\n"


def _status(error: type[ApError]) -> int | str:
    if issubclass(error, RequestRefused | PeerError):
        return ""
    return next((status for kind, status in _STATUS if issubclass(error, kind)), 500)


def _code(error: type[EbmsError]) -> str:
    when, again, fix = CODES[error.ebms]
    return f"| {error.ebms} | {error.short} | {error.category}, {error.origin} | {when} | {again} | {fix} |\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
