"""With whom we exchange messages, under which P-Modes and with which keys: one value, judged as a whole (judgement).

It is what may change while we run. Nothing here reads a file: `ehmi_ap.config` brings keys, certificates, P-Modes and
the networks in which partners are looked up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ehmi_ap.crypto.certs import Certificate, Purpose, check_fit
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.snapshots import Snapshot
from ehmi_ap.errors import CertificateRefused
from ehmi_ap.pmode import PMode

SOON = timedelta(days=30)
"""How long before its end a certificate becomes a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorship:
    """How what passes between a backend's system and us is signed (spec/ehmi.md 6.1); see flows.authorship.

    `demand` is what C1 signs by: jws, xml or any of the two; None: nobody is agreed who may. `trust` names the
    certificates of who may. What C4 gets is signed with `key`. `built_together`: nothing is signed.
    """

    built_together: bool = False
    demand: str | None = None
    trust: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    key: KeyPair | None = None

    def signers(self, trust: Trust) -> Signers:
        """Who may sign what C1 submits."""
        return Signers(anchors=trust.anchors(self.trust), subjects=self.subjects, policies=self.policies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreements:
    """P-Modes, our keys, the certificates we know, the networks and what is stored of them, all fitting together.

    `authorship` has the backends of the configuration.
    """

    pmodes: tuple[PMode, ...]
    keys: Keys
    trust: Trust
    authorship: Mapping[str, Authorship] = field(default_factory=dict)
    networks: Mapping[str, Network] = field(default_factory=dict)
    snapshots: Mapping[str, Sequence[Snapshot]] = field(
        default_factory=dict
    )  # by network: for when nobody can be asked
    lapsed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def recipient(self, pmode: PMode, at: datetime | None = None) -> Certificate | None:
        """The partner's certificate to encrypt for; None when the P-Mode names none.

        Of several under the name (a roll-over) it is the newest of those that may be used for encryption at `at`;
        when none may, the newest at all, for the caller to refuse with the reason.
        """
        if pmode.certificate is None:
            return None
        newest_first = sorted(self.trust.anchors((pmode.certificate,)), key=lambda c: c.not_before, reverse=True)
        usable = (c for c in newest_first if at is None or refusal(c, "encrypt", at) is None)
        return next(usable, newest_first[0])


def pmode_values(network: Network) -> Mapping[str, object]:
    """What P-Modes of this network have, unless they say otherwise: who may send to us is who may be sent to."""
    receivers = network.receivers
    return {"trust": receivers.trust, "policies": receivers.policies, "party_binding": receivers.party_id}


def refusal(certificate: Certificate, purpose: Purpose, at: datetime) -> CertificateRefused | None:
    """Why it may not be used for that at `at`; None when it may."""
    try:
        check_fit(certificate, purpose, at)
    except CertificateRefused as refused:
        return refused
    return None
