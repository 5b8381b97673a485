"""Files that arguments name: read with a bar, and the keys and certificates in them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ehmi_ap.body import CHUNK
from ehmi_ap.cli.output import Advance, UsageError, progress

if TYPE_CHECKING:
    from ehmi_ap.crypto.certs import Certificate
    from ehmi_ap.crypto.keys import KeyPair, PrivateKey


def read(path: Path) -> bytes:
    """Its bytes; raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as file, progress(f"reading {path.name}", path.stat().st_size) as advance:
            return b"".join(_counted(file, advance))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _counted(file: BinaryIO, advance: Advance) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
        advance(len(chunk))


def private_key(path: Path, password: str | None) -> "PrivateKey":
    """The private key of a PEM or PKCS#12 file; raises UsageError."""
    from ehmi_ap.crypto.keys import load_key_pairs, load_private_key
    from ehmi_ap.errors import XmlSecurityError

    data = read(path)
    try:
        if _is_pem(data):
            return load_private_key(data, password)
        return load_key_pairs(data, password)[0].private_key
    except XmlSecurityError as error:
        raise UsageError(
            f"{path}: {error.what}", fix="Give a private key as PEM or PKCS#12, with its --password."
        ) from None


def key_pair(path: Path, password_file: Path | None) -> "KeyPair":
    """The first key of a PEM or PKCS#12 file with its certificate; raises UsageError.

    Its password comes from a file, because other users of the machine can read arguments.
    """
    from ehmi_ap.crypto.keys import load_key_pairs
    from ehmi_ap.errors import XmlSecurityError

    password = read(password_file).decode(errors="replace").strip() if password_file is not None else None
    try:
        return load_key_pairs(read(path), password)[0]
    except XmlSecurityError as error:
        raise UsageError(
            f"{path}: {error.what}", fix="Give key and certificate in one PEM or PKCS#12 file, with its password file."
        ) from None


def all_certificates(paths: Iterable[Path] | None, password: str | None = None) -> list["Certificate"]:
    """Those of all files, each of which has to have one; raises UsageError."""
    found = []
    for path in paths or ():
        inside = certificates(path, password)
        if not inside:
            raise UsageError(f"{path}: there is no certificate in it")
        found += inside
    return found


def certificates(path: Path, password: str | None) -> list["Certificate"]:
    """The certificates of a PEM, DER or PKCS#12 file; none for a file that holds only a key."""
    from ehmi_ap.crypto.keys import load_certificates, load_key_pairs
    from ehmi_ap.errors import XmlSecurityError

    data = read(path)
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
