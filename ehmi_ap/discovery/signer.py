"""May this one sign metadata? The network's rule on the signer of an SMP's answer (spec/discovery.md 2.6)."""

import re
from collections.abc import Sequence
from datetime import datetime

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import check_chain, check_fit
from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery.network import Publishers
from ehmi_ap.errors import CertificateRefused, Untrusted


def check_signer(
    signature: Enveloped, publishers: Publishers, anchors: Sequence[Certificate], *, at: datetime
) -> tuple[Certificate, ...]:
    """The signer's certification path, leaf first: what is to be asked for its revocation.

    Args:
        anchors: the certificates that `publishers.trust` names; a signer may be one of them.
        at: aware.

    Raises:
        Untrusted: SIGNER_UNTRUSTED, SIGNER_EXPIRED, SIGNER_NOT_YET_VALID, SIGNER_UNFIT, SIGNER_WEAK, SIGNER_POLICY,
            SIGNER_SUBJECT.
    """
    signer = signature.signer
    try:
        check_fit(signer, "sign", at)
        path = check_chain(signer, intermediates=signature.others, anchors=anchors, at=at, policies=publishers.policies)
    except CertificateRefused as error:
        reason = f"SIGNER_{error.reason.upper().replace('-', '_')}"
        raise Untrusted(reason, f"the signer of the SMP's metadata, {signer.subject}: {error.what}") from None
    if publishers.subject is not None and re.fullmatch(publishers.subject, signer.subject) is None:
        raise Untrusted(
            "SIGNER_SUBJECT", f"the signer of the SMP's metadata, {signer.subject}, is not one that the network names"
        )
    return path
