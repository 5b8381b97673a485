"""Programs of Debian's packages: found, or named with what to install; installed only as root, in CI."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop import debian
from tests.interop.maven import Missing


def test_a_program_that_is_there() -> None:
    assert Path(debian.programs({"sh": "dash"})["sh"]).name == "sh"


@pytest.mark.parametrize(("ci", "user"), [(None, 0), ("1", 1000)])
def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, ci: str | None, user: int) -> None:
    """Not installed on somebody's own machine, and not without being root."""
    monkeypatch.setattr(debian.os, "geteuid", lambda: user)
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    with pytest.raises(Missing, match="no no-such-program: apt install --no-install-recommends such-package"):
        debian.programs({"sh": "dash", "no-such-program": "such-package"})


@pytest.mark.parametrize("fails", [False, True])
def test_in_ci_it_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fails: bool) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "install" in command and not fails:
            program = tmp_path / "no-such-program"
            program.touch(mode=0o755)
        return subprocess.CompletedProcess(command, int(fails), "", "no network")

    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    monkeypatch.setattr(debian.subprocess, "run", run)
    wanted = {"no-such-program": "such-package"}
    if fails:
        with pytest.raises(Missing, match="update failed: no network"):
            debian.programs(wanted)
    else:
        assert debian.programs(wanted) == {"no-such-program": str(tmp_path / "no-such-program")}
        assert ran[-1][-1] == "such-package"
