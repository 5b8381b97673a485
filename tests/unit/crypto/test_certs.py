"""Certificates: reading, fitness, paths (RFC 5280 section 6; as4-wire 9.30, 9.43), PKIPath."""

import base64
import re
from dataclasses import replace
from datetime import timedelta, timezone

import pki
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ehmi_ap.crypto import certs
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import Refusal, check_chain, check_fit, pkipath, to_pkipath
from ehmi_ap.crypto.keys import load_certificates
from ehmi_ap.errors import CertificateRefused, MalformedSecurity

NOW = pki.NOW
DAY = timedelta(days=1)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def of(identity: pki.Identity) -> Certificate:
    return Certificate.from_x509(identity.cert)


def chain(leaf: pki.Identity, *intermediates: pki.Identity, anchor: pki.Identity, at=NOW, policies=()):
    return check_chain(
        of(leaf), intermediates=[of(each) for each in intermediates], anchors=[of(anchor)], at=at, policies=policies
    )


def refusal(action) -> Refusal:
    with pytest.raises(CertificateRefused) as caught:
        action()
    return Refusal(caught.value.reason)


def test_a_certificate_is_what_tokens_name_it_by():
    subject = pki.name("Anvender", serial_number="UI:DK-O:G:1", organization_identifier="NTRDK-1")
    identity = pki.make_leaf(None, subject=subject, policies=["1.2.3"], ski=b"chosen")
    certificate = of(identity)

    assert certificate == Certificate.from_pem(identity.pem) == Certificate.from_der(identity.der)
    assert len({certificate, Certificate.from_der(identity.der)}) == 1
    assert certificate != of(pki.make_leaf(None)) != "text"
    assert certificate.ski == b"chosen"
    assert (certificate.common_name, certificate.serial_number_attr) == ("Anvender", "UI:DK-O:G:1")
    assert certificate.policies == {"1.2.3"}
    assert certificate.has_issuer_serial(certificate.issuer, identity.cert.serial_number)
    assert not certificate.has_issuer_serial(certificate.issuer, 1)
    assert not certificate.has_issuer_serial("CN=other", identity.cert.serial_number)
    assert "chosen" not in repr(certificate)


def test_a_name_longer_than_it_should_be_is_read_without_a_word():
    """cryptography warns of it, on stderr; here warnings are errors. Seen in an answer of an SMP."""
    with pytest.warns(UserWarning, match="length"):
        name = x509.NameAttribute(NameOID.COMMON_NAME, "x" * 111, _validate=False)
    der = pki.make_leaf(None, subject=x509.Name([name])).der

    assert Certificate.from_der(der).common_name == "x" * 111


def test_the_ski_is_computed_when_the_extension_is_absent():
    with_ski, without = pki.make_leaf(None), pki.make_leaf(None, ski=False)

    assert of(without).ski == of(with_ski).ski
    assert len(of(without).ski) == len(of(without).sha1) == 20


@pytest.mark.parametrize("data", [b"", b"x", b"\x30\x03\x02\x01\x01", b"\x30" * 100, b"\x30\x80", bytes(20_000)])
def test_what_is_no_certificate_is_malformed(data):
    with pytest.raises(MalformedSecurity):
        Certificate.from_der(data)
    with pytest.raises(MalformedSecurity):
        Certificate.from_pem(data)


def test_a_certificate_with_bytes_behind_it_is_malformed(test_pki):
    with pytest.raises(MalformedSecurity):
        Certificate.from_der(test_pki.sender.der + b"\x00")


