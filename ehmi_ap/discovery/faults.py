"""Every reason for which a look-up finds no endpoint: the outcome it belongs to, and what to do about it.

Rules (spec/discovery.md 2.9 and 4, decision 14): a reason has one outcome and one fix, here; only what time or an
operator's hand may mend is worth another try (Unavailable, Misconfigured); what was found and must not be used is
Untrusted, and nothing else is used in its place. DNS reasons keep the names that other products give them.
"""

from ehmi_ap.errors import (
    BudgetExceeded,
    CertificateRefused,
    DiscoveryError,
    MalformedXml,
    Misconfigured,
    NotAllowedAlgorithm,
    NotRegistered,
    NotSupported,
    Unavailable,
    Untrusted,
    WrongDigest,
    WrongSignature,
    XmlSecurityError,
)

_SMP = "Show the operator of the SMP this line"
_RECEIVER = "Show the receiver, or its access point's operator, this line"
_LATER = "nothing is to be done unless it lasts; it is tried again"
_SIGNER_TRUST = (
    "Ask the network for the CA of its SMPs and put it into trust/ under a name of `[publishers] trust`; "
    "if that is right already, do not trust this SMP."
)
_ENDPOINT_TRUST = (
    "Ask the network for the CA of its access points and put it into trust/ under a name of `[receivers] trust`; "
    "if that is right already, the receiver's access point has to get a certificate of the network's."
)

_NOT_REGISTERED = {
    "PARTICIPANT_NOT_REGISTERED": (
        "Check the receiver's identifier; if it is right, ask the receiver to be registered in the network."
    ),
    "PARTICIPANT_WITHOUT_RECORD": (
        "Ask the receiver to have its SMP register it again: its name is in the DNS, but leads nowhere; "
        "where the network still has CNAME records, set `legacy = true`."
    ),
    "PARTICIPANT_UNKNOWN_TO_SMP": (
        "Ask the receiver at which SMP it is registered: the one that the network names does not know it."
    ),
}

_NOT_SUPPORTED = {
    "NO_MATCHING_SMP_SERVICE": (
        "Compare the services of the records with `services` of the network; "
        "if those are right, the receiver's SMP has to register it again."
    ),
    "RESOLVED_URI_SYNTAX_ERROR": (
        "Ask the receiver to have its SMP correct its record in the SML: no URL that may be asked comes out of it."
    ),
    "UNKNOWN_DIALECT": f"{_SMP}: it has to answer with service metadata of Peppol or OASIS.",
    "DIALECT_NOT_ALLOWED": (
        "Name this dialect in `[publishers] dialects`, if the network uses it; if not, or if it is named, show the "
        "operator of the SMP this line."
    ),
    "SMP_BAD_REQUEST": "Check the spelling of participant and document, and their schemes in the network's settings.",
    "DOCUMENT_NOT_REGISTERED": (
        "Check the document's identifier against those that the receiver is registered for; "
        "if one of them is another spelling of it, name it in `[spellings]`; if not, ask the receiver to register it."
    ),
    "DOCUMENT_WITHOUT_METADATA": (
        f"{_SMP}: it lists the document, but does not find its metadata; percent-encoded `#`, `:` and `/` in the URL "
        "are the usual cause."
    ),
    "PROCESS_NOT_REGISTERED": (
        "Check the process's identifier against those that the receiver is registered for; "
        "if one of them is another spelling of it, name it in `[spellings]`; if not, ask the receiver to register it."
    ),
    "NO_TRANSPORT_PROFILE": (
        "Compare the transport profiles of the endpoints with `[receivers] transport_profiles`; "
        "if none of them is AS4, the receiver has to register an AS4 endpoint."
    ),
    "ENDPOINT_WITHOUT_URL": f"{_RECEIVER}: its endpoint is registered without a URL to send to.",
    "NO_ACTIVE_ENDPOINT": f"{_RECEIVER}: its endpoints are outside the dates that they are registered for.",
}

