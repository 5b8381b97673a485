"""`ehmi-ap jws`: sign a payload for an access point, or judge the signature of one that it gave."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.arguments import moment
from ehmi_ap.cli.files import all_certificates, key_pair, read
from ehmi_ap.cli.output import Exit, UsageError, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

MESSAGE = "message.json"
"""What lies beside the payloads that a directory backend delivers."""


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "jws",
        help="sign a payload, or judge the signature of one",
        description="With --sign, print a detached JWS over FILE, as an access point takes it beside the payload. With "
        "--trust, judge the JWS of FILE: FILE.jws, or what the message.json in its folder has for it. Exit 0: it is "
        "right; 1: it is not.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the payload")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--sign", type=Path, metavar="KEY", help="key with its certificate, PEM or PKCS#12, to sign with")
    what.add_argument(
        "--trust", type=Path, action="append", metavar="FILE", help="who may have signed: CAs or certificates"
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password of KEY")
    parser.add_argument("--jws", type=Path, metavar="FILE", help="file with the JWS to judge")
    parser.add_argument("--subject", action="append", metavar="NAME", help="distinguished name that may have signed")
    parser.add_argument("--policy", action="append", metavar="OID", help="certificate policy that the signer must have")
    parser.add_argument("--at", type=moment, metavar="TIME", help="judge at this time (default: now)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Returns 0 signed or right, 1 wrong."""
    return _judge(args) if args.sign is None else _sign(args)


def _sign(args: argparse.Namespace) -> int:
    from ehmi_ap.crypto import jws
    from ehmi_ap.errors import XmlSecurityError

    pair = key_pair(args.sign, args.password_file)
    try:
        text = jws.make(_digest(args.file), pair)
    except XmlSecurityError as error:
        raise UsageError(f"{args.sign}: {error.what}", fix="Sign with RSA, or EC on P-256 or P-384.") from None
    print_json({"jws": text}) if args.json else print(text)
    return Exit.OK


def _judge(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from ehmi_ap.crypto import jws
    from ehmi_ap.crypto.signers import Signers
    from ehmi_ap.errors import XmlSecurityError

    signers = Signers(
        anchors=tuple(all_certificates(args.trust)),
        subjects=tuple(args.subject or ()),
        policies=tuple(args.policy or ()),
    )
    text, digest = _signature(args), _digest(args.file)
    try:
        signer = jws.verify(text, digest, signers, now=args.at or datetime.now(UTC))
    except XmlSecurityError as error:
        print_json({"right": False, "why": error.what}) if args.json else print(f"wrong: {error.what}")
        return Exit.FAILED
    if args.json:
        print_json({"right": True, "signer": signer.subject, "sha256": signer.sha256})
    else:
        print(f"signed by {signer.subject}")
    return Exit.OK


def _digest(path: Path) -> bytes:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _signature(args: argparse.Namespace) -> str:
    beside = args.jws or args.file.with_name(args.file.name + ".jws")
    message = args.file.with_name(MESSAGE)
    if args.jws is not None or beside.is_file():
        return read(beside).decode("ascii", "replace").strip()
    found = _told(message, args.file.name) if message.is_file() else None
    if found is None:
        raise UsageError(f"there is no JWS for {args.file}", fix=f"Name its file with --jws, or have {beside.name}.")
    return found


def _told(message: Path, name: str) -> str | None:
    """The JWS that a message.json has for the payload in the file of that name."""
    import json

    try:
        payloads = json.loads(read(message))["payloads"]
        return next((str(each["jws"]) for each in payloads if each.get("file") == name and "jws" in each), None)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{message} is not one that an access point wrote") from None
