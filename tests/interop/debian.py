"""Programs that Debian's packages bring: found, or installed where that is our business (as root, in CI), or named."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from tests.interop.maven import Missing

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # where daemons are, and many users' PATH does not look


def programs(packages: Mapping[str, str]) -> dict[str, str]:
    """The path of each program; `packages` says which package has it.

    Raises:
        Missing: some are not there, and may not be installed.
    """
    if _lacking(packages) and os.environ.get("CI") and os.geteuid() == 0:
        _install(_lacking(packages))
    if lacking := _lacking(packages):
        raise Missing(
            f"no {', '.join(lacking)}: apt install --no-install-recommends {' '.join(dict.fromkeys(lacking.values()))}"
        )
    return {program: _found(program) or "" for program in packages}


def _lacking(packages: Mapping[str, str]) -> dict[str, str]:
    return {program: package for program, package in packages.items() if _found(program) is None}


def _found(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


def _install(packages: Mapping[str, str]) -> None:
    apt = ["apt-get", "--quiet", "--yes"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wanted = sorted(set(packages.values()))
    for command in ([*apt, "update"], [*apt, "install", "--no-install-recommends", *wanted]):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
