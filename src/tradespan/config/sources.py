"""What each source says: arguments, environment variables, the settings file.

Every key, variable and argument is checked against the declared ones here; values are read later,
those that count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tradespan.config.entries import Entry, Layer, find_near
from tradespan.config.files import SettingsFile
from tradespan.config.kinds import flatten_table, shorten
from tradespan.config.settings import (
    BY_ARGUMENT,
    BY_KEY,
    OTHER_VARIABLES,
    PROFILE_KEYS,
    PROFILES,
    RULE_TABLES,
    SETTINGS,
)
from tradespan.core.errors import InvalidSetting, UnknownSetting

VARIABLES: tuple[str, ...] = tuple(name for setting in SETTINGS for name in setting.variables)


def read_arguments(
    arguments: Mapping[str, object], base: Path, origin: str = "argument {name}"
) -> list[Entry]:
    """Entries of arguments by name (`port`) or key (`ui.port`); a None is an argument not given.

    Args:
        arguments: What code or the command line says. `store=None` alone has a meaning: no store.
        base: What relative paths are relative to.
        origin: How an entry's origin is written; `{name}` stands for the argument's name,
            `{option}` for that of the option.

    Raises:
        UnknownSetting: No setting has the name.
    """
    entries = []
    for name, raw in arguments.items():
        setting = BY_ARGUMENT.get(name) or BY_KEY.get(name)
        if setting is None:
            known = BY_KEY if "." in name else BY_ARGUMENT
            raise UnknownSetting(name, _say(origin, name), find_near(name, known))
        if raw is None and setting.key != "store.path":
            continue
        written = _say(origin, name)
        entries.append(Entry(setting.key, raw, Layer.ARGUMENT, written, base))
    return entries


def _say(origin: str, name: str) -> str:
    return origin.format(name=name, option=name.replace("_", "-"))


def read_environment(environ: Mapping[str, str], base: Path) -> list[Entry]:
    """Entries of environment variables; an empty variable counts as not set.

    Raises:
        UnknownSetting: A `TRADESPAN_*` variable is none of ours.
    """
    _refuse_unknown_variables(environ)
    return [
        Entry(
            setting.key,
            environ[variable],
            Layer.ENVIRONMENT,
            f"environment {variable}",
            base,
            otel=variable.startswith("OTEL_"),
        )
        for setting in SETTINGS
        for variable in setting.variables
        if environ.get(variable, "").strip()
    ]


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {*VARIABLES, *OTHER_VARIABLES}
    for name in environ:
        ours = name.startswith("TRADESPAN_") and not name.startswith("TRADESPAN__")
        if ours and name not in known:
            near = find_near(name, [known for known in VARIABLES if known.startswith("TRADESPAN_")])
            raise UnknownSetting(name, f"environment {name}", near)


def read_file(file: SettingsFile) -> list[Entry]:
    """Entries of a settings file: settings, profiles' overrides, and one per rule table.

    Raises:
        UnknownSetting: A key that no setting has.
        InvalidSetting: A value where a table belongs, or a table where a value belongs.
    """
    return list(_walk(file, file.content, ""))


def _walk(file: SettingsFile, table: Mapping[str, object], prefix: str) -> Iterator[Entry]:
    for name, raw in table.items():
        key = f"{prefix}{name}"
        inner = [known for known in BY_KEY if known.startswith(f"{key}.")]
        if key in BY_KEY:
            yield _entry(file, key, raw)
        elif key in RULE_TABLES:
            yield from _rule_entries(file, key, raw)
        elif key == "environments":
            yield from _profile_entries(file, raw)
        elif inner and isinstance(raw, Mapping):
            yield from _walk(file, raw, f"{key}.")
        elif inner:
            names = ", ".join(known.removeprefix(f"{key}.") for known in inner)
            raise InvalidSetting(key, file.locate(key), shorten(raw), f"a table with {names}")
        else:
            tables = {known.partition(".")[0] for known in BY_KEY if "." in known}
            wanted = [*sorted(tables), "environments"] if isinstance(raw, Mapping) else []
            near = find_near(key, wanted) or find_near(key, [*BY_KEY, *RULE_TABLES, "environments"])
            raise UnknownSetting(key, file.locate(key), near)


def _entry(file: SettingsFile, key: str, raw: object) -> Entry:
    return Entry(key, raw, Layer.FILE, file.locate(key), file.path.parent)


def _rule_entries(file: SettingsFile, key: str, raw: object) -> Iterator[Entry]:
    if not isinstance(raw, list) or not all(isinstance(table, Mapping) for table in raw):
        raise InvalidSetting(key, file.locate(key), shorten(raw), f"tables, each headed [[{key}]]")
    for index, table in enumerate(raw):
        yield _entry(file, f"{key}[{index}]", dict(table))
        # One entry per field as well: it carries the line that an error names.
        for field, value in flatten_table(table).items():
            yield _entry(file, f"{key}[{index}].{field}", value)


def _profile_entries(file: SettingsFile, raw: object) -> Iterator[Entry]:
    profiles = raw if isinstance(raw, Mapping) else {"": raw}
    for name, table in profiles.items():
        key = f"environments.{name}".rstrip(".")
        if name not in PROFILES and name:
            raise UnknownSetting(key, file.locate(key), _near_profile(name))
        if not isinstance(table, Mapping):
            accepted = f"a table with {', '.join(PROFILE_KEYS)}"
            raise InvalidSetting(key, file.locate(key), shorten(table), accepted)
        for field, value in flatten_table(table).items():
            path = f"{key}.{field}"
            if field not in PROFILE_KEYS:
                near = find_near(field, PROFILE_KEYS)
                raise UnknownSetting(path, file.locate(path), near and f"{key}.{near}")
            yield _entry(file, path, value)


def _near_profile(name: str) -> str:
    near = find_near(name, PROFILES)
    return f"environments.{near}" if near else f"one of {', '.join(PROFILES)}"
