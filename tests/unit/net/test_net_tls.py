"""TLS contexts: what is on by default, and which mistakes are named."""

import ssl
from pathlib import Path

import pki
import pytest

from ehmi_ap.errors import ConfigError
from ehmi_ap.net.tls import client_context, server_context


@pytest.fixture
def server_file(tmp_path: Path) -> Path:
    identity = pki.make_leaf(pki.make_ca(), "server", key="a")
    path = tmp_path / "server.pem"
    path.write_bytes(identity.key_pem + identity.chain_pem)
    return path


def test_g17_defaults_are_modern(server_file: Path) -> None:
    """TLS 1.2 at least, ECDHE with AEAD only, no compression."""
    for context in (client_context(), server_context(certificate=server_file)):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.maximum_version is ssl.TLSVersion.TLSv1_3
        assert context.options & ssl.OP_NO_COMPRESSION
        names = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.2"]
        assert names
        assert all(name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name) for name in names)


def test_g16_a_server_is_always_checked() -> None:
    """With the system's CAs, or only with the anchors that are given."""
    anchored = client_context(anchors=[pki.make_ca().der])
    for context in (client_context(), anchored):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert [dict(item[0] for item in ca["subject"])["commonName"] for ca in anchored.get_ca_certs()] == ["Test root"]


def test_cp_ta39_versions_and_suites_can_be_set() -> None:
    context = client_context(versions=["1.3"], ciphers=["ECDHE-RSA-AES256-GCM-SHA384"])
    assert context.minimum_version is context.maximum_version is ssl.TLSVersion.TLSv1_3
    suites = [suite["name"] for suite in context.get_ciphers() if suite["protocol"] == "TLSv1.2"]
    assert suites == ["ECDHE-RSA-AES256-GCM-SHA384"]


def test_mtls_demands_a_certificate(server_file: Path, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pki.make_ca().pem)
    assert server_context(certificate=server_file).verify_mode is ssl.CERT_NONE
    assert server_context(certificate=server_file, client_ca=ca).verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("versions", [["1.1"], [], ["1.2", "ssl3"]])
def test_a_wrong_version_is_named(versions: list[str]) -> None:
    with pytest.raises(ConfigError, match="TLS versions are"):
        client_context(versions=versions)


def test_a_wrong_suite_is_named() -> None:
    with pytest.raises(ConfigError, match="no known cipher suite among NONSENSE"):
        client_context(ciphers=["NONSENSE"])


@pytest.mark.parametrize("suite", ["NULL-SHA256", "ADH-AES128-SHA256"])
def test_g17_a_suite_that_protects_nothing_is_refused(suite: str) -> None:
    with pytest.raises(ConfigError, match="must not be used"):
        client_context(ciphers=["ECDHE-RSA-AES256-GCM-SHA384", f"{suite}:@SECLEVEL=0"])


def test_files_that_do_not_serve_are_named(server_file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for options in ({"certificate": tmp_path / "none.pem"}, {"certificate": tmp_path / "empty.pem"}):
        with pytest.raises(ConfigError, match=r"\.pem: no TLS key"):
            server_context(**options)
    with pytest.raises(ConfigError, match="no CA certificates"):
        server_context(certificate=server_file, client_ca=tmp_path / "empty.pem")


def test_a_key_with_a_password(tmp_path: Path) -> None:
    """A wrong password is a finding, never a question on the terminal."""
    from cryptography.hazmat.primitives import serialization

    identity = pki.make_leaf(pki.make_ca(), "server", key="a")
    locked = identity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key.write_bytes(locked)
    certificate.write_bytes(identity.chain_pem)
    assert server_context(certificate=certificate, key=key, password="secret")
    with pytest.raises(ConfigError, match=r"key\.pem"):
        server_context(certificate=certificate, key=key)
