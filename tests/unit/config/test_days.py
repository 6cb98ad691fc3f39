"""Time zones and times of day, as `[figures]` has them."""

from __future__ import annotations

import pytest

from tradespan.config import load_config
from tradespan.core.errors import InvalidSetting


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", " Asia/Tokyo "])
def test_a_time_zone_is_known_by_its_name(zone: str) -> None:
    assert load_config({"figures.time_zone": zone}).figures.time_zone == zone.strip()


@pytest.mark.parametrize("zone", ["New York", "America/Nowhere", "../etc/passwd", "America", "", 3])
def test_what_is_no_time_zone_is_refused(zone: object) -> None:
    with pytest.raises(InvalidSetting, match="expected a time zone such as America/New_York"):
        load_config({"figures.time_zone": zone})


@pytest.mark.parametrize(("given", "time"), [("17:00", "17:00"), ("9:30", "09:30")])
def test_a_day_starts_at_a_time(given: str, time: str) -> None:
    assert load_config({"figures.day_starts": given}).figures.day_starts == time


@pytest.mark.parametrize("given", ["24:00", "17", "17:60", "5pm", 17])
def test_another_time_is_refused(given: object) -> None:
    with pytest.raises(InvalidSetting, match="expected a time such as 17:00"):
        load_config({"figures.day_starts": given})
