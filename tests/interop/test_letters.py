"""Both sides are told the same: every P-Mode of the matrix stands, and what is asked for is what has to arrive."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ehmi_ap.body import read_all
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction
from tests.interop import identities, ours, samples
from tests.interop.letters import FOUR_CORNERS, Json, Letter, Terms, prop
from tests.interop.matrix import terms
from tests.interop.ours import Ours

PART = replace(samples.TEXT, charset="UTF-8", properties=(prop("colour", "red", "urn:type"), prop("shade", "dark")))
LETTER = Letter(
    parts=(PART, samples.EMPTY),
    properties=(*FOUR_CORNERS, prop("trackingIdentifier", "t"), prop("kind", "k", "urn:type")),
    ref_to="before@phase4.example",
    conversation_id="case",
)


def test_what_phase4_is_told_to_send(tmp_path: Path) -> None:
    order = LETTER.order(terms.TYPED_AGREEMENT, tmp_path)
    first, second = order["payloads"]
    assert Path(first["file"]).read_bytes() == PART.data
    assert (first["mime_type"], first["charset"], first["compress"]) == ("text/plain", "UTF-8", True)
    assert first["properties"] == [prop("colour", "red", "urn:type"), prop("shade", "dark")]
    assert "charset" not in second
    assert order["agreement"] == {"value": "agreed", "type": "urn:type:of:agreement"}
    assert (order["ref_to"], order["conversation_id"], "message_id" in order) == (LETTER.ref_to, "case", False)
    assert (order["sign"]["token"], order["encrypt"]["cipher"], order["retries"]) == ("bst", "aes128-gcm", 0)
    json.dumps(order)


def test_without_encryption_phase4_is_told_so(tmp_path: Path) -> None:
    assert LETTER.order(terms.SIGN_ONLY, tmp_path)["encrypt"] is None


def test_roles_change_places_in_a_reply_under_a_two_way_agreement() -> None:
    for agreed, role in ((terms.TWO_WAY, "responder"), (terms.PLAIN, "initiator")):
        content = LETTER.content(agreed, ours=True)
        assert content["from"]["role"].endswith(role)
        assert content["from"]["id"] == "ehmi-ap"


def test_every_agreement_has_a_name_of_its_own() -> None:
    names = [each.name for each in terms.ALL]
    assert len(names) == len(set(names))
    assert {value.name for value in vars(terms).values() if isinstance(value, Terms)} <= set(names)


@pytest.mark.slow
async def test_our_access_point_takes_every_agreement_and_sends_what_the_letter_says(tmp_path: Path) -> None:
    """With a peer of its own kind, which stands for phase4 as far as a header goes."""
    files = tmp_path / "identities"
    identities.make().write(files)
    nowhere = "http://127.0.0.1:1/as4"
    async with ours.opened(tmp_path / "ours", files, terms.ALL, url=nowhere) as ap:
        for agreed in terms.ALL:
            if agreed is not terms.EHMI:
                await right_header(ap, agreed)
        await right_header(ap, terms.EHMI, letter=Letter(parts=(samples.envelope(),)))


async def right_header(ap: Ours, agreed: Terms, letter: Letter = LETTER) -> None:
    corners = () if agreed is terms.EHMI else letter.properties
    message_id = await ap.submit(replace(letter, properties=corners), agreed)
    stored = await ap.stored(message_id, Direction.OUTBOUND)
    assert stored is not None
    assert stored.state in (State.ACCEPTED, State.SENDING, State.FAILED)
    message, expected = stored.message, letter.content(agreed, ours=True)
    assert stored.pmode == agreed.name
    assert {"id": message.from_.id.value, "type": message.from_.id.type, "role": message.from_.role} == expected["from"]
    assert {"value": message.service.value, "type": message.service.type} == expected["service"]
    assert message.action == expected["action"]
    assert ((message.agreement.value, message.agreement.type) if message.agreement else None) == named(expected)
    if corners:
        assert [prop(each.name, each.value, each.type) for each in message.properties] == expected["properties"]
    assert [read_all(each.body) for each in message.payloads] == [part.data for part in letter.parts]


def named(expected: Json) -> tuple[str, str | None] | None:
    agreement = expected["agreement"]
    return (agreement["value"], agreement["type"]) if agreement else None
