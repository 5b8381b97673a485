"""`ehmi-ap inspect`: open a captured AS4 message and tell what is right and wrong with it."""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from mimetypes import guess_extension
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ehmi_ap.body import CHUNK
from ehmi_ap.cli.arguments import moment
from ehmi_ap.cli.output import Advance, Exit, UsageError, note, print_json, progress

if TYPE_CHECKING:
    from ehmi_ap.as4.findings import Findings
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.crypto.certs import Certificate
    from ehmi_ap.crypto.keys import PrivateKey
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

    keys = [_private_key(path, args.password) for path in args.key or ()]
    own = [each for path in args.key or () for each in _certificates(path, args.password)]
    findings = inspect(
        _read(args.file),
        keys=keys,
        certificates=[*own, *_all_certificates(args.cert, args.password)],
        trust=_all_certificates(args.trust, args.password) if args.trust else None,
        at=args.at or datetime.now(UTC),
        request=_read(args.request) if args.request else None,
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


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file, progress(f"reading {path.name}", path.stat().st_size) as advance:
            return b"".join(_counted(file, advance))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _counted(file: BinaryIO, advance: Advance) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
        advance(len(chunk))


def _private_key(path: Path, password: str | None) -> "PrivateKey":
    from ehmi_ap.crypto.keys import load_key_pairs, load_private_key
    from ehmi_ap.errors import XmlSecurityError

    data = _read(path)
    try:
        if _is_pem(data):
            return load_private_key(data, password)
        return load_key_pairs(data, password)[0].private_key
    except XmlSecurityError as error:
        raise UsageError(
            f"{path}: {error.what}", fix="Give a private key as PEM or PKCS#12, with its --password."
        ) from None


def _all_certificates(paths: Iterable[Path] | None, password: str | None) -> list["Certificate"]:
    found = []
    for path in paths or ():
        certificates = _certificates(path, password)
        if not certificates:
            raise UsageError(f"{path}: there is no certificate in it")
        found += certificates
    return found


def _certificates(path: Path, password: str | None) -> list["Certificate"]:
    """The certificates of a PEM, DER or PKCS#12 file; none for a file that holds only a key."""
    from ehmi_ap.crypto.keys import load_certificates, load_key_pairs
    from ehmi_ap.errors import XmlSecurityError

    data = _read(path)
    if _is_pem(data) and b"CERTIFICATE-----" not in data:
        return []
    try:
        return load_certificates(data)
    except XmlSecurityError as error:
        found = error
    if not _is_pem(data):
        try:
            return list(load_key_pairs(data, password)[0].chain)
        except XmlSecurityError as error:
            found = error
    raise UsageError(f"{path}: {found.what}", fix="Give certificates as PEM, DER or PKCS#12, with its --password.")


def _is_pem(data: bytes) -> bool:
    return b"-----BEGIN " in data


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
