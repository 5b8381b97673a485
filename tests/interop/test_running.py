"""The peer's life, with a program of a few lines in its place; and what `make interop` says where Java is missing."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interop import __main__ as main
from tests.interop import debian, identities, maven, peer, report, scene
from tests.interop.cells import Cell, Verdict, Way
from tests.interop.matrix import terms
from tests.interop.peer import PeerFailed
from tests.interop.test_cells import Table

READY = {
    "as4": "http://127.0.0.1:81/as4",
    "as4s": "https://127.0.0.1:82/as4",
    "control": "http://127.0.0.1:83",
    "java": "99",
    "phase4": "0.0.1",
    "wss4j": "0.0.2",
}
STANDS = f"import sys; print({json.dumps(json.dumps(READY))}, flush=True); sys.stdin.read()"
FALLS = "import sys; sys.exit('no such keystore')"


def program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    identities.make().write(tmp_path / "identities")
    return tmp_path / "identities"


async def test_a_peer_is_told_its_keys_and_ends_with_its_input(tmp_path: Path, files: Path) -> None:
    async with peer.running(program(STANDS), tmp_path / "peer", peer.config(files, trust=("root",))) as running:
        assert (running.as4, running.as4s) == (("127.0.0.1", 81), ("127.0.0.1", 82))
        assert running.versions["java"] == "99"
    config = json.loads((tmp_path / "peer" / "config.json").read_text())
    assert {"main", "other", "stranger", "expired"} <= set(config["keys"])
    assert all(Path(key["p12"]).is_file() for key in config["keys"].values())
    assert config["trust"] == [str(files / "root.pem")]
    assert list(Path(config["dir"]).iterdir()) == []


async def test_a_peer_that_does_not_start_says_why(tmp_path: Path, files: Path) -> None:
    with pytest.raises(PeerFailed, match="no such keystore"):
        async with peer.running(program(FALLS), tmp_path / "peer", peer.config(files, trust=("root",))):
            pass


async def test_a_peer_of_another_version_is_not_asked(tmp_path: Path) -> None:
    """The page and its limits speak of one."""
    with pytest.raises(PeerFailed, match=r"0\.0\.1.*0\.0\.2"):
        async with scene.opened(tmp_path, program(STANDS), terms.ALL):
            pass


@pytest.mark.parametrize(("environment", "code"), [({}, 0), ({"CI": "true"}, 1)])
def test_what_is_missing_is_said_and_fails_in_ci_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environment: dict[str, str], code: int
) -> None:
    def missing(*_: object) -> list[str]:
        raise maven.Missing("install it")

    monkeypatch.delenv("CI", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(maven, "phase4", missing)
    monkeypatch.setattr(maven, "smp_client", missing)
    monkeypatch.setattr(maven, "fhir", missing)
    monkeypatch.setattr(maven, "keycloak", missing)
    monkeypatch.setattr(debian, "programs", missing)
    monkeypatch.setattr(sys, "argv", ["interop"])
    assert main.main() == code
    parts = ("phase4", "dns", "smp", "fhir", "eds")
    assert capsys.readouterr().out == "".join(f"{part}: not run: install it\n" for part in parts)


@pytest.mark.parametrize("second_runs", [True, False])
def test_a_page_is_written_when_all_of_its_parts_ran(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, second_runs: bool
) -> None:
    page = report.Page(path=tmp_path / "page.md", head="{total}\n{limits}")
    cells = [Cell(name, name, Way.ASK, "what", "expected", _right) for name in ("one", "two")]
    parts = [main.Part(each.name, page, [each], _stage) for each in cells]
    if not second_runs:
        parts[1] = replace(parts[1], opened=_missing)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(main, "PARTS", parts)
    monkeypatch.setattr(report, "JSON", tmp_path / "build" / "interop.json")
    monkeypatch.setattr(sys, "argv", ["interop"])
    assert main.main() == 0
    assert json.loads(report.JSON.read_text())["verdicts"] == {"one": "green"}
    assert page.path.exists() == second_runs
    if second_runs:
        assert page.path.read_text() == page.text(dict.fromkeys(cells, Verdict.GREEN))


async def _right(_: object) -> None:
    """Nothing is wrong."""


@asynccontextmanager
async def _stage(_folder: Path, _keep: Path | None) -> AsyncIterator[Table]:
    yield Table()


def _missing(_folder: Path, _keep: Path | None) -> AbstractAsyncContextManager[Table]:
    raise maven.Missing("install it")


def test_a_cell_that_is_not_there_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["interop", "no-such-cell"])
    with pytest.raises(SystemExit):
        main.main()
    assert "no cell is called no-such-cell" in capsys.readouterr().err


def test_what_is_kept_needs_an_empty_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "something").touch()
    monkeypatch.setattr(sys, "argv", ["interop", "--keep", str(tmp_path)])
    with pytest.raises(SystemExit):
        main.main()
    assert "is not empty" in capsys.readouterr().err
