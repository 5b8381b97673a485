"""Distinguished names as text: comparing the X509IssuerName of a peer with a certificate's issuer.

Rules (as4-wire 3.5, 9.24): never compare the text. Java, .NET and OpenSSL differ in quoting, escapes, keywords and
order, so both sides become RDNs of (OID, value), and two names are equal when they have the same RDNs in any
order. Values compare without regard to case and repeated white space (RFC 5280 7.1). The serial number, always
compared beside the name, keeps this from being too liberal.
"""

from collections import Counter
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

MAX_NAME = 4096
"""Characters of an issuer name that we read."""

_Rdn = frozenset[tuple[str, str]]

_KEYWORDS = {
    "CN": NameOID.COMMON_NAME,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "STREET": NameOID.STREET_ADDRESS,
    "E": NameOID.EMAIL_ADDRESS,
    "EMAIL": NameOID.EMAIL_ADDRESS,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "T": NameOID.TITLE,
    "TITLE": NameOID.TITLE,
    "SN": NameOID.SURNAME,
    "SURNAME": NameOID.SURNAME,
    "G": NameOID.GIVEN_NAME,
    "GN": NameOID.GIVEN_NAME,
    "GIVENNAME": NameOID.GIVEN_NAME,
    "INITIALS": NameOID.INITIALS,
    "GENERATION": NameOID.GENERATION_QUALIFIER,
    "DNQ": NameOID.DN_QUALIFIER,
    "DNQUALIFIER": NameOID.DN_QUALIFIER,
    "PSEUDONYM": NameOID.PSEUDONYM,
    "POSTALCODE": NameOID.POSTAL_CODE,
    "BUSINESSCATEGORY": NameOID.BUSINESS_CATEGORY,
    "ORGANIZATIONIDENTIFIER": NameOID.ORGANIZATION_IDENTIFIER,
    "OI": NameOID.ORGANIZATION_IDENTIFIER,
}


def same_name(text: str, name: x509.Name) -> bool:
    """Whether `text` (RFC 2253, RFC 4514 or X.500 style) names the same entity as `name`."""
    if len(text) > MAX_NAME:
        return False
    return _parsed(text) == _known(name)


def name_text(name: x509.Name) -> str:
    """The name as we write it in ds:X509IssuerName: RFC 4514, most specific RDN first."""
    return name.rfc4514_string()


@lru_cache(maxsize=512)
def _known(name: x509.Name) -> Counter[_Rdn]:
    return Counter(
        frozenset((attribute.oid.dotted_string, _plain(_decoded(attribute.value))) for attribute in rdn)
        for rdn in name.rdns
    )


@lru_cache(maxsize=512)
def _parsed(text: str) -> Counter[_Rdn] | None:
    """The RDNs of a name written as text; None when it cannot be read."""
    rdns: Counter[_Rdn] = Counter()
    rdn: list[tuple[str, str]] = []
    rest = text.strip()
    while rest:
        keyword, equals, rest = rest.partition("=")
        value, separator, rest = _value(rest.lstrip())
        oid = _oid(keyword.strip())
        if not equals or oid is None or value is None or (separator and not rest.strip()):
            return None
        rdn.append((oid, _plain(value)))
        if separator != "+":
            rdns[frozenset(rdn)] += 1
            rdn = []
    return None if rdn else rdns


def _oid(keyword: str) -> str | None:
    upper = keyword.upper().removeprefix("OID.")
    if upper in _KEYWORDS:
        return _KEYWORDS[upper].dotted_string
    return upper if upper[:1].isdigit() and all(part.isdigit() for part in upper.split(".")) else None


def _value(text: str) -> tuple[str | None, str, str]:
    """The value at the start of `text`, the separator behind it (empty at the end) and what follows."""
    if text.startswith('"'):
        value, index = _quoted(text)
    elif text.startswith("#"):
        index = next((i for i, c in enumerate(text) if c in ",+;"), len(text))
        return _hex(text[1:index].strip()), text[index : index + 1], text[index + 1 :]
    else:
        value, index = _unescaped(text, 0, ",+;")
        value = value.rstrip() if value is not None and text[:index].endswith(" ") else value
    behind = text[index:].lstrip()
    if behind and behind[0] not in ",+;":
        return None, "", ""
    return value, behind[:1], behind[1:]


def _quoted(text: str) -> tuple[str | None, int]:
    """A value between double quotes; a doubled quote stands for one (.NET)."""
    value, index = "", 1
    while True:
        piece, index = _unescaped(text, index, '"')
        if piece is None or index >= len(text):
            return None, len(text)
        value += piece
        if text[index + 1 : index + 2] != '"':
            return value, index + 1
        value, index = value + '"', index + 2


def _unescaped(text: str, index: int, stops: str) -> tuple[str | None, int]:
    """Reads up to one of `stops`, undoing backslash escapes (RFC 4514 2.4: a special character or a hex pair)."""
    octets = bytearray()
    while index < len(text) and text[index] not in stops:
        if text[index] != "\\":
            octets += text[index].encode("utf-8", "replace")
            index += 1
            continue
        pair = text[index + 1 : index + 3]
        if len(pair) == 2 and all(c in "0123456789abcdefABCDEF" for c in pair):
            octets.append(int(pair, 16))
            index += 3
        elif pair:
            octets += pair[0].encode("utf-8", "replace")
            index += 2
        else:
            return None, len(text)
    return octets.decode("utf-8", "replace"), index


def _hex(digits: str) -> str | None:
    """A value given as the hex of its BER: a string type with a short or long length (RFC 4514 2.4)."""
    try:
        ber = bytes.fromhex(digits)
    except ValueError:
        return None
    if len(ber) < 2 or ber[1] == 0x80:
        return None
    start = 2 if ber[1] < 0x80 else 2 + (ber[1] & 0x7F)
    encoding = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}.get(ber[0], "utf-8")
    return ber[start:].decode(encoding, "replace")


def _decoded(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _plain(value: str) -> str:
    return " ".join(value.split()).casefold()
