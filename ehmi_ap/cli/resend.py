"""`ehmi-ap resend`: open a failed or undelivered message again."""

import argparse
from typing import TYPE_CHECKING

from ehmi_ap.cli.arguments import add_message
from ehmi_ap.cli.daemon import add_daemon, connect
from ehmi_ap.cli.output import Exit, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "resend",
        help="send or deliver a message that was given up again",
        description="Sends again what failed, with the same MessageId and the same signed bytes; "
        "delivers again what C4 did not take.",
    )
    add_message(parser)
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 when the message is open again; its way can be followed with `show`."""
    with connect(args) as client:
        client.resend(args.message_id, direction=args.direction, party=args.party)
        message = client.message(args.message_id, direction=args.direction, party=args.party)
    if args.json:
        print_json(message)
    else:
        print(f"{args.message_id}  {message['state']}")
    return Exit.OK
