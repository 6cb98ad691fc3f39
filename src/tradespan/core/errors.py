"""Every error that tradespan raises on purpose.

  TradespanError
    · ConfigurationError
      · UnknownSetting
      · InvalidSetting
      · InvalidPattern
      · UnreadableSettings
      · AlreadyConfigured
    · SpoolError
      · SpoolUnavailable
      · DamagedSegment
      · UnsupportedFormat
    · StoreError
      · StoreTooNew
      · StoreUnreadable
    · DeliveryError
    · TargetNotFound
    · InstrumentConflict

Each class has a `slug`, the anchor of its section in docs/errors.md, and carries its facts as
attributes. Errors can be pickled, so that they cross process pools whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar


class TradespanError(Exception):
    """Base of all errors of tradespan; catches whatever we raise on purpose."""

    slug: ClassVar[str] = "tradespan-error"

    @property
    def link(self) -> str:
        """Where the documentation explains this error, relative to the repository's root."""
        return f"docs/errors.md#{self.slug}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


def _restore(
    kind: type[TradespanError], args: tuple[object, ...], facts: dict[str, object]
) -> TradespanError:
    # Not `kind(*args)`: the signature takes the facts, `args` holds the finished sentence.
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ConfigurationError(TradespanError):
    """A setting cannot be used as it was given."""

    slug = "configuration-error"


class UnknownSetting(ConfigurationError):
    """A key, variable or argument that no setting has."""

    slug = "unknown-setting"

    def __init__(self, name: str, origin: str, near: str | None = None) -> None:
        """Say what is unknown, and what may have been meant.

        Args:
            name: The key, variable or argument as written.
            origin: Where it stands, the name included: `tradespan.toml:3 servce.name`.
            near: The known name that looks most like it.
        """
        self.name = name
        self.origin = origin
        self.near = near
        hint = f"; did you mean {near}?" if near else "."
        super().__init__(f"Unknown setting: {origin}{hint}")


class InvalidSetting(ConfigurationError):
    """A value that its setting does not accept."""

    slug = "invalid-setting"

    def __init__(self, key: str, origin: str, value: str, accepted: str) -> None:
        """Say which value was refused, and what would be accepted.

        Args:
            key: The setting's dotted key.
            origin: Where the value stands: `environment TRADESPAN_DRAIN`.
            value: The value as text that may be shown; secrets are masked by the caller.
            accepted: What the setting takes, as the end of "expected …".
        """
        self.key = key
        self.origin = origin
        self.value = value
        self.accepted = accepted
        super().__init__(f"Invalid value {value} for {key} ({origin}): expected {accepted}.")


class InvalidPattern(ConfigurationError):
    """A regular expression that does not compile; the message points at the place."""

    slug = "invalid-pattern"

    def __init__(
        self, pattern: str, reason: str, position: int | None, key: str, origin: str
    ) -> None:
        """Show the expression and the place that fails.

        Args:
            pattern: The expression as given.
            reason: What the `re` module says about it.
            position: Index into `pattern` where compiling failed; None if unknown.
            key: The setting's dotted key.
            origin: Where the pattern stands.
        """
        self.pattern = pattern
        self.reason = reason
        self.position = position
        self.key = key
        self.origin = origin
        place = "" if position is None else f" at position {position}"
        headline = f"Invalid regular expression for {key} ({origin}): {reason}{place}."
        super().__init__("\n".join([headline, *_point_at(pattern, position), *self._hint()]))

    def _hint(self) -> list[str]:
        # `*.risk` and `?` are what people write who know file names better than expressions.
        if self.reason == "nothing to repeat" and self.pattern.startswith(("*", "?")):
            return [f"  Not a file name pattern: write .{self.pattern[0]} for any characters."]
        return []


def _point_at(pattern: str, position: int | None) -> list[str]:
    """The line of the pattern that fails, and a caret below the character."""
    at = 0 if position is None else position
    start = pattern.rfind("\n", 0, at) + 1
    line = pattern[start:].split("\n", 1)[0]
    # A tab or another control character would move the caret or the terminal's cursor.
    shown = "".join(c if c.isprintable() else " " for c in line)
    return [f"  {shown}"] if position is None else [f"  {shown}", f"  {' ' * (at - start)}^"]


class UnreadableSettings(ConfigurationError):
    """A settings file that is missing, not permitted, or not in its format."""

    slug = "unreadable-settings"

    def __init__(self, path: Path, origin: str, reason: str) -> None:
        """Say which file, who named it and why it is of no use.

        Args:
            path: The file.
            origin: Who named it: `environment TRADESPAN_CONFIG`, or `found`.
            reason: The cause, in the words of the system or the parser.
        """
        self.path = path
        self.origin = origin
        self.reason = reason
        super().__init__(f"The settings file {path} ({origin}) cannot be read: {reason}.")


