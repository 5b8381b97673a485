"""The wheel is whole: what the installed package needs at run time travels inside it."""

import subprocess
import sys
import venv
import zipfile
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the build backend alone, without an index and without isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    code = "import os, sys, hatchling.build as build; os.chdir(sys.argv[1]);print(build.build_wheel(sys.argv[2]))"
    command = [sys.executable, "-c", code, str(ROOT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


def test_everything_the_package_needs_is_in_the_wheel(wheel: Path) -> None:
    """Every file of the package, the shipped P-Modes, the SQL, the type marker and the licence; nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ehmi_ap").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = (path.relative_to(ROOT).as_posix() for path in (ROOT / "pmodes").rglob("*.toml"))
    pmodes = {f"ehmi_ap/shipped/{path}" for path in shipped}
    assert {"ehmi_ap/py.typed", "ehmi_ap/store/schema.sql", "ehmi_ap/store/queries.sql"} <= package
    assert {"ehmi_ap/shipped/pmodes/ehmi.toml", "ehmi_ap/shipped/pmodes/products/phase4.toml"} <= pmodes
    assert package | pmodes <= names
    others = names - package - pmodes
    assert {name.split("/")[0].rpartition(".")[2] for name in others} == {"dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in others)


def test_the_wheel_names_its_command_backends_and_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [entry_points] = [n for n in archive.namelist() if n.endswith("dist-info/entry_points.txt")]
        [metadata] = [n for n in archive.namelist() if n.endswith("dist-info/METADATA")]
        points = archive.read(entry_points).decode()
        headers = BytesHeaderParser().parsebytes(archive.read(metadata))
    assert "ehmi-ap = ehmi_ap.cli:main" in points
    assert all(f"{kind} = ehmi_ap.backends." in points for kind in ("directory", "memory", "rest", "webhook"))
    assert headers["Requires-Python"] == ">=3.11"
    assert headers["License-Expression"] == "Apache-2.0"
    assert "lxml<6.2,>=6.1.0" in headers.get_all("Requires-Dist", [])


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment where only the wheel and the dependencies are, not the checkout."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place, with_pip=False)
    [site] = place.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The dependencies come from the environment that runs the tests; its .pth files, which name the checkout, do not.
    theirs = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(theirs) + "\n")
    return place / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize("argv", [["init", "ap"], ["demo", "--keep", "kept"]], ids=["init", "demo"])
def test_the_wheel_works_without_the_repository(installed: Path, argv: list[str], tmp_path: Path) -> None:
    """`init` and `demo` in an empty folder: P-Modes, SQL, backends and the generator of keys are all inside."""
    code = "import ehmi_ap, sys; from ehmi_ap.cli import main; print(ehmi_ap.__file__); sys.exit(main(sys.argv[1:]))"
    command = [str(installed), "-I", "-c", code, *argv]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).is_relative_to(installed.parents[1])
    assert list(tmp_path.glob("*/**/ehmi-ap.toml"))
