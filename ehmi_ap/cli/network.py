"""The network that arguments name: its rules, whom it trusts, what is looked up in it, and how it is asked.

With a configuration, its networks/, trust/ and [discovery] count; without one, the network that ships or a file, and
what `--trust` names. What an argument says stands in the place of what the network says.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.arguments import DEFAULT_CONFIG, add_config, moment
from ehmi_ap.cli.daemon import load_config
from ehmi_ap.cli.files import all_certificates
from ehmi_ap.cli.output import UsageError
from ehmi_ap.errors import Misconfigured, TokenNotFound

if TYPE_CHECKING:
    from ehmi_ap.config import Agreements, Config
    from ehmi_ap.crypto.keys import Trust
    from ehmi_ap.discovery.found import Identifier, Wanted
    from ehmi_ap.discovery.network import Network
    from ehmi_ap.model import Participant
    from ehmi_ap.net.documents import WebDocuments

_GIVEN = "given"
"""The name that certificates of `--trust` have among those of trust/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is asked for and where. `config` and `agreements` are None without a configuration."""

    wanted: "Wanted"
    network: "Network"
    trust: "Trust"
    at: datetime
    tls_anchors: tuple[bytes, ...]  # DER; of the SMP's TLS server, none: the system's CAs
    client_certificate: Path | None
    config: "Config | None" = None
    agreements: "Agreements | None" = None


def add_network(parser: argparse.ArgumentParser) -> None:
    """What a command needs that looks a receiver up."""
    parser.add_argument("participant", metavar="PARTICIPANT", help="the receiver: [SCHEME::]VALUE, like 0088:GLN")
    parser.add_argument("document", metavar="DOCUMENTID", help="the document's identifier, whole; it may contain ::")
    parser.add_argument("process", metavar="PROCESSID", help="the process's identifier, whole; it may contain ::")
    parser.add_argument(
        "--network",
        required=True,
        metavar="NETWORK",
        help="a network of the configuration, one that ships (ehmi, nemhandel, peppol, eu), or a file NAME.toml",
    )
    parser.add_argument("--document-scheme", metavar="S", help="scheme of DOCUMENTID (default: the network's)")
    parser.add_argument("--process-scheme", metavar="S", help="scheme of PROCESSID (default: the network's)")
    parser.add_argument(
        "--resolver", action="append", metavar="HOST:PORT", help="a DNS server in place of the network's (repeatable)"
    )
    parser.add_argument(
        "--trust",
        type=Path,
        action="append",
        metavar="CA",
        help="CA of SMPs and access points, in place of those that the network names (repeatable)",
    )
    parser.add_argument(
        "--tls-trust", type=Path, action="append", metavar="CA", help="CA of the SMP's HTTPS server (repeatable)"
    )
    parser.add_argument(
        "--client-certificate", type=Path, metavar="PEM", help="certificate and key to show to the SMP (mutual TLS)"
    )
    parser.add_argument(
        "--at", type=moment, metavar="TIME", help="judge dates and certificates at this time (default: now)"
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def scene(args: argparse.Namespace) -> Scene:
    """Read all that the arguments name.

    Raises:
        UsageError: an argument is wrong, or names a file that is not there.
        ConfigError: the configuration, or the network's file, has mistakes.
    """
    from ehmi_ap.config import load_agreements

    config = _config(args)
    agreements = load_agreements(config) if config is not None else None
    network = _changed(_network(args.network, config, agreements), args)
    trust = _trust(args, agreements)
    return Scene(
        wanted=_wanted(args, network),
        network=network,
        trust=trust,
        at=args.at or datetime.now(UTC),
        tls_anchors=_tls_anchors(args, network, trust),
        client_certificate=args.client_certificate,
        config=config,
        agreements=agreements,
    )


@asynccontextmanager
async def documents(scene: Scene) -> "AsyncIterator[WebDocuments]":
    """HTTP to the network's SMPs. Raises ConfigError for TLS files that cannot be read."""
    from ehmi_ap.config import Tls
    from ehmi_ap.net.documents import WebDocuments
    from ehmi_ap.outward import calling

    tls = scene.config.discovery.tls if scene.config is not None else Tls()
    shown = scene.network.publishers.client_certificate
    if scene.client_certificate is not None:
        tls, shown = replace(tls, certificate=scene.client_certificate, key=None, key_password=None), True
    async with WebDocuments(calling(tls, scene.tls_anchors, shown=shown)) as found:
        yield found


