"""XML Encryption: the OAEP matrix, AES-GCM over any size, and failures that all look the same."""

import base64
import os

import pki
import pytest
import xmlsec
from lxml import etree

from ehmi_ap.body import CHUNK, Joined, MemoryBody
from ehmi_ap.crypto import xenc
from ehmi_ap.crypto.algorithms import CIPHERS, KEY_TRANSPORTS, REFUSED, RSA_OAEP, RSA_OAEP_MGF1P, SHA1
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.errors import BudgetExceeded, DecryptionFailed, MalformedSecurity, NotAllowedAlgorithm

KEY = pki.private_key("b")
AES128 = CIPHERS.by_word("aes128-gcm").uri
IV = bytes(range(12))
NAMESPACES = (
    'xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" '
    'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
    'xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"'
)


def encrypted_key(wrapped: bytes, method: str, references: str = "", attributes: str = ' Id="EK"') -> str:
    value = base64.b64encode(wrapped).decode()
    return (
        f"<xenc:EncryptedKey {NAMESPACES}{attributes}>{method}<ds:KeyInfo><ds:KeyName>k</ds:KeyName></ds:KeyInfo>"
        f"<xenc:CipherData><xenc:CipherValue>{value}</xenc:CipherValue></xenc:CipherData>{references}</xenc:EncryptedKey>"
    )


def method(row) -> str:
    mgf = f'<xenc11:MGF Algorithm="{row.mgf}"/>' if row.uri == RSA_OAEP else ""
    return f'<xenc:EncryptionMethod Algorithm="{row.uri}"><ds:DigestMethod Algorithm="{row.digest}"/>{mgf}</xenc:EncryptionMethod>'


def key_of(text: str) -> xenc.ParsedEncryptedKey:
    return xenc.read_encrypted_key(parse(text.encode()))


@pytest.mark.parametrize("word", KEY_TRANSPORTS)
def test_every_key_transport_unwraps_what_it_wrapped(word):
    row, content_key = KEY_TRANSPORTS[word], os.urandom(16)
    key = key_of(encrypted_key(xenc.wrap(content_key, KEY.public_key(), word), method(row)))

    assert key.transport.algorithm([word]) is row
    assert xenc.unwrap(key, KEY, AES128) == content_key
    with pytest.raises(NotAllowedAlgorithm):
        key.transport.algorithm([other for other in KEY_TRANSPORTS if other != word])


@pytest.mark.parametrize(
    ("uri", "children", "word"),
    [
        (RSA_OAEP, "", "rsa-oaep-sha1-mgf1sha1"),
        (RSA_OAEP_MGF1P, "", "rsa-oaep-mgf1p-sha1"),
        (RSA_OAEP_MGF1P, f'<ds:DigestMethod Algorithm="{SHA1}"/>', "rsa-oaep-mgf1p-sha1"),
        (
            RSA_OAEP,
            '<xenc11:MGF Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>',
            "rsa-oaep-sha1-mgf1sha256",
        ),
    ],
)
def test_absent_children_have_their_default(uri, children, word):
    """as4-wire 3.1 and 9.12."""
    text = f'<xenc:EncryptionMethod Algorithm="{uri}">{children}</xenc:EncryptionMethod>'

    assert key_of(encrypted_key(b"x", text)).transport.algorithm().word == word


