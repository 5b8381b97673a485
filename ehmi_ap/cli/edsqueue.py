"""`ehmi-ap eds`, what EDS does not have: shown, told at once, or given up."""

import argparse
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import positive
from ehmi_ap.cli.daemon import add_daemon, connect
from ehmi_ap.cli.output import Exit, UsageError, note, print_json, table

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

Json = Mapping[str, Any]

_STATES = ("waiting", "parked", "taken", "dropped")
_OPEN = ("waiting", "parked")
_SEQ = "the event, by its number in `eds queue`"
_HEAD = ("SEQ", "WHEN", "EVENT", "STATE", "WHY", "SOR/GLN", "MESSAGE ID")
_TOLD = {
    "waiting": "EDS does not have it yet",
    "parked": "EDS does not have it, parked since {when}",
    "taken": "EDS has it since {when}",
    "dropped": "EDS is never told, dropped at {when}",
}


def add(parts: "Subparsers") -> None:
    """Register these parts of the command."""
    _add_queue(parts)
    retry = parts.add_parser(
        "retry",
        help="have EDS told at once what is parked or waits",
        description="Parked events wait again, and EDS is asked at once, whatever hindered before. For after something "
        "was mended, here or there. Needs the administrator's token.",
    )
    retry.add_argument("seq", nargs="*", type=positive, metavar="SEQ", help=_SEQ)
    retry.add_argument("--all", action="store_true", help="everything that is parked or waits")
    add_daemon(retry)
    retry.set_defaults(run=run_retry)
    _add_drop(parts)


def _add_queue(parts: "Subparsers") -> None:
    queue = parts.add_parser(
        "queue",
        help="list what EDS was not told yet",
        description="Lists the events that EDS does not have yet, in the order in which they happened: those that wait "
        "to be told, and those that are parked, because EDS refused them or they cannot be made. Needs the "
        "administrator's token.",
    )
    queue.add_argument(
        "--state", choices=_STATES, action="append", help="in this state (may be repeated; default: waiting, parked)"
    )
    queue.add_argument("--message", metavar="ID", help="of the message with this MessageId")
    queue.add_argument("--limit", type=positive, default=50, metavar="N", help="at most N events (default: 50)")
    add_daemon(queue)
    queue.set_defaults(run=run_queue)


def _add_drop(parts: "Subparsers") -> None:
    drop = parts.add_parser(
        "drop",
        help="give an event up for good: EDS is never told",
        description="Gives an event up that is parked or waits, for good: EDS is not told any more, and this cannot be "
        "taken back. The message is none the worse for it. Needs the administrator's token.",
    )
    drop.add_argument("seq", type=positive, metavar="SEQ", help=_SEQ)
    drop.add_argument(
        "--reason", required=True, metavar="TEXT", help="why, for who looks at it later; name no patient in it"
    )
    add_daemon(drop)
    drop.set_defaults(run=run_drop)


def run_queue(args: argparse.Namespace) -> int:
    """Print a table and what hinders, or a JSON array of the reports as the REST describes them."""
    with connect(args) as client:
        states = args.state or _OPEN
        found = client.reports(state=states, message_id=args.message, page=min(args.limit + 1, 500))
        *reports, more = (*islice(found, args.limit), next(found, None))
        trouble = client.health().get("delivery_status", ())
    if args.json:
        print_json(reports)
    elif reports:
        _print(reports)
    else:
        note("no reports")
    if more is not None:
        note("there are more: --limit")
    for what in trouble:
        note(f"not told at present: {what}")
    return Exit.OK


def run_retry(args: argparse.Namespace) -> int:
    """Returns 0 when they wait; `queue` shows what becomes of them. The first that cannot be told ends it."""
    if bool(args.seq) == args.all:
        raise UsageError("which events is not said, or said twice", fix="Name their numbers, or give --all.")
    with connect(args) as client:
        one_by_one = [client.retry_report(seq) for seq in dict.fromkeys(args.seq)]
        retried = client.retry_reports() if args.all else len(one_by_one)
    if args.json:
        print_json({"retried": retried})
    else:
        print(f"told at once: {retried}")
        note("`ehmi-ap eds queue` lists what EDS does not take")
    return Exit.OK


def run_drop(args: argparse.Namespace) -> int:
    """Returns 0 when EDS will never be told of it."""
    with connect(args) as client:
        report = client.drop_report(args.seq, args.reason)
    if args.json:
        print_json(report)
    else:
        print(f"{report['seq']}  dropped for good: EDS is not told {report['kind']} of {report['message_id']}")
    return Exit.OK


def told(report: Json) -> str:
    """Whether EDS has the event of this report, for who looks at the message."""
    said = _TOLD[report["state"]].format(when=_when(report["changed_at"]))
    if report["state"] == "taken":
        more = report["reference"]
    else:
        more = f"{report['what'].removesuffix('.')}. {report['fix']}".rstrip() if report["what"] else ""
    return f"{said}: {more}" if more else said


def _print(reports: Sequence[Json]) -> None:
    """What hinders several stands once, below all."""
    whys = list(dict.fromkeys((report["what"], report["fix"]) for report in reports if report["what"]))
    numbers = {why: str(number) for number, why in enumerate(whys, 1)}
    for line in table([_HEAD, *(_row(report, numbers) for report in reports)]):
        print(line)
    for (what, fix), number in numbers.items():
        print(f"\n{number}  {what}")
        if fix:
            print(f"{'':{len(number)}}  fix: {fix}")


def _row(report: Json, numbers: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    organisation = report["organisation"]
    return (
        str(report["seq"]),
        _when(report["at"]),
        f"{report['kind']}{' failed' if report['failed'] else ''}",
        report["state"],
        numbers.get((report["what"], report["fix"]), "-"),
        f"{organisation['sor'] or '-'}/{organisation['gln'] or '-'}",
        report["message_id"],
    )


def _when(moment: str) -> str:
    return str(moment)[:19].replace("T", " ")
