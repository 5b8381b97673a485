"""Our AuditEvents against the compiled profiles of EDS; and the checker itself, against official examples and mutants."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit_events import BAD, GOOD, Json, events, known, mutant, official, ours
from tests.fhir_profiles import Profiles


@pytest.fixture(scope="module")
def profiles(shared_data: Path) -> Profiles:
    return Profiles(shared_data / "eds")


def test_all_official_examples_are_right(profiles: Profiles, shared_data: Path) -> None:
    examples = official(shared_data)
    wrong = {name: found for name, example in examples.items() if (found := profiles.findings(example))}
    assert (len(examples), wrong) == (34, {})


@pytest.mark.parametrize("mutation", BAD.values(), ids=BAD)
def test_the_checker_rejects(profiles: Profiles, shared_data: Path, mutation: Callable[[Json], None]) -> None:
    """eds.md 1.3, and more."""
    assert profiles.findings(mutant(shared_data, mutation)) != []


@pytest.mark.parametrize("mutation", GOOD.values(), ids=GOOD)
def test_the_checker_accepts(profiles: Profiles, shared_data: Path, mutation: Callable[[Json], None]) -> None:
    assert profiles.findings(mutant(shared_data, mutation)) == []


def test_every_event_of_every_envelope_is_right(profiles: Profiles, shared_data: Path) -> None:
    made = dict(ours(shared_data))
    assert len(made) == 9 * 2 * 8
    assert {name: found for name, event in made.items() if (found := profiles.findings(event))} == {}
    named = {event["meta"]["profile"][0].rpartition("/")[2] for event in made.values()}
    assert named == {"EdsBasicDeliveryStatus", "EdsPatientDeliveryStatus"}


@pytest.mark.parametrize(
    "scope",
    ["PATIENTID", "MESSAGEENVELOPEIDENTIFIER", "StatisticalInformation", "ORIGINALMESSAGEIDENTIFIER"],
)
@pytest.mark.parametrize(
    "name", ["golden-request-peppolns.xml", "golden-receipt-peppolns.xml", "ig-fullsample-ack.xml"]
)
def test_an_envelope_that_leaves_out_what_it_may(profiles: Profiles, shared_data: Path, name: str, scope: str) -> None:
    """The scope becomes one of another type."""
    data = (shared_data / "ehmi" / "sbdh" / "valid" / name).read_bytes().replace(scope.encode(), b"X-" + scope.encode())
    assert [found for event in events(known(data)) if (found := profiles.findings(event))] == []
