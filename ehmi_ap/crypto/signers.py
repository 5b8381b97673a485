"""Who may sign for a system: below which anchors, of which level, in whose name (spec/ehmi.md 6.1).

Rules: a signature that verifies says which key made it, and no more. Whose key that may be is asked here, before the
key is computed with, so that no stranger chooses what we compute. Revocation is not asked: a certificate that must no
longer be accepted is taken out of the anchors, or its subject out of `subjects`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import Refusal, check_chain, check_fit
from ehmi_ap.crypto.distinguished import same_name
from ehmi_ap.errors import CertificateRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """`anchors` are CAs, or the signers' own certificates; `policies` the OIDs of which a signer's has all (its level).

    `subjects` are distinguished names (RFC 4514), of which the signer's has to be one; empty: any below the anchors.
    """

    anchors: tuple[Certificate, ...]
    subjects: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()

    def check(self, signer: Certificate, others: Sequence[Certificate], *, at: datetime) -> None:
        """Whether `signer` may sign at that time; `others` came with it, to build a chain with.

        Raises:
            CertificateRefused: every reason of certs.check_fit and certs.check_chain, and subject.
        """
        check_fit(signer, "sign", at)
        check_chain(signer, intermediates=others, anchors=self.anchors, at=at, policies=self.policies)
        if self.subjects and not any(same_name(subject, signer.x509.subject) for subject in self.subjects):
            raise CertificateRefused(Refusal.SUBJECT, "the signer's subject is not one that is allowed to sign")
