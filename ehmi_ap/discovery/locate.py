"""Which SMP has a participant: what the network's file says, else what the SML has in the DNS.

Rules (spec/discovery.md 2.9, 4): the first zone in which the participant is counts. That a name is not there is taken
from nobody alone: another server is asked, or the same one again, before a message is given up for it. A zone that
could not be asked ends the look-up, as the participant might be there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.identifiers import read_participant, same_participant
from ehmi_ap.discovery.inquiry import Asking, Inquiry
from ehmi_ap.discovery.naptr import select
from ehmi_ap.discovery.network import gaps
from ehmi_ap.discovery.sml import LEGACY, dns_name
from ehmi_ap.errors import NotRegistered
from ehmi_ap.questions import DnsAnswer, DnsQuestion, DnsStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The base URL of an SMP; `service` and `ttl` (seconds) are those of the DNS record that led to it."""

    base: str
    service: str | None = None
    ttl: int | None = None


def locate(inquiry: Inquiry) -> Asking[Place]:
    """The SMP that has the participant.

    Raises:
        NotRegistered, NotSupported, Unavailable, Untrusted, Misconfigured: as spec/discovery.md 2.9 has it.
    """
    network = inquiry.network
    inquiry.trail.begin("Find the SMP")
    own = _own(network.smps, inquiry)
    if own or network.smp:
        inquiry.trail.saw(f"{own}, named for this participant" if own else f"{network.smp}, named for everybody")
        return Place(base=own or network.smp or "")
    zone = _own(network.zone_of, inquiry)
    zones = (zone,) if zone else network.zones
    absent: NotRegistered | None = None
    for each in zones:
        try:
            return (yield from _in_zone(each, inquiry))
        except NotRegistered as error:
            absent = absent if absent and absent.reason == "PARTICIPANT_WITHOUT_RECORD" else error
    raise absent or fault("NETWORK_INCOMPLETE", f"the network {network.name} lacks: {'; '.join(gaps(network))}")


def _own(named: Mapping[str, str], inquiry: Inquiry) -> str | None:
    """What a table of the network says for this participant."""
    network, participant = inquiry.network, inquiry.wanted.participant
    for text, value in named.items():
        if same_participant(read_participant(text, network.participant_scheme), participant, network):
            return value
    return None


def _in_zone(zone: str, inquiry: Inquiry) -> Asking[Place]:
    network, participant = inquiry.network, inquiry.wanted.participant
    name = dns_name(participant, zone, network.naming)
    answers = [(yield from _ask(DnsQuestion(name=name), inquiry))]
    if answers[0].naptrs:
        return _chosen(answers[0], name, inquiry)
    if network.legacy:
        legacy = dns_name(participant, zone, LEGACY)
        answers.append((yield from _ask(DnsQuestion(name=legacy, type="ADDRESS"), inquiry)))
        if answers[1].texts:
            return Place(base=f"http://{legacy}", ttl=answers[1].ttl)
    if any(each.status is not DnsStatus.NO_NAME or each.aliases for each in answers):
        raise fault("PARTICIPANT_WITHOUT_RECORD", f"{participant} has a name in {zone}, which leads to no SMP")
    raise fault("PARTICIPANT_NOT_REGISTERED", f"{participant} is not registered in {zone}: there is no {name}")


def _chosen(answer: DnsAnswer, name: str, inquiry: Inquiry) -> Place:
    network = inquiry.network
    inquiry.trail.begin("Choose the NAPTR record")
    choice = select(
        answer.naptrs, name, network.services, regexp=network.regexp, https_only=network.publishers.https_only
    )
    seen = "; ".join(choice.notes)
    if choice.url is None or choice.record is None:
        if choice.fitting:
            raise fault("RESOLVED_URI_SYNTAX_ERROR", f"no record gives a URL that may be asked: {seen}")
        raise fault("NO_MATCHING_SMP_SERVICE", f"no record has a service of {', '.join(network.services)}: {seen}")
    inquiry.trail.saw(f"{choice.url}, of: {seen}")
    return Place(base=choice.url, service=choice.record.service, ttl=answer.ttl)


# --- asking -------------------------------------------------------------------------------------------------------


def _ask(question: DnsQuestion, inquiry: Inquiry) -> Asking[DnsAnswer]:
    """A usable answer; that the name is not there was said twice."""
    inquiry.trail.begin(f"Ask DNS for the {'NAPTR records' if question.type == 'NAPTR' else 'addresses'} of its name")
    answer = yield from _once(question)
    _check(answer, question, "DNS_TECHNICAL_FAILURE", inquiry)
    if answer.status is DnsStatus.NO_NAME:
        inquiry.trail.begin("Have it confirmed that the name is not there")
        answer = yield from _once(replace(question, again_after=answer.server))
        _check(answer, question, "DNS_NOT_CONFIRMED", inquiry)
    return answer


def _once(question: DnsQuestion) -> Asking[DnsAnswer]:
    answer = yield question
    assert isinstance(answer, DnsAnswer)
    return answer


def _check(answer: DnsAnswer, question: DnsQuestion, failed: str, inquiry: Inquiry) -> None:
    """Notes the answer as the step's evidence; raises Unavailable, Untrusted, Misconfigured where it is of no use."""
    said = f"{question.name}: {_said(answer)}"
    if answer.status is DnsStatus.FAILED:
        raise fault(failed, said)
    if answer.status is DnsStatus.BAD_NAME:
        raise fault("DOMAIN_NAME_SYNTAX_ERROR", said)
    if inquiry.network.resolver.dnssec == "require" and not answer.secure:
        raise fault("DNS_NOT_VALIDATED", said)
    inquiry.trail.saw(said, warning=inquiry.network.resolver.dnssec == "prefer" and not answer.secure)


_WORDS = {
    DnsStatus.FOUND: "found",
    DnsStatus.NO_NAME: "there is no such name (NXDOMAIN)",
    DnsStatus.NO_DATA: "the name has no such record",
    DnsStatus.FAILED: "no answer",
    DnsStatus.BAD_NAME: "is no DNS name",
}


def _said(answer: DnsAnswer) -> str:
    words = [_WORDS[answer.status]]
    if answer.naptrs:
        words = [f"{len(answer.naptrs)} NAPTR record{'s' if len(answer.naptrs) > 1 else ''}"]
    words += [", ".join(answer.texts)] if answer.texts else []
    words += [f"by way of {', '.join(answer.aliases)}"] if answer.aliases else []
    words += [answer.detail] if answer.detail else []
    words += [f"from {answer.server}"] if answer.server else []
    words += [f"TTL {answer.ttl} s"] if answer.ttl is not None else []
    return ", ".join([*words, f"{'validated' if answer.secure else 'not validated'} by DNSSEC"])
