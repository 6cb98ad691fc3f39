"""Which of several given values counts, read and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tradespan.config.entries import Entry, Layer, Layers, Value
from tradespan.config.kinds import Kind, Place
from tradespan.config.settings import BY_KEY, PROFILE_KEYS, PROFILES, SETTINGS, Derived, Setting
from tradespan.core.errors import InvalidPattern, InvalidSetting

DEPLOYMENT = "deployment.environment.name"
SUSPICIOUS_SECONDS = 0.1
RESOURCE_SETTINGS = [setting for setting in SETTINGS if setting.attribute]


class Decided(NamedTuple):
    """All settings by key, and a sentence for each value that was ignored."""

    values: dict[str, Value]
    warnings: list[str]


def decide_values(layers: Layers) -> Decided:
    """Settle every setting.

    Raises:
        InvalidSetting, InvalidPattern: A value that counts is not accepted.
    """
    decided = Decided({}, list(layers.warnings))
    environment = _choose_environment(layers, decided)
    layers = _apply_profile(layers, environment)
    for setting in SETTINGS:
        if setting.key not in ("environment", "resource"):
            decided.values[setting.key] = _settle(setting, layers, decided)
    _name_deployment(decided.values)
    decided.values["resource"] = _merge_resource(layers, decided)
    _check_segments(decided.values)
    return decided


def _choose_environment(layers: Layers, decided: Decided) -> Value:
    value = _settle(BY_KEY["environment"], layers, decided)
    if value.layer is Layer.DEFAULT:
        for entry in _attribute_entries(BY_KEY[DEPLOYMENT], layers):
            # Another name than a profile's is no mistake: it only is a name.
            if entry.raw in PROFILES:
                value = Value(entry.raw, entry.layer, entry.origin)
                break
    decided.values["environment"] = value
    return value


def _apply_profile(layers: Layers, environment: Value) -> Layers:
    return layers.add(
        entry._replace(key=key, layer=Layer.PROFILE)
        for field, key in PROFILE_KEYS.items()
        for entry in layers.find(f"environments.{environment.value}.{field}")
    )


def _settle(setting: Setting, layers: Layers, decided: Decided) -> Value:
    """The value of the first candidate that counts, else the default."""
    for entry in _list_candidates(setting, layers):
        try:
            value = _read(entry, setting.kind, layers.place)
        except re.error as error:
            pattern, key = str(error.pattern), setting.key
            raise InvalidPattern(pattern, error.msg, error.pos, key, entry.origin) from None
        except ValueError:
            refusal = _refuse(entry, setting)
            if not (entry.otel and setting.kind.lenient):
                raise refusal from None
            decided.warnings.append(f"Ignored: {refusal}")
            continue
        if setting.key == "disabled" and entry.otel and not value:
            # The specification: a value but true "will have no effect"; TRADESPAN_DISABLED may.
            continue
        _warn_of_seconds(entry, setting, value, decided)
        return Value(value, entry.layer, entry.origin)
    if isinstance(setting.default, Derived):
        known = {key: value.value for key, value in decided.values.items()}
        return Value(setting.default.compute(known, layers.state), Layer.DEFAULT, "default")
    return Value(setting.default, Layer.DEFAULT, "default")


def _list_candidates(setting: Setting, layers: Layers) -> list[Entry]:
    entries = [*layers.find(setting.key), *_attribute_entries(setting, layers)]
    # Stable: within a layer the setting's own name comes before the resource attribute.
    return sorted(entries, key=lambda entry: -entry.layer)


def _attribute_entries(setting: Setting, layers: Layers) -> list[Entry]:
    """What resource attributes say about a setting: `service.name` in OTEL_RESOURCE_ATTRIBUTES."""
    entries = []
    for entry in layers.find("resource") if setting.attribute else ():
        try:
            attributes = _read(entry, BY_KEY["resource"].kind, layers.place)
        except ValueError:
            continue  # said when the resource itself is read
        if raw := attributes.get(setting.attribute):
            origin = f"{entry.origin} {setting.attribute}"
            entries.append(entry._replace(key=setting.key, raw=raw, origin=origin))
    return entries


def _read(entry: Entry, kind: Kind, place: Place) -> Any:
    if entry.otel and kind.parse_otel is not None:
        return kind.parse_otel(str(entry.raw))
    return kind.parse(entry.raw, place._replace(base=entry.base))


def _refuse(entry: Entry, setting: Setting) -> InvalidSetting:
    shown = setting.kind.show_raw(entry.raw)
    return InvalidSetting(setting.key, entry.origin, shown, setting.kind.accepts)


def _warn_of_seconds(entry: Entry, setting: Setting, value: object, decided: Decided) -> None:
    if setting.kind.name != "duration" or not entry.otel or not isinstance(value, float):
        return
    if 0 < value < SUSPICIOUS_SECONDS:
        decided.warnings.append(
            f"{entry.origin} is {entry.raw} milliseconds, as the OpenTelemetry specification has "
            "it; OpenTelemetry Python reads it as seconds."
        )


def _name_deployment(values: dict[str, Value]) -> None:
    """`environment` names the deployment too, unless something as strong or a profile does."""
    environment, named = values["environment"], values[DEPLOYMENT]
    if environment.layer > named.layer and named.layer is not Layer.PROFILE:
        values[DEPLOYMENT] = environment


def _merge_resource(layers: Layers, decided: Decided) -> Value:
    """All sources' attributes, and the settings that are attributes too."""
    setting = BY_KEY["resource"]
    merged: dict[str, object] = {}
    origins, layer = [], Layer.DEFAULT
    for entry in reversed(layers.find("resource")):
        value = _settle(setting, layers._replace(entries={"resource": (entry,)}), decided)
        if value.layer is not Layer.DEFAULT:
            merged |= value.value
            origins.append(value.origin)
            layer = value.layer
    for row in RESOURCE_SETTINGS:
        if (value := decided.values[row.key]).value is not None:
            merged[row.attribute] = value.value
    return Value(merged, layer, ", ".join(reversed(origins)) or "default")


def _check_segments(values: Mapping[str, Value]) -> None:
    first, last = values["spool.segment_first"], values["spool.segment_last"]
    if first.value > last.value:
        counts = last if last.layer >= first.layer else first
        key = "spool.segment_last" if counts is last else "spool.segment_first"
        shown = BY_KEY[key].kind.format(counts.value)
        accepted = "segment_first at most as large as segment_last"
        raise InvalidSetting(key, counts.origin, shown, accepted)
