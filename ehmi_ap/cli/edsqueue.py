"""`ehmi-ap eds`, what EDS does not have: the queue shown."""

import argparse
from collections.abc import Iterable, Mapping
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import positive
from ehmi_ap.cli.daemon import add_daemon, connect
from ehmi_ap.cli.output import Exit, note, print_json, table

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

Json = Mapping[str, Any]

_STATES = ("waiting", "parked", "taken", "dropped")
_OPEN = ("waiting", "parked")
_HEAD = ("SEQ", "WHEN", "EVENT", "STATE", "SOR/GLN", "MESSAGE ID")
_TOLD = {
    "waiting": "EDS does not have it yet",
    "parked": "EDS does not have it, parked since {when}",
    "taken": "EDS has it since {when}",
    "dropped": "EDS is never told, dropped at {when}",
}
_INDENT = " " * 4


def add(parts: "Subparsers") -> None:
    """Register these parts of the command."""
    queue = parts.add_parser(
        "queue",
        help="list what EDS was not told yet",
        description="Lists the events that EDS does not have yet, in the order in which they happened: those that wait "
        "to be told, and those that are parked, because EDS refused them. Needs the administrator's token.",
    )
    queue.add_argument(
        "--state", choices=_STATES, action="append", help="in this state (may be repeated; default: waiting, parked)"
    )
    queue.add_argument("--message", metavar="ID", help="of the message with this MessageId")
    queue.add_argument("--limit", type=positive, default=50, metavar="N", help="at most N events (default: 50)")
    add_daemon(queue)
    queue.set_defaults(run=run_queue)


def run_queue(args: argparse.Namespace) -> int:
    """Print a table with what hinders below, or a JSON array of the reports as the REST describes them."""
    with connect(args) as client:
        states = args.state or _OPEN
        found = client.reports(state=states, message_id=args.message, page=min(args.limit + 1, 500))
        *reports, more = (*islice(found, args.limit), next(found, None))
    if args.json:
        print_json(reports)
    elif reports:
        _print(reports)
    else:
        note("no reports")
    if more is not None:
        note("there are more: --limit")
    return Exit.OK


def told(report: Json) -> str:
    """Whether EDS has the event of this report, for who looks at the message."""
    said = _TOLD[report["state"]].format(when=_when(report["changed_at"]))
    if report["state"] == "taken":
        more = report["reference"]
    else:
        more = f"{report['what'].removesuffix('.')}. {report['fix']}".rstrip() if report["what"] else ""
    return f"{said}: {more}" if more else said


def _print(reports: Iterable[Json]) -> None:
    """What hinders several in a row stands once, below the last of them."""
    rows: list[tuple[str, ...]] = [_HEAD]
    below: dict[int, tuple[str, ...]] = {}
    for (what, fix), alike in groupby(reports, key=lambda report: (report["what"], report["fix"])):
        rows += map(_row, alike)
        below[len(rows) - 1] = tuple(text for text in (what, f"fix: {fix}" if fix else "") if text)
    for number, line in enumerate(table(rows)):
        print(line)
        for text in below.get(number, ()):
            print(_INDENT + text)


def _row(report: Json) -> tuple[str, ...]:
    organisation = report["organisation"]
    return (
        str(report["seq"]),
        _when(report["at"]),
        f"{report['kind']}{' failed' if report['failed'] else ''}",
        report["state"],
        f"{organisation['sor'] or '-'}/{organisation['gln'] or '-'}",
        report["message_id"],
    )


def _when(moment: str) -> str:
    return str(moment)[:19].replace("T", " ")
