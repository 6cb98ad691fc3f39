"""The colours of tokens.css: readable for everybody, in both themes."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from tradespan.web.shell import ASSETS

Colour = tuple[float, float, float]

VISION: dict[str, tuple[Colour, Colour, Colour]] = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""How linear RGB is seen. Source: Machado, Oliveira, Fernandes 2009, severity 1.0."""

TEXTS = ("text", "muted", "faint", "accent", "good", "warning", "error")
GRAPHICS = [*(f"group-{i}" for i in range(6)), "group-none", "point", "bar-error"]
ON_SOFT = (("accent", "accent-soft"), ("good", "good-soft"), ("warning", "warning-soft"),
           ("error", "error-soft"), ("muted", "accent-soft"), ("text", "accent-soft"))  # fmt: skip


def read_themes() -> dict[str, dict[str, str]]:
    css = (ASSETS / "tokens.css").read_text(encoding="utf-8")
    light, dark = css.split(':root[data-theme="dark"]')
    find = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    tokens = dict(find.findall(light))
    return {"light": tokens, "dark": tokens | dict(find.findall(dark))}


THEMES = read_themes()


def linear(colour: str) -> Colour:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""
    light, dark = sorted((luminance(linear(one)), luminance(linear(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Colour) -> float:
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def lab(colour: Colour) -> Colour:
    red, green, blue = colour
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        luminance(colour),
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen(colour: str, vision: str) -> Colour:
    rgb = linear(colour)
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, rgb, strict=True))))
        for row in VISION[vision]
    )
    return lab((red, green, blue))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("ground", ["surface", "raised", "page"])
def test_text_has_aa_contrast(theme: str, name: str, ground: str) -> None:
    tokens = THEMES[theme]
    assert contrast(tokens[name], tokens[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("name", "ground"), ON_SOFT)
def test_text_on_tinted_ground_has_aa_contrast(theme: str, name: str, ground: str) -> None:
    tokens = THEMES[theme]
    assert contrast(tokens[name], tokens[ground]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", GRAPHICS)
def test_graphics_have_aa_contrast(theme: str, name: str) -> None:
    tokens = THEMES[theme]
    assert contrast(tokens[name], tokens["surface"]) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_group_colours_are_told_apart(theme: str, vision: str) -> None:
    colours = [THEMES[theme][f"group-{i}"] for i in range(6)]
    pairs = itertools.combinations(colours, 2)
    closest = min(math.dist(seen(a, vision), seen(b, vision)) for a, b in pairs)
    assert closest >= 20