SIGN = ("digital_signature",)
FITS = [
    ("a", "sign", SIGN),
    ("a", "sign", ("content_commitment",)),
    ("a", "sign", None),
    ("a", "encrypt", ("key_encipherment",)),
    ("a", "encrypt", None),
    ("rsa3072-a", "sign", SIGN),
    ("rsa4096-a", "encrypt", None),
    ("p256", "sign", SIGN),
    ("p256", "encrypt", ("key_agreement",)),
    ("ed25519", "sign", SIGN),
    ("x25519", "encrypt", ("key_agreement",)),
]
FITS_NOT = [
    ("a", "sign", ("key_encipherment",), Refusal.UNFIT),
    ("a", "sign", (), Refusal.UNFIT),
    ("a", "encrypt", SIGN, Refusal.UNFIT),
    ("a", "encrypt", ("key_agreement",), Refusal.UNFIT),
    ("p256", "encrypt", ("key_encipherment",), Refusal.UNFIT),
    ("rsa1024-a", "sign", SIGN, Refusal.WEAK),
    ("rsa1024-a", "encrypt", None, Refusal.WEAK),
    ("rsa8192-a", "sign", SIGN, Refusal.UNFIT),
    ("x25519", "sign", None, Refusal.UNFIT),
    ("ed25519", "encrypt", None, Refusal.UNFIT),
]


@pytest.mark.parametrize(("key", "purpose", "usage"), FITS)
def test_key_and_key_usage_fit_the_purpose(test_pki, key, purpose, usage):
    certificate = of(pki.make_leaf(test_pki.root, key=key, key_usage=usage))

    assert check_fit(certificate, purpose, NOW) is None


@pytest.mark.parametrize(("key", "purpose", "usage", "reason"), FITS_NOT)
def test_key_or_key_usage_do_not_fit_the_purpose(test_pki, key, purpose, usage, reason):
    certificate = of(pki.make_leaf(test_pki.root, key=key, key_usage=usage))

    assert refusal(lambda: check_fit(certificate, purpose, NOW)) is reason


def test_validity_ends_with_its_last_second(test_pki):
    certificate = of(pki.make_leaf(test_pki.root, not_before=NOW - DAY, not_after=NOW + DAY))
    second = timedelta(seconds=1)

    for at in (NOW - DAY, NOW, NOW + DAY):
        assert check_fit(certificate, "sign", at) is None
        assert check_chain(certificate, intermediates=[], anchors=[of(test_pki.root)], at=at)
    for check in (
        lambda at: check_fit(certificate, "sign", at),
        lambda at: check_chain(certificate, intermediates=[], anchors=[of(test_pki.root)], at=at),
    ):
        assert refusal(lambda check=check: check(NOW + DAY + second)) is Refusal.EXPIRED
        assert refusal(lambda check=check: check(NOW - DAY - second)) is Refusal.NOT_YET_VALID


def test_time_zones_do_not_matter(test_pki):
    leaf = pki.make_leaf(test_pki.root, not_before=NOW - DAY, not_after=NOW)
    east = timezone(timedelta(hours=9))

    assert chain(leaf, anchor=test_pki.root, at=(NOW - timedelta(hours=1)).astimezone(east))
    late = (NOW + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-9)))
    assert refusal(lambda: chain(leaf, anchor=test_pki.root, at=late)) is Refusal.EXPIRED


def test_a_ca_that_expires_is_judged_in_the_same_time_zone(test_pki):
    issuing = pki.make_ca("Short", issuer=test_pki.root, not_after=NOW)
    leaf = pki.make_leaf(issuing)
    hour = timedelta(hours=1)

    for zone in (timezone(9 * hour), timezone(-9 * hour)):
        assert len(chain(leaf, issuing, anchor=test_pki.root, at=(NOW - hour).astimezone(zone))) == 3
        at = (NOW + hour).astimezone(zone)
        assert refusal(lambda at=at: chain(leaf, issuing, anchor=test_pki.root, at=at)) is Refusal.EXPIRED


def test_a_path_leads_from_the_leaf_to_the_anchor(test_pki):
    path = chain(test_pki.sender, test_pki.issuing, anchor=test_pki.root)

    assert path == (of(test_pki.sender), of(test_pki.issuing), of(test_pki.root))


def test_an_intermediate_may_be_the_anchor_itself(test_pki):
    assert chain(test_pki.sender, anchor=test_pki.issuing) == (of(test_pki.sender), of(test_pki.issuing))


