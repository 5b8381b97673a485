"""What is to say about keys, certificates, P-Modes, networks and backends together, before they become Agreements.

Mistakes stop us (ConfigError). Certificates that are not valid now do not, as the other partners must still be served
(`lapsed`); they stand among what is worth knowing (`warnings`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from ehmi_ap.agreements import SOON, Authorship, refusal
from ehmi_ap.crypto import algorithms
from ehmi_ap.crypto.certs import Certificate, Purpose, Refusal
from ehmi_ap.crypto.jws import algorithm_for
from ehmi_ap.crypto.keys import KeyPair, Keys
from ehmi_ap.discovery.network import Network, gaps
from ehmi_ap.errors import NotAllowedAlgorithm
from ehmi_ap.pmode import PMode, roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is to say about keys, certificates and P-Modes together."""

    mistakes: tuple[str, ...]
    lapsed: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(
    *,
    pmodes: Sequence[PMode],
    certificates: Mapping[str, Sequence[Certificate]],
    keys: Keys | None,
    networks: Mapping[str, Network],
    backends: Mapping[str, Authorship],
    default_backend: str | None,
    signed_profiles: Collection[str],
    insecure_http: bool,
    client_certificate: bool,
    offline: Collection[str],
    now: datetime,
) -> Judgement:
    """Judge what was read, all of it. `keys` is None where they could not be read, which is said elsewhere.

    So it is of networks that P-Modes name and that are not in `networks`. `client_certificate`: there is one to show
    to an SMP. `offline` names the networks of which there are snapshots, `signed_profiles` the profiles that ask for
    signatures between MSH and access point.
    """
    used = dict.fromkeys(pmode.network for pmode in pmodes if pmode.network is not None)
    found = [
        *_own(keys, now),
        *(item for pmode in pmodes for item in _one(pmode, certificates, networks, backends, insecure_http, now)),
        *(
            item
            for name in used
            if name in networks
            for item in _network(networks[name], certificates, client_certificate, name in offline, now)
        ),
        *(item for name, each in backends.items() for item in _signing(name, each, certificates, keys, now)),
        *(("mistake", text) for text in _unsigned(pmodes, backends, default_backend, signed_profiles)),
        *(("mistake", text) for text in _same_messages(pmodes)),
    ]

    def of(kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for level, text in found if level == kind))

    lapsed = of("lapsed")
    return Judgement(mistakes=of("mistake"), lapsed=lapsed, warnings=(*lapsed, *of("warning")))


_Found = tuple[str, str]


def _own(keys: Keys | None, now: datetime) -> Iterator[_Found]:
    if keys is None:
        return
    yield from _fit("[keys.signing] certificate", (keys.signing.certificate,), "sign", now)
    for pair in keys.decryption[:1]:  # older ones are kept on purpose
        yield from _fit("[keys] decryption certificate", (pair.certificate,), "encrypt", now)


def _one(
    pmode: PMode,
    certificates: Mapping[str, Sequence[Certificate]],
    networks: Mapping[str, Network],
    backends: Collection[str],
    insecure_http: bool,
    now: datetime,
) -> Iterator[_Found]:
    where = f"pmodes/{pmode.name}.toml"
    for key, name in (("certificate", pmode.certificate), ("tls_trust", pmode.tls_trust)):
        if name is not None and name not in certificates:
            yield "mistake", f"{where}: {key}: there is no trust/{name}.pem; put the certificate there"
    inherited = (
        networks[pmode.network].receivers.trust if pmode.network is not None and pmode.network in networks else ()
    )
    yield from _anchors(f"{where}: trust", [name for name in pmode.trust if name not in inherited], certificates, now)
    named = certificates.get(pmode.certificate or "", ())
    if named and pmode.url is not None and pmode.security.encrypt:
        yield from _fit(f"trust/{pmode.certificate}.pem", named, "encrypt", now)
    if named and not pmode.trust:
        yield from _fit(f"trust/{pmode.certificate}.pem", named, "sign", now)
    if pmode.url is not None and pmode.security.encrypt and pmode.certificate is None:
        yield "warning", f"{where}: certificate: there is none to encrypt for; nothing can be sent until it is named"
    if backends and pmode.backend is not None and pmode.backend not in backends:
        known = ", ".join(sorted(backends))
        yield "mistake", f"{where}: backend: there is no [backends.{pmode.backend}]; use one of {known}"
    if pmode.url is not None and pmode.url.startswith("http://") and not insecure_http:
        yield "mistake", f"{where}: url: is plain http; use https, or allow it for all with [web] insecure_http = true"
    yield from (("warning", f"{where}: party_binding: {text}") for text in _unbound(pmode))
    yield from (("mistake", f"{where}: {text}") for text in _unknown_words(pmode))


def _signing(
    name: str,
    authorship: Authorship,
    certificates: Mapping[str, Sequence[Certificate]],
    keys: Keys | None,
    now: datetime,
) -> Iterator[_Found]:
    """Who signs for a backend, and with which key we do."""
    where = f"ehmi-ap.toml: [backends.{name}.signature]"
    yield from _anchors(f"{where} trust", authorship.trust, certificates, now)
    pair = authorship.key
    if pair is None:
        return
    yield from _fit(f"{where} key", (pair.certificate,), "sign", now)
    try:
        algorithm_for(pair.private_key)
    except NotAllowedAlgorithm:
        yield "mistake", f"{where} key: has to be RSA, or EC on P-256 or P-384; make another"
    if keys is not None and pair.certificate.public_key in [each.certificate.public_key for each in _all(keys)]:
        yield "mistake", f"{where} key: is one of [keys], which are for AS4; make another"