def test_oaep_params_are_the_label():
    """as4-wire 9.13; the pair to it is made by cryptography here, since we never emit any."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    label, content_key = b"a label", os.urandom(16)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), label)
    params = f"<xenc:OAEPparams>{base64.b64encode(label).decode()}</xenc:OAEPparams>"
    text = f'<xenc:EncryptionMethod Algorithm="{RSA_OAEP}">{params}</xenc:EncryptionMethod>'
    wrapped = KEY.public_key().encrypt(content_key, oaep)

    assert xenc.unwrap(key_of(encrypted_key(wrapped, text)), KEY, AES128) == content_key
    assert xenc.unwrap(key_of(encrypted_key(wrapped, text.replace(params, ""))), KEY, AES128) != content_key


def test_libxmlsec_opens_what_we_encrypt():
    data, content_key = b"<a>secret</a>", os.urandom(16)
    row = KEY_TRANSPORTS["rsa-oaep-sha256-mgf1sha256"]
    wrapped = xenc.wrap(content_key, KEY.public_key(), row.word)
    cipher = base64.b64encode(b"".join(xenc.encrypt([data], content_key, IV, "aes128-gcm"))).decode()
    root = etree.fromstring(
        f'<xenc:EncryptedData {NAMESPACES}><xenc:EncryptionMethod Algorithm="{AES128}"/><ds:KeyInfo>'
        f"{encrypted_key(wrapped, method(row)).replace('<ds:KeyInfo><ds:KeyName>k</ds:KeyName></ds:KeyInfo>', '')}"
        f"</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{cipher}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"
    )
    manager = xmlsec.KeysManager()
    manager.add_key(
        xmlsec.Key.from_memory((pki.KEYS / "rsa2048-b.pem").read_bytes(), xmlsec.constants.KeyDataFormatPem)
    )

    assert xmlsec.EncryptionContext(manager).decrypt(root) == data


BAD_WRAPS = {
    "another key": lambda: xenc.wrap(os.urandom(16), pki.private_key("c").public_key(), "rsa-oaep-sha256-mgf1sha256"),
    "another digest": lambda: xenc.wrap(os.urandom(16), KEY.public_key(), "rsa-oaep-sha512-mgf1sha256"),
    "another mgf": lambda: xenc.wrap(os.urandom(16), KEY.public_key(), "rsa-oaep-sha256-mgf1sha1"),
    "another length": lambda: xenc.wrap(os.urandom(32), KEY.public_key(), "rsa-oaep-sha256-mgf1sha256"),
    "no ciphertext": lambda: b"x",
    "too long": lambda: b"\xff" * 256,
    "much too long": lambda: b"\x01" * 512,
    "zeros": lambda: bytes(256),
}


@pytest.mark.parametrize("name", BAD_WRAPS)
def test_a_wrong_key_is_a_random_key_of_the_right_length(name):
    """Bleichenbacher and Manger get no answer: the failure shows as a wrong tag only (as4-wire 3.4)."""
    key = key_of(encrypted_key(BAD_WRAPS[name](), method(KEY_TRANSPORTS["rsa-oaep-sha256-mgf1sha256"])))
    found = {xenc.unwrap(key, KEY, CIPHERS.by_word(word).uri) for word in ("aes128-gcm", "aes256-gcm")}
    body = MemoryBody(b"".join(xenc.encrypt([b"data"], os.urandom(16), IV, "aes128-gcm")))

    assert sorted(map(len, found)) in ([16, 32], [16])
    with pytest.raises(DecryptionFailed) as caught:
        list(xenc.decrypt(body, xenc.unwrap(key, KEY, AES128), AES128))
    assert str(caught.value) == "the message could not be decrypted"


@pytest.mark.parametrize("word", ["aes128-gcm", "aes192-gcm", "aes256-gcm"])
@pytest.mark.parametrize(
    "sizes", [[], [0], [1], [1000], [5, 7], [CHUNK, CHUNK, 3], [3 * xenc.SMALL + 1], [xenc.SMALL, 1]]
)
def test_what_is_encrypted_decrypts_whatever_its_size_and_chunks(word, sizes):
    chunks = [os.urandom(size) for size in sizes]
    row = CIPHERS.by_word(word)
    key = os.urandom(row.key_bytes)
    secret = list(xenc.encrypt(chunks, key, IV, word))
    body = MemoryBody(b"".join(secret))

    assert body.data[:12] == IV
    assert body.size == sum(sizes) + xenc.OVERHEAD
    assert b"".join(xenc.decrypt(body, key, row.uri)) == b"".join(chunks)
    pieces = Joined(tuple(MemoryBody(body.data[at : at + 100_001]) for at in range(0, body.size, 100_001)))
    assert b"".join(xenc.decrypt(pieces, key, row.uri)) == b"".join(chunks)


@pytest.mark.parametrize("size", [10, 2 * xenc.SMALL])
@pytest.mark.parametrize("where", ["iv", "data", "tag", "cut", "grown"])
def test_any_change_is_found_before_the_iterator_ends(size, where):
    key = os.urandom(16)
    secret = bytearray(b"".join(xenc.encrypt([os.urandom(size)], key, IV, "aes128-gcm")))
    if where == "cut":
        del secret[-1:]
    elif where == "grown":
        secret += b"x"
    else:
        secret[{"iv": 0, "data": 15, "tag": -1}[where]] ^= 1

    with pytest.raises(DecryptionFailed) as caught:
        for _ in xenc.decrypt(MemoryBody(bytes(secret)), key, AES128):
            pass
    assert str(caught.value) == "the message could not be decrypted"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("size", range(28))
def test_less_than_iv_and_tag_is_refused(size):
    """as4-wire 9.31."""
    with pytest.raises(DecryptionFailed):
        list(xenc.decrypt(MemoryBody(bytes(size)), bytes(16), AES128))


def test_a_key_of_the_wrong_length_fails_like_any_other():
    body = MemoryBody(b"".join(xenc.encrypt([b"data"], bytes(16), IV, "aes128-gcm")))

    with pytest.raises(DecryptionFailed):
        list(xenc.decrypt(body, bytes(32), AES128))
    with pytest.raises(ValueError, match="length"):
        xenc.encrypt([b""], bytes(32), IV, "aes128-gcm")
    with pytest.raises(ValueError, match="length"):
        xenc.encrypt([b""], bytes(16), bytes(16), "aes128-gcm")


@pytest.mark.parametrize("uri", REFUSED.values())
def test_rsa_1_5_and_cbc_are_refused_by_name(uri):
    """as4-wire 3.1: no integrity, padding oracles."""
    key = key_of(encrypted_key(b"x" * 256, f'<xenc:EncryptionMethod Algorithm="{uri}"/>'))

    with pytest.raises(NotAllowedAlgorithm):
        xenc.unwrap(key, KEY, AES128)
    with pytest.raises(NotAllowedAlgorithm):
        list(xenc.decrypt(MemoryBody(bytes(100)), bytes(16), uri))


def test_an_encrypted_key_is_read_whatever_the_order_of_its_children():
    references = (
        '<xenc:ReferenceList><xenc:DataReference URI="#ED-1"/> <xenc:DataReference URI="#ED-2"/></xenc:ReferenceList>'
    )
    row = KEY_TRANSPORTS["rsa-oaep-sha256-mgf1sha256"]
    text = encrypted_key(b"x", method(row), references)
    key, turned = key_of(text), key_of(text.replace(references, "").replace(method(row), references + method(row)))

    assert key.data_references == turned.data_references == ("ED-1", "ED-2")
    assert (key.id, key.wrapped) == ("EK", b"x")
    assert key.key_info.findtext("{*}KeyName") == "k"


OAEP = f'<xenc:EncryptionMethod Algorithm="{RSA_OAEP}"/>'
BAD_KEYS = {
    "no method": encrypted_key(b"x", ""),
    "two methods": encrypted_key(b"x", OAEP * 2),
    "no algorithm": encrypted_key(b"x", "<xenc:EncryptionMethod/>"),
    "empty value": encrypted_key(b"", OAEP),
    "value too long": encrypted_key(b"x" * 1025, OAEP),
    "reference list twice": encrypted_key(b"x", OAEP, "<xenc:ReferenceList/>" * 2),
    "reference elsewhere": encrypted_key(
        b"x", OAEP, '<xenc:ReferenceList><xenc:DataReference URI="http://x"/></xenc:ReferenceList>'
    ),
    "key reference": encrypted_key(
        b"x", OAEP, '<xenc:ReferenceList><xenc:KeyReference URI="#x"/></xenc:ReferenceList>'
    ),
    "mgf1p with MGF": encrypted_key(
        b"x", f'<xenc:EncryptionMethod Algorithm="{RSA_OAEP_MGF1P}"><xenc11:MGF Algorithm="x"/></xenc:EncryptionMethod>'
    ),
    "unknown child": encrypted_key(b"x", OAEP, "<xenc:Other/>"),
    "another element": f"<xenc:EncryptedData {NAMESPACES}/>",
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_malformed_encrypted_key_is_refused(name):
    with pytest.raises(MalformedSecurity):
        key_of(BAD_KEYS[name])


def test_data_references_are_bounded():
    many = '<xenc:DataReference URI="#x"/>' * 1001
    with pytest.raises(BudgetExceeded):
        key_of(encrypted_key(b"x", OAEP, f"<xenc:ReferenceList>{many}</xenc:ReferenceList>"))


def encrypted_data(reference: str, key_info: str = "", attributes: str = "") -> str:
    return (
        f'<xenc:EncryptedData {NAMESPACES} Id="ED"{attributes}><xenc:EncryptionMethod Algorithm="{AES128}"/>'
        f"{key_info}<xenc:CipherData>{reference}</xenc:CipherData></xenc:EncryptedData>"
    )


STR = '<ds:KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="#EK"/></wsse:SecurityTokenReference></ds:KeyInfo>'


def test_encrypted_data_names_its_part_type_key_and_transform():
    reference = (
        '<xenc:CipherReference URI="cid:a%20b@x"><xenc:Transforms><ds:Transform Algorithm="urn:t"/></xenc:Transforms>'
        "</xenc:CipherReference>"
    )
    text = encrypted_data(reference, STR, ' MimeType="application/gzip" Type="urn:type"')
    data = xenc.read_encrypted_data(parse(text.encode()))

    assert data == xenc.ParsedEncryptedData("ED", AES128, "application/gzip", "urn:type", "a%20b@x", "EK", ("urn:t",))
    assert data.algorithm(["aes128-gcm"]).key_bytes == 16
    with pytest.raises(NotAllowedAlgorithm):
        data.algorithm(["aes256-gcm"])


def test_encrypted_data_need_not_name_key_type_or_transform():
    for key_info in ("", "<ds:KeyInfo/>", "<ds:KeyInfo><ds:KeyName>k</ds:KeyName></ds:KeyInfo>"):
        data = xenc.read_encrypted_data(parse(encrypted_data('<xenc:CipherReference URI="cid:x"/>', key_info).encode()))

        assert (data.key_ref, data.mime_type, data.type, data.transforms) == (None, None, None, ())


@pytest.mark.parametrize(
    "text",
    [
        encrypted_data('<xenc:CipherReference URI="http://127.0.0.1/"/>'),
        encrypted_data('<xenc:CipherReference URI="#x"/>'),
        encrypted_data("<xenc:CipherReference/>"),
        encrypted_data("<xenc:CipherValue>YQ==</xenc:CipherValue>"),
        encrypted_data('<xenc:CipherReference URI="cid:x"/>' * 2),
        encrypted_data('<xenc:CipherReference URI="cid:x"/>', STR.replace("#EK", "EK")),
        encrypted_data('<xenc:CipherReference URI="cid:x"/>', STR * 2),
        f"<xenc:EncryptedKey {NAMESPACES}/>",
    ],
)
def test_malformed_encrypted_data_is_refused(text):
    with pytest.raises(MalformedSecurity):
        xenc.read_encrypted_data(parse(text.encode()))
