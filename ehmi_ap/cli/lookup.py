"""`ehmi-ap lookup`: where a receiver is, with every step on the way and its evidence."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.network import add_network
from ehmi_ap.cli.output import Exit, print_json
from ehmi_ap.cli.tree import Node, draw

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.cli.network import Scene
    from ehmi_ap.discovery.found import Endpoint, Result, Step
    from ehmi_ap.errors import DiscoveryError

Json = Mapping[str, Any]


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "lookup",
        help="look a receiver up",
        description="Looks a receiver up as sending does, by DNS and SMP, and tells each step with its evidence; where "
        "it fails, which link broke and what to do. Nothing is remembered, and nothing is taken from memory.",
    )
    add_network(parser)
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="write the metadata as its SMP signed it, for [discovery] offline"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 found, 1 otherwise."""
    import asyncio

    from ehmi_ap.cli.network import scene
    from ehmi_ap.discovery.found import Found

    result = asyncio.run(_look(scene(args)))
    if isinstance(result, Found) and args.save is not None:
        args.save.write_bytes(result.metadata)
    told = result_json(result)
    tell(told, as_json=args.json)
    return Exit.OK if told["problem"] is None else Exit.FAILED


async def _look(scene: "Scene") -> "Result":
    from ehmi_ap.cli.network import documents
    from ehmi_ap.discovery.lookup import lookup
    from ehmi_ap.flows.ask import ask
    from ehmi_ap.net.dns import RecursiveDns

    async with documents(scene) as web:
        conversation = lookup(scene.wanted, scene.network, scene.trust, now=scene.at)
        return await ask(conversation, RecursiveDns(scene.network.resolver), web)


# -- as JSON


def result_json(result: "Result") -> Json:
    """What a look-up came to (docs/reference/cli.md)."""
    from ehmi_ap.discovery.found import FOUND, Found

    if isinstance(result, Found):
        return told(FOUND, result.steps, result.endpoint, None)
    return told(result.error.outcome, result.steps, None, result.error)


def told(outcome: str, steps: "Sequence[Step]", endpoint: "Endpoint | None", problem: "DiscoveryError | None") -> Json:
    """The JSON of `lookup` and `doctor`."""
    return {
        "outcome": outcome,
        "steps": [
            {"what": each.what, "evidence": each.evidence, "ok": each.ok, "warning": each.warning} for each in steps
        ],
        "endpoint": None if endpoint is None else _endpoint(endpoint),
        "problem": problem and {"reason": problem.reason, "what": problem.what, "fix": problem.fix},
    }


def _endpoint(endpoint: "Endpoint") -> Json:
    """`expires` is when it may no longer be sent to: the endpoint's own end, or that of its certificate."""
    ends = [end for end in (endpoint.expires, endpoint.encryption.not_after) if end is not None]
    return {
        "url": endpoint.url,
        "transport_profile": endpoint.transport_profile,
        "certificate_sha256": endpoint.encryption.sha256,
        "expires": f"{min(ends):%Y-%m-%dT%H:%M:%SZ}",
    }


# -- for people


def tell(found: Json, *, as_json: bool) -> None:
    """Print it."""
    if as_json:
        print_json(found)
    else:
        print(draw(Node(str(found["outcome"]), tuple(_nodes(found)))), end="")


def _nodes(found: Json) -> Sequence[Node]:
    nodes = [Node(f"{_mark(step)}{step['what']}", (Node(step["evidence"]),)) for step in found["steps"]]
    if endpoint := found["endpoint"]:
        facts = (
            f"over {endpoint['transport_profile']}, until {endpoint['expires']}",
            f"certificate SHA-256 {endpoint['certificate_sha256']}",
        )
        nodes.append(Node(f"endpoint   {endpoint['url']}", tuple(map(Node, facts))))
    if problem := found["problem"]:
        nodes.append(Node(f"problem    {problem['what']}", (Node(f"fix: {problem['fix']}"),)))
    return nodes


def _mark(step: Json) -> str:
    return f"{'look at' if step['warning'] else 'ok' if step['ok'] else 'broken':11}"
