"""Keys, trust/*.pem, pmodes/*.toml and networks/*.toml: read and judged as a whole, changed only when it stays right.

A file's name without its ending is the name of the certificate, P-Mode or network. A file in trust/ may hold several
certificates: the CAs of one name, or a partner's old and new certificate while it changes over. A network in networks/
takes the place of the shipped one of its name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from ehmi_ap import tables
from ehmi_ap.agreements import Agreements, Authorship, pmode_values
from ehmi_ap.config.offline import read_offline
from ehmi_ap.config.reading import read_toml
from ehmi_ap.config.settings import BackendConfig, Config, KeyFile
from ehmi_ap.config.shipped import network_tables
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust, load_certificates, load_key_pairs
from ehmi_ap.discovery.network import Network, Resolver, parse_network
from ehmi_ap.durable import sync_folder, write_atomically
from ehmi_ap.errors import ConfigError, NotFound, XmlSecurityError
from ehmi_ap.judgement import judge
from ehmi_ap.pmode import PMode, parse_pmode
from ehmi_ap.tables import Secret, reason

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_READABLE_BY_OTHERS = 0o077

PModeTables = dict[str, Mapping[str, Any]]
NetworkTables = dict[str, Mapping[str, Any] | None]
CertificateFiles = dict[str, bytes]

PMODES_LISTED = "List what there is with GET /api/v1/pmodes."
NETWORKS_LISTED = "List what there is with GET /api/v1/networks."
CERTIFICATES_LISTED = "List what there is with GET /api/v1/certificates."


def load_agreements(config: Config, *, now: datetime | None = None) -> Agreements:
    """Keys, trust/*.pem and pmodes/*.toml, judged at `now` (None: now). Raises ConfigError with all findings."""
    findings: list[str] = []
    certificates = _certificate_files(config, findings)
    return _agreements(config, _pmode_tables(config, findings), certificates, findings, now=now)


def judge_again(config: Config, agreements: Agreements, *, now: datetime) -> Agreements:
    """The same agreements with what is to say about them at `now`: certificates end while we run."""
    judgement = judge(
        pmodes=agreements.pmodes,
        certificates={name: agreements.trust.anchors([name]) for name in agreements.trust.names},
        keys=agreements.keys,
        networks=agreements.networks,
        backends=agreements.authorship,
        default_backend=config.backend_of(None),
        signed_profiles=_signed_profiles(config),
        insecure_http=config.web.insecure_http,
        client_certificate=config.discovery.tls.certificate is not None,
        offline=agreements.snapshots,
        now=now,
    )
    offline = read_offline(config.discovery.offline, agreements.networks, agreements.trust, now=now)
    return replace(
        agreements,
        snapshots=offline.snapshots,
        lapsed=judgement.lapsed,
        warnings=(*judgement.warnings, *offline.warnings, *_open_files(config)),
    )


def put_pmode(config: Config, name: str, table: Mapping[str, object]) -> Agreements:
    """Write pmodes/`name`.toml, if all is right with it.

    Raises:
        ConfigError: with all findings; nothing was written.
    """
    return put_partner(config, name, table, {})


def put_partner(config: Config, name: str, table: Mapping[str, object], added: Mapping[str, bytes]) -> Agreements:
    """Write pmodes/`name`.toml and certificates (name -> PEM or DER), if all is right with all of them.

    Raises:
        ConfigError: with all findings; nothing was written.
    """
    for each in (name, *added):
        _check_name(each)
    findings: list[str] = []
    pmodes = {**_pmode_tables(config, findings), name: table}
    agreements = _agreements(config, pmodes, {**_certificate_files(config, findings), **added}, findings)
    for certificate, data in added.items():
        _write_certificate(config, certificate, data)
    _write(config.pmodes / f"{name}.toml", tables.to_toml(table).encode())
    return agreements


def delete_pmode(config: Config, name: str) -> Agreements:
    """Delete pmodes/`name`.toml. Raises NotFound, ConfigError."""
    findings: list[str] = []
    pmodes = _pmode_tables(config, findings)
    if pmodes.pop(name, None) is None:
        raise NotFound(f"there is no P-Mode {name}", fix=PMODES_LISTED)
    agreements = _agreements(config, pmodes, _certificate_files(config, findings), findings)
    _delete(config.pmodes / f"{name}.toml")
    return agreements


def put_network(config: Config, name: str, table: Mapping[str, object]) -> Agreements:
    """Write networks/`name`.toml, if all is right with it; it takes the place of a shipped network.

    Raises:
        ConfigError: with all findings; nothing was written.
    """
    _check_name(name)
    findings: list[str] = []
    networks = {**_network_tables(config, findings), name: table}
    agreements = _agreements(
        config, _pmode_tables(config, findings), _certificate_files(config, findings), findings, networks=networks
    )
    try:
        config.discovery.networks.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError([f"networks/: cannot be made ({reason(error)}); make it, or correct its place"]) from None
    _write(config.discovery.networks / f"{name}.toml", tables.to_toml(table).encode())
    return agreements


def delete_network(config: Config, name: str) -> Agreements:
    """Delete networks/`name`.toml; a shipped network of its name comes back. Raises NotFound, ConfigError."""
    path = config.discovery.networks / f"{name}.toml"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound(f"there is no network {name} of your own", fix=NETWORKS_LISTED)
    findings: list[str] = []
    networks = {**_network_tables(config, findings)}
    del networks[name]
    networks |= {each: table for each, table in network_tables().items() if each == name}
    agreements = _agreements(
        config, _pmode_tables(config, findings), _certificate_files(config, findings), findings, networks=networks
    )
    _delete(path)
    return agreements


def put_certificate(config: Config, name: str, data: bytes) -> Agreements:
    """Write trust/`name`.pem from PEM (one certificate or several) or DER, if all is right with it.

    Raises:
        ConfigError: with all findings; nothing was written.
    """
    _check_name(name)
    findings: list[str] = []
    certificates = {**_certificate_files(config, findings), name: data}
    agreements = _agreements(config, _pmode_tables(config, findings), certificates, findings)
    _write_certificate(config, name, data)
    return agreements


def delete_certificate(config: Config, name: str) -> Agreements:
    """Delete trust/`name`.pem, if no P-Mode names it. Raises NotFound, ConfigError."""
    findings: list[str] = []
    certificates = _certificate_files(config, findings)
    if certificates.pop(name, None) is None:
        raise NotFound(f"there is no certificate {name}", fix=CERTIFICATES_LISTED)
    agreements = _agreements(config, _pmode_tables(config, findings), certificates, findings)
    _delete(config.trust / f"{name}.pem")
    return agreements


def _agreements(
    config: Config,
    tables_: PModeTables,
    files: CertificateFiles,
    findings: list[str],
    *,
    networks: NetworkTables | None = None,
    now: datetime | None = None,
) -> Agreements:
    """The whole, from what the folders hold or would hold. `findings` is what reading them came to already."""
    keys = _keys(config, findings)
    authorship = {name: _authorship(name, backend, findings) for name, backend in config.backends.items()}
    certificates = dict(_certificates(files, findings))
    found = networks if networks is not None else _network_tables(config, findings)
    known = _networks(config, found, findings)
    # A network that cannot be read is still a known one: one mistake, one finding.
    values = {name: pmode_values(known.get(name, Network(name=name))) for name in found}
    pmodes = tuple(_parsed(config, tables_, values, findings))
    at = now or datetime.now(UTC)
    trust = Trust(certificates)
    offline = read_offline(config.discovery.offline, known, trust, now=at)
    judgement = judge(
        pmodes=pmodes,
        certificates=certificates,
        keys=keys,
        networks=known,
        backends=authorship,
        default_backend=config.backend_of(None),
        signed_profiles=_signed_profiles(config),
        insecure_http=config.web.insecure_http,
        client_certificate=config.discovery.tls.certificate is not None,
        offline=[name for name, snapshots in offline.snapshots.items() if snapshots],
        now=at,
    )
    findings += judgement.mistakes
    if findings or keys is None:
        raise ConfigError(findings)
    return Agreements(
        pmodes=pmodes,
        keys=keys,
        trust=trust,
        authorship=authorship,
        networks=known,
        snapshots=offline.snapshots,
        lapsed=judgement.lapsed,
        warnings=(*judgement.warnings, *offline.warnings, *_open_files(config)),
    )


# --- reading ------------------------------------------------------------------------------------------------------


def _pmode_tables(config: Config, findings: list[str]) -> PModeTables:
    found: PModeTables = {}
    for path in _files(config.pmodes, "*.toml", findings):
        try:
            found[path.stem] = read_toml(path)
        except ConfigError as error:
            findings += [f"pmodes/{text}" for text in error.findings]
    return found


def _certificate_files(config: Config, findings: list[str]) -> CertificateFiles:
    found: CertificateFiles = {}
    for path in _files(config.trust, "*.pem", findings):
        try:
            found[path.stem] = path.read_bytes()
        except OSError as error:
            findings.append(f"trust/{path.name}: cannot be read ({reason(error)}); correct its owner or mode")
    return found


def _files(folder: Path, pattern: str, findings: list[str]) -> list[Path]:
    if not folder.is_dir():
        findings.append(
            f"{folder.name}/: there is no such folder at {folder}; make it, or name another in ehmi-ap.toml"
        )
        return []
    paths = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    findings += [f"{folder.name}/{path.name}: {_NAME_RULE}" for path in paths if not _NAME.fullmatch(path.stem)]
    return paths


def _network_tables(config: Config, findings: list[str]) -> NetworkTables:
    """Every network by name; an operator's own stands in the place of a shipped one."""
    folder = config.discovery.networks
    found: NetworkTables = dict(network_tables())
    for path in _files(folder, "*.toml", findings) if folder.is_dir() else []:
        try:
            found[path.stem] = read_toml(path)
        except ConfigError as error:
            findings += [f"networks/{text}" for text in error.findings]
            found[path.stem] = None
    return found


def _networks(config: Config, found: NetworkTables, findings: list[str]) -> dict[str, Network]:
    """Those that can be read."""
    networks: dict[str, Network] = {}
    for name, table in found.items():
        try:
            network = parse_network(name, table) if table is not None else None
        except ConfigError as error:
            findings += error.findings
            continue
        if network is not None and network.resolver == Resolver():
            network = replace(network, resolver=config.discovery.resolver)
        if network is not None:
            networks[name] = network
    return networks


def _parsed(
    config: Config, found: PModeTables, networks: Mapping[str, Mapping[str, object]], findings: list[str]
) -> Iterator[PMode]:
    profiles = config.profiles()
    for name, table in found.items():
        try:
            yield parse_pmode(name, table, us=config.party, profiles=profiles, networks=networks)
        except ConfigError as error:
            findings += error.findings


def _certificates(files: CertificateFiles, findings: list[str]) -> Iterator[tuple[str, list[Certificate]]]:
    for name, data in files.items():
        try:
            loaded = load_certificates(data)
        except XmlSecurityError as error:
            findings.append(f"trust/{name}.pem: {error}; put one or several PEM certificates there")
            loaded = []
        # A name whose file cannot be read is still a known name: one mistake, one finding.
        yield name, loaded


def _keys(config: Config, findings: list[str]) -> Keys | None:
    signing = _key_pair("[keys.signing]", config.keys.signing, findings)
    several = [_key_pair("[keys] decryption", file, findings) for file in config.keys.decryption]
    decryption = tuple(pair for pair in several if pair is not None)
    if signing is None or len(decryption) != len(several):
        return None
    return Keys(signing=signing, decryption=decryption or (signing,))


def _authorship(name: str, backend: BackendConfig, findings: list[str]) -> Authorship:
    """What the configuration says of a backend's signatures."""
    said = backend.signature
    if said is None:
        return Authorship(built_together=backend.built_together)
    place = f"[backends.{name}.signature.key]"
    key = _key_pair(place, said.key, findings) if said.key is not None else None
    return Authorship(demand=said.demand, trust=said.trust, subjects=said.subjects, policies=said.policies, key=key)


def _signed_profiles(config: Config) -> set[str]:
    return {name for name, profile in config.profiles().items() if profile.signed}


def _key_pair(place: str, file: KeyFile, findings: list[str]) -> KeyPair | None:
    try:
        data = file.file.read_bytes()
        if file.certificate is not None:
            data += b"\n" + file.certificate.read_bytes()
        password = file.password.read() if file.password else None
        return load_key_pairs(data, password)[0]
    except OSError as error:
        findings.append(f"{place}: {Path(str(error.filename)).name} cannot be read ({reason(error)}); correct its mode")
    except ConfigError as error:
        findings += [f"{place} password: {text}" for text in error.findings]
    except XmlSecurityError as error:
        findings.append(
            f"{place}: {file.file.name}: {error}; give a private key and the certificate that belongs to it"
        )
    return None


def _open_files(config: Config) -> Iterator[str]:
    """Secrets that others on this machine can read."""
    signatures = [each.signature for each in config.backends.values() if each.signature is not None]
    files = [config.keys.signing, *config.keys.decryption, *(each.key for each in signatures if each.key is not None)]
    paths = [each.file for each in files]
    ends = (config.as4.tls, config.internal.tls, config.web.tls, config.discovery.tls)
    paths += [tls.key for tls in ends if tls and tls.key]
    secrets: list[Secret | None] = [config.internal.admin_token, *(b.token for b in config.backends.values())]
    secrets += [each.password for each in files]
    paths += [secret.file for secret in secrets if secret and secret.file]
    for path in dict.fromkeys(paths):
        if path.exists() and path.stat().st_mode & _READABLE_BY_OTHERS:
            yield f"{path.name}: others on this machine may read it; `chmod 600 {path}`"


# --- writing ------------------------------------------------------------------------------------------------------

_NAME_RULE = "a name has letters, digits, dot, dash and underscore only, and begins with a letter or digit; rename it"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError([f"{name[:64]!r}: {_NAME_RULE}"])


def _write_certificate(config: Config, name: str, data: bytes) -> None:
    """Written anew from what is read in it, so that no private key beside a certificate reaches the folder."""
    pem = b"".join(certificate.x509.public_bytes(Encoding.PEM) for certificate in load_certificates(data))
    _write(config.trust / f"{name}.pem", pem, mode=0o644)


def _write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    try:
        write_atomically(path, (data,), mode=mode)
    except OSError as error:
        raise ConfigError(
            [f"{path.name}: cannot be written ({reason(error)}); correct the folder's owner or mode"]
        ) from None


def _delete(path: Path) -> None:
    try:
        path.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(
            [f"{path.name}: cannot be deleted ({reason(error)}); correct the folder's owner or mode"]
        ) from None
