"""Documents are tested: the tutorial and how-tos are executed, shown output is real, the reference is what the parsers say."""

import ast
import asyncio
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ehmi_ap
from ehmi_ap import tables
from ehmi_ap.demo.pki import Authority, write_private
from ehmi_ap.discovery.identifiers import wanted
from tests import cli_reference, pki, sml_stub
from tests.pair import free_ports
from tests.whole_way import whole_way, write_pmode

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "certs" / "README.md"])
PAGES = (
    "explanation/delivery-status.md",
    "tutorial/first-exchange.md",
    "how-to/add-a-partner.md",
    "how-to/connect-an-msh.md",
    "how-to/judge-an-smp-answer.md",
    "how-to/operate.md",
    "how-to/reply.md",
    "how-to/wrap.md",
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_END = "end of block"


@dataclass(frozen=True)
class Block:
    """Commands for the shell, and the output shown below them (None: none is shown)."""

    commands: str
    shown: str | None


def with_free_ports(text: str) -> str:
    """The text with ports that are free now in place of those on which it starts something."""
    named = [name for name in ("18443", "18080", "28443", "28080") if name in text]
    for name, port in zip(named, free_ports(len(named)), strict=True):
        text = text.replace(name, str(port))
    return text


def blocks(text: str) -> Iterator[Block]:
    """The ```sh blocks of a document, each with the ```text block that follows it."""
    found = _FENCE.findall(text)
    for index, (kind, body) in enumerate(found):
        if kind == "sh":
            following = found[index + 1] if index + 1 < len(found) else ("", "")
            yield Block(body, following[1] if following[0] == "text" else None)


def assert_shows(shown: str, real: str) -> None:
    """Every shown line is in the real output, in that order; `...` stands for anything, a line of it for any lines."""
    lines = iter(real.splitlines())
    for line in shown.splitlines():
        if line.strip() == "...":
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("...")))
        assert any(pattern.fullmatch(candidate.rstrip()) for candidate in lines), f"not shown: {line!r}\n{real}"


def run(script: str, folder: Path) -> str:
    """Run a script with this environment's `ehmi-ap`; everything it prints. Whatever it leaves running is ended."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
    }
    output = folder / "output of the script"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        ended: object = "it hangs"
        try:
            with suppress(subprocess.TimeoutExpired):
                ended = process.wait(timeout=120)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
    out = output.read_text(encoding="utf-8")
    assert ended == 0, f"{ended}:\n{out}"
    return out


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_it_is_written(page: str, tmp_path: Path) -> None:
    """Each block of commands, in order, in an empty folder; the output is what the page shows. Only ports differ."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    assert_works(with_free_ports((ROOT / "docs" / page).read_text(encoding="utf-8")), tmp_path)


@pytest.mark.slow
def test_the_page_for_operators_of_an_smp_works_as_it_is_written(tmp_path: Path) -> None:
    """With a management service of our own in place of the one that it names."""
    for name, identity in (("smp", sml_stub.FIRST), ("theirs", sml_stub.SECOND)):
        (tmp_path / f"{name}.pem").write_bytes(identity.key_pem + identity.chain_pem)
    (tmp_path / "new.pem").write_bytes(pki.make_leaf(sml_stub.ROOT, "first operator", key="d").pem)
    (tmp_path / "ca.pem").write_bytes(sml_stub.ROOT.pem)
    text = (ROOT / "docs" / "how-to" / "register-in-the-sml.md").read_text(encoding="utf-8")
    with sml_stub.SmlStub() as stub:
        theirs = sml_stub.PublisherRecord("https://theirs.example", "192.0.2.2", "CN=second operator")
        stub.publishers["THEIR-SMP"] = theirs
        named = "export EHMI_AP_SML=https://api.sml.test.tech.peppol.org/edelivery-sml"
        assert named in text
        assert_works(text.replace(named, f"export SSL_CERT_FILE=ca.pem EHMI_AP_SML={stub.url}"), tmp_path)
        assert sorted(smp for smp, _ in stub.participants.values()) == ["MY-SMP", "MY-SMP", "THEIR-SMP"]
        assert list(stub.changes) == ["CN=first operator"]


