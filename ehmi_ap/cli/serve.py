"""`ehmi-ap serve`: run the access point until SIGTERM or Ctrl-C."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.arguments import add_config
from ehmi_ap.cli.daemon import load_config
from ehmi_ap.cli.output import Exit

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.server import Addresses


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser("serve", help="run the access point")
    add_config(parser)
    parser.add_argument(
        "--pid-file",
        type=Path,
        metavar="FILE",
        help="write the process id here once both ports listen; removed at the end",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Listen on both ports; returns 0 after SIGTERM, SIGINT."""
    from ehmi_ap.cli.logs import configure
    from ehmi_ap.server import run as run_server

    config = load_config(args.config)
    configure(config.log)
    ours = f"{os.getpid()}\n"

    def ready(_: "Addresses") -> None:
        if args.pid_file is not None:
            _write_whole(args.pid_file, ours)

    try:
        run_server(config, ready=ready)
    finally:
        # It may be another's: of the daemon whose port we could not have.
        if args.pid_file is not None and _holds(args.pid_file, ours):
            args.pid_file.unlink(missing_ok=True)
    return Exit.OK


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


def _write_whole(path: Path, text: str) -> None:
    """Write so that whoever sees the file sees all of it."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(text)
    temporary.replace(path)
