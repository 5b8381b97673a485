"""`ehmi-ap smp`: judge a stored answer of an SMP, and tell what a look-up would make of it."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import moment
from ehmi_ap.cli.files import all_certificates, read
from ehmi_ap.cli.output import Exit, UsageError, print_json
from ehmi_ap.cli.tree import Node, draw
from ehmi_ap.errors import Misconfigured

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

_EXIT = {"usable": Exit.OK, "unusable": Exit.FAILED, "unreadable": Exit.UNREADABLE}
Json = Mapping[str, Any]


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "smp",
        help="judge a stored answer of an SMP",
        description="Reads what an SMP answered, of Peppol, OASIS SMP 1.0 or 2.0: service metadata, a redirect or a "
        "service group. Verifies its signature and tells which endpoint would be chosen and why no other. "
        "Asks nobody, so revocation is not looked at.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the answer, byte for byte")
    parser.add_argument("--participant", metavar="P", help="the participant that was asked for: [SCHEME::]VALUE")
    parser.add_argument("--document", metavar="D", help="the document that was asked for: [SCHEME::]VALUE")
    parser.add_argument(
        "--process", metavar="ID", help="choose for this process: [SCHEME::]VALUE (default: the first that has one)"
    )
    parser.add_argument(
        "--trust", type=Path, action="append", metavar="CA", help="CA of SMPs, or the signer (repeatable)"
    )
    parser.add_argument(
        "--at", type=moment, metavar="TIME", help="judge dates and certificates at this time (default: now)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 usable, 1 unusable, 3 unreadable."""
    from ehmi_ap.discovery.identifiers import read_identifier, read_participant
    from ehmi_ap.discovery.inspect import ANY_AS4, inspect

    try:
        participant = read_participant(args.participant, ANY_AS4.participant_scheme) if args.participant else None
    except Misconfigured as error:  # it is the argument that is wrong
        raise UsageError(error.what) from None
    findings = inspect(
        read(args.file),
        participant=participant,
        document=read_identifier(args.document, ANY_AS4.document_scheme) if args.document else None,
        process=read_identifier(args.process, ANY_AS4.process_scheme) if args.process else None,
        anchors=all_certificates(args.trust) if args.trust else None,
        at=args.at or datetime.now(UTC),
    )
    if args.json:
        print_json(findings.to_json())
    else:
        print(draw(_root(findings.to_json())), end="")
    return _EXIT[findings.verdict]


# -- the JSON, drawn for people


def _root(found: Json) -> Node:
    return Node(str(found["verdict"]), tuple(_sections(found)))


def _sections(found: Json) -> Iterator[Node]:
    if found["kind"]:
        names = [f"participant {found['participant']}"] if found["participant"] else []
        names += [f"document {each}" for each in found["documents"]]
        yield Node(f"{found['kind']}, {found['dialect']}", tuple(map(Node, names)))
        signer = f", by {found['signer']}" if found["signer"] else ""
        yield Node(f"signature   {found['signature']}{signer}")
        yield Node(f"trust       {found['trust']}", tuple(map(Node, found["chain"])))
    if found["endpoints"]:
        below = tuple(_endpoint(each, chosen=found["chosen"] is not None) for each in found["endpoints"])
        yield Node(f"endpoints   {len(below)}", below)
    if redirect := found["redirect"]:
        yield Node(f"redirect    {redirect['url']}", (Node(f"signer {redirect['signer'] or 'not named'}"),))
    if found["problems"]:
        yield Node(f"problems    {len(found['problems'])}", tuple(_problems(found["problems"])))


def _endpoint(endpoint: Json, *, chosen: bool) -> Node:
    """With the reason for which it was not chosen; `chosen`: one was, so what has no reason is so for its process."""
    dates = f"{endpoint['activates'] or 'ever'} to {endpoint['expires'] or 'ever'}"
    said = endpoint["why"] or endpoint["dropped"] or ("chosen" if chosen else None)
    return Node(
        f"{endpoint['transport_profile']}  {endpoint['url'] or '(no URL)'}",
        (
            *([Node(str(said))] if said else []),
            Node(f"process {endpoint['process'] or 'any'}"),
            Node(f"{'active' if endpoint['active'] else 'not active'}, {dates}"),
            *(Node(f"certificate {each['subject']}") for each in endpoint["certificates"]),
        ),
    )


def _problems(problems: Sequence[Json]) -> Iterator[Node]:
    for problem in problems:
        yield Node(problem["what"], (Node(f"fix: {problem['fix']}"),))
