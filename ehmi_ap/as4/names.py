"""The names of the wire: namespaces, identifiers and media types, each once (as4-wire 0).

Prefixes that we write are constants too: every template of this package declares and uses the same ones.
"""

S12 = "http://www.w3.org/2003/05/soap-envelope"
S11 = "http://schemas.xmlsoap.org/soap/envelope/"
EB = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
EBBP = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
DSIG11 = "http://www.w3.org/2009/xmldsig11#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
EC = "http://www.w3.org/2001/10/xml-exc-c14n#"
MF = "http://docs.oasis-open.org/ebxml-msg/ns/v3.0/mf/2010/04/"
XML = "http://www.w3.org/XML/1998/namespace"

SWA = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1"
SWA_CONTENT_ONLY = SWA + "#Attachment-Content-Only"
SWA_CONTENT_SIGNATURE = SWA + "#Attachment-Content-Signature-Transform"
SWA_COMPLETE_SIGNATURE = SWA + "#Attachment-Complete-Signature-Transform"
SWA_CIPHERTEXT = SWA + "#Attachment-Ciphertext-Transform"

X509P = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0"
X509_V3 = X509P + "#X509v3"
X509_PKIPATH = X509P + "#X509PKIPathv1"
X509_SKI = X509P + "#X509SubjectKeyIdentifier"
SMS10 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0"
SMS11 = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1"
BASE64_BINARY = SMS10 + "#Base64Binary"
STR_TRANSFORM = SMS10 + "#STR-Transform"
ENCRYPTED_KEY_TOKEN = SMS11 + "#EncryptedKey"
THUMBPRINT_SHA1 = SMS11 + "#ThumbprintSHA1"

ROLE_ULTIMATE_RECEIVER = S12 + "/role/ultimateReceiver"

SOAP_TYPE = "application/soap+xml"
SOAP_CONTENT_TYPE = "application/soap+xml; charset=UTF-8"
MULTIPART_TYPE = "multipart/related"
GZIP_TYPE = "application/gzip"
OCTET_STREAM = "application/octet-stream"
TEXT_CONTENT_TYPE = "text/plain; charset=UTF-8"

MIME_TYPE_PROPERTY = "MimeType"
CHARACTER_SET_PROPERTY = "CharacterSet"
COMPRESSION_TYPE_PROPERTY = "CompressionType"


def qname(namespace: str, local: str) -> str:
    """The expanded name as lxml spells it: ``{namespace}local``."""
    return f"{{{namespace}}}{local}"
