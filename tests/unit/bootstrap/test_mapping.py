"""Mapped calls are listened to as the settings say, and what is mistyped there is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tradespan.bootstrap import mapping
from tradespan.config import Config, load_config


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    mapping.end()


def map_to(folder: Path, signal: str) -> Config:
    file = folder / "tradespan.toml"
    file.write_text(f'[[map]]\nfunction = "bot.send"\nsignal = "{signal}"\n')
    return load_config({}, config_file=str(file))


def test_mistyped_signal_is_told_with_what_may_be_meant(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mapping.begin(map_to(tmp_path, "order.submited"))
    assert caplog.messages == [
        "[[map]] signal = order.submited feeds no instrument and no event; did you mean"
        " order.submitted?"
    ]


@pytest.mark.parametrize("signal", ["order.submitted", "kitchen.timer"])
def test_known_signal_and_a_users_own_are_not_remarked_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, signal: str
) -> None:
    mapping.begin(map_to(tmp_path, signal))
    assert caplog.messages == []
