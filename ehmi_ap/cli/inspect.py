"""`ehmi-ap inspect`: open a captured AS4 message and tell what is right and wrong with it."""

import argparse
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from mimetypes import guess_extension
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.arguments import moment
from ehmi_ap.cli.files import all_certificates, certificates, private_key, read
from ehmi_ap.cli.output import Exit, UsageError, note, print_json

if TYPE_CHECKING:
    from ehmi_ap.as4.findings import Findings
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.model import Payload

_EXIT = {
    "valid": Exit.OK,
    "invalid": Exit.FAILED,
    "undecided": Exit.UNDECIDED,
    "unreadable": Exit.UNREADABLE,
}


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "inspect",
        help="open a captured AS4 message",
        description="Opens a captured AS4 request or response: MIME with or without its HTTP headers, as it was on the "
        "wire (chunked, gzipped), or a bare SOAP envelope. Goes on as far as it can and reports each thing for itself.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the capture")
    parser.add_argument(
        "--key", type=Path, action="append", metavar="K", help="private key, PEM or PKCS#12 (repeatable)"
    )
    parser.add_argument(
        "--cert", type=Path, action="append", metavar="C", help="certificate, PEM or PKCS#12 (repeatable)"
    )
    parser.add_argument(
        "--trust", type=Path, action="append", metavar="T", help="CA to trust; without, nobody is judged"
    )
    parser.add_argument("--password", metavar="P", help="password of the keys and of PKCS#12 files")
    parser.add_argument("--at", type=moment, metavar="TIME", help="judge certificates at this time (default: now)")
    parser.add_argument(
        "--request", type=Path, metavar="FILE", help="the message this one answers; compares the receipt"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--extract", type=Path, metavar="DIR", help="write the payloads there, as they would be delivered"
    )
    parser.add_argument("--canonical", metavar="URI", help="print only the canonical bytes of this Reference's element")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 valid, 1 invalid, 2 undecided, 3 unreadable."""
    from ehmi_ap.as4.inspect import inspect

    keys = [private_key(path, args.password) for path in args.key or ()]
    own = [each for path in args.key or () for each in certificates(path, args.password)]
    findings = inspect(
        read(args.file),
        keys=keys,
        certificates=[*own, *all_certificates(args.cert, args.password)],
        trust=all_certificates(args.trust, args.password) if args.trust else None,
        at=args.at or datetime.now(UTC),
        request=read(args.request) if args.request else None,
    )
    if args.extract is not None:
        try:
            _extract(findings.payloads, args.extract)
        except OSError as error:  # 1 would say that the message is invalid
            raise UsageError(f"cannot write {error.filename or args.extract}: {error.strerror}") from None
    if args.canonical is not None:
        _print_canonical(findings, args.canonical)
    elif args.json:
        print_json(findings.to_json())
    else:
        from ehmi_ap.cli.tree import tree

        print(tree(findings.to_json()), end="")
    return _EXIT[findings.verdict]


def _extract(payloads: "Iterable[Payload]", folder: Path) -> None:
    """Write each payload to a file of its own; a Content-ID never leads out of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, payload in enumerate(payloads, 1):
        stem = re.sub(r"[^A-Za-z0-9@_-]+", "-", payload.content_id or "").strip("-")[:80]
        path = folder / f"{number}{f'-{stem}' if stem else ''}{_suffix(payload.mime_type)}"
        with path.open("wb") as file:
            for chunk in payload.body.chunks():
                file.write(chunk)
        note(f"wrote {path}")


def _suffix(mime_type: str) -> str:
    kind = mime_type.partition(";")[0].strip().lower()
    for word in ("xml", "json"):
        if re.search(rf"[/+]{word}$", kind):
            return f".{word}"
    return guess_extension(kind) or ".bin"


def _print_canonical(findings: "Findings", uri: str) -> None:
    """The bytes that were digested, as they are: for a diff with what the sender digested."""
    by_uri = {reference.uri: reference for reference in findings.signature.references}
    reference = by_uri.get(uri) or by_uri.get(f"#{uri}")
    if reference is None:
        known = ", ".join(by_uri) or "there is none"
        raise UsageError(f"no Reference has the URI {uri}", fix=f"The signature's References: {known}.")
    if reference.form is None:
        raise UsageError(f"{uri} is no element of the envelope that is there", fix="Payloads: use --extract.")
    sys.stdout.buffer.write(reference.form)
    sys.stdout.buffer.flush()
