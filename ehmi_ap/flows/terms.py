"""What one attempt to send goes by: whose, where, for which certificate, and who may sign the receipt.

A P-Mode with a partner says all of it. One with a network has it looked up, for the message's finalRecipient; without
one (point to point), or where the P-Mode names a partner, for that access point itself (eDelivery AS4 1.15 4.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ehmi_ap.agreements import Agreements
from ehmi_ap.crypto.certs import Certificate, check_fit
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.found import Found, Identifier, Wanted
from ehmi_ap.discovery.identifiers import read_identifier, read_participant
from ehmi_ap.discovery.network import Network
from ehmi_ap.errors import CertificateRefused, SendingBlocked, Untrusted
from ehmi_ap.model import Participant, PartyId, UserMessage
from ehmi_ap.pmode import PMode, is_test
from ehmi_ap.ports import Reach

_FOUND = "looked-up"
"""The name that certificates have in the Trust of Terms that were looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """`pmode` with partner and URL; `trust` has who may sign the receipt. `recipient` None: it does not encrypt."""

    pmode: PMode
    to: PartyId
    url: str
    recipient: Certificate | None
    trust: Trust
    reach: Reach = Reach.ANY


def agreed_terms(pmode: PMode, agreements: Agreements, now: datetime) -> Terms:
    """Those of a P-Mode with a partner. Raises SendingBlocked: it cannot be sent under now."""
    if pmode.url is None or pmode.partner is None:
        raise SendingBlocked(f"P-Mode {pmode.name} has no {'url' if pmode.url is None else 'partner'} any more.")
    recipient = agreements.recipient(pmode, now) if pmode.security.encrypt else None
    if recipient is not None:
        check_usable(recipient, "encrypt", f"The partner's certificate {pmode.certificate}", now)
    elif pmode.security.encrypt:
        raise SendingBlocked(f"P-Mode {pmode.name} has no usable certificate of the partner to encrypt for.")
    return Terms(pmode=pmode, to=pmode.partner, url=pmode.url, recipient=recipient, trust=agreements.trust)


def found_terms(found: Found, message: UserMessage, pmode: PMode, network: Network, signers: Sequence[bytes]) -> Terms:
    """Those that a look-up gives; `signers` are certificates (DER) that earlier ones gave for this message.

    An access point may answer a retry with the receipt that it signed before its certificate changed.

    Raises:
        Untrusted: the certificate does not say which party it is of.
    """
    endpoint = found.endpoint
    to = found_party(found, message, pmode, network)
    return Terms(
        pmode=_bound(pmode, to),
        to=to,
        url=endpoint.url,
        recipient=endpoint.encryption if pmode.security.encrypt else None,
        trust=_trusting((*endpoint.signing, *map(Certificate.from_der, signers))),
        reach=Reach.CLOSED if network.receivers.private_addresses else Reach.GLOBAL,
    )


def found_judges(pmode: PMode, to: PartyId, signers: Sequence[bytes]) -> tuple[PMode, Trust]:
    """What a signal is judged by that is about a message whose access point was looked up."""
    return _bound(pmode, to), _trusting(tuple(map(Certificate.from_der, signers)))


def _bound(pmode: PMode, to: PartyId) -> PMode:
    """The P-Mode with this partner, for whom the certificates that were found sign, and nobody else."""
    return replace(pmode, partner=to, certificate=_FOUND, trust=(), policies=(), party_binding="certificate")


def _trusting(certificates: Sequence[Certificate]) -> Trust:
    return Trust({_FOUND: tuple(dict.fromkeys(certificates))})


def wanted_of(message: UserMessage, pmode: PMode, network: Network) -> Wanted:
    """What is looked up for a message; of one to the test service, what its P-Mode is for otherwise.

    Raises:
        Misconfigured: an identifier is none.
    """
    test = is_test(message.service)
    service = pmode.service if test else message.service
    action = pmode.actions[0] if test else message.action
    receiver = message.participant("finalRecipient") if pmode.partner is None else None
    receiver = receiver or Participant(message.to.id.value, message.to.id.type)
    process = read_identifier(service.value, network.process_scheme)
    return Wanted(
        participant=read_participant(str(receiver), network.participant_scheme),
        document=read_identifier(action, network.document_scheme),
        process=Identifier(service.value, service.type) if service.type else process,
    )


def found_party(found: Found, message: UserMessage, pmode: PMode, network: Network) -> PartyId:
    """eb:To: the access point whose certificate was found; the one that C1 or the P-Mode named stays.

    Raises:
        Untrusted: the certificate has no such name.
    """
    if pmode.partner is not None or message.participant("finalRecipient") is None:
        return message.to.id
    receivers, certificate = network.receivers, found.endpoint.encryption
    by_serial = receivers.party_id == "subject-serial"
    value = certificate.serial_number_attr if by_serial else certificate.common_name
    if not value:
        name = "serialNumber" if by_serial else "CN"
        raise Untrusted(
            "PARTY_ID_MISSING",
            f"the certificate of {found.endpoint.url}, {certificate.subject}, has no {name} to be its PartyId",
            fix="Compare `[receivers] party_id` of the network with the subjects that its access points have.",
        )
    type_ = pmode.us.type if receivers.party_type is None else receivers.party_type
    return PartyId(value, type_ or None)


def check_usable(certificate: Certificate, purpose: Literal["sign", "encrypt"], whose: str, now: datetime) -> None:
    """Raises SendingBlocked: it must not be used for this now."""
    try:
        check_fit(certificate, purpose, now)
    except CertificateRefused as error:
        raise SendingBlocked(
            f"{whose} must not be used: {error.what}.", fix="Put the new one in its place; sending goes on by itself."
        ) from error
