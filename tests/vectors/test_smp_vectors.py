"""Every stored answer of an SMP, judged offline, comes to what spec/discovery.md 6 says; libxmlsec agrees.

Recordings of our own lie in data/smp/phoss; those of others are read from the shared test data (skipped without it).
Each is judged twice where no moment suits both its signer and its endpoints: once for trust, once for selection.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import xmlsec
from lxml import etree

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import load_certificates
from ehmi_ap.discovery.findings import Findings
from ehmi_ap.discovery.identifiers import read_participant
from ehmi_ap.discovery.inspect import inspect
from ehmi_ap.discovery.published import Group

PHOSS = Path(__file__).parent / "data" / "smp" / "phoss"
AS4 = "peppol-transport-as4-v2_0"
BDXR = "bdxr-transport-ebms3-as4-v1p0"
ANSWERS = (".xml", ".txt")


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Expected:
    """What one file comes to at `at`; `reasons` are those of its endpoints (None: chosen)."""

    at: datetime
    dialect: str | None = "peppol"
    kind: str | None = "metadata"
    signature: str = "ok"
    trust: str = "trusted"
    reasons: tuple[str | None, ...] = ()
    active: tuple[bool, ...] = ()
    participant: str = ""
    chosen: str | None = None
    problems: tuple[str, ...] = ()
    documents: int = 0


def _phoss(dialect: str, name: str) -> Expected:
    at = day("2026-11-23")
    if name == "not-found.txt":
        return Expected(at, None, None, signature="missing", trust="unchecked", problems=("SMP_NOT_XML",))
    if name == "service-group.xml":
        number = 1 if dialect == "oasis2" else 2
        return Expected(
            at,
            dialect,
            "group",
            "none-expected",
            "unchecked",
            participant="iso6523-actorid-upis::0088:5790000173372",
            documents=number,
        )
    if name == "redirect.xml":
        return Expected(at, dialect, "redirect")
    profile = AS4 if dialect == "peppol" else BDXR
    return Expected(
        at,
        dialect,
        reasons=(None, "expired", None, "expired"),
        active=(True, False, True, False),
        participant="iso6523-actorid-upis::0088:5790000173372",
        chosen=f"https://ap.test/{profile}",
        documents=1,
    )


OWN = {
    f"{dialect}/{name}": _phoss(dialect, name)
    for dialect in ("peppol", "oasis1", "oasis2")
    for name in ("not-found.txt", "redirect.xml", "service-group.xml", "service-metadata.xml")
    if (dialect, name) != ("oasis2", "redirect.xml")
}

SHA1 = "SIGNATURE_ALGORITHM"
BASWARE = "https://test-api.basware.com/peppol/as4"
I_0192, I_9908 = "iso6523-actorid-upis::0192:12345678", "iso6523-actorid-upis::9908:12345678"
VEFA = "peppol/vefa/busdox-servicemetadata"


def _sha1(at: str, participant: str, *reasons: str | None, **more: object) -> Expected:
    """A Peppol answer of before 2020, signed with SHA-1: right, and refused for that."""
    problems = (SHA1, *more.pop("problems", ()))  # type: ignore[misc] - what is passed on is checked by Expected
    return Expected(day(at), participant=participant, reasons=reasons, problems=problems, documents=1, **more)  # type: ignore[arg-type]  # as above


OTHERS: dict[str, list[Expected]] = {
    "peppol/valid-sha1-exc-c14n.xml": [
        _sha1(
            "2020-06-01",
            "iso6523-actorid-upis::0088:5060482240009",
            "transport-profile",
            active=(True,),
            problems=("NO_TRANSPORT_PROFILE",),
        )
    ],
    "peppol/invalid-reformatted.xml": [
        Expected(
            day("2020-06-01"),
            signature="wrong",
            trust="unchecked",
            reasons=(None,),
            active=(True,),
            participant="iso6523-actorid-upis::0088:5026744000002",
            problems=("SIGNATURE_VALUE",),
            documents=1,
        )
    ],
    f"{VEFA}-0192-12345678-1.xml": [
        _sha1("2023-06-01", I_0192, None, active=(True,), chosen=BASWARE),
        _sha1(
            "2028-02-08",
            I_0192,
            "expired",
            active=(False,),
            trust="expired",
            problems=("SIGNER_EXPIRED", "NO_ACTIVE_ENDPOINT"),
        ),
    ],
    f"{VEFA}-0192-12345678-3.xml": [_sha1("2024-03-01", I_0192, None, active=(True,), chosen=BASWARE)],
    f"{VEFA}-0192-923829644-2.xml": [
        _sha1(
            "2023-06-01",
            "iso6523-actorid-upis::0192:923829644",
            "not-yet-active",
            active=(False,),
            problems=("NO_ACTIVE_ENDPOINT",),
        ),
        _sha1(
            "2025-02-17",
            "iso6523-actorid-upis::0192:923829644",
            "certificate",
            active=(True,),
            trust="expired",
            problems=("SIGNER_EXPIRED", "ENDPOINT_EXPIRED"),
        ),
    ],
    f"{VEFA}-0192-98765432-1.xml": [
        _sha1("2024-03-01", I_0192, "expired", active=(False,), problems=("NO_ACTIVE_ENDPOINT",))
    ],
    f"{VEFA}-0192-98765432-3.xml": [
        _sha1("2024-03-01", I_0192, "expired", active=(False,), problems=("NO_ACTIVE_ENDPOINT",)),
        _sha1(
            "2023-06-01",
            I_0192,
            "not-yet-active",
            active=(False,),
            trust="expired",
            problems=("SIGNER_NOT_YET_VALID", "NO_ACTIVE_ENDPOINT"),
        ),
    ],
    f"{VEFA}-9908-12345678.xml": [
        _sha1(
            "2022-06-01",
            I_9908,
            "transport-profile",
            "transport-profile",
            None,
            active=(True, True, True),
            chosen=BASWARE,
        ),
    ],
    f"{VEFA}-9908-98765432.xml": [
        _sha1(
            "2022-06-01",
            I_9908,
            "transport-profile",
            "transport-profile",
            "not-yet-active",
            active=(False, False, False),
            problems=("NO_ACTIVE_ENDPOINT",),
        ),
    ],
    f"{VEFA}-redirect-0192-991825827.xml": [Expected(day("2022-01-01"), kind="redirect", problems=(SHA1,))],
    f"{VEFA}-redirected-0192-991825827.xml": [
        _sha1(
            "2022-01-01",
            "iso6523-actorid-upis::0192:991825827",
            "transport-profile",
            "transport-profile",
            None,
            active=(True, True, True),
            chosen="https://peppol-ap-stage.maventa.com/as4",
        ),
        _sha1(
            "2022-07-28",
            "iso6523-actorid-upis::0192:991825827",
            "transport-profile",
            "transport-profile",
            "expired",
            active=(False, False, False),
            problems=("NO_ACTIVE_ENDPOINT",),
        ),
    ],
    "peppol/vefa/peppol-doctype-wildcard-servicemetadata-9901-pint_c4_jp_sb.xml": [
        _sha1("2023-01-01", "iso6523-actorid-upis::9901:pint_c4_jp_sb", None, active=(True,)),
    ],
    "peppol/vefa/busdox-servicegroup-9915-setcce-test.xml": [
        Expected(
            day("2026-11-23"),
            kind="group",
            signature="none-expected",
            trust="unchecked",
            participant="iso6523-actorid-upis::9915:setcce-test",
            documents=1,
        )
    ],
    "oasis1/SignedServiceMetadataPoland.xml": [
        Expected(
            day("2026-06-06"),
            "oasis1",
            trust="untrusted",
            reasons=("transport-profile",),
            active=(True,),
            participant="eHealth-participantId-qns::urn:Poland:ncpb",
            problems=("SIGNER_WEAK", "NO_TRANSPORT_PROFILE"),
            documents=1,
        )
    ],
}
for _year in ("201407", "201605"):
    OTHERS[f"peppol/vefa/bdxr{_year}-servicegroup-9908-991825827.xml"] = [
        Expected(
            day("2026-11-23"),
            "oasis1",
            "group",
            "none-expected",
            "unchecked",
            participant="iso6523-actorid-upis::9908:991825827",
            documents=7,
        )
    ]
CASES = [(name, expected) for name, each in OTHERS.items() for expected in each]


def anchors(*folders: Path) -> list[Certificate]:
    return [
        certificate
        for folder in folders
        for path in sorted((*folder.glob("*.cer"), *folder.glob("ca.pem")))
        for certificate in load_certificates(path.read_bytes())
    ]


def answers(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in ANSWERS}


def assert_found(found: Findings, expected: Expected) -> None:
    said = found.to_json()
    assert (found.dialect, found.kind, found.signature, found.trust) == (
        expected.dialect,
        expected.kind,
        expected.signature,
        expected.trust,
    )
    assert [each.reason for each in found.endpoints] == list(expected.reasons)
    assert [each.published.active_at(expected.at) for each in found.endpoints] == list(expected.active)
    assert (said["participant"] or "") == expected.participant
    assert len(said["documents"]) == expected.documents  # type: ignore[arg-type]  # a list, in the JSON
    assert [each.reason for each in found.problems] == list(expected.problems)
    if expected.chosen is not None:
        assert found.chosen is not None
        assert found.chosen.endpoint is not None
        assert found.chosen.endpoint.url == expected.chosen
    assert found.verdict == ("unreadable" if found.kind is None else "unusable" if expected.problems else "usable")


def libxmlsec_says(document: bytes) -> str:
    """The state of the root's signature by another implementation of canonicalisation and signatures."""
    root = etree.fromstring(document)
    node = root.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    if node is None:
        return "none-expected"
    context = xmlsec.SignatureContext()
    der = base64.b64decode("".join(node.findtext(".//{*}X509Certificate", "").split()))
    context.key = xmlsec.Key.from_memory(der, xmlsec.constants.KeyDataFormatCertDer)
    try:
        context.verify(node)
    except xmlsec.Error:
        return "wrong"
    return "ok"