@pytest.mark.slow
async def test_the_page_for_finding_out_why_works_as_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a small network that is real, with an access point at its end."""
    text = (ROOT / "docs" / "how-to" / "find-out-why.md").read_text(encoding="utf-8")
    async with whole_way(tmp_path, capsys, monkeypatch, network="ehmi") as way:
        await way.start()
        way.net.write(way.us / "networks")
        await asyncio.to_thread(assert_works, text, way.us)


@pytest.mark.slow
async def test_the_page_for_partners_that_are_looked_up_works_as_it_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same network, where the receiver of the demo's envelope is registered, with a TLS CA of its own."""
    text = with_free_ports((ROOT / "docs" / "how-to" / "discover-partners.md").read_text(encoding="utf-8"))
    port = re.search(r"http://127.0.0.1:(\d+)", text)
    added = "ehmi-ap partner add everybody --network ehmi"
    assert port is not None
    assert added in text
    async with whole_way(tmp_path, capsys, monkeypatch, network="ehmi") as way:
        write_pmode(way.receiver, {"profile": "ehmi", "trust": ["ap-ca"], "party_binding": "subject-cn"})
        theirs = tomllib.loads((way.receiver / "ehmi-ap.toml").read_text(encoding="utf-8"))
        theirs["backends"]["inbox"]["built_together"] = True
        (way.receiver / "ehmi-ap.toml").write_text(tables.to_toml(theirs))
        await way.start()
        receiver, process = "0088:9520000001025", "urn:ehmi:sdn-emergence"
        document = next(line for line in text.splitlines() if line.startswith("hco=")).split("'")[1]
        way.net.register(wanted(receiver, document, process, way.net.network), url=way.url)
        way.net.write(way.us / "networks")
        (way.us / "pmodes" / "them.toml").unlink()
        (way.us / "tokens").mkdir()
        write_private(way.us / "tokens" / "admin", b"token-of-administrators-0123456789")
        settings = tomllib.loads((way.us / "ehmi-ap.toml").read_text(encoding="utf-8"))
        settings["internal"] = {"port": int(port[1]), "admin_token": {"file": "tokens/admin"}}
        settings["backends"]["inbox"] = {"kind": "rest", "token": {"file": "keys/token"}, **signing(way.us)}
        (way.us / "ehmi-ap.toml").write_text(tables.to_toml(settings))
        await asyncio.to_thread(assert_works, text.replace(added, f"{added} --tls-ca trust/tls.pem"), way.us)


def signing(home: Path) -> dict[str, object]:
    """Keys of an MSH and of our deliveries as `ehmi-ap init` writes them, and what the backend says of them."""
    authority = Authority.new("systems", now=datetime.now(UTC))
    msh, delivery = (authority.system(name, now=datetime.now(UTC)) for name in ("MSH", "delivery"))
    write_private(home / "keys" / "msh.pem", msh.key_pem + msh.certificate_pem)
    write_private(home / "keys" / "delivery.pem", delivery.key_pem + delivery.certificate_pem)
    (home / "trust" / "msh.pem").write_bytes(msh.certificate_pem)
    return {"signature": {"trust": ["msh"], "key": {"file": "keys/delivery.pem"}}}


def assert_works(text: str, folder: Path) -> None:
    """The blocks of commands of a page, run in order in that folder, print what the page shows."""
    steps = list(blocks(text))
    script = "\n".join(f"{step.commands}\necho '{_END} {number}'" for number, step in enumerate(steps))
    out = run(script, folder)
    for number, step in enumerate(steps):
        real, end, out = out.partition(f"{_END} {number}\n")
        assert end
        if step.shown is not None:
            assert_shows(step.shown, real)


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = next(body for kind, body in _FENCE.findall(text) if kind == "text")
    assert_shows(shown, run("ehmi-ap demo", tmp_path))


def test_the_readme_opens_with_the_two_commands() -> None:
    lines = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line]
    assert lines[0] == "# ehmi-ap"
    assert [line.split("#")[0].split() for line in lines[1:3]] == [["make", "demo"], ["make", "test"]]


def test_the_readmes_library_example_is_python_and_names_what_there_is() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = next(body for kind, body in _FENCE.findall(text) if kind == "python")
    compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = next(line for line in code.splitlines() if line.startswith("from ehmi_ap import")).split("import")[1]
    assert {name.strip() for name in names.split(",")} <= set(ehmi_ap.__all__)


def test_the_reference_of_the_command_line_is_what_the_parsers_say() -> None:
    """Otherwise: python -m tests.cli_reference"""
    assert cli_reference.FILE.read_text(encoding="utf-8") == cli_reference.render()


def test_make_alone_lists_the_targets_of_the_readme() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make (\w+)", done.stdout, re.MULTILINE))
    named = set(re.findall(r"`?make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"demo", "test", "check", "crash", "bench"} <= listed
    assert named <= listed


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    targets = [link for link in _LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in targets if not (path.parent / link).exists()]
    assert missing == []


def test_the_changelog_has_the_current_version_or_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert headings[0] in ("Unreleased", "0.1.0")
