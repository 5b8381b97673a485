"""Encryption and compression of payloads: 0102, 0103, 0303 (as4-wire 3.3, 3.4, 6.4; conformance CP_TA30, CP_TA37)."""

import base64
import gzip
import os
from collections.abc import Callable

from tests.bench.lean import XENC, XENC11
from tests.craft import Part
from tests.functional.bad_input.faults import (
    UNKNOWN_SKI,
    Make,
    cases,
    element_gone,
    extra_part,
    flipped,
    gone,
    put,
    resub,
    swap,
    text_flipped,
    with_part,
    with_second,
    with_security,
)
from tests.functional.bad_input.receiver import CANARY, HYPHENATED, XML

# -- decryption


CLOSED = cases(
    "EBMS:0102",
    {
        "for another key": lambda r: r.message(recipient=r.alpha.identity),
        "for another certificate of our name": lambda r: r.message(recipient=r.issued("beta")),
        "another content key wrapped": lambda r: r.message(wrong_key=True),
        "a content key of another length": lambda r: r.message(key_bytes=32),
        "the wrapped key damaged": with_security(text_flipped("xenc:CipherValue")),
        "the wrapped key cut": with_security(resub("<xenc:CipherValue>....", "<xenc:CipherValue>")),
        "the wrapped key no base64": with_security(swap("<xenc:CipherValue>", "<xenc:CipherValue>*")),
        "no wrapped key": with_security(resub("<xenc:CipherValue>[^<]*", "<xenc:CipherValue>")),
        "ciphertext damaged": with_part(after_encrypt=flipped(20)),
        "tag damaged": with_part(after_encrypt=flipped(-1)),
        "IV damaged": with_part(after_encrypt=flipped(0)),
        "ciphertext cut": with_part(after_encrypt=lambda data: data[:-5]),
        "bytes after the tag": with_part(after_encrypt=lambda data: data + b"\0"),
        "27 bytes": with_part(after_encrypt=lambda data: data[:27]),
        "28 bytes": with_part(after_encrypt=lambda data: data[:28]),
        "no bytes": with_part(after_encrypt=lambda _: b""),
        "encrypted, then compressed": with_part(after_encrypt=gzip.compress),
        "encrypted, then in base64": with_part(after_encrypt=base64.b64encode),
        "encrypted twice": with_part(after_encrypt=lambda data: os.urandom(12) + data + os.urandom(16)),
        "no EncryptedKey": with_security(element_gone("xenc:EncryptedKey")),
        "no link between key and data": with_security(lambda text: element_gone("xenc:ReferenceList")(swap('URI="#EK"', 'URI="#other"')(text))),
        "no token for the key": with_security(swap('URI="#tok-r"', 'URI="#nothing"')),
        "no KeyInfo of the key": with_security(resub("(</xenc:EncryptionMethod>)<ds:KeyInfo.*?</ds:KeyInfo>", r"\1", 1)),
        "a token that is no certificate": with_security(resub('(wsu:Id="tok-r">)[^<]*', r"\1AAAA", 1)),
        "no CipherData": with_security(gone("<xenc:CipherData><xenc:CipherReference.*?</xenc:CipherData>")),
        "ciphertext in the header": with_security(resub("<xenc:CipherReference.*?</xenc:CipherReference>", "<xenc:CipherValue>AAAA</xenc:CipherValue>")),
        "ciphertext elsewhere": with_security(swap('CipherReference URI="cid:p1', 'CipherReference URI="http://127.0.0.1:9/p1')),
        "OAEPparams that were not used": with_security(swap("</xenc:EncryptionMethod>", "<xenc:OAEPparams>AAAA</xenc:OAEPparams></xenc:EncryptionMethod>", 1)),
    },
)  # fmt: skip


def _transport(uri: str) -> Callable[[str], str]:
    return swap(f'"{XENC11}rsa-oaep"', f'"{uri}"')


def _two_data(text: str) -> str:
    start, end = text.index("<xenc:EncryptedData"), text.index("</xenc:EncryptedData>") + len("</xenc:EncryptedData>")
    return text[:end] + text[start:end].replace('"ED-1"', '"ED-9"') + text[end:]


def _many_keys(text: str) -> str:
    start, end = text.index("<xenc:EncryptedKey"), text.index("</xenc:EncryptedKey>") + len("</xenc:EncryptedKey>")
    return text[:end] + "".join(text[start:end].replace('Id="EK"', f'Id="EK{n}"') for n in range(30)) + text[end:]


