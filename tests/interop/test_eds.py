"""What Keycloak is told of an enrolment, and its life, with a script of a few lines in its place."""

from pathlib import Path

import pytest

from ehmi_ap.model import Organisation
from tests.interop import maven, report
from tests.interop.eds import enrolment, identities, realm
from tests.interop.eds.identities import Identities
from tests.interop.eds.keycloak import Keycloak
from tests.interop.eds.realm import Json
from tests.interop.peer import PeerFailed

SERVED = (Organisation("8851000016006", "5790000121526"), Organisation("263001000016001", "5790000201389"))
PAGE = report.ROOT / "docs" / "explanation" / "delivery-status.md"


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return identities.made(tmp_path_factory.mktemp("eds") / "identities")


@pytest.fixture
def enrolled(tmp_path: Path, ids: Identities) -> Json:
    urls = {"issuer": "https://auth.example/realms/ehmi", "base": "https://eds.example/fhir"}
    return enrolment.printed(tmp_path / "ap", enrolment.settings(ids, "ap", "Our-AP", SERVED, **urls))


def test_a_subject_is_told_as_java_reads_it(enrolled: Json) -> None:
    organisation = "2.5.4.97=#0c0e4e5452444b2d3132333435363738"
    assert enrolled["tls_client_auth_subject_dn"].startswith("C=DK,organizationIdentifier=NTRDK-12345678,O=Sundhed\\, ")
    subject = realm.client("our-ap", enrolled, ca="CN=CA")["attributes"]["x509.subjectdn"]
    assert subject.startswith(f"C=DK,{organisation},O=Sundhed\\, IT og Æter A/S,serialNumber=UI:DK-O:G:")
    assert organisation in PAGE.read_text(encoding="utf-8")


def test_each_organisation_is_a_scope_of_the_realm_and_of_its_client(enrolled: Json) -> None:
    client = realm.client("our-ap", enrolled, ca="CN=CA")
    made = realm.realm([client], [enrolled])
    scopes = {each["name"]: each["protocolMappers"] for each in made["clientScopes"]}
    assert set(scopes) == set(client["optionalClientScopes"])
    assert set(scopes) == {
        *("EDS", "system/AuditEvent.crs"),
        *("SOR:8851000016006", "GLN:5790000121526", "SOR:263001000016001", "GLN:5790000201389"),
    }
    [claim] = scopes["GLN:5790000121526"]
    told = (claim["config"]["claim.name"], claim["config"]["claim.value"])
    assert told == ("ehmi:org_context.gln", "5790000121526")


async def test_a_keycloak_that_does_not_start_says_why(
    tmp_path: Path, ids: Identities, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maven, "java", lambda: Path("java"))
    script = tmp_path / "keycloak-1.2.3" / "bin" / "kc.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho no such database\nexit 1\n")
    script.chmod(0o700)
    keycloak = Keycloak(script.parents[1], tmp_path / "run", ids)
    assert keycloak.version == "1.2.3"
    with pytest.raises(PeerFailed, match="no such database"):
        await keycloak.start()
    await keycloak.stop()
