"""The life of the clients of peppol-commons, with a program of a few lines in their place."""

import json
import sys
from pathlib import Path

import pytest

from tests.interop.peer import PeerFailed
from tests.interop.report import PEPPOL
from tests.interop.smp import reader
from tests.publisher import WANTED

ECHOES = """
import sys
print({versions!r}, flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
"""


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def echoes(version: str) -> list[str]:
    return program(ECHOES.format(versions=json.dumps({"client": version, "java": "99"})))


async def test_a_question_is_a_line_and_so_is_its_answer(tmp_path: Path) -> None:
    async with reader.running(echoes(PEPPOL), tmp_path, {"dns": "127.0.0.1:53"}) as running:
        assert running.versions["java"] == "99"
        answer = await running.ask("name", participant=WANTED.participant, zone="sml.test\n")
    assert answer == {
        "ask": "name",
        "participant": {"scheme": "iso6523-actorid-upis", "value": "0088:5790000121526"},
        "zone": "sml.test\n",
    }
    assert json.loads((tmp_path / "reader.json").read_text()) == {"dns": "127.0.0.1:53"}


async def test_clients_of_another_version_are_not_asked(tmp_path: Path) -> None:
    """The page and its limits speak of one."""
    with pytest.raises(PeerFailed, match=r"0\.0\.1"):
        async with reader.running(echoes("0.0.1"), tmp_path, {}):
            pass


async def test_clients_that_end_say_why(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="no such keystore"):
        async with reader.running(program("import sys; sys.exit('no such keystore')"), tmp_path, {}):
            pass
