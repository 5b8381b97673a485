"""The throw-away PKI gives what eDelivery's certificate checks ask for, and keeps its keys private."""

import runpy
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from cryptography.x509.verification import PolicyBuilder, Store

from ehmi_ap.crypto import crl
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.standing import Standing
from ehmi_ap.demo import pki
from ehmi_ap.errors import ConfigError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    return pki.Authority.new("Test CA", now=NOW)


def usage(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    names = ("digital_signature", "content_commitment", "key_encipherment", "key_cert_sign", "crl_sign")
    return {name for name in names if getattr(extension.value, name)}


def common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


def test_an_access_points_certificate_is_below_the_ca_and_named_for_its_party(authority: pki.Authority) -> None:
    """Signing and encryption with one RSA-2048 key; SKI and AKI there; CN is the PartyId value."""
    certificate = authority.access_point("ap-c2", now=NOW).certificate
    certificate.verify_directly_issued_by(authority.certificate)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert common_name(certificate) == "ap-c2"
    assert usage(certificate) == {"digital_signature", "content_commitment", "key_encipherment"}
    ski = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    aki = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    ca_ski = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert ski.digest == x509.SubjectKeyIdentifier.from_public_key(key).digest
    assert aki.key_identifier == ca_ski.digest
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("use", "bits"),
    [("sign", {"digital_signature", "content_commitment"}), ("encrypt", {"key_encipherment"})],
)
def test_signing_and_encryption_may_have_a_certificate_each(
    authority: pki.Authority, use: pki.Use, bits: set[str]
) -> None:
    assert usage(authority.access_point("ap", now=NOW, use=use).certificate) == bits


def test_validity_is_what_was_asked_for(authority: pki.Authority) -> None:
    past = NOW - timedelta(days=9)
    certificate = authority.access_point("ap", now=NOW, not_before=past, not_after=NOW - timedelta(days=1)).certificate
    assert certificate.not_valid_before_utc == past
    assert certificate.not_valid_after_utc < NOW


def test_a_tls_server_certificate_verifies_for_the_loopback_names(authority: pki.Authority) -> None:
    """By the Web's own rules for a server certificate, for a DNS name and both kinds of address."""
    certificate = authority.tls_server("ap-c2", now=NOW).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    policy = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    chain = policy.build_server_verifier(x509.DNSName("localhost")).verify(certificate, [])
    assert chain[-1] == authority.certificate


def test_a_tls_client_certificate_verifies_as_one(authority: pki.Authority) -> None:
    certificate = authority.tls_client("ap-c2", now=NOW).certificate
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    certificate.verify_directly_issued_by(authority.certificate)
    assert list(usages) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_written_key_fits_the_certificate_and_only_its_owner_may_read_it(
    authority: pki.Authority, tmp_path: Path
) -> None:
    files = authority.access_point("ap", now=NOW).write(tmp_path / "keys", "ap")
    key = load_pem_private_key(files.key.read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert key.public_key() == certificate.public_key()
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600


def test_pkcs12_holds_key_certificate_and_chain(authority: pki.Authority) -> None:
    credential = authority.access_point("ap", now=NOW)
    bundle = pkcs12.load_pkcs12(credential.pkcs12("secret", [authority.certificate]), b"secret")
    assert bundle.cert is not None
    assert bundle.cert.certificate == credential.certificate
    assert [item.certificate for item in bundle.additional_certs] == [authority.certificate]


def test_generate_writes_a_whole_pki(tmp_path: Path) -> None:
    """Party ids that are URNs give usable file names; every key is private; every certificate is the CA's."""
    paths = pki.generate(tmp_path, ["ap-c2", "urn:example:ap:c3"], now=NOW)
    names = {path.name for path in paths}
    assert {"ca.crt.pem", "ap-c2.crt.pem", "urn-example-ap-c3.tls.key.pem"} <= names
    assert len(paths) == 10
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.crt.pem").read_bytes())
    for path in paths:
        if path.name.endswith(".key.pem"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        else:
            x509.load_pem_x509_certificate(path.read_bytes()).verify_directly_issued_by(ca)


@pytest.mark.parametrize("party", ["", "x" * 65])
def test_a_party_id_that_no_common_name_can_hold_is_refused(authority: pki.Authority, party: str) -> None:
    with pytest.raises(ConfigError, match="1 to 64 characters"):
        authority.access_point(party, now=NOW)


def test_signatures_of_the_ca_are_sha256(authority: pki.Authority) -> None:
    certificate = authority.certificate
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        padding.PKCS1v15(),
        certificate.signature_hash_algorithm,
    )


def test_the_script_in_certs_writes_beside_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """certs/generate.py only calls the package."""
    script = Path(__file__).parents[3] / "certs" / "generate.py"
    copy = tmp_path / "generate.py"
    copy.write_bytes(script.read_bytes())
    monkeypatch.setattr(sys, "argv", ["generate.py", "one"])
    runpy.run_path(str(copy), run_name="__main__")
    assert (tmp_path / "generated" / "one.key.pem").is_file()
    assert str(tmp_path / "generated" / "ca.crt.pem") in capsys.readouterr().out.splitlines()


def test_a_ca_may_say_where_its_list_of_revoked_certificates_is(authority: pki.Authority) -> None:
    """Only then do its certificates name one; the list is judged by the product's own judge."""
    url = "http://crl.demo.example/ca.crl"
    listing = pki.Authority(authority.credential, crl_url=url)
    good, bad = (Certificate.from_x509(listing.access_point(name, now=NOW).certificate) for name in ("good", "bad"))
    data = listing.crl(now=NOW, revoked=[bad.x509])
    judged = {
        each: crl.judge(data, each, Certificate.from_x509(authority.certificate), urls=[url], now=NOW)[0]
        for each in (good, bad)
    }
    assert judged == {good: Standing.GOOD, bad: Standing.REVOKED}
    assert points(good.x509) == [url]
    assert points(authority.access_point("other", now=NOW).certificate) == []


def points(certificate: x509.Certificate) -> list[str]:
    return [
        name.value
        for extension in certificate.extensions
        if isinstance(extension.value, x509.CRLDistributionPoints)
        for point in extension.value
        for name in point.full_name or ()
    ]
