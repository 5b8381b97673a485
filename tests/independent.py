"""A second opinion on AS4 messages that shares no code with the product (as4-wire 10, "the check, in words").

lxml, cryptography and the standard library; no limits and no constant-time care, so it is for tests alone. It reads a
whole message in memory, undoes what encryption and compression did, recomputes every digest and the signature value,
and raises `Wrong` at the first thing that does not hold. `insist` adds what peers require of a message of ours
(peers-live 10).
"""

import base64
import contextlib
import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from lxml import etree

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "eb": "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/",
    "ebbp": "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0",
    "wsse": f"{_WSS}wssecurity-secext-1.0.xsd",
    "wsu": f"{_WSS}wssecurity-utility-1.0.xsd",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "d11": "http://www.w3.org/2009/xmldsig11#",
    "xenc": "http://www.w3.org/2001/04/xmlenc#",
    "x11": "http://www.w3.org/2009/xmlenc11#",
    "r21": "http://www.w3.org/2021/04/xmldsig-more#",
    "ec": "http://www.w3.org/2001/10/xml-exc-c14n#",
}
_X509 = f"{_WSS}x509-token-profile-1.0#"
_DIGESTS = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
_IDS = (f"{{{NS['wsu']}}}Id", "Id", "ID", "id")


class Wrong(AssertionError):
    """The message is not right."""


@dataclass
class Facts:
    """What the message turned out to be. `payloads` are (content id, MimeType, bytes as C4 gets them)."""

    root: etree._Element
    signed: bool = False
    encrypted: bool = False
    signer: x509.Certificate | None = None
    references: list[tuple[str, bytes]] = field(default_factory=list)
    payloads: list[tuple[str, str, bytes]] = field(default_factory=list)
    receipt: list[tuple[str, bytes]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def check(
    wire: bytes,
    content_type: str,
    keys: Sequence[bytes] = (),
    certificates: Sequence[bytes] = (),
    *,
    covered: bool = True,
) -> Facts:
    """Facts of a message; `keys` and `certificates` are PEM. Raises Wrong.

    With `covered`, a signature has to cover eb:Messaging, env:Body and every part.
    """
    parts = split(wire, content_type)
    root = etree.fromstring(parts[0][1].removeprefix(b"\xef\xbb\xbf"))
    facts = Facts(root)
    contents = {cid: (kind, data) for kind, data, cid in ((p[0], p[1], p[2]) for p in parts[1:])}
    facts.encrypted = _decrypt(root, contents, [serialization.load_pem_private_key(key, None) for key in keys])
    known = [certificate for pem in certificates for certificate in x509.load_pem_x509_certificates(pem)]
    _verify(root, contents, known, facts)
    if facts.signed and covered:
        _covered(root, contents, facts)
    for item in root.iterfind(".//ebbp:MessagePartNRInformation/ds:Reference", NS):
        facts.receipt.append((item.get("URI", ""), base64.b64decode(item.findtext("ds:DigestValue", "", NS))))
    facts.errors = [item.get("errorCode", "") for item in root.iterfind(".//eb:Error", NS)]
    facts.payloads = [_deliver(info, contents) for info in root.iterfind(".//eb:PartInfo", NS)]
    return facts


# -- MIME


def split(wire: bytes, content_type: str) -> list[tuple[str, bytes, str]]:
    """(type, bytes, content id) of each part; the first is the envelope."""
    if "multipart/related" not in content_type.lower():
        return [(content_type, wire, "")]
    found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', content_type, re.IGNORECASE)
    _must(found is not None, "a boundary parameter")
    assert found is not None
    delimiter = b"--" + (found[1] or found[2]).encode()
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(delimiter), wire)
    _must(len(pieces) > 2 and pieces[-1].startswith(b"--"), "a closing delimiter")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> tuple[str, bytes, str]:
    head, _, data = re.sub(rb"\A[ \t]*\r?\n", b"\n", piece).replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
    unfolded = re.sub(r"\r?\n[ \t]+", " ", head.decode("latin-1"))
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in unfolded.splitlines())}
    if headers.get("content-transfer-encoding", "").lower() == "base64":
        data = base64.b64decode(data)
    return headers.get("content-type", ""), data, headers.get("content-id", "").strip("<>")


