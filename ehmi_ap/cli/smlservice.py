"""What the parts of `ehmi-ap sml` share: where the management service is, which certificate to show, what is told.

A key's password and a migration key are never arguments, because other users of the machine can read arguments.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.files import all_certificates, read
from ehmi_ap.cli.output import Exit, UsageError, print_json
from ehmi_ap.errors import ConfigError

if TYPE_CHECKING:
    from ssl import SSLContext

    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.sml import Sml


def add_part(
    parts: "Subparsers", name: str, run: Callable[[argparse.Namespace], int], words: str
) -> argparse.ArgumentParser:
    """One part of `ehmi-ap sml`; `words` say what it does."""
    part = parts.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    _add_service(part)
    part.set_defaults(run=run)
    return part


def add_smp(part: argparse.ArgumentParser) -> None:
    """The argument that names an SMP."""
    part.add_argument("smp", metavar="SMP", help="the SMP's id")


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sml",
        metavar="URL",
        help="base URL of the management service, like https://HOST/edelivery-sml (default: $EHMI_AP_SML)",
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="PEM file with the SMP's certificate, its key and the CA certificates in between "
        "(default: $EHMI_AP_SML_CERTIFICATE)",
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="PEM file with the key, where it is another file")
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="file with the key's password (default: $EHMI_AP_SML_PASSWORD, else none)",
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="CA of the SML's server (default: the system's CAs)")
    parser.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="SECONDS", help="how long to wait for an answer (default: 60)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds up to 3600")
    return seconds


@contextmanager
def connected(args: argparse.Namespace) -> "Iterator[Sml]":
    """The service, while the block runs.

    Raises:
        UsageError: an argument is missing or wrong, or what is asked of the service cannot be sent.
        SmlError, TransportError: as the service does.
    """
    from ehmi_ap.sml import Sml, SmlInput

    url = args.sml or os.environ.get("EHMI_AP_SML")
    if not url:
        raise UsageError("no SML is named", fix="Name its management service with --sml URL or in $EHMI_AP_SML.")
    try:
        with Sml(url, _context(args), timeout=args.timeout) as sml:
            yield sml
    except SmlInput as mistake:
        raise UsageError(mistake.what, fix=mistake.fix) from mistake


def _context(args: argparse.Namespace) -> "SSLContext":
    from ehmi_ap.net.tls import client_context

    certificate = args.certificate or os.environ.get("EHMI_AP_SML_CERTIFICATE")
    if not certificate:
        raise UsageError(
            "no certificate is named", fix="Name the SMP's with --certificate FILE or in $EHMI_AP_SML_CERTIFICATE."
        )
    anchors = [each.der for each in all_certificates([args.ca] if args.ca else None)]
    try:
        return client_context(
            anchors=anchors, certificate=Path(certificate), key=args.key, password=_password(args.password_file)
        )
    except ConfigError as error:
        raise UsageError(
            str(error),
            fix="Give certificate and key as PEM; `openssl pkcs12 -in smp.p12 -out smp.pem` makes it of PKCS#12.",
        ) from error


def _password(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get("EHMI_AP_SML_PASSWORD")
    return read(path).decode("utf-8", errors="replace").split("\n", 1)[0].strip("\r")


def tell(args: argparse.Namespace, facts: dict[str, object], line: str) -> int:
    """Print what was done, for a program or a person; 0."""
    if args.json:
        print_json(facts)
    else:
        print(line)
    return Exit.OK
