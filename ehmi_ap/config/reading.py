"""ehmi-ap.toml into a Config: shape first (types, unknown keys), then what the settings mean together.

What a setting points at is read no further here than to see that it is there.
"""

import dataclasses
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ehmi_ap import gln, sor, tables
from ehmi_ap.config.settings import UNREGISTERED, BackendConfig, Config, Eds, Tls
from ehmi_ap.discovery.network import resolver_mistakes
from ehmi_ap.errors import ConfigError
from ehmi_ap.pmode import party_table
from ehmi_ap.profiles import RULES
from ehmi_ap.tables import Secret, reason

T = TypeVar("T")


def read_config(path: Path) -> Config:
    """Config.load, see there."""
    config, findings = examine(path)
    if findings or config is None:
        raise ConfigError(findings)
    return config


def examine(path: Path) -> tuple[Config | None, tuple[str, ...]]:
    """What the file says, where its shape allows to say it, and every mistake in it; for who wants to look further."""
    where, home = path.name, path.absolute().parent
    try:
        table = read_toml(path)
    except ConfigError as error:
        return None, error.findings
    findings = [f"{where}: home: is the folder of this file; leave it out"] if "home" in table else []
    try:
        config = tables.read(Config, {**_prepared(table), "home": str(home)}, where=where)
    except ConfigError as error:
        return None, (*findings, *(text.replace("[party] value", "[party] id") for text in error.findings))
    config = _absolute(config, home)
    findings += [f"{where}: {text}" for text in (*_contradictions(config), *_secrets(config), *_files(config))]
    return config, tuple(findings)


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError([f"{path.name}: there is none in {path.parent}; `ehmi-ap init DIR` writes one"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            [f"{path.name}: cannot be read ({reason(error)}); correct its owner, mode or encoding"]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path.name}: is not TOML: {error}"]) from None


def _prepared(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table in the shape of Config: a party's `id` is its value; what a backend has beyond ours are its options."""
    ready = dict(table)
    if isinstance(ready.get("party"), Mapping):
        ready["party"] = party_table(ready["party"], UNREGISTERED)
    if isinstance(ready.get("backends"), Mapping):
        ready["backends"] = {name: _backend(value) for name, value in ready["backends"].items()}
    return ready


def _backend(table: Any) -> Any:
    if not isinstance(table, Mapping):
        return table
    own = {key: value for key, value in table.items() if key in _OWN}
    return {**own, "options": {key: value for key, value in table.items() if key not in own}}


_OWN = {item.name for item in dataclasses.fields(BackendConfig)} - {"options"}


def _absolute(value: T, home: Path) -> T:
    """`value` with every path in it below `home`, unless it is absolute."""
    if isinstance(value, Path):
        return home / value.expanduser()
    if isinstance(value, tuple):
        return tuple(_absolute(item, home) for item in value)  # type: ignore[return-value]  # T is a tuple here
    if isinstance(value, Mapping):
        return {key: _absolute(item, home) for key, item in value.items()}  # type: ignore[return-value]  # T is a mapping
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {
            f.name: _absolute(getattr(value, f.name), home) for f in dataclasses.fields(value) if f.name != "options"
        }
        return dataclasses.replace(value, **changes)
    return value


def _contradictions(config: Config) -> Iterator[str]:
    """What every setting allows alone and all of them together do not."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", config.domain):
        yield "domain: has to be a host name like ap.example.org; it ends our MessageIds"
    if not config.as4.path.startswith("/"):
        yield "[as4] path: has to begin with /"
    yield from _listener("as4", config.as4.tls, open_=config.as4.insecure_http)
    if not config.as4.public_url.startswith(("https://", "http://") if config.as4.insecure_http else "https://"):
        yield "[as4] public_url: has to begin with https://; it is the address that partners are told"
    if config.as4.port and config.as4.port == config.internal.port:
        yield "[internal] port: is that of [as4]; the two listeners never share a port"
    local = _is_loopback(config.internal.host)
    yield from _listener("internal", config.internal.tls, open_=config.internal.insecure_http or local)
    if config.web.tls.client_ca is not None:
        yield "[web.tls] client_ca: is for listeners; whom we trust as a server is a P-Mode's tls_trust"
    if config.discovery.tls.client_ca is not None:
        yield "[discovery.tls] client_ca: is for listeners; whom we trust as an SMP's server is a network's tls_trust"
    yield from (f"[discovery.resolver] {text}" for text in resolver_mistakes(config.discovery.resolver))
    if config.eds is not None:
        yield from _eds(config.eds)
    names = ", ".join(config.backends)
    if config.default_backend is not None and config.default_backend not in config.backends:
        yield f"default_backend: there is no [backends.{config.default_backend}]; there is {names or 'none at all'}"
    if config.default_backend is None and len(config.backends) > 1:
        yield f"default_backend: several backends and no default; name one of {names}"
    for name, backend in config.backends.items():
        if backend.built_together and backend.signature is not None:
            yield f"[backends.{name}] built_together: means that nothing is signed; leave it out, or `signature`"
    for name in (*config.backends, *config.checks):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            yield f"[backends] or [checks] {name!r}: has to be of letters, digits, dot, dash and underscore"
    for rule in config.checks:
        if rule not in RULES:
            near = difflib.get_close_matches(rule, RULES, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(RULES)}"
            yield f"[checks] {rule}: is not a rule of any profile; {advice}"
    if config.retention.payload_days > config.retention.message_days:
        yield "[retention] message_days: has to be at least payload_days"


def _listener(name: str, tls: Tls | None, *, open_: bool) -> Iterator[str]:
    if tls is None and not open_:
        yield (
            f"[{name}] tls: is missing; add [{name}.tls] with certificate and key, or write insecure_http = true "
            "where a TLS terminator is in front or only tests connect"
        )
    if tls is not None and tls.certificate is None:
        yield f"[{name}.tls] certificate: is missing; name the PEM file of the server's certificate"


def _eds(eds: Eds) -> Iterator[str]:
    for key in ("base", "issuer"):
        if not _is_plain_https(getattr(eds, key)):
            yield f"[eds] {key}: has to be a URL that begins with https://, without user, query and fragment"
    if eds.tls.certificate is None:
        yield "[eds.tls] certificate: is missing; name the PEM file of the certificate that is enrolled"
    if eds.tls.client_ca is not None:
        yield "[eds.tls] client_ca: is for listeners"
    pairs = [(each.sor, each.gln) for each in eds.organisations]
    for number, (code, location) in enumerate(pairs):
        place = f"[eds] organisations #{number + 1}"
        if not sor.CODE.fullmatch(code):
            yield f"{place} sor: has to be the digits of a SOR code"
        if not gln.is_valid(location):
            yield f"{place} gln: has to be 13 digits, of which the last one is the check digit"
        if (code, location) in pairs[:number]:
            yield f"{place}: has the SOR code and GLN of another one; leave one out"


def _is_plain_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            url.startswith("https://")
            and bool(parts.hostname)
            and parts.port != 0
            and not re.search(r"[\s@?#]", url)
            and url.isascii()
        )
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secrets(config: Config) -> Iterator[str]:
    """Secrets that are not there, are in the TOML, or serve two."""
    seen: dict[str, str] = {}
    for place, secret in _secrets_in(config, ()):
        mistake = secret.mistake()
        if mistake is not None:
            yield f"{place}: {mistake}"
        elif place.endswith("token"):
            other = seen.setdefault(secret.read(), place)
            if other != place:
                yield f"{place}: is the same token as {other}; each needs its own"


def _secrets_in(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, Secret]]:
    if isinstance(value, Secret):
        yield tables.place(path), value
    elif dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            if item.name != "options":
                yield from _secrets_in(getattr(value, item.name), (*path, item.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets_in(item, (*path, key))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _secrets_in(item, (*path, number))


def _files(config: Config) -> Iterator[str]:
    """Files of TLS and of keys that are not there; what is in them is the business of who loads them."""
    for place, path in (
        *((f"[{name}.tls] {f.name}", getattr(tls, f.name)) for name, tls in _tls_tables(config) for f in _TLS_FILES),
        *((f"[keys.signing] {key}", getattr(config.keys.signing, key)) for key in ("file", "certificate")),
        *(
            (f"[backends.{name}.signature] key {key}", getattr(backend.signature.key, key))
            for name, backend in config.backends.items()
            if backend.signature is not None and backend.signature.key is not None
            for key in ("file", "certificate")
        ),
        *(
            (f"[keys] decryption {key}", getattr(k, key))
            for k in config.keys.decryption
            for key in ("file", "certificate")
        ),
    ):
        if path is not None and not path.is_file():
            yield f"{place}: there is no file {path}; correct the path or put the file there"


_TLS_FILES = [item for item in dataclasses.fields(Tls) if item.name in ("certificate", "key", "client_ca")]


def _tls_tables(config: Config) -> Iterator[tuple[str, Tls]]:
    own = (("as4", config.as4.tls), ("internal", config.internal.tls))
    eds = config.eds.tls if config.eds is not None else None
    calling = (("web", config.web.tls), ("discovery", config.discovery.tls), ("eds", eds))
    yield from ((name, tls) for name, tls in (*own, *calling) if tls is not None)