# -- XML Encryption


def _decrypt(root: etree._Element, contents: dict[str, tuple[str, bytes]], keys: Sequence[object]) -> bool:
    session: dict[str, bytes] = {}
    for encrypted in root.iterfind(".//xenc:EncryptedKey", NS):
        key = next((found for each in keys if (found := _unwrap(encrypted, each)) is not None), None)
        _must(key is not None, "a private key that opens the EncryptedKey")
        assert key is not None
        for listed in encrypted.iterfind("xenc:ReferenceList/xenc:DataReference", NS):
            session[listed.get("URI", "")] = key
    for data in root.iterfind(".//xenc:EncryptedData", NS):
        cid = data.find("xenc:CipherData/xenc:CipherReference", NS).get("URI", "").removeprefix("cid:")  # type: ignore[union-attr]
        _must(cid in contents, f"a part for {cid}")
        key, cipher = session["#" + data.get("Id", "")], contents[cid][1]
        method = data.find("xenc:EncryptionMethod", NS).get("Algorithm", "")  # type: ignore[union-attr]
        _must(method.endswith(f"#aes{len(key) * 8}-gcm"), f"AES-GCM with a key of its length, not {method}")
        try:
            plain = AESGCM(key).decrypt(cipher[:12], cipher[12:], None)
        except Exception as error:
            raise Wrong(f"the tag of {cid} does not hold") from error
        contents[cid] = (data.get("MimeType") or contents[cid][0], plain)
    return bool(session)


def _unwrap(encrypted: etree._Element, key: object) -> bytes | None:
    method = encrypted.find("xenc:EncryptionMethod", NS)
    assert method is not None
    value = base64.b64decode("".join(encrypted.findtext("xenc:CipherData/xenc:CipherValue", "", NS).split()))
    agreement = encrypted.find("ds:KeyInfo/xenc:AgreementMethod", NS)
    try:
        if agreement is not None:
            return keywrap.aes_key_unwrap(_agree(agreement, key), value)
        assert isinstance(key, rsa.RSAPrivateKey)
        digest, mgf = method.find("ds:DigestMethod", NS), method.find("x11:MGF", NS)
        label = method.findtext("xenc:OAEPparams", None, NS)
        outer = _DIGESTS["sha1" if digest is None else digest.get("Algorithm", "").rpartition("#")[2]]()
        inner = _DIGESTS["sha1" if mgf is None else mgf.get("Algorithm", "").rpartition("#mgf1")[2]]()
        oaep = padding.OAEP(padding.MGF1(inner), outer, base64.b64decode(label) if label else None)
        return key.decrypt(value, oaep)
    except (ValueError, AssertionError, keywrap.InvalidUnwrap):
        return None


def _agree(agreement: etree._Element, key: object) -> bytes:
    """X25519 or ECDH with an ephemeral key, then HKDF-SHA256 (as4-wire 4.2)."""
    der = agreement.findtext(".//d11:DEREncodedKeyValue", None, NS)
    if der is not None:
        assert isinstance(key, x25519.X25519PrivateKey)
        public = serialization.load_der_public_key(base64.b64decode(der))
        assert isinstance(public, x25519.X25519PublicKey)
        secret = key.exchange(public)
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        point = base64.b64decode("".join(agreement.findtext(".//d11:PublicKey", "", NS).split()))
        secret = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point))
    salt = base64.b64decode(agreement.findtext(".//r21:Salt", "", NS)) or None
    return HKDF(hashes.SHA256(), 16, salt, b"").derive(secret)


# -- XML Signature


