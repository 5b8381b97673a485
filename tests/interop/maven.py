"""Builds the programs in Java with Maven, once for each state of their sources, and finds a JVM to run them.

    command = maven.phase4()        # [".../bin/java", "-Xmx512m", "-jar", ".../phase4-peer.jar"]; CONFIG.json follows

What is made lies in build/interop/NAME-HASH; the libraries also stay in the user's Maven repository. Newer JVMs go
first: Java 17 needs time quadratic to a large payload (peers-live 7). EHMI_JAVA names another one, JAVA_HOME as well.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BUILD = Path(__file__).resolve().parents[2] / "build" / "interop"
OLDEST = 17
"""The Java version that the sources are written for."""
QUICK = "-XX:TieredStopAtLevel=1"
"""For a JVM that lives for a minute: it starts with two thirds of the work."""

_NOT_FETCHED = re.compile(r"offline mode|Could not (transfer|find|resolve)|Could not be resolved|Unknown host", re.I)


class Missing(Exception):
    """Something that these tests need is not on this machine; says what, and how to get it."""


class BuildFailed(Exception):
    """Maven could not make a program from its sources."""


def phase4(heap: str = "512m") -> list[str]:
    """The command that starts the peer, without its CONFIG.json; builds it first when its sources are new.

    Raises:
        Missing: no Java, no Maven, or libraries that can be fetched neither.
        BuildFailed: the sources do not compile.
    """
    return _command(HERE / "phase4", "phase4-peer.jar", heap)


def smp_client() -> list[str]:
    """The same for the clients of an SMP."""
    return _command(HERE / "smp", "smp-client.jar", "256m")


def fhir() -> list[str]:
    """The same for the judge of AuditEvents, without the folder of the profiles."""
    return _command(HERE / "fhir", "fhir-judge.jar", "512m", QUICK)


def keycloak() -> Path:
    """The folder of Keycloak as it was unpacked and built, which needs a minute the first time; it is only read.

    Raises:
        Missing: no Maven, or the distribution cannot be fetched.
        BuildFailed: Keycloak's own build failed.
    """
    [home] = _build(HERE / "eds").glob("keycloak-*")
    return home


def _command(sources: Path, jar: str, heap: str, *options: str) -> list[str]:
    return [str(java()), f"-Xmx{heap}", *options, "-jar", str(_build(sources) / jar)]


def java() -> Path:
    """The newest `java` found, or the one that EHMI_JAVA (the program) or JAVA_HOME (its home) names."""
    if program := os.environ.get("EHMI_JAVA"):
        named = Path(program)
    elif home := os.environ.get("JAVA_HOME"):
        named = Path(home) / "bin" / "java"
    else:
        return _newest()
    if java_version(named) < OLDEST:
        raise Missing(f"{named} is no Java {OLDEST} or newer")
    return named


def _build(sources: Path) -> Path:
    """The folder with the program and lib/."""
    made = BUILD / f"{sources.name}-{_state(sources)}"
    if not made.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, ignore_cleanup_errors=True) as name:
            output = Path(name) / "made"
            _maven(sources, output)
            try:
                output.rename(made)
            except OSError:  # somebody else was faster
                if not made.exists():
                    raise
    return made


def _newest() -> Path:
    found = {path.resolve() for path in Path("/usr/lib/jvm").glob("*/bin/java")}
    if on_path := shutil.which("java"):
        found.add(Path(on_path).resolve())
    version, program = max(((java_version(path), path) for path in found), default=(0, Path()))
    if version < OLDEST:
        raise Missing(f"no Java {OLDEST} or newer: install one (Debian: openjdk-17-jdk-headless) or set JAVA_HOME")
    return program


def java_version(program: Path) -> int:
    """The major version; 0 when the program does not run."""
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r'version "(\d+)', answer.stderr)
    return int(version[1]) if version else 0


def _state(sources: Path) -> str:
    """Changes with the pom and every source."""
    digest = hashlib.sha256()
    for path in [sources / "pom.xml", *sorted((sources / "src").rglob("*.java"))]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sources).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _maven(sources: Path, output: Path) -> None:
    program = shutil.which("mvn")
    if program is None:
        raise Missing("no Maven: install it (Debian: maven), so that mvn is on the PATH")
    plain = ["-q", "-B", "-Dstyle.color=never"]
    command = [program, *plain, "-f", str(sources / "pom.xml"), f"-Doutput={output}", "package"]
    failure = _failure([*command, "-o"])
    if failure and _NOT_FETCHED.search(failure):
        failure = _failure(command)
        if failure and _NOT_FETCHED.search(failure):
            raise Missing(f"Maven cannot fetch the libraries of {sources.name}:\n{failure}")
    if failure and "No compiler is provided" in failure:
        raise Missing("Maven runs on a Java without a compiler: install a JDK (Debian: openjdk-17-jdk-headless)")
    if failure:
        raise BuildFailed(failure)


def _failure(command: list[str]) -> str:
    """What a command that failed said; nothing when it did not."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return "" if done.returncode == 0 else done.stdout[-4000:]
