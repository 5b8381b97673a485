"""`ehmi-ap sbdh`: judge an envelope as a message service handler does, and name every finding."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.files import read
from ehmi_ap.cli.output import Exit, print_json
from ehmi_ap.cli.tree import Node, draw

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

_EXIT = {"ok": Exit.OK, "warn": Exit.OK, "reject": Exit.FAILED}


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "sbdh",
        help="judge an ehmiSBDH envelope",
        description="Judges FILE by every rule of ehmiSBDH, those for message service handlers too: it opens the "
        "document. Shows neither the document nor a patient's number.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the envelope")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 ok or warn, 1 reject, 3 unreadable."""
    from ehmi_ap.body import MemoryBody
    from ehmi_ap.ehmi.judge import judge

    judgement = judge(MemoryBody(read(args.file)))
    found = judgement.to_json()
    if args.json:
        print_json(found)
    else:
        print(draw(_root(found)), end="")
    return _EXIT[judgement.verdict] if judgement.readable else Exit.UNREADABLE


def _root(found: Mapping[str, Any]) -> Node:
    findings = tuple(_finding(each) for each in found["findings"])
    kind = (Node(f"kind        {found['kind']}"),) if found["kind"] else ()
    return Node(found["verdict"], (*kind, *((Node(f"findings    {len(findings)}", findings),) if findings else ())))


def _finding(finding: Mapping[str, str]) -> Node:
    place = (Node(f"at {finding['path']}"),) if finding["path"] else ()
    return Node(f"{finding['rule']} {finding['level']}: {finding['what']}", (*place, Node(f"fix: {finding['fix']}")))
