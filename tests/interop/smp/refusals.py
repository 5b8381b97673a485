"""What has to be refused, by the clients of peppol-commons and by xmlsec, which verifies the rest."""

import xmlsec
from lxml import etree
from xmlsec import constants as xc

from ehmi_ap.discovery.published import Dialect
from tests.interop.cells import Cell, Way
from tests.interop.smp.scene import Scene
from tests.interop.smp.terms import ONE, adding, other, redirect, refused, signature

CELLS: list[Cell] = []
cell = adding(CELLS)

REFUSED = "Refused"


@cell(REFUSED, "{} metadata that was changed after it was signed", "refused: its signature is not valid")
async def altered(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    scene.change.append(lambda body: body.replace(b"https://ap.example/as4", b"https://ap.example/as5"))
    assert "Signature returned from SMP server was not valid" in refused(await scene.ask("metadata", dialect))


@cell(REFUSED, "{} metadata without its signature", "refused")
async def unsigned(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    scene.change.append(_without_signature)
    assert "Element <Signature> not found" in refused(await scene.ask("metadata", dialect))


def _without_signature(body: bytes) -> bytes:
    root = etree.fromstring(body)
    root.remove(signature(root))
    return etree.tostring(root)


@cell(REFUSED, "{} metadata signed below a CA that is not trusted", "refused: no path to a trust anchor")
async def untrusted(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect, site="untrusted")
    answer = await scene.ask("metadata", dialect, smp=scene.smp(dialect, "untrusted").base)
    assert "CertPathValidatorException" in refused(answer)


@cell(REFUSED, "{} metadata whose signer's certificate has ended", "refused: CertificateExpiredException")
async def expired(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect, site="expired")
    answer = await scene.ask("metadata", dialect, smp=scene.smp(dialect, "expired").base)
    assert "CertificateExpiredException" in refused(answer)


@cell(REFUSED, "{} metadata that is not there", "told apart: not found")
async def missing(scene: Scene, dialect: Dialect) -> None:
    assert refused(await scene.ask("metadata", dialect, other(15))).startswith("SMPClientNotFoundException")


@cell(REFUSED, "a client without a certificate", "refused by the TLS of our SMP; nothing is asked", dialects=ONE)
async def anonymous(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    refused(await scene.ask("metadata", dialect, anonymous=True))
    assert scene.asked == []
    assert "processes" in await scene.ask("metadata", dialect)


VERIFIED = "By xmlsec"


def _verify(scene: Scene, body: bytes) -> None:
    """Raises xmlsec.Error; the signer has to be below our root, by the certificate in the signature."""
    manager = xmlsec.KeysManager()
    manager.load_cert_from_memory(scene.root, xc.KeyDataFormatPem, xc.KeyDataTypeTrusted)
    manager.load_cert_from_memory(scene.issuer, xc.KeyDataFormatPem, xc.KeyDataTypeNone)
    context = xmlsec.SignatureContext(manager)
    context.set_enabled_key_data([xc.KeyDataX509])
    context.verify(signature(etree.fromstring(body)))


def _refuses(scene: Scene, body: bytes) -> bool:
    try:
        _verify(scene, body)
    except xmlsec.Error:
        return True
    return False


@cell(VERIFIED, "{} metadata, as it was served to our own client", "verified; refused when changed", way=Way.VERIFY)
async def xmlsec_metadata(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect)
    body = await scene.served(dialect)
    _verify(scene, body)
    assert _refuses(scene, body.replace(b"https://ap.example/as4", b"https://ap.example/as5"))


@cell(VERIFIED, "a redirect of {}", "verified; refused when changed", way=Way.VERIFY)
async def xmlsec_redirect(scene: Scene, dialect: Dialect) -> None:
    wanted = other(16)
    redirect(scene, dialect, wanted)
    body = await scene.served(dialect, wanted)
    _verify(scene, body)
    assert _refuses(scene, body.replace(b"elsewhere", b"somewhere"))


@cell(VERIFIED, "{} metadata signed below a CA that is not trusted", "refused", way=Way.VERIFY)
async def xmlsec_untrusted(scene: Scene, dialect: Dialect) -> None:
    scene.register(dialect, site="untrusted")
    assert _refuses(scene, await scene.served(dialect, site="untrusted"))