_UNAVAILABLE = {
    "DNS_TECHNICAL_FAILURE": f"Check `[resolver]` and the way to it; where they are right, {_LATER}.",
    "DNS_NOT_CONFIRMED": (
        "Check the second server of `[resolver]`: it did not answer whether the name is really not there; "
        "it is tried again."
    ),
    "SMP_UNREACHABLE": f"Check the way to the SMP: DNS, firewall, proxy; where they are right, {_LATER}.",
    "SMP_TLS": (
        "Check the CAs of `[publishers] tls_trust`; where they are right, the SMP's TLS certificate is to be renewed."
    ),
    "SMP_TIMEOUT": f"Check the way to the SMP; where it is right, {_LATER}.",
    "SMP_BROKEN": f"{_SMP}, if it lasts: its connections end in the middle of an answer.",
    "SMP_TOO_LARGE": f"{_SMP}: its answer is larger than metadata can be.",
    "SMP_STATUS": f"{_SMP}, if it lasts: it cannot answer now; it is tried again.",
    "SMP_HTTP_REDIRECT": (
        f"{_SMP}: it redirects by HTTP, which an SMP must not do; the SML, or `smp`, has to name its own URL."
    ),
    "SMP_NOT_XML": (
        f"{_SMP}, if it lasts: what it answered is no XML; a proxy or a portal in between is the usual cause."
    ),
    "REVOCATION_UNAVAILABLE": (
        "Check the way to the OCSP and CRL servers that the step names; it is tried again. "
        '`revocation = "soft"` would let it pass.'
    ),
}

_UNTRUSTED = {
    "DNS_NOT_VALIDATED": (
        "Name a resolver in `[resolver] servers` that validates DNSSEC, and see that the zone is signed; "
        'where it is not, `dnssec = "require"` asks too much.'
    ),
    "ADDRESS_REFUSED": (
        "In a closed network set `private_addresses = true`; in any other show the SMP's operator this line."
    ),
    "REDIRECT_URL_REFUSED": f"{_SMP}: it redirects to a URL that must not be asked.",
    "SIGNATURE_MISSING": f"{_SMP}: its answers have to be signed, once, below the root element.",
    "SIGNATURE_FORM": f"{_SMP}: the signature has not the form that the SMP specifications ask for.",
    "SIGNATURE_ALGORITHM": (
        f"{_SMP}: it signs by an algorithm that is no longer good; "
        "`[publishers] sha1 = true` would allow SHA-1, if the network does."
    ),
    "SIGNATURE_DIGEST": f"{_SMP}: the metadata was changed after it was signed.",
    "SIGNATURE_VALUE": f"{_SMP}: the signature was not made with the key of the certificate it names.",
    "METADATA_MALFORMED": f"{_SMP}: its metadata is signed, but is not as its dialect's schema says.",
    "SIGNER_UNTRUSTED": _SIGNER_TRUST,
    "SIGNER_EXPIRED": f"{_SMP}: its signing certificate, or a CA above it, has to be renewed.",
    "SIGNER_NOT_YET_VALID": "Check this machine's clock; where it is right, show the operator of the SMP this line.",
    "SIGNER_UNFIT": f"{_SMP}: its certificate is not one to sign with.",
    "SIGNER_WEAK": f"{_SMP}: its key is too short to be believed.",
    "SIGNER_POLICY": f"{_SMP}: its certificate has not the policies of `[publishers] policies`.",
    "SIGNER_SUBJECT": (
        "Compare the signer's subject with `[publishers] subject`; if that is right, do not trust this SMP."
    ),
    "SIGNER_REVOKED": f"{_SMP}: its certificate is revoked; trust nothing it says until it has another.",
    "REVOCATION_UNKNOWN": (
        "Show this line to whom the certificate belongs: its CA does not know it, or it names neither OCSP nor CRL; "
        '`revocation = "soft"` would let it pass.'
    ),
    "OTHER_IDENTIFIERS": (
        f"{_SMP}: it answered for another participant or document than was asked for; "
        "where it is the same in another spelling, name that in `[spellings]`."
    ),
    "REDIRECT_TWICE": f"{_SMP}: a redirect must lead to metadata, not to another redirect.",
    "REDIRECT_NOT_ALLOWED": (
        "Set `[publishers] redirects = 1`, if the network uses redirects; if not, show the SMP's operator this line."
    ),
    "REDIRECT_CERTIFICATE": f"{_SMP}: it redirects to an SMP whose certificate is another than the redirect names.",
    "ENDPOINT_URL_REFUSED": (
        f"{_RECEIVER}: the URL of its endpoint must not be used; a plain http one needs `[receivers] https_only = "
        "false`."
    ),
    "ENDPOINT_UNREADABLE": f"{_RECEIVER}: the certificate of its endpoint cannot be read.",
    "ENDPOINT_UNTRUSTED": _ENDPOINT_TRUST,
    "ENDPOINT_EXPIRED": (
        f"{_RECEIVER}: its certificate, or a CA above it, expired; the new one has to be registered in the SMP."
    ),
    "ENDPOINT_NOT_YET_VALID": "Check this machine's clock; where it is right, show the receiver this line.",
    "ENDPOINT_UNFIT": f"{_RECEIVER}: its certificate is not one to sign with and to encrypt for.",
    "ENDPOINT_WEAK": f"{_RECEIVER}: its key is too short.",
    "ENDPOINT_POLICY": f"{_RECEIVER}: its certificate has not the policies of `[receivers] policies`.",
    "ENDPOINT_REVOKED": f"{_RECEIVER}: its certificate is revoked; another has to be registered in the SMP.",
}