def test_a_pinned_certificate_is_its_own_path(test_pki):
    assert chain(test_pki.stranger, anchor=test_pki.stranger) == (of(test_pki.stranger),)


def test_certificates_signed_with_rsassa_pss_are_as_good():
    """Danish OCES3: intermediate and leaf are PSS-signed."""
    root = pki.make_ca(pss=True)
    issuing = pki.make_ca("Issuing", issuer=root, pss=True)

    assert len(chain(pki.make_leaf(issuing, pss=True), issuing, anchor=root)) == 3


def test_an_absent_key_usage_restricts_nothing():
    root = pki.make_ca(key_usage=None)
    issuing = pki.make_ca("Issuing", issuer=root, key_usage=None)

    assert len(chain(pki.make_leaf(issuing, key_usage=None), issuing, anchor=root)) == 3


def test_key_identifiers_may_be_absent():
    root = pki.make_ca(ski=False)
    issuing = pki.make_ca("Issuing", issuer=root, ski=False)

    assert len(chain(pki.make_leaf(issuing, ski=False), issuing, anchor=root)) == 3


def test_cross_signing_finds_the_trusted_way(test_pki):
    """Two certificates of one issuing CA, one below an unknown root."""
    other = pki.make_ca("Test issuing CA", issuer=pki.make_ca("Unknown", key="d"), key="intermediate")

    assert chain(test_pki.sender, other, test_pki.issuing, anchor=test_pki.root)[1] == of(test_pki.issuing)


