"""`ehmi-ap show`: one message and everything that happened to it."""

import argparse
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import add_message
from ehmi_ap.cli.daemon import add_daemon, connect
from ehmi_ap.cli.edsqueue import told
from ehmi_ap.cli.output import Exit, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.client import Client


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser("show", help="show a message's timeline")
    add_message(parser)
    parser.add_argument("--receipt", type=Path, metavar="FILE", help="also write its receipt, as it was on the wire")
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the message and its events, oldest first; as JSON: {"message": ..., "events": [...], "reports": [...]}."""
    which = {"direction": args.direction, "party": args.party}
    with connect(args) as client:
        message = client.message(args.message_id, **which)
        events = client.events(args.message_id, **which)
        reports = _reports(client, args.message_id, events)
        if args.receipt is not None:
            args.receipt.write_bytes(client.receipt(args.message_id, **which))
    if args.json:
        print_json({"message": message, "events": events, "reports": reports})
    else:
        _print(message, events, {report["seq"]: told(report) for report in reports})
    return Exit.OK


def _reports(client: "Client", message_id: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What EDS is told of these events; none for who is not the administrator."""
    from ehmi_ap.client import ClientError

    seqs = {event["seq"] for event in events}
    try:
        return [report for report in client.reports(message_id=message_id) if report["seq"] in seqs]
    except ClientError as error:
        if error.status == HTTPStatus.FORBIDDEN:
            return []
        raise


def _print(message: dict[str, Any], events: list[dict[str, Any]], reports: Mapping[int, str]) -> None:
    facts = (
        ("message", message["message_id"]),
        ("state", f"{message['state']} ({message['direction']})"),
        ("from", message["from"]["id"]),
        ("to", message["to"]["id"] or "(not looked up yet)"),
        ("service", message["service"]["value"]),
        ("action", message["action"]),
        ("conversation", message["conversation_id"]),
        ("P-Mode", message["pmode"]),
        ("backend", message["backend"]),
        ("payloads", ", ".join(f"{part['mime_type']} {part['size']} B" for part in message["payloads"])),
        ("receipt", "stored" if message["has_receipt"] else "none"),
        ("due", message["due"] or ""),
        ("answers", message["answers"] or ""),
        *(("answered by", _answer(answer)) for answer in message["answered_by"]),
    )
    for name, value in facts:
        if value:
            print(f"{name:13}{value}")
    print()
    for event in events:
        print(_line(event))
        if event["seq"] in reports:
            print(f"{'':25}{reports[event['seq']]}")


def _answer(answer: dict[str, Any]) -> str:
    said = {True: ", positive", False: ", negative", None: ""}[answer["positive"]]
    return f"{answer['kind']}{said}: {answer['message_id']}"


def _line(event: dict[str, Any]) -> str:
    when = str(event["at"])[:23].replace("T", " ")
    what = f"{event['kind']}{' failed' if event['failed'] else ''}"
    return "  ".join(
        part for part in (f"{when:23}", f"{what:16}", event["code"] or "", event["detail"]) if part
    ).rstrip()
