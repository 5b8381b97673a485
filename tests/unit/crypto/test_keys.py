"""Loading keys, and finding them by what a token says."""

from pathlib import Path

import pki
import pytest
from cryptography.hazmat.primitives import serialization

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust, load_certificates, load_key_pairs, load_private_key
from ehmi_ap.errors import MalformedSecurity, TokenNotFound

VECTORS = Path(__file__).parents[2] / "vectors" / "data"
ENCODING, FORMAT = serialization.Encoding, serialization.PrivateFormat


def of(identity: pki.Identity) -> Certificate:
    return Certificate.from_x509(identity.cert)


def encrypted(key, encoding=ENCODING.PEM, form=FORMAT.PKCS8) -> bytes:
    return key.private_bytes(encoding, form, serialization.BestAvailableEncryption(b"secret"))


def test_a_pem_file_may_hold_key_and_certificates_in_any_order(test_pki):
    sender, chain = test_pki.sender, tuple(map(Certificate.from_x509, test_pki.sender.chain))
    backwards = b"".join(each.pem for each in (test_pki.root, test_pki.issuing, sender))

    for data in (sender.key_pem + sender.chain_pem, b"Bag Attributes\r\n" + backwards + b"\nkey:\n" + sender.key_pem):
        (pair,) = load_key_pairs(data)
        assert pair.certificate == chain[0]
        assert pair.chain == chain
        assert pair.private_key.public_key() == sender.key.public_key()


def test_a_pem_file_may_hold_several_pairs(test_pki):
    data = b"".join(each.key_pem + each.pem for each in (test_pki.sender, test_pki.receiver))

    assert [pair.certificate.common_name for pair in load_key_pairs(data)] == ["sender", "receiver"]


@pytest.mark.parametrize("password", ["secret", "pæsswørd"])
def test_a_pkcs12_file_gives_its_pair_and_chain(test_pki, password):
    (pair,) = load_key_pairs(test_pki.sender.p12(password), password)

    assert [each.common_name for each in pair.chain] == ["sender", "Test issuing CA", "Test root"]


@pytest.mark.parametrize("key", ["a", "p256", "ed25519", "x25519"])
def test_a_private_key_is_read_from_pem_and_der(key):
    private = pki.private_key(key)
    plain = private.private_bytes(ENCODING.DER, FORMAT.PKCS8, serialization.NoEncryption())

    for data, password in (
        (plain, None),
        (plain, "not needed"),
        (encrypted(private), "secret"),
        (encrypted(private, ENCODING.DER), "secret"),
    ):
        assert load_private_key(data, password).public_key() == private.public_key()


def test_the_old_encrypted_pem_form_is_read():
    data = encrypted(pki.private_key("a"), form=FORMAT.TraditionalOpenSSL)

    assert b"DEK-Info" in data
    assert load_private_key(data, "secret").key_size == 2048


def test_what_holds_no_usable_key_is_refused(test_pki):
    sender, other = test_pki.sender, test_pki.receiver
    for data, password in (
        (b"", None),
        (b"x" * 100, None),
        (sender.pem, None),
        (sender.der, None),
        (sender.key_pem, None),
        (sender.key_pem + other.pem, None),
        (encrypted(sender.key) + sender.pem, None),
        (encrypted(sender.key) + sender.pem, "wrong"),
        (sender.p12("secret"), "wrong"),
        (sender.p12("secret"), None),
        (b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n" + sender.pem, None),
    ):
        with pytest.raises(MalformedSecurity):
            load_key_pairs(data, password)
    for data in (b"", b"x", sender.pem, encrypted(sender.key), sender.key_pem.replace(b"M", b"N")):
        with pytest.raises(MalformedSecurity):
            load_private_key(data)


@pytest.mark.parametrize("password", ["test", "wrong"])
def test_an_x25519_key_is_taken_as_pem_only(password):
    """What cryptography cannot read is not told as a wrong password."""
    data = (VECTORS / "wss4j" / "keys" / "x25519-receiver.p12").read_bytes()
    expected = "not supported in PKCS#12; give it as PEM" if password == "test" else "the password is wrong"
    with pytest.raises(MalformedSecurity, match=expected):
        load_key_pairs(data, password)


def test_certificates_are_read_from_pem_and_der(test_pki):
    sender = test_pki.sender

    assert load_certificates(sender.key_pem + sender.chain_pem) == [Certificate.from_x509(c) for c in sender.chain]
    assert load_certificates(sender.der) == [of(sender)]
    for data in (b"", sender.key_pem, b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):
        with pytest.raises(MalformedSecurity):
            load_certificates(data)


def test_a_key_pair_does_not_print_its_key(test_pki):
    (pair,) = load_key_pairs(test_pki.sender.key_pem + test_pki.sender.pem)

    assert "private_key" not in repr(pair)


def test_our_key_is_found_by_every_form_of_token(test_pki):
    pairs = tuple(KeyPair(each.key, of(each), (of(each),)) for each in (test_pki.receiver, test_pki.sender))
    keys, sender = Keys(pairs[0], pairs), of(test_pki.sender)

    assert keys.for_certificate(sender) is pairs[1]
    assert keys.for_ski(sender.ski) is pairs[1]
    assert keys.for_thumbprint(sender.sha1) is pairs[1]
    assert keys.for_issuer_serial(sender.issuer, sender.serial_number) is pairs[1]
    assert keys.for_certificate(of(test_pki.root)) is None
    assert keys.for_ski(b"") is keys.for_thumbprint(b"") is keys.for_issuer_serial("", 1) is None


def test_trust_finds_certificates_by_name_and_by_token(test_pki):
    renewed = pki.make_leaf(test_pki.issuing, "sender", key="a")
    trust = Trust(
        {"partner": [of(test_pki.sender), of(renewed)], "ca": [of(test_pki.root), of(test_pki.sender)], "none": []}
    )
    sender = of(test_pki.sender)

    assert trust.names == ("partner", "ca", "none")
    assert trust.certificate("partner") == sender
    assert trust.certificates == (sender, of(renewed), of(test_pki.root))
    assert trust.anchors(["ca", "partner"]) == (of(test_pki.root), sender, of(renewed))
    assert trust.find_by_ski(sender.ski) == (sender, of(renewed))
    assert trust.find_by_thumbprint(sender.sha1) == (sender,)
    assert trust.find_by_issuer_serial(sender.issuer, sender.serial_number) == (sender,)
    assert trust.find_by_ski(b"") == trust.find_by_thumbprint(b"") == trust.find_by_issuer_serial("", 1) == ()
    for unknown in (lambda: trust.certificate("none"), lambda: trust.anchors(["ca", "nobody"])):
        with pytest.raises(TokenNotFound):
            unknown()
