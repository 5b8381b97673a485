"""Pages of the reference that the code could contradict: states, errors, received errors, and the map of the house."""

import ast
import configparser
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehmi_ap import access_point, cli
from ehmi_ap.cli.output import Exit
from ehmi_ap.errors import ApError, EbmsError
from ehmi_ap.flows.explain import _HINTS, _TEXTS, hint
from ehmi_ap.lifecycle import TRANSITIONS, State
from ehmi_ap.server import listen
from tests import errors_reference, states_reference
from tests.vectors.recordings import ERRORS, header_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PEERS = (DOCS / "reference" / "peers.md").read_text(encoding="utf-8")
RECEIVED = (DOCS / "reference" / "received-errors.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")


def test_the_states_are_those_of_the_table() -> None:
    """Otherwise: python -m tests.states_reference"""
    assert states_reference.FILE.read_text(encoding="utf-8") == states_reference.render()


def test_every_state_and_every_change_has_its_words() -> None:
    assert set(states_reference.MEANINGS) == set(State)
    changes = {(state, happening) for state, row in TRANSITIONS.items() for happening in row}
    assert set(states_reference.CAUSES) == changes


def test_the_errors_are_those_of_the_classes() -> None:
    """Otherwise: python -m tests.errors_reference"""
    assert errors_reference.FILE.read_text(encoding="utf-8") == errors_reference.render()


def test_every_error_and_every_code_has_its_words() -> None:
    """A new leaf without words fails here, and one that is gone cannot stay in the page."""
    named = set(errors_reference.leaves())
    general = {each for each in named if not issubclass(each, EbmsError) or each is EbmsError}
    assert set(errors_reference.MEANINGS) == general
    codes = [each.ebms for each in errors_reference.leaves(EbmsError) if issubclass(each, EbmsError)]
    assert sorted(errors_reference.CODES) == sorted(codes)
    assert ApError not in named


def test_received_errors_say_what_the_events_say() -> None:
    """Each row of codes ends with the very hint that flows.explain gives for each of its codes."""
    rows = re.findall(
        r"(?m)^\| (EBMS:[0-9, ]+|every other code) \|.*\| ([^|]+) \|$", section(RECEIVED, "## What the code")
    )
    said = {f"EBMS:{code}": text for codes, text in rows for code in re.findall(r"[0-9]{4}", codes)}
    assert said == _HINTS
    assert dict(rows)["every other code"] == hint("EBMS:9999")
    texts = re.findall(r"(?m)^\| `([^`]+)` \| [^|]+ \| (.+) \|$", section(RECEIVED, "## What the code"))
    assert dict(texts) == _TEXTS


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_peer_was_recorded_to_answer_stands_in_its_section(name: str) -> None:
    """A row with the codes, and with a text only if that text came: so the row is the one an operator finds."""
    heading = {"domibus": "## Domibus", "holodeck": "## Holodeck"}[name.partition("/")[0]]
    (signal,) = header_of(name).signals
    codes = [error.code.removeprefix("EBMS:") for error in signal.errors]
    said = " ".join(f"{error.description} {error.detail}" for error in signal.errors)
    answers = re.findall(r"(?m)^\| EBMS:([^|]*?) \|", section(PEERS, heading))
    found = [row for row in answers if re.findall(r"[0-9]{4}", row) == codes]
    quoted = [text for row in found for text in re.findall(r'"([^"]+)"', row) if text in said]
    assert len(quoted) <= 1
    assert quoted or any('"' not in row for row in found) or codes == ["0006"], (codes, said)


def test_the_map_of_the_house_names_every_module() -> None:
    """Each module stands in the tree once, below its room; nothing in the tree is gone."""
    assert sorted(modules_of_the_tree()) == sorted(modules_there_are())


def test_the_stairs_are_those_that_import_linter_checks() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(r'"([^"]+)"', pyproject.partition("layers = [")[2].partition("]")[0])
    drawn = section(ARCHITECTURE, "## Stairs").split("```")[1]
    stairs = re.findall(r"(?m)^(?:faces|assembly|work|shared|protocol|nouns) +(.*?)(?:  .*)?$", drawn)
    assert " -> ".join(stairs).split(" -> ") == layers


def section(text: str, heading: str) -> str:
    """What stands under the heading that begins so, down to the next one of its level."""
    found = text.partition(f"\n{heading}")[2]
    assert found, heading
    return found.partition("\n## ")[0]


