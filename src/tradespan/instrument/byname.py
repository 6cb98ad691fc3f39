"""From code: watch functions of a module by regex, and give them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tradespan.instrument.auto.watcher import WATCHER
from tradespan.instrument.options import Capture, CaptureOption, Objective


def instrument(  # noqa: PLR0913 - the options of `@monitor`, each by name
    target: Any,
    include: str | None = None,
    exclude: str | Iterable[str] | None = None,
    *,
    process_group: str | None = None,
    sample_rate: float | None = None,
    min_duration: float | None = None,
    slow: float | None = None,
    capture: CaptureOption | None = None,
    max_repr: int | None = None,
    sensitive_fields: Iterable[str] | None = None,
    durable: bool | None = None,
    objective: Objective | Mapping[str, float] | None = None,
    metrics: bool | None = None,
) -> list[str]:
    r"""Watch functions of a module by regex, without editing it.

    What is left out of the options is as the settings say (`[[instrument]]`); what is given counts
    more, also for functions that are watched already.

    Args:
        target: A module, a class, a function, or the name of one; a module that is not imported yet
            is watched when it is.
        include: Pattern that names have to match (`module.Class.method`), or a prefix of them that
            ends before a dot; all of the target if left out.
        exclude: Patterns of names to leave alone, one or several; a plain word such as `test_`
            leaves alone each function whose own name contains it.
        process_group: Groups functions in the UI; by default the module's last part.
        sample_rate: Share of calls that get a span, 0 to 1.
        min_duration: Seconds; shorter calls are not written, unless they fail.
        slow: Seconds from which a call is written though sampling passed it over.
        capture: What is kept of a call, as for `@monitor`.
        max_repr: Characters kept of one value.
        sensitive_fields: Names whose values are hidden, beside those that are hidden everywhere.
        durable: Also write a record when a call begins.
        objective: What the functions promise, such as `{"success": 0.999, "latency": 0.05}`.
        metrics: Whether calls, errors and durations are counted.

    Returns:
        Names of the functions that this selects and that are watched now.

    Raises:
        InvalidPattern: A pattern does not compile.
        TargetNotFound: The target's module is imported, and has no such part.
        TypeError: The target has no name: `tradespan.monitor` watches single objects.
        ValueError: An option is out of range, or has an unknown key.
    """
    said = {
        "process_group": process_group,
        "sample_rate": sample_rate,
        "min_duration": min_duration,
        "slow": slow,
        "capture": None if capture is None else Capture.parse(capture),
        "max_repr": max_repr,
        "sensitive_fields": None if sensitive_fields is None else tuple(sensitive_fields),
        "durable": durable,
        "objective": Objective.parse(objective),
        "metrics": metrics,
    }
    options = {name: value for name, value in said.items() if value is not None}
    return WATCHER.instrument(target, include, exclude, options)


def auto_instrument_module(
    module: Any,
    include_regex: str | None = None,
    exclude: str | Iterable[str] = ("test_", "_helper"),
    process_group: str | None = None,
) -> list[str]:
    r"""Watch the functions of a module whose own names an expression is found in.

    As `instrument`, but an expression is also looked for in the last part of a name (`process_tick`
    of `bot.feed.Desk.process_tick`), at its beginning or end only if it says so (`^`, `$`).

    Args:
        module: A module or package, or its name.
        include_regex: Such as `^(process_|fetch_)`; all functions if left out.
        exclude: Fragments of names or expressions, such as `_helper` or `^_`.
        process_group: Groups functions in the UI, such as `trading.risk`.

    Returns:
        As `instrument`.

    Raises:
        InvalidPattern: An expression does not compile.
        TargetNotFound: The module's package is imported, and has no such part.
        TypeError: It is no module, and no name of one.
    """
    options = {"process_group": process_group} if process_group else {}
    return WATCHER.instrument(module, include_regex, exclude, options, by_last_part=True)


def uninstrument() -> None:
    """Give every function that is watched by regex its own code back, now and for later imports.

    What `@monitor` watches stays watched, and so does the recording: `tradespan.shutdown()` ends
    it. `instrument` may be called again afterwards. Calling this twice does nothing more.
    """
    WATCHER.release()
