"""TOML tables into frozen dataclasses, and back into text; every mistake as a sentence, all at once.

The dataclasses are our own (one model world): pydantic only checks that a table fits them. Checking is strict, as TOML
has types of its own: `port = "8443"` is a mistake, not a number. Unknown keys are mistakes, answered with the
nearest known one. A finding names the table and the key and says what to write; it never repeats a value, which
may be a secret.
"""

import dataclasses
import difflib
import json
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from ehmi_ap.errors import ConfigError

T = TypeVar("T")


def read(cls: type[T], table: Mapping[str, object], *, where: str, at: Sequence[str] = ()) -> T:
    """The value of dataclass `cls` that `table` describes; `where` is the file, `at` the place of the table in it.

    Raises:
        ConfigError: with one finding per mistake, as "FILE: [TABLE] KEY: what is wrong; what to write".
    """
    from pydantic import ValidationError  # imported late: 100 ms that a program without configuration need not pay

    findings = [f"{where}: {place((*at, *path))}: {text}" for path, text in _unknown(cls, table, ())]
    try:
        value: T = _adapter(cast(Any, cls)).validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        findings += [
            f"{where}: {place((*at, *item['loc']))}: {_sentence(item)}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigError(tuple(dict.fromkeys(findings))) from None
    if findings:
        raise ConfigError(findings)
    return value


@cache
def _adapter(cls: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def place(path: Sequence[str | int]) -> str:
    """How a key is named in a finding: `[as4.tls] versions`, `[keys] decryption #2`."""
    # JSON may spell half a surrogate pair in a key, which nobody could write as UTF-8.
    names = [step.encode("utf-8", "backslashreplace").decode() for step in path if isinstance(step, str)]
    number = "".join(f" #{step + 1}" for step in path if isinstance(step, int))
    if not names:
        return "the file"
    table = f"[{'.'.join(names[:-1])}] " if len(names) > 1 else ""
    return f"{table}{names[-1]}{number}"


_SENTENCES = {
    "missing": "is missing; add it",
    "int_type": "has to be a whole number, without quotes",
    "int_from_float": "has to be a whole number, without a fraction",
    "float_type": "has to be a number, without quotes",
    "bool_type": "has to be true or false, without quotes",
    "string_type": "has to be text in quotes",
    "path_type": "has to be a path in quotes",
    "tuple_type": 'has to be a list: ["one", "two"]',
    "dict_type": "has to be a table",
    "dataclass_type": "has to be a table",
    "none_required": "has to be left out",
}


def _sentence(item: Mapping[str, Any]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    if kind in ("literal_error", "enum"):
        return f"has to be one of {context['expected']}"
    message = str(item["msg"]).removeprefix("Input should ").removeprefix("Value error, ")
    return message.replace("be greater than or equal to", "has to be at least").replace(
        "be less than or equal to", "has to be at most"
    )


def _unknown(cls: type, table: Mapping[str, object], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key of `table` that the dataclass does not have, in nested tables too."""
    hints = _hints(cls)
    for key, value in table.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            advice = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(hints))}"
            yield (*path, key), f"is not a setting; {advice}"
        elif (inner := _dataclass_in(hints[key])) is not None:
            for name, part in _tables_in(value, named=_is_mapping(hints[key])):
                yield from _unknown(inner, part, (*path, key, *name))


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


def _tables_in(value: object, *, named: bool) -> Iterator[tuple[tuple[str, ...], Mapping[str, object]]]:
    if isinstance(value, Mapping) and not named:
        yield (), value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if isinstance(part, Mapping):
                yield (name,), part
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            if isinstance(part, Mapping):
                yield (), part


def _is_mapping(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _dataclass_in(hint: Any) -> type | None:
    """The dataclass that a field holds: itself, optionally, in a tuple or as the values of a mapping."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    for part in typing.get_args(hint):
        found = _dataclass_in(part) if not isinstance(part, types.EllipsisType) else None
        if found is not None:
            return found
    return None


def to_toml(table: Mapping[str, object]) -> str:
    """TOML text of a table of strings, numbers, booleans, lists and tables; plain keys first, then tables."""
    lines: list[str] = []
    _emit(table, (), lines)
    return "\n".join(lines).strip() + "\n"


def _emit(table: Mapping[str, object], path: tuple[str, ...], lines: list[str]) -> None:
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping) and not _is_small(value)}
    for key, value in table.items():
        if key not in nested and value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in nested.items():
        lines += ["", f"[{'.'.join(_key(step) for step in (*path, key))}]"]
        _emit(value, (*path, key), lines)


def _is_small(table: Mapping[str, object]) -> bool:
    """A table that is easier read on one line, like `{ id = "...", type = "..." }`."""
    return 0 < len(table) <= 2 and not any(value is None or isinstance(value, Mapping) for value in table.values())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON escapes are TOML escapes; surrogates cannot be in a str that came from TOML or JSON text.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise ConfigError([f"a value of type {type(value).__name__} cannot be written as TOML"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a token or password is: the first line of a file, or an environment variable.

    `value` is for programs that build a Config themselves; it is refused in the TOML.
    """

    file: Path | None = None
    env: str | None = None
    value: str | None = field(default=None, repr=False)

    def below(self, home: Path) -> "Secret":
        """The same, with a relative file below `home`."""
        return self if self.file is None else Secret(file=home / self.file.expanduser(), env=self.env, value=self.value)

    def mistake(self) -> str | None:
        """What is wrong with it as a setting, as "what; what to do"; None: it can be read."""
        if self.value is not None:
            return 'secrets do not stand in this file; write { file = "..." } or { env = "..." }'
        if (self.file is None) == (self.env is None):
            return "name either `file` or `env`"
        try:
            self.read()
        except ConfigError as error:
            return error.findings[0]
        return None

    def read(self) -> str:
        """The secret. Raises ConfigError when the file or the variable is not there, or empty."""
        if self.value is not None:
            return self.value
        if self.env is not None:
            secret, place = os.environ.get(self.env, ""), f"the environment variable {self.env}"
        elif self.file is not None:
            place = str(self.file)
            try:
                secret = self.file.read_text(encoding="utf-8").partition("\n")[0].strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    [f"{place}: cannot be read ({reason(error)}); put the secret on its first line"]
                ) from None
        else:
            raise ConfigError(["a secret names neither `file` nor `env`; name one"])
        if not secret:
            raise ConfigError([f"{place}: is empty or not set; put the secret there"])
        return secret


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Why a file could not be read, in few words and without its path."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return error.strerror or type(error).__name__
