"""A small network as values: DNS, SMPs, OCSP and CRLs answer out of tables, and every link can be broken.

world = World()
result = world.look_up()                      # Found
world.dns[NAME] = DnsAnswer(status=FAILED)    # break something
world.look_up().error.reason
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ehmi_ap.crypto import enveloped
from ehmi_ap.crypto.algorithms import C14N
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair, Trust
from ehmi_ap.discovery import smp, smp1
from ehmi_ap.discovery.found import Found, Identifier, Missed, Result, Wanted
from ehmi_ap.discovery.identifiers import ISO6523
from ehmi_ap.discovery.lookup import judge_metadata, lookup
from ehmi_ap.discovery.network import Network, Publishers, Receivers, Resolver
from ehmi_ap.discovery.published import (
    Group,
    Metadata,
    Process,
    PublishedCertificate,
    PublishedEndpoint,
    Redirect,
    Reference,
    Target,
)
from ehmi_ap.discovery.sml import LEGACY, dns_name
from ehmi_ap.discovery.smp_urls import group_urls, metadata_urls
from ehmi_ap.model import Participant
from ehmi_ap.questions import DnsAnswer, DnsQuestion, DnsStatus, Naptr, Question, WebAnswer, WebQuestion
from tests.pki import NOW, YEAR, Identity, make_ca, make_leaf

ZONE = "sml.example"
SMP = "https://smp.example"
OTHER_SMP = "https://other.example"
AP = "https://ap.example/as4"
PROFILE = "bdxr-transport-ebms3-as4-v1p0"
PEPPOL_PROFILE = "peppol-transport-as4-v2_0"
SMP_CRL = "http://crl.example/smp.crl"
AP_CRL = "http://crl.example/ap.crl"

RECEIVER = Participant("0088:5790000121526", ISO6523)
HCO = Identifier(
    "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
    "##urn:dk:medcom:fhir:homecareobservation-message::1.2",
    "busdox-docid-qns",
)
PROCESS = Identifier("urn:ehmi:sdn-emergence", "cenbii-procid-ubl")
WANTED = Wanted(participant=RECEIVER, document=HCO, process=PROCESS)

NETWORK = Network(
    name="test",
    zones=(ZONE,),
    resolver=Resolver(servers=("192.0.2.1:53", "192.0.2.2:53")),
    publishers=Publishers(dialects=("oasis1", "peppol", "oasis2"), trust=("smp-ca",)),
    receivers=Receivers(transport_profiles=(PROFILE, PEPPOL_PROFILE), trust=("ap-ca",)),
)
NAME = dns_name(RECEIVER, ZONE, NETWORK.naming)
LEGACY_NAME = dns_name(RECEIVER, ZONE, LEGACY)
METADATA_URL = metadata_urls(SMP, RECEIVER, HCO, smp2=False)[0]
METADATA_URL_2 = metadata_urls(SMP, RECEIVER, HCO, smp2=True)[0]
GROUP_URL = group_urls(SMP, RECEIVER, smp2=False)[0]
OTHER_URL = metadata_urls(OTHER_SMP, RECEIVER, HCO, smp2=False)[0]


# --- certificates -------------------------------------------------------------------------------------------------


def listed_at(url: str) -> tuple[x509.ExtensionType, bool]:
    """The extension that says where the CRL is."""
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point]), False


@cache
def smp_ca() -> Identity:
    return make_ca("SMP CA")


@cache
def ap_ca() -> Identity:
    return make_ca("AP CA", key="intermediate")


def smp_certificate(common_name: str = "SMP", **options: Any) -> Identity:
    options.setdefault("extensions", [listed_at(SMP_CRL)])
    return make_leaf(options.pop("issuer", smp_ca()), common_name, **{"key": "a", **options})


def ap_certificate(common_name: str = "ap.example", **options: Any) -> Identity:
    options.setdefault("extensions", [listed_at(AP_CRL)])
    return make_leaf(options.pop("issuer", ap_ca()), common_name, **{"key": "b", **options})


@cache
def smp_signer() -> Identity:
    return smp_certificate()


@cache
def other_signer() -> Identity:
    return smp_certificate("Other SMP", key="c")


@cache
def access_point() -> Identity:
    return ap_certificate()


def crl(issuer: Identity, *revoked: Identity) -> bytes:
    """A list that is good at NOW."""
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.cert.subject, last_update=NOW - YEAR, next_update=NOW + YEAR
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder(each.cert.serial_number, NOW - timedelta(days=1)).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def certificate(identity: Identity) -> Certificate:
    return Certificate.from_der(identity.der)


def key_pair(identity: Identity) -> KeyPair:
    own = certificate(identity)
    return KeyPair(identity.key, own, (own,))


# --- what an SMP has ----------------------------------------------------------------------------------------------


def endpoint(**changes: Any) -> PublishedEndpoint:
    identity = changes.pop("identity", None) or access_point()
    values: dict[str, Any] = {
        "transport_profile": PROFILE,
        "url": AP,
        "certificates": (PublishedCertificate(certificate=certificate(identity)),),
    }
    return PublishedEndpoint(**{**values, **changes})


def metadata(*endpoints: PublishedEndpoint, **changes: Any) -> Metadata:
    values: dict[str, Any] = {
        "dialect": "oasis1",
        "participant": RECEIVER,
        "document": HCO,
        "processes": (Process(identifiers=(PROCESS,), endpoints=endpoints or (endpoint(),)),),
    }
    return Metadata(**{**values, **changes})


def redirect(href: str = OTHER_URL, signer: Identity | None = None, **changes: Any) -> Redirect:
    subject = (signer or other_signer()).cert.subject.rfc4514_string()
    return Redirect(**{"dialect": "oasis1", "target": Target(href=href, subject=subject), **changes})


def group(*documents: Identifier, **changes: Any) -> Group:
    references = tuple(
        Reference(document=each, href=metadata_urls(SMP, RECEIVER, each, smp2=False)[0]) for each in documents
    )
    return Group(**{"dialect": "oasis1", "participant": RECEIVER, "references": references, **changes})


def signed(document: Metadata | Redirect | Group, signer: Identity | None = None) -> bytes:
    return smp.write(document, key_pair(signer or smp_signer()))


def served(body: bytes, **changes: Any) -> WebAnswer:
    return WebAnswer(**{"status": 200, "content_type": "text/xml", "body": body, **changes})


def answered(document: Metadata | Redirect | Group, signer: Identity | None = None) -> WebAnswer:
    return served(signed(document, signer))


def rewritten(old: str, new: str, *, signer: Identity | None = None) -> WebAnswer:
    """Good metadata with one thing in its text replaced before it was signed."""
    text = smp1.metadata_text(metadata(), smp1.OASIS)
    assert old in text
    return served(enveloped.signed(text.replace(old, new).encode(), key_pair(signer or smp_signer()), c14n=C14N))


def tampered(old: bytes, new: bytes) -> WebAnswer:
    """Good metadata with one thing replaced after it was signed."""
    body = good_metadata().body
    assert old in body
    return served(body.replace(old, new))


@cache
def good_metadata() -> WebAnswer:
    return answered(metadata())


# --- DNS ----------------------------------------------------------------------------------------------------------


def naptr(url: str = SMP, **changes: Any) -> Naptr:
    values = {"order": 100, "preference": 10, "flags": "U", "service": "Meta:SMP", "regexp": f"!.*!{url}!"}
    return Naptr(**{**values, **changes})


def records(*naptrs: Naptr, **changes: Any) -> DnsAnswer:
    values = {"status": DnsStatus.FOUND, "naptrs": naptrs or (naptr(),), "ttl": 60, "server": "192.0.2.1:53"}
    return DnsAnswer(**{**values, **changes})


def nothing(status: DnsStatus = DnsStatus.NO_NAME, **changes: Any) -> DnsAnswer:
    return DnsAnswer(**{"status": status, "server": "192.0.2.1:53", **changes})


# --- all of it ----------------------------------------------------------------------------------------------------


@dataclass
class World:
    """What would be answered; `again` is what the second server says, where it differs."""

    network: Network = NETWORK
    dns: dict[str, DnsAnswer] = field(default_factory=lambda: {NAME: records()})
    again: dict[str, DnsAnswer] = field(default_factory=dict)
    web: dict[str, WebAnswer] = field(
        default_factory=lambda: {
            METADATA_URL: good_metadata(),
            GROUP_URL: answered(group(HCO)),
            SMP_CRL: served(crl(smp_ca())),
            AP_CRL: served(crl(ap_ca())),
        }
    )
    trusted: Mapping[str, list[Identity]] = field(default_factory=lambda: {"smp-ca": [smp_ca()], "ap-ca": [ap_ca()]})
    asked: list[Question] = field(default_factory=list)

    def change(self, **changes: Any) -> None:
        """The network, with `publishers`, `receivers` and `resolver` changed key by key."""
        for part in ("publishers", "receivers", "resolver"):
            if part in changes:
                changes[part] = replace(getattr(self.network, part), **changes[part])
        self.network = replace(self.network, **changes)

    @property
    def trust(self) -> Trust:
        return Trust({name: [certificate(each) for each in identities] for name, identities in self.trusted.items()})

    def look_up(self, wanted: Wanted = WANTED, *, known: Found | None = None) -> Result:
        return self.talk(lookup(wanted, self.network, self.trust, now=NOW, known=known))

    def judge(self, data: bytes, wanted: Wanted = WANTED) -> Result:
        return self.talk(judge_metadata(data, wanted, self.network, self.trust, now=NOW))

    def found(self, wanted: Wanted = WANTED, *, known: Found | None = None) -> Found:
        result = self.look_up(wanted, known=known)
        assert isinstance(result, Found), result.error
        return result

    def missed(self, wanted: Wanted = WANTED) -> Missed:
        result = self.look_up(wanted)
        assert isinstance(result, Missed)
        return result

    def urls(self) -> list[str]:
        return [each.url for each in self.asked if isinstance(each, WebQuestion)]

    def talk(self, conversation: Generator[Question, Any, Result]) -> Result:
        """The whole conversation; no look-up asks more than a few questions."""
        self.asked.clear()
        answer: Any = None
        for _ in range(40):
            try:
                question = conversation.send(answer)
            except StopIteration as end:
                result: Result = end.value
                return result
            self.asked.append(question)
            answer = self._answer(question)
        raise AssertionError("it asks without end")

    def _answer(self, question: Question) -> DnsAnswer | WebAnswer:
        if isinstance(question, WebQuestion):
            return self.web.get(question.url, WebAnswer(status=404))
        if isinstance(question, DnsQuestion) and question.again_after is not None:
            return self.again.get(question.name, self.dns.get(question.name, nothing()))
        return self.dns.get(question.name, nothing())