def _verify(
    root: etree._Element, contents: dict[str, tuple[str, bytes]], known: list[x509.Certificate], facts: Facts
) -> None:
    signatures = root.findall("s:Header/wsse:Security/ds:Signature", NS)
    _must(len(signatures) <= 1, "one signature at most")
    if not signatures:
        return
    info = signatures[0].find("ds:SignedInfo", NS)
    assert info is not None
    for reference in info.iterfind("ds:Reference", NS):
        uri = reference.get("URI", "")
        wanted = base64.b64decode(reference.findtext("ds:DigestValue", "", NS))
        name = reference.find("ds:DigestMethod", NS).get("Algorithm", "").rpartition("#")[2]  # type: ignore[union-attr]
        got = hashlib.new(name, _referenced(root, contents, reference, uri), usedforsecurity=False).digest()
        _must(got == wanted, f"the digest of {uri}")
        facts.references.append((uri, wanted))
    method = info.find("ds:CanonicalizationMethod", NS)
    assert method is not None
    facts.signer = _signer(root, signatures[0], known)
    algorithm = info.find("ds:SignatureMethod", NS).get("Algorithm", "").rpartition("#")[2]  # type: ignore[union-attr]
    value = base64.b64decode("".join(signatures[0].findtext("ds:SignatureValue", "", NS).split()))
    try:
        _check_value(facts.signer.public_key(), algorithm, value, _c14n(info, method))
    except InvalidSignature as error:
        raise Wrong("the signature value does not verify") from error
    facts.signed = True


def _check_value(key: object, algorithm: str, value: bytes, data: bytes) -> None:
    if algorithm == "eddsa-ed25519":
        assert isinstance(key, ed25519.Ed25519PublicKey)
        key.verify(value, data)
    elif algorithm.startswith("ecdsa-"):
        assert isinstance(key, ec.EllipticCurvePublicKey)
        half = len(value) // 2
        der = utils.encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))
        key.verify(der, data, ec.ECDSA(_DIGESTS[algorithm.removeprefix("ecdsa-")]()))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(value, data, padding.PKCS1v15(), _DIGESTS[algorithm.removeprefix("rsa-")]())


def _referenced(
    root: etree._Element, contents: dict[str, tuple[str, bytes]], reference: etree._Element, uri: str
) -> bytes:
    if uri.startswith("#"):
        found = [element for element in root.iter("*") if uri[1:] in {element.get(name) for name in _IDS}]
        _must(len(found) == 1, f"one element for {uri}, not {len(found)}")
        transform = reference.find("ds:Transforms/ds:Transform", NS)
        assert transform is not None
        return _c14n(found[0], transform)
    _must(uri.removeprefix("cid:") in contents, f"a part for {uri}")
    kind, data = contents[uri.removeprefix("cid:")]
    if re.match(r"(text/xml|application/xml|(application|image)/.*\+xml)", kind, re.IGNORECASE):
        return etree.tostring(etree.fromstring(data).getroottree(), method="c14n", exclusive=True, with_comments=False)
    return re.sub(rb"\r\n|\r|\n", b"\r\n", data) if re.match(r"text/", kind, re.IGNORECASE) else data


def _c14n(element: etree._Element, method: etree._Element) -> bytes:
    _must(method.get("Algorithm") == NS["ec"], "exclusive canonicalisation")
    listed = method.find("ec:InclusiveNamespaces", NS)
    prefixes = [] if listed is None else listed.get("PrefixList", "").split()
    _must("#default" not in prefixes, "a PrefixList that lxml honours")
    return etree.tostring(
        element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes or None
    )


def _signer(root: etree._Element, signature: etree._Element, known: list[x509.Certificate]) -> x509.Certificate:
    direct = signature.find("ds:KeyInfo/wsse:SecurityTokenReference/wsse:Reference", NS)
    if direct is not None:
        uri = direct.get("URI", "")[1:]
        tokens = [t for t in root.iterfind(".//wsse:BinarySecurityToken", NS) if t.get(f"{{{NS['wsu']}}}Id") == uri]
        _must(len(tokens) == 1, "one token for the signature")
        der = base64.b64decode("".join((tokens[0].text or "").split()))
        if tokens[0].get("ValueType", "").endswith("#X509PKIPathv1"):
            return _leaf(der)
        return x509.load_der_x509_certificate(der)
    serial = signature.findtext(".//ds:X509SerialNumber", None, NS)
    named = signature.findtext(".//wsse:KeyIdentifier", None, NS) or signature.findtext(".//ds:X509SKI", None, NS)
    for certificate in known:
        if serial is not None and certificate.serial_number == int(serial):
            return certificate
        if named is not None and base64.b64decode("".join(named.split())) in _names(certificate):
            return certificate
    raise Wrong("no certificate for the signature's token")