NOT_ENCRYPTED_AS_AGREED = cases(
    "EBMS:0103",
    {
        "not encrypted": lambda r: r.message(encrypt=False),
        "one part not encrypted": with_second(encrypted=False),
        "an extra part, not encrypted": lambda r: r.message(mime=extra_part(b"Content-ID: <2@x>")),
        "aes256-gcm": lambda r: r.message(key_bytes=32, cipher=f"{XENC11}aes256-gcm"),
        "aes128-cbc": lambda r: r.message(cipher=f"{XENC}aes128-cbc"),
        "aes256-cbc": lambda r: r.message(cipher=f"{XENC}aes256-cbc"),
        "tripledes-cbc": lambda r: r.message(cipher=f"{XENC}tripledes-cbc"),
        "a patient for a cipher": lambda r: r.message(cipher=HYPHENATED),
        "a patient for a key transport": with_security(_transport(f"urn:{CANARY}")),
        "rsa-1_5": with_security(_transport(f"{XENC}rsa-1_5")),
        "rsa-oaep with SHA-1 by default": with_security(lambda text: gone('<ds:DigestMethod xmlns:ds="[^"]*" Algorithm="[^"]*"/><xenc11:MGF[^>]*/>')(text)),
        "rsa-oaep with MGF1 of SHA-1": with_security(swap("mgf1sha256", "mgf1sha1")),
        "rsa-oaep-mgf1p": with_security(lambda text: gone("<xenc11:MGF[^>]*/>")(_transport(f"{XENC}rsa-oaep-mgf1p")(text))),
        "a wrapped key of a key": with_security(_transport(f"{XENC}kw-aes128")),
        "an unknown transform of the ciphertext": with_security(swap("#Attachment-Ciphertext-Transform", "#Attachment-Complete-Signature-Transform")),
        "no transform of the ciphertext": with_security(gone("<xenc:Transforms>.*?</xenc:Transforms>")),
        "a part encrypted with its headers": with_security(swap("#Attachment-Content-Only", "#Attachment-Complete")),
        "EncryptedData of no part": with_security(swap('CipherReference URI="cid:p1', 'CipherReference URI="cid:p9')),
        "EncryptedData of the envelope": with_security(swap('CipherReference URI="cid:p1', 'CipherReference URI="cid:root')),
        "two EncryptedData for one part": with_security(_two_data),
        "31 EncryptedKeys": with_security(_many_keys),
        "a token form that is not agreed": lambda r: r.message(action="bst-only", security=resub('<wsse:Reference URI="#tok-r"[^>]*/>', UNKNOWN_SKI)),
        "a token form that nobody knows": with_security(resub('<wsse:Reference URI="#tok-r"[^>]*/>', "<wsse:Embedded/>")),
    },
)  # fmt: skip


# -- decompression


def _gzip(damage: Callable[[bytes], bytes]) -> Make:
    """The gzip member damaged before it is signed, so that all else holds (conformance CP_TA30)."""
    return with_part(before_digest=damage)


_SPOILT = bytes.fromhex("1FFC0800004E00160000B3C9CDCCB3B349497BB22B4ECC2D6949B5D107B16DF441C2957E6CD3781C0FF800")

DAMAGED = cases(
    "EBMS:0303",
    {
        "magic number": _gzip(put(0, b"\x1f\x8c")),
        "both bytes of the magic number": _gzip(put(0, b"PK")),
        "method": _gzip(put(2, b"\x07")),
        "reserved flags": _gzip(put(3, b"\xe0")),
        "flag of a name that is not there": _gzip(put(3, b"\x08")),
        "flag of a header CRC that is not there": _gzip(put(3, b"\x02")),
        "flag of an extra field that is not there": _gzip(put(3, b"\x04")),
        "deflate body": _gzip(flipped(14)),
        "deflate body of a block type that does not exist": _gzip(put(10, b"\x07")),
        "deflate body in its middle": _gzip(lambda data: put(len(data) // 2, b"\xff\xff\xff\xff")(data)),
        "CRC": _gzip(flipped(-8)),
        "ISIZE": _gzip(flipped(-4)),
        "cut in ISIZE": _gzip(lambda data: data[:-1]),
        "cut before CRC": _gzip(lambda data: data[:-8]),
        "cut in the deflate body": _gzip(lambda data: data[:30]),
        "cut after the header": _gzip(lambda data: data[:10]),
        "cut in the header": _gzip(lambda data: data[:5]),
        "empty": _gzip(lambda _: b""),
        "no gzip": _gzip(lambda _: XML),
        "deflate without gzip": _gzip(lambda data: data[10:-8]),
        "a byte after it": _gzip(lambda data: data + b"\0"),
        "bytes after it": _gzip(lambda data: data + b"and more"),
        "a second member": _gzip(lambda data: data + gzip.compress(b"<more/>")),
        "an empty second member": _gzip(lambda data: data + gzip.compress(b"")),
        "compressed twice, cut": _gzip(lambda data: gzip.compress(data)[:-9]),
        "as the EC spoils it": _gzip(lambda _: _SPOILT),
        "in the second of two parts": with_second(before_digest=flipped(-8)),
        "a bomb by its ratio": lambda r: r.message(parts=[Part(data=bytes(6 * 1024 * 1024))]),
        "a bomb by its size": lambda r: r.message(action="small", parts=[Part(data=os.urandom(25_001).hex().encode())]),
        "a bomb in two parts": lambda r: r.message(action="small", parts=[Part(content_id=f"{n}@x", data=os.urandom(13_000).hex().encode()) for n in range(2)]),
    },
)  # fmt: skip


CASES = [*CLOSED, *NOT_ENCRYPTED_AS_AGREED, *DAMAGED]
