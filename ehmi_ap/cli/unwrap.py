"""`ehmi-ap unwrap`: take the document out of an ehmiSBDH envelope."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.files import read
from ehmi_ap.cli.output import Exit

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "unwrap",
        help="take the document out of an envelope",
        description="Writes the document in FILE, an ehmiSBDH, to stdout, byte for byte: a FHIR message, or the signal "
        "of a receipt. It is not judged; `ehmi-ap sbdh` does that.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the envelope")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0, the document is on stdout; 1, it is no right envelope."""
    from ehmi_ap.ehmi.unwrap import unwrap

    sys.stdout.buffer.write(unwrap(read(args.file)).content)
    sys.stdout.buffer.flush()
    return Exit.OK