def _leaf(path: bytes) -> x509.Certificate:
    """The last certificate of a PKIPath: a DER SEQUENCE of certificates, root first."""
    der, last = _content(path), b""
    while der:
        size = len(der) - len(_content(der, rest=True))
        last, der = der[:size], der[size:]
    return x509.load_der_x509_certificate(last)


def _content(der: bytes, *, rest: bool = False) -> bytes:
    """The content of the first DER value, or what comes after it."""
    length, start = der[1], 2
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:start])
    return der[start + length :] if rest else der[start : start + length]


def _names(certificate: x509.Certificate) -> set[bytes]:
    """Subject key identifier, as written and as computed, and SHA-1 thumbprint."""
    names = {
        certificate.fingerprint(hashes.SHA1()),
        x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest,
    }  # type: ignore[arg-type]
    with contextlib.suppress(x509.ExtensionNotFound):
        names.add(certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest)
    return names


# -- what it comes to


def _covered(root: etree._Element, contents: dict[str, tuple[str, bytes]], facts: Facts) -> None:
    uris = {uri for uri, _ in facts.references}
    for path in ("s:Header/eb:Messaging", "s:Body"):
        found = root.findall(path, NS)
        _must(len(found) == 1, f"one {path}")
        _must(any("#" + (found[0].get(name) or "?") in uris for name in _IDS), f"{path} signed")
    _must({"cid:" + cid for cid in contents} <= uris, "every part signed")


def _deliver(info: etree._Element, contents: dict[str, tuple[str, bytes]]) -> tuple[str, str, bytes]:
    cid = info.get("href", "").removeprefix("cid:")
    _must(cid in contents, f"a part for the PartInfo {cid}")
    properties = {p.get("name"): p.text or "" for p in info.iterfind("eb:PartProperties/eb:Property", NS)}
    kind, data = contents[cid]
    if "CompressionType" in properties:
        data = gzip.decompress(data)
    return cid, properties.get("MimeType", kind), data


def insist(wire: bytes, content_type: str, facts: Facts) -> None:
    """What some peer insists on in a message of ours, beyond being right (peers-live 10, sender 1-5)."""
    parts = split(wire, content_type)
    hrefs = [info.get("href", "") for info in facts.root.iterfind(".//eb:PartInfo", NS)]
    _must(hrefs == [f"cid:{cid}" for _, _, cid in parts[1:]], "parts in the order of PartInfo, hrefs unescaped")
    if len(parts) > 1:
        _must(re.search(r'boundary="[^"]{1,70}"', content_type) is not None, "a quoted boundary")
        _must('type="application/soap+xml"' in content_type, "the type parameter")
        _must(parts[0][0].startswith("application/soap+xml"), "the envelope first")
    order = [etree.QName(child).localname for child in facts.root.find("s:Header/wsse:Security", NS)]  # type: ignore[union-attr]
    shape = r"(BinarySecurityToken )?(EncryptedKey (EncryptedData )+)?(BinarySecurityToken )?Signature "
    _must(re.fullmatch(shape, "".join(name + " " for name in order)) is not None, f"the order of Security, not {order}")
    for token in facts.root.iterfind(".//wsse:BinarySecurityToken", NS):
        _must(token.get("EncodingType", "").endswith("#Base64Binary"), "EncodingType on a token (BSP R3029)")
        _must(token.get("ValueType", "").startswith(_X509), "ValueType on a token")
    for value in facts.root.iter(f"{{{NS['ds']}}}DigestValue", f"{{{NS['ds']}}}SignatureValue"):
        _must(value.text is not None and not re.search(r"\s", value.text), "base64 on one line")
    for info in facts.root.iterfind(".//eb:PartInfo", NS):
        _must(info.find("eb:PartProperties/eb:Property[@name='MimeType']", NS) is not None, "a MimeType for each part")


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(f"expected: {what}")
