"""The command line as a whole: usage, exit codes, how errors are told, and what is not imported too early."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehmi_ap import cli
from ehmi_ap.cli.output import Exit, UsageError, print_error, progress
from ehmi_ap.errors import ConfigError, NotFound, StoreError, TransportError


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser, those of `partner` too."""

    def below(prefix: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, command in action.choices.items():
                    yield f"{prefix}{name}", command
                    yield from below(f"{prefix}{name} ", command)

    return below("", cli.parser())


COMMANDS = [name for name, _ in commands()]


def test_the_commands_are_those_of_the_documentation() -> None:
    named = ["demo", "init", "partner", "partner add", "partner sheet", "check", "serve", "send", "list", "show"]
    assert set(COMMANDS) >= {*named, "resend", "inspect"}


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_is_64_in_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Not argparse's 2, which means `undecided`."""
    assert cli.main([*command.split(), "--no-such-argument"]) == 64
    assert "error:" in capsys.readouterr().err


def test_no_command_and_an_unknown_one_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 64
    assert cli.main(["fly"]) == 64
    assert "usage: ehmi-ap" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_goes_to_stdout_and_is_no_error(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: ehmi-ap {command}".strip())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ehmi-ap ")


def test_every_argument_has_a_help_text() -> None:
    silent = [
        f"{name} {action.dest}"
        for name, parser in commands()
        for action in parser._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert silent == []


def test_a_command_that_reads_json_programs_offers_json() -> None:
    offered = {name for name, parser in commands() if "--json" in parser._option_string_actions}
    assert offered >= {"demo", "check", "send", "list", "show", "resend", "inspect"}


def test_help_needs_none_of_the_heavy_libraries() -> None:
    """Wrong arguments and --help answer at once (python-stack 1)."""
    code = (
        "import sys; from ehmi_ap.cli import main; main(['--help']);"
        "heavy = {'aiohttp', 'cryptography', 'lxml', 'pydantic', 'requests', 'rich', 'sqlite3'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "ehmi_ap.cli", "send"], capture_output=True, text=True, check=False)
    assert done.returncode == 64


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("two things that exclude each other"), Exit.USAGE),
        (ConfigError(["one", "two"]), Exit.CONFIG),
        (TransportError("nobody listens"), Exit.UNREACHABLE),
        (NotFound("no such message"), Exit.FAILED),
    ],
)
def test_an_error_becomes_an_exit_code_and_no_trace(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("ehmi_ap.cli.resend.run", fail)
    assert cli.main(["resend", "1@example"]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert said.startswith("error: ")
    assert "fix:" in said


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("ehmi_ap.cli.resend.run", interrupt)
    assert cli.main(["resend", "1@example"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_error_says_what_whose_fault_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(StoreError("the disk is full"))
    assert capsys.readouterr().err.splitlines() == [
        "error: the disk is full",
        "fault: access point",
        "fix:   Check free disk space and the file system of the store.",
    ]


def test_all_findings_of_a_configuration_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ConfigError(["a.toml: one", "b.toml: two"]))
    said = capsys.readouterr()
    assert "a.toml: one" in said.err
    assert "b.toml: two" in said.err
    assert said.out == ""


def test_an_error_for_a_program_is_json_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ConfigError(["a.toml: one"]), as_json=True)
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "config"
    assert error["findings"] == ["a.toml: one"]
    assert error["fault"] == "operator"
    assert error["resend"] is False


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_progress_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress("reading", 10) as advance:
        advance(10)
    said = capsys.readouterr()
    assert "reading" in said.err
    assert said.out == ""


def test_a_reader_that_goes_away_is_no_trace(tmp_path: Path) -> None:
    """`ehmi-ap ... | head -1`"""
    code = "import sys\nfrom ehmi_ap import cli\nfrom ehmi_ap.cli import resend\n"
    code += "def run(args):\n    print('x' * 10_000_000, flush=True)\n    return 0\n"
    code += "resend.run = run\nsys.exit(cli.main(['resend', '1@example']))\n"
    script = tmp_path / "script.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.read(1)
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 1