_MISCONFIGURED = {
    "NETWORK_INCOMPLETE": (
        "Complete the network's file; `ehmi-ap check` names what is missing, and its comments say whom to ask."
    ),
    "TRUST_MISSING": "Put the certificates into trust/ under the name that the network gives them.",
    "IDENTIFIER_SYNTAX_ERROR": "Correct the identifier: `scheme::value`, a value alone, or an ebCore party id.",
    "DOMAIN_NAME_SYNTAX_ERROR": (
        "Check the receiver's identifier and its scheme, and `zones` and `[naming]` of the network."
    ),
    "CLIENT_CERTIFICATE_REFUSED": (
        "Check the certificate of `[discovery.tls]`: the SMP has to know it (EHMI: it is registered in EER)."
    ),
    "SMP_FORBIDDEN": (
        "Check the certificate of `[discovery.tls]`, and ask the SMP's operator to be let in with it (EHMI: "
        "through EER)."
    ),
}

FAULTS: dict[str, tuple[type[DiscoveryError], str]] = {
    reason: (kind, fix)
    for kind, fixes in (
        (NotRegistered, _NOT_REGISTERED),
        (NotSupported, _NOT_SUPPORTED),
        (Unavailable, _UNAVAILABLE),
        (Untrusted, _UNTRUSTED),
        (Misconfigured, _MISCONFIGURED),
    )
    for reason, fix in fixes.items()
}


def fault(reason: str, what: str, *, retry_after: float | None = None) -> DiscoveryError:
    """The error for `reason`, a key of FAULTS; `what` is one sentence with what was seen. `retry_after` in seconds."""
    kind, fix = FAULTS[reason]
    return kind(reason, what, fix=fix, retry_after=retry_after)


def signature_fault(error: XmlSecurityError) -> DiscoveryError:
    """What is wrong with an SMP's answer or its signature, from crypto's words."""
    if isinstance(error, CertificateRefused):
        return certificate_fault("SIGNER", error)
    for kind, reason in _SIGNATURE:
        if isinstance(error, kind):
            return fault(reason, error.what)
    return fault("SIGNATURE_FORM", error.what)


def certificate_fault(whose: str, error: CertificateRefused) -> DiscoveryError:
    """Why the certificate of the SIGNER or the ENDPOINT must not be used."""
    return fault(f"{whose}_{error.reason.replace('-', '_').upper()}", error.what)


_SIGNATURE: tuple[tuple[type[XmlSecurityError], str], ...] = (
    (MalformedXml, "SMP_NOT_XML"),
    (BudgetExceeded, "SMP_TOO_LARGE"),
    (NotAllowedAlgorithm, "SIGNATURE_ALGORITHM"),
    (WrongDigest, "SIGNATURE_DIGEST"),
    (WrongSignature, "SIGNATURE_VALUE"),
)
