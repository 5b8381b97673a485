"""`ehmi-ap doctor`: look a receiver up and go on, to the receipt for a test message; name the first link that broke."""

import argparse
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.files import all_certificates
from ehmi_ap.cli.lookup import tell, told
from ehmi_ap.cli.network import add_network
from ehmi_ap.cli.output import Exit, UsageError

if TYPE_CHECKING:
    from ssl import SSLContext

    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.cli.network import Scene
    from ehmi_ap.flows.doctor import Case, Us
    from ehmi_ap.pmode import PMode


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="find out why a receiver cannot be reached",
        description="Looks a receiver up and goes on from there: TLS to its access point, its published certificate, "
        "clocks, our own entry, and a message to its test service, signed and encrypted as real ones are. Names the "
        "first link that is broken, and what to do. Without a configuration, nothing is sent.",
    )
    add_network(parser)
    parser.add_argument("--own", metavar="PARTICIPANT", help="a participant of ours, whose entry is to name us")
    parser.add_argument(
        "--pmode", metavar="NAME", help="send the test message by this P-Mode (default: the network's one)"
    )
    parser.add_argument(
        "--endpoint-trust",
        type=Path,
        action="append",
        metavar="CA",
        help="CA of the endpoint's HTTPS server (default: the P-Mode's; repeatable)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 when no link is broken, 1 otherwise."""
    import asyncio

    from ehmi_ap.cli.network import scene
    from ehmi_ap.flows.doctor import diagnose

    async def look() -> int:
        async with _case(scene(args), args) as case:
            found = await diagnose(case)
        tell(told(found.outcome, found.steps, found.endpoint, found.problem), as_json=args.json)
        return Exit.OK if found.problem is None else Exit.FAILED

    return asyncio.run(look())


@asynccontextmanager
async def _case(scene: "Scene", args: argparse.Namespace) -> "AsyncIterator[Case]":
    from ehmi_ap.cli.network import documents, participant
    from ehmi_ap.config import Tls
    from ehmi_ap.flows.doctor import Case
    from ehmi_ap.net.dns import RecursiveDns
    from ehmi_ap.net.documents import WebDocuments
    from ehmi_ap.outward import calling

    pmode = _pmode(scene, args.pmode)
    tls = scene.config.web.tls if scene.config is not None else Tls()
    context = calling(tls, _anchors(scene, args, pmode), shown=True)
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(documents(scene))
        peers = await stack.enter_async_context(WebDocuments(context))
        yield Case(
            wanted=scene.wanted,
            network=scene.network,
            trust=scene.trust,
            dns=RecursiveDns(scene.network.resolver),
            documents=web,
            peers=peers,
            at=scene.at,
            now=_now,
            us=await _us(scene, pmode, context, stack),
            own=participant(args.own, scene.network) if args.own is not None else None,
        )


async def _us(scene: "Scene", pmode: "PMode | None", context: "SSLContext", stack: AsyncExitStack) -> "Us | None":
    """Our side, as the configuration has it; None: there is none."""
    import uuid

    from ehmi_ap.flows.doctor import Us
    from ehmi_ap.model import MessageId
    from ehmi_ap.net.http import PeerWeb

    config, agreements = scene.config, scene.agreements
    if config is None or agreements is None:
        return None
    web = PeerWeb(lambda _: context, connect_timeout=config.web.connect_timeout, allow_http=config.web.insecure_http)
    return Us(
        keys=agreements.keys,
        party=config.party,
        public_url=config.as4.public_url,
        pmode=pmode,
        web=await stack.enter_async_context(web),
        new_id=lambda: MessageId(f"{uuid.uuid4()}@{config.domain}"),
    )


def _pmode(scene: "Scene", named: str | None) -> "PMode | None":
    """The P-Mode that is sent by: the one that is named, else the network's, one for the document first."""
    if scene.agreements is None:
        if named is not None:
            raise UsageError("--pmode: there is no configuration that has P-Modes", fix="Name it with --config.")
        return None
    fitting = [each for each in scene.agreements.pmodes if each.network == scene.network.name]
    if named is not None:
        fitting = [each for each in fitting if each.name == named]
        if not fitting:
            raise UsageError(f'--pmode: no P-Mode {named} has `network = "{scene.network.name}"`')
    document = (scene.wanted.document.value, str(scene.wanted.document))
    return min(fitting, key=lambda each: not set(document) & set(each.actions), default=None)


def _anchors(scene: "Scene", args: argparse.Namespace, pmode: "PMode | None") -> tuple[bytes, ...]:
    """CAs of the endpoint's TLS (DER); none: the system's."""
    if args.endpoint_trust:
        return tuple(each.der for each in all_certificates(args.endpoint_trust))
    if pmode is None or pmode.tls_trust is None:
        return ()
    return tuple(each.der for each in scene.trust.anchors((pmode.tls_trust,)))


def _now() -> datetime:
    return datetime.now(UTC)
