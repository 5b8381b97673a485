"""P-Modes: what two access points agreed, as a value; parsed from TOML; and the one a message falls under.

A P-Mode here is the agreement with one partner, good for both directions: outbound it says how to send,
inbound what to accept. Names are the P-Mode parameters of ebMS3 core appendix D and AS4 1.0 section 3;
algorithms, token forms, certificates and the profile are words, to which crypto, as4 and profiles give meaning.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ehmi_ap import tables
from ehmi_ap.errors import ConfigError, ProcessingModeMismatch, SubmissionError
from ehmi_ap.lifecycle import RetryPolicy
from ehmi_ap.model import AgreementRef, Party, PartyId, Service, Submission, UserMessage
from ehmi_ap.profile import Profile

EBMS = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
INITIATOR = EBMS + "initiator"
RESPONDER = EBMS + "responder"
DEFAULT_MPC = EBMS + "defaultMPC"
TEST_SERVICE = EBMS + "service"
TEST_ACTION = EBMS + "test"
ONE_WAY, TWO_WAY = "one-way", "two-way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """PMode[].Security: one value for what we send, an allow-list for what we accept (words of crypto.algorithms).

    `encrypt = False` neither encrypts nor demands encryption; it has to be written in the P-Mode.
    Token forms: bst, pkipath, ski, issuer-serial, thumbprint, x509-ski.
    """

    sign: str = "rsa-sha256"
    digest: str = "sha256"
    sign_token: str = "bst"
    receipt_token: str = "bst"
    encrypt: bool = True
    cipher: str = "aes128-gcm"
    key_transport: str = "rsa-oaep-sha256-mgf1sha256"
    encrypt_token: str = "bst"
    accept_sign: tuple[str, ...] = ("rsa-sha256",)
    accept_digest: tuple[str, ...] = ("sha256",)
    accept_cipher: tuple[str, ...] = ("aes128-gcm",)
    accept_key_transport: tuple[str, ...] = ("rsa-oaep-sha256-mgf1sha256",)
    accept_token: tuple[str, ...] = ("bst", "pkipath", "ski", "issuer-serial", "thumbprint", "x509-ski")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets on one message of this P-Mode, in bytes unless said otherwise."""

    message_bytes: int = 4 * 1024**3
    parts: int = 100
    inflated_bytes: int = 8 * 1024**3
    inflate_ratio: int = 200  # only beyond the first 4 MiB
    outbound_parts: int = 28  # WSS4J peers stop at 30 references (design decision 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class PMode:
    """The agreement with one partner; `partner` None: any party that satisfies `trust` and `party_binding`.

    `certificate` and `trust` name certificates of the trust store: the partner's own one (used for encryption, and
    pinned as its signer), and the anchors below which its signer has to stand. With a `network` it is a template
    (eDelivery AS4 1.15 4.4.2): look-ups in that network say which access point, where it is and its certificate.
    """

    name: str
    us: PartyId
    partner: PartyId | None
    service: Service
    actions: tuple[str, ...]
    profile: str = "edelivery"
    agreement: AgreementRef | None = None
    mep: str = ONE_WAY  # one-way | two-way: a message with RefToMessageId goes from the responder to the initiator
    initiator_role: str = INITIATOR
    responder_role: str = RESPONDER
    mpc: str = DEFAULT_MPC
    network: str | None = None
    url: str | None = None
    participants: tuple[str, ...] = ()  # C4 identifiers known to live behind the partner
    certificate: str | None = None
    trust: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()  # certificate policy OIDs of which the signer's must have all
    party_binding: str = "certificate"  # certificate | subject-cn | subject-serial | none
    security: Security = field(default_factory=Security)
    compress: bool = True
    four_corner: bool = False  # originalSender and finalRecipient are required
    party_id_uri: bool = True  # an untyped PartyId or Service has to be a URI (ebMS3 core 5.2.2.4)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    error_status: int = 200  # 200 or 500
    error_fault: bool = False  # add env:Fault to the Body of an error
    answer_own_failure: bool = False  # EBMS:0202 instead of HTTP 503 when we fail (conformance G31)
    notify_consumer: bool = True  # PMode[].ErrorHandling.Report.ProcessErrorNotifyConsumer
    backend: str | None = None  # who gets what is received; None: the configured default
    tls_trust: str | None = None  # name of the CA for the partner's HTTPS server; None: system CAs
    timeout: float = 300.0  # seconds to wait for the answer to one attempt
    limits: Limits = field(default_factory=Limits)


