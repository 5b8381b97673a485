"""`ehmi-ap list`: the messages the daemon knows, newest first."""

import argparse
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import moment, positive
from ehmi_ap.cli.daemon import add_daemon, connect
from ehmi_ap.cli.output import Exit, note, print_json, table

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

STATES = (
    "accepted",
    "sending",
    "acknowledged",
    "failed",
    "received",
    "delivering",
    "delivered",
    "undelivered",
    "answered",
)


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser("list", help="list messages, newest first")
    parser.add_argument("--direction", choices=("outbound", "inbound"), help="sent or received ones only")
    parser.add_argument("--state", choices=STATES, action="append", help="in this state (may be repeated)")
    parser.add_argument("--party", metavar="ID", help="PartyId of the partner")
    parser.add_argument("--participant", metavar="ID", help="original sender or final recipient")
    parser.add_argument("--conversation", metavar="ID", help="ConversationId")
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="not before this time (2026-11-23 or 2026-11-23T12:00:00Z)"
    )
    parser.add_argument("--limit", type=positive, default=50, metavar="N", help="at most N messages (default: 50)")
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table, or a JSON array of the messages as the REST describes them."""
    with connect(args) as client:
        found = client.messages(
            direction=args.direction,
            state=args.state or (),
            party=args.party,
            participant=args.participant,
            conversation=args.conversation,
            since=args.since,
            page=min(args.limit, 500),
        )
        messages = list(islice(found, args.limit))
    if args.json:
        print_json(messages)
    elif messages:
        _print_table(messages)
    else:
        note("no messages")
    return Exit.OK


def _print_table(messages: Iterable[dict[str, Any]]) -> None:
    rows = [("WHEN", "DIRECTION", "STATE", "PARTY", "MESSAGE ID")]
    for message in messages:
        when = str(message["first_at"])[:19].replace("T", " ")
        party = message["party"]["id"] or "-"  # not looked up yet
        rows.append((when, message["direction"], message["state"], party, message["message_id"]))
    for line in table(rows):
        print(line)