def modules_there_are() -> set[str]:
    """Every file of the package but empty __init__.py."""
    files = (ROOT / "ehmi_ap").rglob("*.py")
    return {
        str(path.relative_to(ROOT / "ehmi_ap"))
        for path in files
        if path.name not in ("__init__.py", "__main__.py") and path.stat().st_size
    }


def modules_of_the_tree() -> list[str]:
    """The files of the tree in architecture.md: `room/` lines open a room, `  name.py` lines are in it."""
    tree = re.search(r"```tree\n(.*?)```", ARCHITECTURE, re.DOTALL)
    assert tree is not None
    found: list[str] = []
    room = ""
    for line in tree[1].splitlines():
        name = line.split()[0] if line.strip() else ""
        if name.endswith("/") and not line.startswith(" "):
            room = name
        elif name.endswith(".py"):
            found.append((room if line.startswith(" ") else "") + name)
    return found


def test_the_index_names_every_document() -> None:
    """docs/README.md links to each page below it, and calls a decision what the decision calls itself."""
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([^)#]+)", index))
    for path in sorted((DOCS / "decisions").glob("*.md")):
        heading = re.fullmatch(r"# (\d+)\. (.*)", path.read_text(encoding="utf-8").splitlines()[0])
        assert heading is not None
        number, title = heading.groups()
        assert path.name.startswith(f"{int(number):04}-")
        assert f"| {number} | [{title}](decisions/{path.name}) |" in index


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_commands_that_are_only_shown_could_be_run(path: Path) -> None:
    """What stands in a console block needs a real partner or a real trouble; at least its arguments are right."""
    parser = cli.parser()
    for block in re.findall(r"```console\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for line in re.findall(r"(?m)^\$ ehmi-ap (.*)$", block):
            assert parser.parse_args(shlex.split(line)).run


def test_the_systemd_unit_starts_what_there_is() -> None:
    """Its commands parse, and it waits longer than a graceful stop may take."""
    text = (DOCS / "how-to" / "operate.md").read_text(encoding="utf-8")
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(re.findall(r"```ini\n(.*?)```", text, re.DOTALL)[0])
    service = unit["Service"]
    for key, command in (("ExecStartPre", "check"), ("ExecStart", "serve")):
        program, *arguments = shlex.split(service[key])
        assert Path(program).name == "ehmi-ap"
        assert arguments[0] == command
        assert cli.parser().parse_args(arguments).config == Path("/etc/ehmi-ap/ehmi-ap.toml")
    assert service["RestartPreventExitStatus"].split() == [str(int(code)) for code in (Exit.USAGE, Exit.CONFIG)]
    assert int(service["TimeoutStopSec"]) > access_point.GRACE + listen.GRACE + listen.AFTER_GRACE


def test_what_health_says_is_explained() -> None:
    """Every key of /health stands in the page for operators."""
    text = section((DOCS / "how-to" / "operate.md").read_text(encoding="utf-8"), "## Watch")
    said = re.search(r'return \{\n\s+"status": "trouble".*?\n\s+\}', inspect.getsource(access_point), re.DOTALL)
    assert said is not None
    keys = re.findall(r'(?m)^\s+"(\w+)":', said[0])
    assert len(keys) >= 5
    for key in keys:
        assert f"`{key}`" in text or f'"{key}"' in text


def test_what_the_log_says_is_explained() -> None:
    """Every fact that our code logs stands in the page for operators."""
    text = section((DOCS / "how-to" / "operate.md").read_text(encoding="utf-8"), "## Watch")
    facts = {key for path in (ROOT / "ehmi_ap").rglob("*.py") for key in facts_of(path)}
    assert {"message_id", "code", "fix"} <= facts
    assert [fact for fact in sorted(facts) if f"`{fact}`" not in text] == []


def facts_of(path: Path) -> Iterator[str]:
    """The keys of `extra={...}` in a file, and of the dicts called `facts` that become one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        said = isinstance(node, ast.keyword) and node.arg == "extra"
        named = isinstance(node, ast.Assign) and any(
            isinstance(to, ast.Name) and to.id == "facts" for to in node.targets
        )
        written = getattr(node, "value", None) if said or named else None
        if isinstance(written, ast.Dict):
            yield from (str(key.value) for key in written.keys if isinstance(key, ast.Constant))