EXPIRED = {"not_before": NOW - 2 * DAY, "not_after": NOW - DAY}
YOUNG = {"not_before": NOW + DAY}
BROKEN = {
    "unknown root": lambda root: (root, {}, {}, pki.make_ca("Unknown", key="d")),
    "same name, other key": lambda root: (root, {}, {}, pki.make_ca("Test root", key="d")),
    "issuer is no CA": lambda root: (root, {"basic_constraints": x509.BasicConstraints(False, None)}, {}, root),
    "issuer has no BasicConstraints": lambda root: (root, {"basic_constraints": None}, {}, root),
    "issuer may not sign certificates": lambda root: (root, {"key_usage": ("digital_signature",)}, {}, root),
    "unknown critical extension in the issuer": lambda root: (root, {"extensions": [(UNKNOWN, True)]}, {}, root),
    "unknown critical extension in the leaf": lambda root: (root, {}, {"extensions": [(UNKNOWN, True)]}, root),
    "weak issuer": lambda root: (root, {"key": "rsa1024-a"}, {}, root),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_path_is_untrusted(test_pki, name):
    root, issuing, leaf, anchor = BROKEN[name](test_pki.root)
    usage = {"basic_constraints": x509.BasicConstraints(True, None), "key_usage": pki.ISSUE, "key": "intermediate"}
    middle = pki.make_leaf(root, "Issuing", **{**usage, **issuing})

    assert refusal(lambda: chain(pki.make_leaf(middle, **leaf), middle, anchor=anchor)) is Refusal.UNTRUSTED


@pytest.mark.parametrize("options", [EXPIRED, YOUNG])
def test_every_certificate_of_the_path_has_to_be_valid(test_pki, options):
    issuing = pki.make_ca("Issuing", issuer=test_pki.root, **options)
    root = pki.make_ca("Root", **options)

    assert refusal(lambda: chain(pki.make_leaf(issuing), issuing, anchor=test_pki.root)) is Refusal.EXPIRED
    assert refusal(lambda: chain(pki.make_leaf(root), anchor=root)) is Refusal.EXPIRED


def test_an_unknown_extension_that_is_not_critical_does_not_matter(test_pki):
    assert chain(pki.make_leaf(test_pki.root, extensions=[(UNKNOWN, False)]), anchor=test_pki.root)


def test_a_path_length_is_kept(test_pki):
    first = pki.make_ca("First", issuer=test_pki.root, path_length=0)
    second = pki.make_ca("Second", issuer=first, key="d")

    assert chain(pki.make_leaf(first), first, anchor=test_pki.root)
    assert refusal(lambda: chain(pki.make_leaf(second), second, first, anchor=test_pki.root)) is Refusal.UNTRUSTED


def test_an_intermediate_key_of_any_length_is_not_computed_with():
    """RSA 2048-4096 holds for it too: it comes from anybody, and a search may use it a hundred times."""
    root = pki.make_ca()
    long, right = (pki.make_ca("Issuing", issuer=root, key=key) for key in ("rsa8192-a", "rsa4096-a"))

    assert len(chain(pki.make_leaf(right), right, anchor=root)) == 3
    assert refusal(lambda: chain(pki.make_leaf(long), long, anchor=root)) is Refusal.UNTRUSTED
    assert len(chain(pki.make_leaf(long), anchor=long)) == 2  # an anchor is our own choice


def test_a_leaf_does_not_issue(test_pki):
    """A partner must not make certificates with its own one."""
    forged = pki.make_leaf(test_pki.sender, "receiver", key="c")

    assert refusal(lambda: chain(forged, test_pki.sender, test_pki.issuing, anchor=test_pki.root)) is Refusal.UNTRUSTED
    assert refusal(lambda: chain(forged, anchor=test_pki.sender)) is Refusal.UNTRUSTED


def test_a_forged_signature_is_untrusted(test_pki):
    forger = replace(test_pki.root, key=pki.private_key("d"))

    assert refusal(lambda: chain(pki.make_leaf(forger), anchor=test_pki.root)) is Refusal.UNTRUSTED


def test_without_anchors_nobody_is_trusted(test_pki):
    certificate = of(test_pki.sender)

    assert refusal(lambda: check_chain(certificate, intermediates=[], anchors=[], at=NOW)) is Refusal.UNTRUSTED


def test_all_policies_are_needed(test_pki):
    leaf = pki.make_leaf(test_pki.root, policies=["1.2.3", "1.2.4"])

    assert chain(leaf, anchor=test_pki.root, policies=["1.2.3", "1.2.4"])
    assert refusal(lambda: chain(leaf, anchor=test_pki.root, policies=["1.2.3", "1.2.5"])) is Refusal.POLICY
    assert refusal(lambda: chain(leaf, anchor=leaf, policies=["1.2.5"])) is Refusal.POLICY


def test_a_remembered_path_is_not_used_after_it_expired(test_pki, monkeypatch):
    issuing = pki.make_ca("Issuing", issuer=test_pki.root, not_after=NOW + DAY)
    leaf, searches = pki.make_leaf(issuing), []
    find = certs._find_path
    monkeypatch.setattr(certs, "_find_path", lambda *arguments: searches.append(1) or find(*arguments))

    for _ in range(3):
        chain(leaf, issuing, anchor=test_pki.root)
    assert len(searches) == 1
    assert refusal(lambda: chain(leaf, issuing, anchor=test_pki.root, at=NOW + 2 * DAY)) is Refusal.EXPIRED
    assert refusal(lambda: chain(leaf, issuing, anchor=test_pki.stranger)) is Refusal.UNTRUSTED
    assert len(searches) == 3


def test_no_more_paths_are_remembered_than_fit(test_pki, monkeypatch):
    monkeypatch.setattr(certs, "_REMEMBERED", 2)
    for number in range(4):
        chain(pki.make_leaf(test_pki.root, f"leaf {number}"), anchor=test_pki.root)

    assert len(certs._paths) == 2


def test_a_pki_path_is_root_first_on_the_wire(test_pki):
    """as4-wire 9.32."""
    path = [of(each) for each in (test_pki.sender, test_pki.issuing, test_pki.root)]

    assert pkipath(to_pkipath(path)) == path[::-1]
    assert pkipath(b"\x30\x82" + len(path[0].der).to_bytes(2) + path[0].der) == path[:1]


def test_a_malformed_pki_path_is_refused(test_pki):
    der = test_pki.sender.der
    whole = to_pkipath([of(test_pki.sender)] * 2)
    for data in (
        b"",
        b"\x30\x00",
        b"\x30\x80" + der,
        der,
        whole[:-1],
        whole + b"\x00",
        b"\x31" + whole[1:],
        b"\x30\x89" + bytes(9),
        to_pkipath([of(test_pki.sender)] * 9),
        b"\x30\x04\x30\x06ab",
    ):
        with pytest.raises(MalformedSecurity):
            pkipath(data)


def test_certificates_of_live_peers_are_read_and_chained(shared_data):
    for folder in (shared_data / "as4/live-keys" / name for name in ("domibus-holodeck", "oxalis", "phase4")):
        found = {
            file.name: Certificate.from_pem(file.read_bytes())
            for file in folder.glob("*.pem")
            if "key" not in file.name
        }
        anchor = next(certificate for name, certificate in found.items() if name.startswith("ca"))
        for certificate in found.values():
            assert check_chain(certificate, intermediates=[], anchors=[anchor], at=NOW + DAY)[-1] == anchor


def test_an_unsupported_kind_of_key_is_unfit():
    from cryptography.hazmat.primitives.asymmetric import ed448

    key = ed448.Ed448PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ed448")])
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + DAY).sign(key, None)

    assert refusal(lambda: Certificate.from_x509(certificate)) is Refusal.UNFIT