@pytest.mark.parametrize("name", OWN)
def test_an_answer_of_phoss(name: str) -> None:
    assert_found(inspect((PHOSS / name).read_bytes(), anchors=anchors(PHOSS), at=OWN[name].at), OWN[name])


@pytest.mark.parametrize(("name", "expected"), CASES, ids=[f"{name}-{case.at:%F}" for name, case in CASES])
def test_an_answer_of_others(name: str, expected: Expected, shared_data: Path) -> None:
    folder = shared_data / "smp"
    found = inspect((folder / name).read_bytes(), anchors=anchors(folder / "peppol" / "ca"), at=expected.at)

    assert_found(found, expected)


@pytest.mark.parametrize("name", [name for name in OWN if name.endswith(".xml")])
def test_libxmlsec_agrees_on_answers_of_phoss(name: str) -> None:
    assert libxmlsec_says((PHOSS / name).read_bytes()) == OWN[name].signature


@pytest.mark.parametrize("name", OTHERS)
def test_libxmlsec_agrees_on_answers_of_others(name: str, shared_data: Path) -> None:
    assert libxmlsec_says((shared_data / "smp" / name).read_bytes()) == OTHERS[name][0].signature


def test_no_recording_is_left_out(shared_data: Path) -> None:
    assert answers(PHOSS) == set(OWN)
    assert answers(shared_data / "smp") == set(OTHERS) | {f"phoss/{name}" for name in OWN}
    for name in OWN:
        assert (PHOSS / name).read_bytes() == (shared_data / "smp" / "phoss" / name).read_bytes()


