"""What is generated, and whether the committed files are what would be generated now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tradespan.conventions.reading import load_registry
from tradespan.generate.attributes_module import render_attributes
from tradespan.generate.conventions_page import render_conventions
from tradespan.generate.events_module import render_events
from tradespan.generate.instruments_module import render_instruments
from tradespan.generate.names_module import render_names
from tradespan.generate.settings_page import render_settings


@dataclass(frozen=True, slots=True)
class Output:
    """One generated file."""

    path: PurePosixPath
    """Relative to the repository's root."""
    text: str

    def is_stale(self, root: Path) -> bool:
        """Whether the file says something else, or is not there."""
        file = root / self.path
        return not file.exists() or file.read_bytes() != self.text.encode()

    def write(self, root: Path) -> None:
        """Make the file say what is declared."""
        file = root / self.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.text.encode())


def build_outputs() -> list[Output]:
    """All of them."""
    registry = load_registry()
    return [
        Output(PurePosixPath("src/tradespan/declare/names.py"), render_names(registry)),
        Output(PurePosixPath("src/tradespan/declare/attributes.py"), render_attributes(registry)),
        Output(PurePosixPath("src/tradespan/declare/events.py"), render_events(registry)),
        Output(PurePosixPath("src/tradespan/declare/instruments.py"), render_instruments(registry)),
        Output(PurePosixPath("docs/conventions.md"), render_conventions(registry)),
        Output(PurePosixPath("docs/settings.md"), render_settings()),
    ]