@pytest.mark.parametrize("serial", [0, -1, -128])
def test_a_serial_number_that_is_not_positive_is_refused_without_a_warning(serial):
    """RFC 5280, 4.1.2.2. Warnings are errors here; no library of ours makes such a certificate."""
    der = pki.make_leaf(None, serial=0x55).der
    version = b"\xa0\x03\x02\x01\x02"
    assert der.count(version + b"\x02\x01\x55") == 1
    der = der.replace(version + b"\x02\x01\x55", version + b"\x02\x01" + serial.to_bytes(1, "big", signed=True))
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"

    assert refusal(lambda: Certificate.from_der(der)) is Refusal.UNFIT
    assert refusal(lambda: Certificate.from_pem(pem)) is Refusal.UNFIT
    with pytest.raises(CertificateRefused, match="serial number is not positive"):
        load_certificates(pem)


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80, 1 << 158])
def test_a_positive_serial_number_is_read(serial):
    assert of(pki.make_leaf(None, serial=serial)).serial_number == serial


def test_the_signature_of_an_anchor_is_not_asked_for():
    """A SHA-1 signed root is trusted because it is configured, not because of its signature on itself."""
    cert = x509.load_pem_x509_certificate((pki.KEYS / "sha1-root.crt.pem").read_bytes())
    root = pki.Identity(pki.private_key("ca"), cert)

    assert cert.signature_hash_algorithm.name == "sha1"
    assert chain(pki.make_leaf(root), anchor=root)[-1] == of(root)


def test_the_smp_certificates_of_peppol_stand_below_their_cas(shared_data):
    folder = shared_data / "smp/peppol"
    anchors = [load_certificates(file.read_bytes())[0] for file in sorted((folder / "ca").glob("*.cer"))]
    for file in ("valid-sha1-exc-c14n.xml", "vefa/busdox-servicemetadata-9908-98765432.xml"):
        token = re.search(rb"<(\w+:)?X509Certificate>([^<]+)<", (folder / file).read_bytes())[2]
        signer = Certificate.from_der(base64.b64decode(token))
        path = check_chain(signer, intermediates=[], anchors=anchors, at=signer.not_after)

        assert path[1] in anchors
        assert check_fit(signer, "sign", signer.not_after) is None


def test_the_wss4j_sender_may_not_sign(shared_data):
    """Its KeyUsage is keyEncipherment only: the cryptography of its messages holds, their policy does not (10.1)."""
    folder = shared_data / "as4/wss4j/keys"
    sender, anchor = (Certificate.from_pem((folder / f"{name}.pem").read_bytes()) for name in ("rsa-sender.crt", "ca"))

    assert check_chain(sender, intermediates=[], anchors=[anchor], at=NOW) == (sender, anchor)
    assert refusal(lambda: check_fit(sender, "sign", NOW)) is Refusal.UNFIT
