"""The project's Markdown pages, taken apart: examples, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GUIDES = sorted((DOCS / "guides").glob("*.md"))
PAGES = sorted(ROOT.glob("*.md")) + sorted(
    page for folder in ("docs", "examples", "src") for page in (ROOT / folder).rglob("*.md")
)

_FENCE = re.compile(r"```(\w*)\s*$")
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
_CODE_SPAN = re.compile(r"`[^`]*`")


def name_page(page: Path) -> str:
    """A page's path as tests show it."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced example."""

    language: str
    text: str
    line: int
    """The page's line number of the fence."""
    not_run: str
    """Why it is only looked at: `<!-- not run: reason -->` on the line above the fence."""

    @property
    def file(self) -> str:
        """The file that it is to be saved as, if its first line names one: `# bot.py`."""
        match = re.match(r"# ([\w./-]+\.(?:py|toml|yaml))\n", self.text)
        return match[1] if match else ""


def read_blocks(text: str) -> Iterator[Block]:
    """The fenced examples of a page, in order."""
    language, start, lines, reason = "", 0, list[str](), ""
    inside = False
    before = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if inside and line.strip() == "```":
            yield Block(language, "\n".join(lines) + "\n", start, reason)
            inside = False
        elif inside:
            lines.append(line)
        elif fence := _FENCE.match(line):
            told = _NOT_RUN.match(before)
            inside, language, start, lines = True, fence[1], number, []
            reason = told[1] if told else ""
        before = line


def read_prose(text: str) -> str:
    """A page without its fenced examples and without code in backticks."""
    kept, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(line)
    return _CODE_SPAN.sub("", "\n".join(kept))


def read_links(text: str) -> list[str]:
    """Targets of links and pictures."""
    return _LINK.findall(read_prose(text))


def read_anchors(text: str) -> list[str]:
    """What headings can be linked by, as GitHub makes it."""
    headings, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside and (match := re.match(r"#+ (.+)", line)):
            headings.append(match[1])
    return [to_anchor(heading) for heading in headings]


def to_anchor(heading: str) -> str:
    """`Unknown setting: a key` → `unknown-setting-a-key`."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def read_commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console example, each with the lines that it is said to print."""
    command, said = "", list[str]()
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, said
            command, said = line[2:], []
        elif command.endswith("\\") and not said:
            command = f"{command[:-1]}{line.strip()}"
        else:
            said.append(line)
    if command:
        yield command, said
