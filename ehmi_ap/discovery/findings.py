"""What `inspect` found in a stored answer of an SMP, as values; and as the JSON of ``ehmi-ap smp --json``."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery.published import Dialect, Document, Group, Metadata, Process, Redirect, Target
from ehmi_ap.discovery.selection import Judged
from ehmi_ap.errors import DiscoveryError

Verdict = Literal["usable", "unusable", "unreadable"]
SignatureState = Literal["ok", "wrong", "missing", "none-expected"]
TrustState = Literal["trusted", "untrusted", "expired", "unchecked"]
Kind = Literal["metadata", "redirect", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found in an answer.

    `chain` is the signer's certification path, where it was checked. `chosen` is one of the `endpoints`; what of them
    stands in a document whose signature is not `ok` was only looked at, and has no reason. Any problem makes the
    answer unusable; without a `kind` it is unreadable.
    """

    at: datetime
    dialect: Dialect | None = None
    kind: Kind | None = None
    document: Document | None = None
    signature: SignatureState = "missing"
    signed: Enveloped | None = None
    trust: TrustState = "unchecked"
    chain: tuple[Certificate, ...] = ()
    endpoints: tuple[Judged, ...] = ()
    chosen: Judged | None = None
    redirect: Target | None = None
    problems: tuple[DiscoveryError, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.kind is None:
            return "unreadable"
        return "unusable" if self.problems else "usable"

    def to_json(self) -> dict[str, object]:
        """The JSON document (docs/reference/cli.md)."""
        document, signed, redirect = self.document, self.signed, self.redirect
        return {
            "verdict": self.verdict,
            "dialect": self.dialect,
            "kind": self.kind,
            "participant": None if document is None or isinstance(document, Redirect) else str(document.participant),
            "documents": _documents(document),
            "signature": self.signature if self.kind else None,
            "signer": None if signed is None else signed.signer.subject,
            "trust": self.trust,
            "chain": [each.subject for each in self.chain],
            "endpoints": [self._endpoint(each) for each in self.endpoints],
            "chosen": None if self.chosen is None else self._endpoint(self.chosen),
            "redirect": None if redirect is None else _redirect(redirect),
            "problems": [{"what": each.what, "fix": each.fix} for each in self.problems],
        }

    def _endpoint(self, judged: Judged) -> dict[str, object]:
        published, error = judged.published, judged.error
        certificates = [each.certificate for each in published.certificates if each.certificate is not None]
        return {
            "process": _process(judged.process),
            "transport_profile": published.transport_profile,
            "url": published.url,
            "active": published.active_at(self.at),
            "activates": _time(published.activates),
            "expires": _time(published.expires),
            "certificates": [{"subject": each.subject, "sha256": each.sha256} for each in certificates],
            "dropped": None if judged.reason is None else judged.reason.value,
            "why": None if error is None else error.what,
        }


def _documents(document: Document | None) -> list[str]:
    if isinstance(document, Group):
        return [str(each) for each in document.documents]
    return [str(document.document)] if isinstance(document, Metadata) else []


def _process(process: Process) -> str | None:
    """None stands for any process; several are in one text."""
    return ", ".join(map(str, process.identifiers)) or None


def _redirect(target: Target) -> dict[str, object]:
    named = [each.certificate.subject for each in target.certificates if each.certificate is not None]
    return {"url": target.href, "signer": target.subject or ", ".join(named) or None}


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
