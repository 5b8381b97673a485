"""`ehmi-ap demo`: send a patient's result from C1 to C4 through two access points that find each other."""

import argparse
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.output import Exit, UsageError, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "demo",
        help="send a message through two access points on this machine",
        description="Starts a DNS zone, an SMP, EDS and two complete access points with throw-away keys. Sends FILE "
        "(or a HomeCareObservation about an invented person) from C1 to C4, whose access point is looked up. Shows the "
        "way it went, with the track and trace of EDS. Needs no network.",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a StandardBusinessDocument (ehmiSBDH)")
    parser.add_argument("--document", action="store_true", help="print the demo's own document, and do nothing else")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="work in DIR, new or empty, and leave everything there; the servers end",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 only if C4 holds the byte-identical document, signed, C2 its receipt, and EDS the way."""
    document = _document(args.file)
    if args.document:
        sys.stdout.buffer.write(document)
        sys.stdout.buffer.flush()
        return Exit.OK
    with _home(args.keep) as home:
        import asyncio

        from ehmi_ap.demo import report
        from ehmi_ap.demo.exchange import exchange

        result = asyncio.run(exchange(document, Path(home)))
        if args.json:
            print_json(report.as_json(result, Path(home)))
        else:
            print(report.text(result, Path(home)), end="")
    return Exit.OK if result.ok else Exit.FAILED


def _document(file: Path | None) -> bytes:
    if file is None:
        from datetime import UTC, datetime
        from uuid import uuid4

        from ehmi_ap.demo.envelope import standard_business_document

        return standard_business_document(now=datetime.now(UTC).astimezone(), new_uuid=uuid4)
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


def _home(keep: Path | None) -> AbstractContextManager[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="ehmi-ap-demo-")
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"{keep} is not an empty folder", fix="Name a new or an empty folder with --keep.")
    keep.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(keep.resolve()))