def roles(pmode: PMode, *, reply: bool) -> tuple[tuple[str, str], ...]:
    """The roles of From and To in which a message falls under this P-Mode; the first are those in which we send.

    In the reply of a two-way exchange they change places (conformance CP_TA02); of a partner it is taken in either way.
    """
    ours = (pmode.initiator_role, pmode.responder_role)
    return (ours[::-1], ours) if reply and pmode.mep == TWO_WAY else (ours,)


def is_test(service: Service) -> bool:
    """Whether this is the test service, whatever the action (ebMS3 core 5.2.2.8)."""
    return service.value == TEST_SERVICE


def match_inbound(pmodes: Iterable[PMode], message: UserMessage) -> PMode:
    """The P-Mode that a received message falls under: parties, roles, service, action, agreement and mpc, exactly.

    Raises:
        ProcessingModeMismatch: none fits; the text names the first value that no P-Mode has (conformance G06).
    """
    candidates = list(pmodes)
    for what, fits in _INBOUND:
        remaining = [pmode for pmode in candidates if fits(pmode, message)]
        if not remaining:
            raise ProcessingModeMismatch(f"no P-Mode fits the message's {what}")
        candidates = remaining
    named = [pmode for pmode in candidates if pmode.partner is not None] or candidates
    return _made_for(message.service, named)[0]


def _made_for(service: Service | None, pmodes: Sequence[PMode]) -> Sequence[PMode]:
    """Those that name the service themselves, which of the test service few do; all, where none does."""
    return [pmode for pmode in pmodes if pmode.service == service] or pmodes


def _service_fits(pmode: PMode, message: UserMessage) -> bool:
    return is_test(message.service) or message.service == pmode.service


def _action_fits(pmode: PMode, message: UserMessage) -> bool:
    return is_test(message.service) or message.action in pmode.actions


_INBOUND: tuple[tuple[str, Callable[[PMode, UserMessage], bool]], ...] = (
    ("To party", lambda p, m: m.to.id == p.us),
    ("From party", lambda p, m: p.partner is None or m.from_.id == p.partner),
    ("roles", lambda p, m: (m.from_.role, m.to.role) in roles(p, reply=m.ref_to is not None)),
    ("service", _service_fits),
    ("action", _action_fits),
    ("agreement", lambda p, m: m.agreement == p.agreement),
    ("mpc", lambda p, m: (m.mpc or DEFAULT_MPC) == p.mpc),
)


def match_outbound(pmodes: Iterable[PMode], submission: Submission) -> PMode:
    """The P-Mode under which a submission goes out, from what it names.

    Of several: the one with the partner it names; the one whose `participants` have its receiver; those with a network.

    Raises:
        SubmissionError: none fits, or several do; the text says which and what to add.
    """
    candidates = list(pmodes)
    for what, given, fits in _OUTBOUND:
        if given(submission) is None:
            continue
        remaining = [pmode for pmode in candidates if fits(pmode, submission)]
        if not remaining:
            raise SubmissionError(
                f"no P-Mode has the {what} of the submission",
                fix=f"Correct the {what}, or add a P-Mode that has it (`ehmi-ap partner add`).",
            )
        candidates = remaining
    if len(candidates) > 1:
        for prefers in _PREFERENCES:
            candidates = [pmode for pmode in candidates if prefers(pmode, submission)] or candidates
        candidates = [*_made_for(submission.service, candidates)]
    if len(candidates) != 1:
        names = ", ".join(sorted(p.name for p in candidates)) or "none is configured"
        raise SubmissionError(
            f"the submission does not say which P-Mode to use: {names}",
            fix="Name one in `pmode`, or name the partner's PartyId in `to`.",
        )
    return candidates[0]