def _all(keys: Keys) -> tuple[KeyPair, ...]:
    return (keys.signing, *keys.decryption)


def _unsigned(
    pmodes: Sequence[PMode],
    backends: Mapping[str, Authorship],
    default_backend: str | None,
    signed_profiles: Collection[str],
) -> Iterator[str]:
    """Backends that are given messages of a profile which asks for signatures, and say nothing of them."""
    for pmode in pmodes:
        name = pmode.backend or default_backend
        authorship = backends.get(name or "")
        if pmode.profile not in signed_profiles or authorship is None or authorship.built_together:
            continue
        needed = f"is missing, and P-Modes of profile {pmode.profile} need it"
        if authorship.demand is None:
            yield (
                f"ehmi-ap.toml: [backends.{name}] signature: {needed}; say who signs ([backends.{name}.signature]), or "
                "write built_together = true where its systems are one with this access point"
            )
        elif authorship.key is None:
            yield (f"ehmi-ap.toml: [backends.{name}.signature] key: {needed}; name the key that signs what C4 is given")


def _anchors(
    where: str, names: Sequence[str], certificates: Mapping[str, Sequence[Certificate]], now: datetime
) -> Iterator[_Found]:
    for name in names:
        if name not in certificates:
            yield "mistake", f"{where}: there is no trust/{name}.pem; put the CA's certificate there"
        elif not any(c.valid_at(now) for c in certificates[name]):
            yield "lapsed", f"trust/{name}.pem: no certificate in it is valid now; put the CA's new one there"


def _network(
    network: Network,
    certificates: Mapping[str, Sequence[Certificate]],
    client_certificate: bool,
    offline: bool,
    now: datetime,
) -> Iterator[_Found]:
    """A network that P-Modes name: what it lacks before anything can be looked up in it."""
    where = f"networks/{network.name}.toml"
    yield from (("mistake", f"{where}: {text}") for text in gaps(network, offline=offline))
    yield from _anchors(f"{where}: [publishers] trust", network.publishers.trust, certificates, now)
    yield from _anchors(f"{where}: [receivers] trust", network.receivers.trust, certificates, now)
    tls_trust = network.publishers.tls_trust
    yield from _anchors(
        f"{where}: [publishers] tls_trust", () if tls_trust is None else (tls_trust,), certificates, now
    )
    if network.publishers.client_certificate and not client_certificate:
        what = "[publishers] client_certificate: there is none to show; name it in [discovery.tls] of ehmi-ap.toml"
        yield "mistake", f"{where}: {what}"


def _unbound(pmode: PMode) -> Iterator[str]:
    """Where a signer may send in the name of somebody else (eDelivery AS4 1.15 4.3.3 binds it to the party)."""
    if pmode.partner is None and pmode.party_binding in ("none", "certificate"):
        yield (
            "without `partner`, a signer who is trusted here may name itself as any party; name the partner, or bind "
            'by "subject-cn" or "subject-serial"'
        )
    elif pmode.party_binding == "none" and pmode.trust:
        yield (
            'is "none": whoever has a certificate below `trust` may sign for the partner; bind by "certificate", '
            '"subject-cn" or "subject-serial"'
        )


def _fit(where: str, certificates: Sequence[Certificate], purpose: Purpose, now: datetime) -> Iterator[_Found]:
    """Nothing when one of them may be used now; otherwise why not, for each."""
    refusals = [refusal(certificate, purpose, now) for certificate in certificates]
    use = "sign" if purpose == "sign" else "encrypt"
    if None in refusals:
        last = max(c.not_after for c, refused in zip(certificates, refusals, strict=True) if refused is None)
        if last - now < SOON:
            yield "warning", f"{where}: may be used to {use} until {last:%F %T}Z; ask for the next one"
        return
    for refused in refusals:
        in_time = refused is not None and refused.reason in (Refusal.EXPIRED, Refusal.NOT_YET_VALID)
        advice = "put a valid one beside it" if in_time else "another certificate is needed"
        yield "lapsed" if in_time else "mistake", f"{where}: cannot be used to {use}: {refused}; {advice}"


def _unknown_words(pmode: PMode) -> Iterator[str]:
    security = pmode.security
    transports = tuple(word for word in algorithms.KEY_TRANSPORTS)
    for key, words, known in (
        ("sign", (security.sign,), algorithms.SIGNATURES.words),
        ("accept_sign", security.accept_sign, algorithms.SIGNATURES.words),
        ("digest", (security.digest,), algorithms.DIGESTS.words),
        ("accept_digest", security.accept_digest, algorithms.DIGESTS.words),
        ("cipher", (security.cipher,), algorithms.CIPHERS.words),
        ("accept_cipher", security.accept_cipher, algorithms.CIPHERS.words),
        ("key_transport", (security.key_transport,), transports),
        ("accept_key_transport", security.accept_key_transport, transports),
    ):
        for word in words:
            if word not in known:
                yield f"[security] {key}: {word!r} is not a word we use; use one of {', '.join(known)}"


def _same_messages(pmodes: Sequence[PMode]) -> Iterator[str]:
    """P-Modes between which a received message could not choose (pmode.match_inbound)."""
    seen: dict[object, str] = {}
    for pmode in pmodes:
        for action, in_roles in product(pmode.actions, roles(pmode, reply=True)):
            key = (
                pmode.us,
                pmode.partner,
                in_roles,
                pmode.service,
                pmode.agreement,
                pmode.mpc,
                action,
            )
            other = seen.setdefault(key, pmode.name)
            if other != pmode.name:
                yield (
                    f"pmodes/{pmode.name}.toml: matches the same messages as pmodes/{other}.toml (the same parties, "
                    "roles, service, action, agreement and mpc); let them differ in one, or delete one"
                )
                break
