"""Keys, pairs and passes over the parts, each for itself."""

import gzip
import hashlib

import pki
import pytest
from craft import Part as Crafted
from sample_exchange import beta, crafted, inbound, keys_of, security, stranger

from ehmi_ap.as4 import parts as steps
from ehmi_ap.as4 import verify
from ehmi_ap.as4.compression import Gunzip
from ehmi_ap.as4.ebms import PartInfo
from ehmi_ap.as4.mime import Part
from ehmi_ap.as4.parts import Lock, Pair, pair_parts, read_part, signed_type
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.body import MemoryBody, MemorySpool, read_all
from ehmi_ap.crypto.algorithms import CIPHERS, DIGESTS
from ehmi_ap.crypto.dsig import ParsedReference
from ehmi_ap.crypto.safexml import DEFAULT_LIMITS
from ehmi_ap.errors import ExternalPayloadError, FailedDecryption
from ehmi_ap.model import Wire

SHA256 = DIGESTS.by_word("sha256").uri
REFERENCE = ParsedReference("cid:p@x", SHA256, b"", (), b"")


def _part(data: bytes, content_id: str = "p@x", content_type: str = "application/gzip") -> Part:
    return Part(headers={}, content_id=content_id, content_type=content_type, body=MemoryBody(data))


def _taken_apart(wire: Wire) -> tuple[Envelope, list[Part]]:
    parts = verify.split(wire)
    return verify.parse_envelope(parts[0], DEFAULT_LIMITS), parts


# -- locks


def test_every_part_gets_its_lock() -> None:
    envelope, parts = _taken_apart(crafted(parts=(Crafted(content_id="1@x"), Crafted(content_id="2@x"))))
    locks = steps.find_locks(envelope, parts, keys=keys_of(beta()), security=inbound().security)
    assert sorted(locks) == [1, 2]
    assert {lock.mime_type for lock in locks.values()} == {"application/gzip"}
    assert locks[1].key == locks[2].key
    assert locks[1].key.hex() not in repr(locks)


def test_a_key_for_somebody_else_fails_only_at_the_tag_where_we_have_one_key() -> None:
    """as4-wire 3.4: a random key in place of what RSA refuses, so there is one path for all."""
    envelope, parts = _taken_apart(crafted())
    locks = steps.find_locks(envelope, parts, keys=keys_of(stranger()), security=inbound().security)
    again = steps.find_locks(envelope, parts, keys=keys_of(stranger()), security=inbound().security)
    assert locks[1].key != again[1].key
    reading = read_part(parts[1], [], media_type="application/gzip", lock=locks[1], gunzip=None, spool=None)
    assert isinstance(reading.decryption, FailedDecryption)


def test_a_key_of_another_kind_opens_nothing() -> None:
    envelope, parts = _taken_apart(crafted())
    odd = pki.make_leaf(None, "odd", key="p256")
    with pytest.raises(FailedDecryption):
        steps.find_locks(envelope, parts, keys=keys_of(odd), security=inbound().security)


def test_unencrypted_parts_have_no_lock() -> None:
    envelope, parts = _taken_apart(crafted(encrypt=False))
    policy = security(inbound(), encrypt=False).security
    assert steps.find_locks(envelope, parts, keys=keys_of(beta()), security=policy) == {}


def test_the_encryption_is_taken_apart_in_document_order() -> None:
    envelope, parts = _taken_apart(crafted(parts=(Crafted(content_id="1@x"), Crafted(content_id="2@x"))))
    encryption = steps.read_encryption(envelope)
    assert [data.cid for data in encryption.data] == ["1@x", "2@x"]
    assert [key.id for key in encryption.keys] == ["EK"]
    assert sorted(steps.encrypted_parts(encryption, parts)) == [1, 2]


# -- pairs


def test_pairs_come_in_part_info_order() -> None:
    parts = [_part(b"", "root@x"), _part(b"", "a@x"), _part(b"", "b%c@x")]
    infos = [PartInfo(href="cid:b%25c@x"), PartInfo(href="cid:a@x")]
    assert pair_parts(infos, parts) == (Pair(infos[0], 2), Pair(infos[1], 1))
    with pytest.raises(ExternalPayloadError):
        pair_parts(infos[:1], parts)
    with pytest.raises(ExternalPayloadError):
        pair_parts([*infos, infos[0]], parts)


def test_no_parts_and_no_infos_are_a_pair() -> None:
    assert pair_parts([], [_part(b"")]) == ()


# -- one pass


@pytest.mark.parametrize(
    ("lock", "info", "expected"),
    [
        (None, PartInfo(href="", compression="application/gzip"), "text/xml; a=b"),
        (Lock(b"", "", "text/plain"), None, "text/plain"),
        (Lock(b"", "", None), PartInfo(href="", compression="application/gzip"), "application/gzip"),
        (Lock(b"", "", None), PartInfo(href=""), "text/xml; a=b"),
        (Lock(b"", "", None), None, "text/xml; a=b"),
    ],
)
def test_the_type_the_signature_goes_by(lock: Lock | None, info: PartInfo | None, expected: str) -> None:
    """as4-wire 3.3, 9.8."""
    assert signed_type(_part(b"", content_type="text/xml; a=b"), lock, info) == expected


def test_a_pass_digests_the_packed_bytes_and_keeps_the_inflated() -> None:
    packed = gzip.compress(b"x" * 1000)
    reading = read_part(
        _part(packed),
        [REFERENCE],
        media_type="application/gzip",
        lock=None,
        gunzip=Gunzip(1000),
        spool=MemorySpool(),
    )
    assert reading.computed == (hashlib.sha256(packed).digest(),)
    assert reading.body is not None
    assert read_all(reading.body) == b"x" * 1000
    assert reading.decompression is None


def test_a_pass_goes_on_after_a_failed_inflation() -> None:
    """The digest decides first: signed-then-changed is 0101, not 0303."""
    damaged = gzip.compress(b"x" * 1000)[:-4] + b"damaged"
    reading = read_part(
        _part(damaged), [REFERENCE], media_type="application/gzip", lock=None, gunzip=Gunzip(999), spool=MemorySpool()
    )
    assert reading.computed == (hashlib.sha256(damaged).digest(),)
    assert reading.decompression is not None
    assert reading.body is None


def test_a_pass_without_a_spool_keeps_nothing() -> None:
    reading = read_part(_part(b"abc"), [REFERENCE], media_type="a/b", lock=None, gunzip=None, spool=None)
    assert reading.computed == (hashlib.sha256(b"abc").digest(),)
    assert reading.body is None


def test_a_digest_that_cannot_be_taken() -> None:
    reading = read_part(_part(b"<no"), [REFERENCE], media_type="text/xml", lock=None, gunzip=None, spool=MemorySpool())
    assert reading.computed == (None,)


def test_a_wrong_tag_gives_no_digest() -> None:
    lock = Lock(bytes(16), CIPHERS.by_word("aes128-gcm").uri, None)
    reading = read_part(_part(bytes(64)), [REFERENCE], media_type="a/b", lock=lock, gunzip=None, spool=MemorySpool())
    assert reading.decryption is not None
    assert reading.computed == ()
    assert reading.body is None