_OUTBOUND: tuple[tuple[str, Callable[[Submission], object | None], Callable[[PMode, Submission], bool]], ...] = (
    ("name", lambda s: s.pmode, lambda p, s: p.name == s.pmode),
    ("partner", lambda s: s.to, lambda p, s: p.partner == s.to or _looks_up_partner(p, s)),
    ("service", lambda s: s.service, lambda p, s: agreed_service(p, s) is not None),
    ("action", lambda s: s.action, lambda p, s: agreed_action(p, s) is not None),
    ("agreement", lambda s: s.agreement, lambda p, s: p.agreement == s.agreement),
)

_PREFERENCES: tuple[Callable[[PMode, Submission], bool], ...] = (
    lambda p, s: s.to is not None and p.partner == s.to,
    lambda p, s: s.receiver is not None and s.receiver.value in p.participants,
    lambda p, s: s.receiver is not None and p.network is not None,
)


def _looks_up_partner(pmode: PMode, submission: Submission) -> bool:
    """Point to point: C1 names the access point, which is looked up itself (eDelivery AS4 1.15 4.4.2, DS_TA02)."""
    return pmode.network is not None and pmode.partner is None and submission.receiver is None


def agreed_service(pmode: PMode, submission: Submission) -> Service | None:
    """The service of a submission as the P-Mode writes it; None when the P-Mode has another.

    C1 may leave out the type, which is the network's choice and stands in no business envelope (spec/ehmi.md 5.2).
    """
    asked = submission.service
    if asked is None or (asked.type is None and asked.value == pmode.service.value):
        return pmode.service
    return asked if asked == pmode.service or is_test(asked) else None


def agreed_action(pmode: PMode, submission: Submission) -> str | None:
    """The action of a submission as the P-Mode writes it; None when the P-Mode has none like it, or none is asked for.

    C1 may leave out the document scheme that a network puts before it: `scheme::` (spec/ehmi.md 5.2).
    """
    asked = submission.action
    if asked is None or asked in pmode.actions or is_test(submission.service or pmode.service):
        return asked
    return next((action for action in pmode.actions if asked and action.partition("::")[2] == asked), None)


def parties(pmode: PMode, partner: PartyId, *, reply: bool = False) -> tuple[Party, Party]:
    """From and To of what we send under this P-Mode; `reply`: it refers to another message."""
    from_, to = roles(pmode, reply=reply)[0]
    return Party(pmode.us, from_), Party(partner, to)


# --- parse --------------------------------------------------------------------------------------------------------


def parse_pmode(
    name: str,
    table: Mapping[str, object],
    *,
    us: PartyId,
    profiles: Mapping[str, Profile],
    networks: Mapping[str, Mapping[str, object]] | None = None,
) -> PMode:
    """The P-Mode that pmodes/`name`.toml describes (docs/reference/pmodes.md has every key).

    What the table leaves out comes from its profile, then from its network (the values that `networks` has for it),
    then from our defaults. `partner` and `us` may be plain text (the id) or a table with `id` and `type`; a type left
    out is that of our party `us`, so that a network's parties need it once, and so is an id left out of the table's
    `us`.

    Raises:
        ConfigError: with all findings; an unknown key is one, whatever its value.
    """
    where = f"pmodes/{name}.toml"
    profile = profiles.get(str(table.get("profile", "edelivery")))
    if profile is None:
        known = ", ".join(sorted(profiles))
        raise ConfigError([f"{where}: profile: {table['profile']!r} is not a profile; use one of {known}"])
    own = party_table(table.get("us", {}), us.type)
    if isinstance(own, Mapping):
        own = {"value": us.value, **own}
    said = _merged(profile.values, table)
    values: dict[str, object] = {
        "partner": None,  # any party that satisfies `trust` and `party_binding`
        **_of_network(said.get("network"), networks or {}, where),
        **said,
        "name": name,
        "us": own,
    }
    values["partner"] = party_table(values["partner"], us.type)
    for key in ("service", "agreement"):
        if isinstance(values.get(key), str):
            values[key] = {"value": values[key]}
    if isinstance(values.get("actions"), str):
        values["actions"] = [values["actions"]]
    findings = [f"{where}: name: is the file's name; leave it out"] if "name" in table else []
    try:
        pmode = tables.read(PMode, values, where=where)
    except ConfigError as error:
        # Readers know the value of a PartyId as its `id`.
        named = [
            text.replace("[partner] value", "[partner] id").replace("[us] value", "[us] id") for text in error.findings
        ]
        raise ConfigError([*findings, *named]) from None
    findings += [f"{where}: {text}" for text in _contradictions(pmode)]
    if findings:
        raise ConfigError(findings)
    return pmode


