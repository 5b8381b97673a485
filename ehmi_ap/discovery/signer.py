"""May this one sign metadata? The network's rule on the signer of an SMP's answer (spec/discovery.md 2.6)."""

import re
from collections.abc import Sequence
from datetime import datetime

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import check_chain, check_fit
from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery.faults import certificate_fault, fault
from ehmi_ap.discovery.network import Publishers
from ehmi_ap.errors import CertificateRefused


def check_signer(
    signature: Enveloped, publishers: Publishers, anchors: Sequence[Certificate], *, at: datetime
) -> tuple[Certificate, ...]:
    """The signer's certification path, leaf first: what is to be asked for its revocation.

    Args:
        anchors: the certificates that `publishers.trust` names; a signer may be one of them.
        at: aware.

    Raises:
        Untrusted: SIGNER_UNTRUSTED, SIGNER_EXPIRED and the other SIGNER_ reasons but SIGNER_REVOKED.
    """
    signer = signature.signer
    whose = f"the signer of the SMP's answer, {signer.subject}"
    try:
        check_fit(signer, "sign", at)
        path = check_chain(signer, intermediates=signature.others, anchors=anchors, at=at, policies=publishers.policies)
    except CertificateRefused as error:
        raise certificate_fault("SIGNER", CertificateRefused(error.reason, f"{whose}: {error.what}")) from None
    if publishers.subject is not None and re.fullmatch(publishers.subject, signer.subject) is None:
        raise fault("SIGNER_SUBJECT", f"{whose}, is not one that the network names")
    return path
