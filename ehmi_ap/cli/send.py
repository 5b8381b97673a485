"""`ehmi-ap send`: submit a message to the daemon, and wait for its receipt if asked to."""

import argparse
import math
import mimetypes
import time
from io import SEEK_SET, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ehmi_ap.cli.daemon import add_daemon, connect
from ehmi_ap.cli.files import key_pair
from ehmi_ap.cli.output import Advance, Exit, UsageError, note, print_json, progress

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.client import Client

_DESCRIBING = (
    "to",
    "service",
    "service_type",
    "action",
    "mime_type",
    "sender",
    "receiver",
    "conversation_id",
    "ref_to",
)
"""Arguments that say what an SBD says itself; giving one makes the files plain payloads."""


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "send",
        help="submit a message",
        description="Submit FILE, a StandardBusinessDocument, which says itself where it goes; "
        "or, with --to, any files as the payloads of one message.",
    )
    parser.add_argument("file", nargs="+", type=Path, metavar="FILE", help="the document, or the payloads in order")
    parser.add_argument("--to", metavar="PARTNER", help="name of the partner's P-Mode")
    parser.add_argument("--service", metavar="VALUE", help="eb:Service (default: the P-Mode's)")
    parser.add_argument("--service-type", metavar="TYPE", help="type of the eb:Service")
    parser.add_argument("--action", metavar="VALUE", help="eb:Action (default: the P-Mode's)")
    parser.add_argument("--mime-type", metavar="TYPE", help="type of the payloads (default: by the file's name)")
    parser.add_argument("--sender", metavar="ID", help="original sender, C1: [SCHEME::]VALUE")
    parser.add_argument("--receiver", metavar="ID", help="final recipient, C4: [SCHEME::]VALUE")
    parser.add_argument("--conversation-id", metavar="ID", help="eb:ConversationId (default: a new one)")
    parser.add_argument("--ref-to", metavar="ID", help="the message that this one answers")
    parser.add_argument(
        "--message-id", metavar="ID", help="eb:MessageId; repeating it repeats nothing (default: a new one)"
    )
    parser.add_argument("--backend", metavar="NAME", help="submit as this backend (default: the default one)")
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign what is submitted: key with its certificate, PEM or PKCS#12"
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password of KEY")
    parser.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=math.inf,
        metavar="SECONDS",
        help="wait until the message is acknowledged (exit code 0) or failed (1); 75 after SECONDS",
    )
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Submit; 0 when the daemon has the message durably and, with --wait, the partner too."""
    _check(args)
    total = sum(path.stat().st_size for path in args.file)
    signing = key_pair(args.sign, args.password_file) if args.sign is not None else None
    with connect(args, backend=args.backend, signing=signing) as client, progress("submitting", total) as advance:
        message_id = _submit(client, args, advance)
    if args.wait is not None:
        return _wait(args, message_id)
    _tell(args, {"message_id": message_id}, message_id)
    return Exit.OK


def _check(args: argparse.Namespace) -> None:
    for path in args.file:
        if not path.is_file():
            raise UsageError(f"{path} is not a file")
    described = any(getattr(args, name) is not None for name in _DESCRIBING)
    if described and args.to is None:
        raise UsageError(
            "--to is missing", fix="Name the partner with --to, or give a StandardBusinessDocument and nothing else."
        )
    if len(args.file) > 1 and args.to is None:
        raise UsageError("several files, but no --to", fix="Only plain payloads may be several: add --to PARTNER.")
    if args.service_type is not None and args.service is None:
        raise UsageError("--service-type without --service")


def _submit(client: "Client", args: argparse.Namespace, advance: Advance) -> str:
    from ehmi_ap.client import Upload

    if args.to is None:
        with args.file[0].open("rb") as file:
            return client.submit_sbd(watched(file, advance), message_id=args.message_id, backend=args.backend)
    files = [path.open("rb") for path in args.file]
    try:
        uploads = [
            Upload(source=watched(file, advance), mime_type=args.mime_type or _mime_type(path))
            for path, file in zip(args.file, files, strict=True)
        ]
        return client.submit(_metadata(args), uploads, backend=args.backend)
    finally:
        for file in files:
            file.close()


def _metadata(args: argparse.Namespace) -> dict[str, Any]:
    """The JSON of POST /messages for what the arguments say; what they leave out comes from the P-Mode."""
    metadata: dict[str, Any] = {
        "pmode": args.to,
        "action": args.action,
        "message_id": args.message_id,
        "conversation_id": args.conversation_id,
        "ref_to_message_id": args.ref_to,
        "sender": _participant(args.sender),
        "receiver": _participant(args.receiver),
    }
    if args.service is not None:
        metadata["service"] = {"value": args.service} | ({"type": args.service_type} if args.service_type else {})
    return {key: value for key, value in metadata.items() if value is not None}


def _participant(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    scheme, separator, value = text.partition("::")
    return {"value": value, "scheme": scheme} if separator else {"value": text}


def _mime_type(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _wait(args: argparse.Namespace, message_id: str) -> int:
    """Look at the message until it is settled, or for as long as we may wait."""
    with connect(args, backend=args.backend) as client:
        message = _settled(client, message_id, seconds=args.wait)
    _tell(args, message, f"{message_id}  {message['state']}")
    if message["state"] == "acknowledged":
        return Exit.OK
    why = message["last_detail"] or message["last_code"] or "nothing was tried yet"
    if message["state"] == "failed":
        note(f"the message failed: {why}")
        return Exit.FAILED
    note(f"not acknowledged yet ({why}); the access point goes on by itself")
    return Exit.PENDING


def _settled(client: "Client", message_id: str, *, seconds: float) -> dict[str, Any]:
    """The message, once it is acknowledged or failed or the time is over; looked at ever less often."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while True:
        message = client.message(message_id, direction="outbound")
        left = deadline - time.monotonic()
        if message["state"] in ("acknowledged", "failed") or left <= 0:
            return message
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, 2.0)


def _tell(args: argparse.Namespace, value: dict[str, Any], line: str) -> None:
    if args.json:
        print_json(value)
    else:
        print(line)


def watched(file: BinaryIO, advance: Advance) -> BinaryIO:
    """`file`, with its reading told to `advance`."""
    return cast(BinaryIO, _Watched(file, advance))


class _Watched(RawIOBase):
    """A binary file whose reading is told to a progress bar; seeking back is not counted again."""

    def __init__(self, file: BinaryIO, advance: Advance) -> None:
        super().__init__()
        self._file = file
        self._advance = advance
        self._furthest = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        position = self._file.tell()
        if position > self._furthest:
            self._advance(position - self._furthest)
            self._furthest = position
        return data

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