def _of_network(name: object, networks: Mapping[str, Mapping[str, object]], where: str) -> Mapping[str, object]:
    if not isinstance(name, str):
        return {}
    if name not in networks:
        known = ", ".join(sorted(networks)) or "none"
        advice = f"use one of {known}, or describe it in networks/{name}.toml"
        raise ConfigError([f"{where}: network: {name!r} is not a network; {advice}"])
    return networks[name]


def _merged(defaults: Mapping[str, object], table: Mapping[str, object]) -> dict[str, object]:
    """`table` over `defaults`, nested tables key by key."""
    merged = dict(defaults)
    for key, value in table.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


def party_table(party: object, type_: str | None) -> object:
    """A party as PartyId's own fields: `id` is its value; a type left out is `type_`, an empty one is none."""
    if isinstance(party, str):
        return {"value": party, "type": type_}
    if isinstance(party, Mapping):
        renamed = {("value" if key == "id" else key): value for key, value in party.items()}
        given = renamed.get("type", type_)
        return {**renamed, "type": None if given == "" else given}
    return party


def _contradictions(pmode: PMode) -> Iterable[str]:
    """What each field allows and all of them together do not, as "key: what; what to do"."""
    for key, values, allowed in (
        ("mep", (pmode.mep,), (ONE_WAY, TWO_WAY)),
        ("party_binding", (pmode.party_binding,), ("certificate", "subject-cn", "subject-serial", "none")),
        ("error_status", (pmode.error_status,), (200, 500)),
        *((f"[security] {key}", (getattr(pmode.security, key),), TOKENS) for key in _TOKEN_KEYS),
        ("[security] accept_token", pmode.security.accept_token, TOKENS),
    ):
        for value in values:
            if value not in allowed:
                yield f"{key}: {value!r} is not known; use one of {', '.join(map(str, allowed))}"
    if pmode.url is not None and not pmode.url.startswith(("https://", "http://")):
        yield "url: has to begin with https://"
    if pmode.network is not None:
        yield from _contradicting_network(pmode)
    else:
        if pmode.certificate is None and not pmode.trust:
            yield "certificate: nobody is trusted; name the partner's certificate, or the CAs its signer has in `trust`"
        if pmode.party_binding == "certificate" and pmode.certificate is None:
            yield 'party_binding: "certificate" needs `certificate`; name it, or bind by "subject-cn" below `trust`'
    if not pmode.actions:
        yield "actions: is empty; name at least one"
    for key, positive in (("timeout", pmode.timeout), *((f"[retry] {k}", getattr(pmode.retry, k)) for k in _WAITS)):
        if positive <= 0:
            yield f"{key}: has to be more than 0 seconds"
    if pmode.retry.factor < 1 or not 0 <= pmode.retry.jitter <= 1:
        yield "[retry] factor, jitter: factor has to be at least 1, jitter between 0 and 1"
    if pmode.retry.attempts is not None and pmode.retry.attempts < 1:
        yield "[retry] attempts: has to be at least 1; 1 sends once"
    for key in ("message_bytes", "parts", "inflated_bytes", "inflate_ratio", "outbound_parts"):
        if getattr(pmode.limits, key) < 1:
            yield f"[limits] {key}: has to be at least 1"


def _contradicting_network(pmode: PMode) -> Iterable[str]:
    """What look-ups say, a template cannot say too."""
    for key, given in (("url", pmode.url), ("certificate", pmode.certificate), ("participants", pmode.participants)):
        if given:
            yield f"{key}: is what a look-up in the network says; leave it out, or leave out `network`"
    if pmode.party_binding == "certificate":
        yield 'party_binding: "certificate" needs one certificate; leave it out, or bind by "subject-cn"'


TOKENS = ("bst", "pkipath", "ski", "issuer-serial", "thumbprint", "x509-ski")
_TOKEN_KEYS = ("sign_token", "receipt_token", "encrypt_token")
_WAITS = ("first_wait", "longest_wait", "window")