class AlreadyConfigured(ConfigurationError):
    """A second `configure()` asks for other values than the first."""

    slug = "already-configured"

    def __init__(self, differences: Sequence[tuple[str, str, str]]) -> None:
        """Name both values of each difference.

        Args:
            differences: (key, text of the value in force, text of the value asked for), one or
                more; `Config.differences` makes them.
        """
        self.differences = tuple(differences)
        said = "; ".join(f"{key} is {now}, not {asked}" for key, now, asked in self.differences)
        super().__init__(f"tradespan is already configured: {said}.")


class SpoolError(TradespanError):
    """The files of a run's folder cannot be used."""

    slug = "spool-error"


class SpoolUnavailable(SpoolError):
    """The folder cannot be made or written: no permission, no space, read-only, not a folder."""

    slug = "spool-unavailable"

    def __init__(self, directory: Path, reason: str, origin: str = "") -> None:
        """Say which folder, and why.

        Args:
            directory: The folder.
            reason: What is wrong with it.
            origin: Who named it: `option --root`.
        """
        self.directory = directory
        self.reason = reason
        named = f" ({origin})" if origin else ""
        super().__init__(f"The spool directory {directory}{named} cannot be used: {reason}.")


class DamagedSegment(SpoolError):
    """Bytes of a segment that no writer of ours left."""

    slug = "damaged-segment"

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        """Say where the damage begins.

        Args:
            path: The segment file.
            offset: First byte that cannot be read.
            reason: What is wrong there.
        """
        self.path = path
        self.offset = offset
        self.reason = reason
        super().__init__(f"The segment {path} is damaged at byte {offset}: {reason}.")


class UnsupportedFormat(SpoolError):
    """A segment of a format version that this tradespan does not read."""

    slug = "unsupported-format"

    def __init__(self, path: Path, found: int, supported: int) -> None:
        self.path = path
        self.found = found
        self.supported = supported
        super().__init__(
            f"The segment {path} has format {found}; this tradespan reads up to {supported}."
        )


class StoreError(TradespanError):
    """The SQLite store cannot be used."""

    slug = "store-error"


class StoreTooNew(StoreError):
    """A store that a newer tradespan wrote; it is left untouched."""

    slug = "store-too-new"

    def __init__(self, path: Path, found: int, supported: int) -> None:
        self.path = path
        self.found = found
        self.supported = supported
        super().__init__(
            f"The store {path} has schema {found}, this tradespan knows up to {supported}: "
            "it was left untouched. Update tradespan, or name another store."
        )


class StoreUnreadable(StoreError):
    """A store that cannot be opened, or is not a store."""

    slug = "store-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"The store {path} cannot be read: {reason}.")


class DeliveryError(TradespanError):
    """A destination did not take what it was sent."""

    slug = "delivery-error"

    def __init__(self, destination: str, reason: str, status: int | None = None) -> None:
        """Say who refused, and why.

        Args:
            destination: Address or name that may be shown: no password in it.
            reason: What went wrong.
            status: HTTP status or gRPC code, if the destination answered.
        """
        self.destination = destination
        self.reason = reason
        self.status = status
        answer = "" if status is None else f" with status {status}"
        super().__init__(f"Delivery to {destination} failed{answer}: {reason}.")


class TargetNotFound(TradespanError):
    """The script or module to run or to instrument does not exist."""

    slug = "target-not-found"

    def __init__(self, target: str, what: str, near: str | None = None) -> None:
        """Say what is missing, and what may have been meant.

        Args:
            target: The name as given.
            what: `script` or `module`.
            near: An existing name that looks like it.
        """
        self.target = target
        self.what = what
        self.near = near
        hint = f"; did you mean {near}?" if near else "."
        super().__init__(f"There is no {what} {target}{hint}")


class InstrumentConflict(TradespanError):
    """A metric instrument is asked for otherwise than it was made."""

    slug = "instrument-conflict"

    def __init__(
        self, name: str, made_at: str, asked_at: str, differences: Sequence[tuple[str, str, str]]
    ) -> None:
        """Say what differs, and where both stand.

        Args:
            name: The instrument's.
            made_at: Where it was made first: `bot/orders.py:12`.
            asked_at: Where it is asked for now, likewise.
            differences: (property, as it was made, as it is asked for), one or more.
        """
        self.name = name
        self.made_at = made_at
        self.asked_at = asked_at
        self.differences = tuple(differences)
        said = "; ".join(
            f"{what} {'are' if what.endswith('s') else 'is'} {made} there, {asked} here"
            for what, made, asked in differences
        )
        super().__init__(
            f"The instrument {name}, asked for at {asked_at}, was made at {made_at}: {said}."
        )
