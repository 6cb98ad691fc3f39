"""`tradespan spool verify`: read every byte of every segment."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.places import Place
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.progress import Progress
from tradespan.cli.render import Column, format_count, make_console, plain, print_columns
from tradespan.cli.spool_list import lane_of, size_of
from tradespan.cli.spool_parts import counts, format_size, left, right
from tradespan.config import Config
from tradespan.forward.parking import PARKED
from tradespan.spool.folder import DAMAGED, RunFolder
from tradespan.spool.names import SegmentName
from tradespan.spool.survey import Numbers, Survey, survey_segment

SUMMARY = "read every byte, and say what is damaged"
DESCRIPTION = (
    "Read every segment and dead letter to its end: checksums, the payload of each record, the"
    " order of segments and of records' numbers. Changes nothing. Exit status 1 on damage."
)


@dataclass(slots=True)
class Row:
    """One writer's lane, over its segments."""

    ordinals: Numbers = field(default_factory=Numbers)
    records: Numbers = field(default_factory=Numbers)


@dataclass(slots=True)
class Verdict:
    """One run's folder."""

    folder: RunFolder
    surveys: list[tuple[Path, Survey]] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    set_aside: list[str] = field(default_factory=list)
    """Files that are no segments; an agent has renamed them."""

    @property
    def missing_segments(self) -> int:
        """Segments that are not there, though an earlier and a later one of the row are."""
        return sum(row.ordinals.missing for row in self.rows.values())

    @property
    def gaps(self) -> int:
        """Numbers of records that are not there, though lower and higher ones are."""
        return sum(row.records.missing for row in self.rows.values())

    @property
    def good(self) -> bool:
        """Whether nothing is damaged. A gap alone is no damage: an interrupted call leaves one."""
        whole = all(survey.good for _, survey in self.surveys)
        return whole and not self.missing_segments and not self.set_aside

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "run": self.folder.path.name,
            "good": self.good,
            "gaps": self.gaps,
            "missing_segments": self.missing_segments,
            "set_aside": self.set_aside,
            "segments": [
                {
                    "segment": str(path.relative_to(self.folder.path)),
                    "good": survey.good,
                    "state": survey.state,
                    "records": survey.records,
                    "bytes": survey.size,
                    "damaged_bytes": survey.damaged_bytes,
                    "unknown_frames": survey.unknown_frames,
                    "gaps": survey.numbers.missing,
                    "problem": survey.problem,
                }
                for path, survey in self.surveys
            ],
        }


def add_options(parser: argparse.ArgumentParser) -> None:
    """It has none but DIR."""


def run(namespace: argparse.Namespace, config: Config, place: Place) -> int:
    """Read all; say no on damage."""
    folders = place.folders()
    paths = {str(folder.path): segments_of(folder) for folder in folders}
    progress = Progress("verifying", sum(size_of(p) for each in paths.values() for p in each))
    try:
        verdicts = [verify(folder, paths[str(folder.path)], progress) for folder in folders]
    finally:
        progress.close()
    if namespace.json:
        for verdict in verdicts:
            print(msgspec.json.encode(verdict.to_json()).decode())
    else:
        show(make_console(), verdicts)
    return OK if all(verdict.good for verdict in verdicts) else FAILED


def segments_of(folder: RunFolder) -> list[Path]:
    """A run's segments, then its dead letters."""
    parked = sorted((folder.path / PARKED).glob("*/*.seg"))
    letters = [path for path in parked if SegmentName.parse(path.name) is not None]
    return [folder.path / str(name) for name in folder.segments()] + letters


def verify(folder: RunFolder, paths: list[Path], progress: Progress) -> Verdict:
    """Read a run's segments."""
    verdict = Verdict(folder)
    verdict.set_aside = sorted(path.name for path in folder.path.glob(f"*{DAMAGED}"))
    for path in paths:
        survey = survey_segment(path, progress.advance)
        if survey.problem and not path.exists():
            continue  # delivered and deleted meanwhile
        verdict.surveys.append((path, survey))
        row = verdict.rows.setdefault(survey.name.row, Row())
        row.ordinals.add(survey.name.ordinal)
        row.records.join(survey.numbers)
    return verdict


def show(console: Console, verdicts: list[Verdict]) -> None:
    """Print what is not well, and one line about the rest."""
    surveys = [pair for verdict in verdicts for pair in verdict.surveys]
    shown = [(path, s) for path, s in surveys if not s.good or s.unknown_frames]
    if shown:
        print_columns(console, build_columns(shown))
    for verdict in verdicts:
        for style, sentence in _say(verdict):
            line = f"run {verdict.folder.path.name}: {sentence}"
            console.print(Text(plain(line), style=style), soft_wrap=True)
    records = sum(survey.count for _, survey in surveys)
    size = sum(survey.size for _, survey in surveys)
    bad = sum(not survey.good for _, survey in surveys)
    total = f"{format_count(len(surveys), 'segment')}, {format_count(records, 'record')}"
    verdict_line = f"{bad:,} damaged" if bad else "none damaged"
    console.print(f"{total}, {format_size(size)}: {verdict_line}")


def _say(verdict: Verdict) -> list[tuple[str, str]]:
    said = []
    if verdict.missing_segments:
        count = format_count(verdict.missing_segments, "segment")
        said.append(("bold red", f"{count} missing, though earlier and later ones are here"))
    if verdict.gaps:
        count = format_count(verdict.gaps, "number")
        said.append(
            ("yellow", f"{count} of records not found: discarded, interrupted by a kill, or lost;")
        )
        said.append(("", "  tradespan spool status tells which"))
    said += [("bold red", f"{name} was set aside: it is no segment") for name in verdict.set_aside]
    return said


def build_columns(shown: list[tuple[Path, Survey]]) -> list[Column]:
    """The columns of the table."""
    surveys = [survey for _, survey in shown]
    return [
        left("Segment", [path.name for path, _ in shown], flexible=True),
        left("Lane", [lane_of(survey.name) for survey in surveys]),
        right("Records", [f"{survey.count:,}" for survey in surveys]),
        *counts("Damaged bytes", [survey.damaged_bytes for survey in surveys], "bold red"),
        *counts("Gaps", [survey.numbers.missing for survey in surveys], "yellow"),
        *counts("Unknown frames", [survey.unknown_frames for survey in surveys]),
        left("Problem", [survey.problem for survey in surveys], flexible=True),
    ]