ASKED_FOR: Sequence[tuple[str, str]] = (
    (f"{VEFA}-0192-98765432-1.xml", "0192:98765432"),
    (f"{VEFA}-0192-98765432-3.xml", "0192:98765432"),
    (f"{VEFA}-9908-98765432.xml", "9908:98765432"),
)


@pytest.mark.parametrize(("name", "asked"), ASKED_FOR)
def test_an_answer_about_another_participant_than_asked_for_is_not_believed(
    name: str, asked: str, shared_data: Path
) -> None:
    """The name of the file is what was asked for, and another participant is inside (spec/discovery.md 6)."""
    participant = read_participant(asked, "iso6523-actorid-upis")
    found = inspect((shared_data / "smp" / name).read_bytes(), participant=participant, at=day("2024-03-01"))

    assert [each.reason for each in found.problems] == [SHA1, "OTHER_IDENTIFIERS"]
    assert found.chosen is None


def test_the_redirect_names_the_signer_of_what_it_leads_to(shared_data: Path) -> None:
    folder = shared_data / "smp"
    redirect = inspect((folder / f"{VEFA}-redirect-0192-991825827.xml").read_bytes(), at=day("2022-01-01")).redirect
    target = inspect((folder / f"{VEFA}-redirected-0192-991825827.xml").read_bytes(), at=day("2022-01-01"))
    other = inspect((folder / f"{VEFA}-9908-12345678.xml").read_bytes(), at=day("2022-01-01"))

    assert redirect is not None
    assert target.signed is not None
    assert redirect.accepts(target.signed.signer)
    assert other.signed is not None
    assert not redirect.accepts(other.signed.signer)


def test_a_document_of_a_group_that_lacks_a_slash_is_understood() -> None:
    """phoss SMP 8.1.0 leaves out the slash behind `services` in the URLs of a group."""
    found = inspect((PHOSS / "peppol" / "service-group.xml").read_bytes(), at=day("2026-11-23"))

    assert isinstance(found.document, Group)
    assert "/servicesbusdox-docid-qns" in (found.document.references[0].href or "")
    assert str(found.document.documents[1]) == "busdox-docid-qns::urn:x::hco##urn:y::1.2"
