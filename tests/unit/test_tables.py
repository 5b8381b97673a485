"""TOML tables: what a mistake is called, and that what is written reads back."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehmi_ap import tables
from ehmi_ap.errors import ConfigError
from ehmi_ap.tables import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    size: int = 1
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    folder: Path | None = None
    share: float = 0.5
    inner: Inner = field(default_factory=Inner)
    several: tuple[Inner, ...] = ()
    named: Mapping[str, Inner] = field(default_factory=dict)
    secret: Secret | None = None


def mistakes(**table: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        tables.read(Outer, {"name": "x", **table}, where="f.toml")
    return refused.value.findings


def test_read() -> None:
    table = {"name": "x", "folder": "a", "share": 1, "several": [{"size": 2}], "named": {"n": {"names": ["a"]}}}
    value = tables.read(Outer, table, where="f.toml")
    assert value == Outer(
        name="x", folder=Path("a"), share=1, several=(Inner(size=2),), named={"n": Inner(names=("a",))}
    )


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"nam": 1}, "f.toml: nam: is not a setting; did you mean `name`?"),
        ({"zzz": 1}, "f.toml: zzz: is not a setting; known here: folder, inner, name, named, secret, several, share"),
        ({"name": 1}, "f.toml: name: has to be text in quotes"),
        ({"share": "1"}, "f.toml: share: has to be a number, without quotes"),
        ({"inner": {"size": "1"}}, "f.toml: [inner] size: has to be a whole number, without quotes"),
        ({"inner": {"size": 1.5}}, "f.toml: [inner] size: has to be a whole number, without quotes"),
        ({"inner": {"szie": 1}}, "f.toml: [inner] szie: is not a setting; did you mean `size`?"),
        ({"inner": {"names": "a"}}, 'f.toml: [inner] names: has to be a list: ["one", "two"]'),
        ({"inner": {"names": [1]}}, "f.toml: [inner] names #1: has to be text in quotes"),
        ({"inner": 1}, "f.toml: inner: has to be a table"),
        ({"several": [{"szie": 1}]}, "f.toml: [several] szie: is not a setting; did you mean `size`?"),
        ({"named": {"n": {"szie": 1}}}, "f.toml: [named.n] szie: is not a setting; did you mean `size`?"),
        ({"named": {"N x": {"size": True}}}, "f.toml: [named.N x] size: has to be a whole number, without quotes"),
        ({"secret": {"fil": "x"}}, "f.toml: [secret] fil: is not a setting; did you mean `file`?"),
    ],
)
def test_one_mistake(table: dict[str, object], expected: str) -> None:
    assert mistakes(**table) == (expected,)


def test_a_value_is_never_shown() -> None:
    found = mistakes(secret={"value": ["s3cret"]}, inner={"size": "s3cret"}, share="s3cret")
    assert len(found) == 3
    assert "s3cret" not in str(found)


def test_the_table_may_lie_within_a_file() -> None:
    with pytest.raises(ConfigError, match=r"f.toml: \[a.b\] size: has to be"):
        tables.read(Inner, {"size": "x"}, where="f.toml", at=("a", "b"))


_SCALARS = st.one_of(
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=0, max_size=5)
_TABLES = st.recursive(
    st.dictionaries(_KEYS, st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3)), max_size=4),
    lambda inner: st.dictionaries(_KEYS, st.one_of(_SCALARS, inner, st.lists(inner, max_size=2)), max_size=3),
    max_leaves=6,
)


@given(_TABLES)
def test_what_is_written_reads_back(table: dict[str, object]) -> None:
    assert tomllib.loads(tables.to_toml(table)) == table


def test_absent_is_not_written() -> None:
    assert tables.to_toml({"a": None, "b": {"c": None}}) == "[b]\n"


def test_what_cannot_be_written() -> None:
    with pytest.raises(ConfigError, match="a value of type bytes"):
        tables.to_toml({"a": b"x"})


class TestSecret:
    def test_file(self, tmp_path: Path) -> None:
        (tmp_path / "s").write_text("  s3cret \nsecond line\n")
        secret = Secret(file=Path("s")).below(tmp_path)
        assert secret.mistake() is None
        assert secret.read() == "s3cret"

    def test_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EHMI_AP_TEST", "s3cret")
        assert Secret(env="EHMI_AP_TEST").read() == "s3cret"

    @pytest.mark.parametrize(
        ("secret", "expected"),
        [
            (Secret(), "name either `file` or `env`"),
            (Secret(file=Path("a"), env="B"), "name either `file` or `env`"),
            (Secret(value="s3cret"), "secrets do not stand in this file"),
            (Secret(env="EHMI_AP_NOT_SET"), "is empty or not set"),
            (Secret(file=Path("none")), "cannot be read (No such file or directory)"),
        ],
    )
    def test_mistakes(self, secret: Secret, expected: str) -> None:
        assert expected in (secret.mistake() or "")

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "s").write_bytes(b"\xff")
        assert "it is not UTF-8" in (Secret(file=tmp_path / "s").mistake() or "")