def participant(text: str, network: "Network") -> "Participant":
    """Raises UsageError: it is no identifier."""
    from ehmi_ap.discovery.identifiers import read_participant

    try:
        return read_participant(text, network.participant_scheme)
    except Misconfigured as error:  # it is the argument that is wrong
        raise UsageError(error.what, fix=error.fix) from None


def _config(args: argparse.Namespace) -> "Config | None":
    """None: none was named, and there is none at its usual place."""
    if args.config == Path(DEFAULT_CONFIG) and not args.config.is_file():
        return None
    return load_config(args.config)


def _network(named: str, config: "Config | None", agreements: "Agreements | None") -> "Network":
    from ehmi_ap.config import network_tables
    from ehmi_ap.discovery.network import Resolver, parse_network

    if named.endswith(".toml"):
        network = _network_in(Path(named))
        if config is not None and network.resolver == Resolver():
            network = replace(network, resolver=config.discovery.resolver)
        return network
    shipped = network_tables() if agreements is None else {}
    known = (
        agreements.networks
        if agreements is not None
        else {each: parse_network(each, shipped[each]) for each in shipped}
    )
    if named not in known:
        raise UsageError(
            f"there is no network {named}", fix=f"Name a file NAME.toml, or one of {', '.join(sorted(known))}."
        )
    return known[named]


def _network_in(path: Path) -> "Network":
    from ehmi_ap.config.reading import read_toml
    from ehmi_ap.discovery.network import parse_network

    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix="Name a network's file, or a network by its name.")
    return parse_network(path.stem, read_toml(path))


def _changed(network: "Network", args: argparse.Namespace) -> "Network":
    """The network as the arguments want it."""
    from ehmi_ap.discovery.network import resolver_mistakes

    if args.resolver:
        network = replace(network, resolver=replace(network.resolver, servers=tuple(args.resolver)))
        for mistake in resolver_mistakes(network.resolver):
            raise UsageError(f"--resolver: {mistake}")
    if args.trust:
        network = replace(
            network,
            publishers=replace(network.publishers, trust=(_GIVEN,)),
            receivers=replace(network.receivers, trust=(_GIVEN,)),
        )
    if args.document_scheme is not None:
        network = replace(network, document_scheme=args.document_scheme or None)
    if args.process_scheme is not None:
        network = replace(network, process_scheme=args.process_scheme or None)
    return network


def _trust(args: argparse.Namespace, agreements: "Agreements | None") -> "Trust":
    from ehmi_ap.crypto.keys import Trust

    known = agreements.trust if agreements is not None else Trust({})
    if not args.trust:
        return known
    return Trust({**{name: known.anchors([name]) for name in known.names}, _GIVEN: all_certificates(args.trust)})


def _wanted(args: argparse.Namespace, network: "Network") -> "Wanted":
    """A scheme that an argument names is not looked for in the identifier."""
    from ehmi_ap.discovery.found import Wanted

    try:
        return Wanted(
            participant=participant(args.participant, network),
            document=_identifier(args.document, network.document_scheme, whole=args.document_scheme is not None),
            process=_identifier(args.process, network.process_scheme, whole=args.process_scheme is not None),
        )
    except Misconfigured as error:  # it is the argument that is wrong
        raise UsageError(error.what, fix=error.fix) from None


def _identifier(text: str, scheme: str | None, *, whole: bool) -> "Identifier":
    from ehmi_ap.discovery.found import Identifier
    from ehmi_ap.discovery.identifiers import read_identifier

    return Identifier(text, scheme) if whole and text else read_identifier(text, scheme)


def _tls_anchors(args: argparse.Namespace, network: "Network", trust: "Trust") -> tuple[bytes, ...]:
    name = network.publishers.tls_trust
    if args.tls_trust:
        return tuple(each.der for each in all_certificates(args.tls_trust))
    try:
        return tuple(each.der for each in trust.anchors((name,))) if name is not None else ()
    except TokenNotFound:
        raise UsageError(
            f"the CA of the SMP's HTTPS server, which the network calls {name}, is not there",
            fix="Name it with --tls-trust, or a configuration that has it with --config.",
        ) from None
