"""A user's own declarations: what is wrong in them is told by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.conventions.builders import SOUND, line_of, write
from tradespan.conventions import additions
from tradespan.conventions.additions import find_files, read_additions


def problems_of(file: Path) -> list[str]:
    return [str(problem) for problem in read_additions([file])[1]]


def test_a_sound_file_is_read_whole(tmp_path: Path) -> None:
    registry, problems = read_additions([write(tmp_path)])

    assert problems == []
    assert [each.name for each in registry.attributes] == [
        "desk.book", "desk.urgency", "desk.ticket.id",
    ]  # fmt: skip
    assert [group.name for group in registry.of_type("metric")] == ["desk.hedge.delay"]
    (event,) = registry.of_type("event")
    assert (event.member, event.severity) == ("DESK_BOOK_CLOSED", "warning")
    assert [(each.short, each.name, each.factor) for each in event.fields] == [
        ("book", "desk.book", 1.0)
    ]


BRIEF = "brief: Which book the trade is in."
MISTAKES = {
    "an unknown key": (
        BRIEF, f"{BRIEF}\n        breif: twice", "breif: twice",
        "registry.desk: desk.book: unknown key 'breif'; did you mean brief?",
    ),
    "a key that stands there twice": (
        BRIEF, f"{BRIEF}\n        brief: once more", "brief: once more",
        "registry.desk: desk.book: brief stands here twice",
    ),
    "a missing brief": (
        f"        {BRIEF}\n", "", "id: desk.book",
        "registry.desk: desk.book: brief is missing, or no text",
    ),
    "a type that there is not": (
        "type: string", "type: sting", "type: sting",
        "registry.desk: desk.book: type is 'sting', not one of string, int, double, boolean, any,"
        " string[]; did you mean string?",
    ),
    "an example of another type": (
        "examples: [delta_one]", "examples: [1]", "examples: [1]",
        "registry.desk: desk.book: the example 1 is no string",
    ),
    "a name of ours with another type": (
        "id: desk.book\n        type: string", "id: trading.order.price\n        type: string",
        "id: trading.order.price",
        "trading.order.price: declared twice, the attribute: first in trading.yaml:",
    ),
    "a name of ours with the same type": (
        "id: desk.book\n", "id: trading.symbol\n", "id: trading.symbol", "; refer to it with ref",
    ),
    "a namespace of ours": (
        "id: desk.book\n", "id: tradespan.book\n", "id: tradespan.book",
        "tradespan.book: the namespace tradespan is tradespan's own; take one of yours",
    ),
    "a namespace of OpenTelemetry's": (
        "id: desk.book\n", "id: service.book\n", "id: service.book",
        "service.book: the namespace service is OpenTelemetry's; take one of yours",
    ),
    "a name in capitals": (
        "id: desk.book\n", "id: desk.Book\n", "id: desk.Book",
        "desk.Book: a name is lower case and dotted, such as desk.book.depth",
    ),
    "an abbreviation": (
        "id: desk.urgency", "id: desk.max_qty", "id: desk.max_qty",
        "desk.max_qty: names are unabbreviated: quantity for qty",
    ),
    "a name that is a namespace too": (
        "id: desk.urgency", "id: desk.book.urgency", "id: desk.book.urgency",
        "desk.book is an attribute and the namespace of desk.book.urgency",
    ),
    "a reference to nothing of ours": (
        "ref: trading.venue", "ref: trading.venu", "ref: trading.venu",
        "metric.desk.hedge.delay: there is no attribute trading.venu; did you mean trading.venue?",
    ),
    "a reference to nothing of the user's": (
        "ref: trading.venue", "ref: desk.boook", "ref: desk.boook",
        "metric.desk.hedge.delay: there is no attribute desk.boook; did you mean desk.book?",
    ),
    "a reference that stands there twice": (
        "ref: trading.venue", "ref: desk.book # again", "# again",
        "metric.desk.hedge.delay: desk.book stands here twice",
    ),
    "an id as a label": (
        "ref: trading.venue", "ref: trading.order.client_id", "ref: trading.order.client_id",
        "desk.hedge.delay: trading.order.client_id is an id, and ids never become labels",
    ),
    "a unit by another name": (
        "unit: s\n", "unit: seconds\n", "unit: seconds",
        "desk.hedge.delay: unit is 'seconds', none by UCUM; did you mean s?",
    ),
    "a currency as a unit": (
        "unit: s\n", 'unit: "{USD}"\n', "unit: ",
        "desk.hedge.delay: unit is '{USD}': money has the unit {currency}, its currency is a label",
    ),
    "money without its currency": (
        "unit: s\n", 'unit: "{currency}"\n', "unit: ",
        "desk.hedge.delay: an instrument of money has the label trading.currency",
    ),
    "bounds that do not rise": (
        "[0.1, 1.0, 10.0]", "[0.1, 10.0, 1.0]", "bounds:",
        "metric.desk.hedge.delay: annotations.bounds do not rise: 1.0 after 10.0",
    ),
    "bounds of a counter": (
        "instrument: histogram", "instrument: counter", "annotations:",
        "metric.desk.hedge.delay: annotations.bounds belong to a histogram, and to nothing else",
    ),
    "an instrument that there is not": (
        "instrument: histogram", "instrument: timer", "instrument: timer",
        "metric.desk.hedge.delay: instrument is 'timer', not one of counter, updowncounter, gauge,"
        " histogram",
    ),
    "a severity that there is not": (
        "severity: warning", "severity: warn", "severity: warn",
        "event.desk.book.closed: severity is 'warn', not one of debug, info, warning, error,"
        " critical, emergency; did you mean warning?",
    ),
    "a field that the event has not": (
        "annotations:\n      severity: warning\n      fields: {book: desk.book}",
        "annotations: # here\n      severity: warning\n      fields: {how: desk.urgency}", "# here",
        "event.desk.book.closed: the field how is desk.urgency, which the event has not",
    ),
    "an id that is not the name's": (
        "name: desk.book.closed", "name: desk.book.shut", "id: event.desk.book.closed",
        "event.desk.book.closed: the id is `event.` and the name: event.desk.book.shut",
    ),
    "text that is no YAML": (
        "examples: [delta_one]", "examples: [delta_one", "- id: desk.urgency", "is no YAML: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, where: str, message: str
) -> None:
    file = write(tmp_path, old, new)
    told = problems_of(file)

    found = [line for line in told if message in line]
    assert found, told
    line = line_of(where, file)
    assert found[0].startswith(f"{file}:{line}: "), found


COUNTER = """\
groups:
  - id: metric.desk.NAME
    type: metric
    metric_name: desk.NAME
    instrument: counter
    unit: "{hedge}"
    stability: development
    brief: Hedges.
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hedges_total", "a counter's name does not end with total: Prometheus adds that"),
        ("hedges.total", "a counter's name does not end with total: Prometheus adds that"),
        ("delay_seconds", "the unit stands in `unit`, not in the name"),
    ],
)
def test_what_prometheus_adds_stands_in_no_name(tmp_path: Path, name: str, message: str) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(COUNTER.replace("NAME", name))

    assert problems_of(file) == [f"{file}:4: desk.{name}: {message}"]


def test_all_mistakes_of_a_file_are_told_in_the_order_of_its_lines(tmp_path: Path) -> None:
    file = write(tmp_path, "unit: s\n", "unit: sec\n")
    text = file.read_text().replace("desk.ticket.id", "desk.ticket.nummer", 1)
    file.write_text(text.replace("ref: trading.venue", "ref: trading.order.id"))

    told = problems_of(file)

    assert [line.partition(": ")[2].partition(":")[0] for line in told] == [
        "desk.hedge.delay", "desk.hedge.delay", "event.desk.book.closed",
    ]  # fmt: skip


def test_two_files_may_refer_to_each_other_and_not_declare_the_same(tmp_path: Path) -> None:
    first, second = write(tmp_path, name="a.yaml"), tmp_path / "b.yaml"
    second.write_text(
        COUNTER.replace("NAME", "hedges") + "    attributes:\n      - ref: desk.book\n"
    )
    assert read_additions([first, second])[1] == []

    second.write_text(SOUND)
    told = [str(problem) for problem in read_additions([first, second])[1]]
    taken = f"{second}:7: desk.book: declared twice, the attribute: first in {first}:7; refer to"
    assert any(line.startswith(taken) for line in told), told


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    missing, binary, sound = tmp_path / "gone.yaml", tmp_path / "binary.yaml", write(tmp_path)
    binary.write_bytes(b"\xff\xfe\x00")

    registry, problems = read_additions([missing, binary, sound])

    assert [problem.place.file for problem in problems] == [str(binary), str(missing)]
    assert all("cannot be read" in problem.reason for problem in problems)
    assert len(registry.attributes) == 3


def test_a_file_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "MOST_BYTES", 100)
    file = write(tmp_path)

    assert "cannot be read: it is over" in problems_of(file)[0]


@pytest.mark.parametrize("text", ["", "[]\n", "groups: 7\n", "groups:\n  - 7\n", "x: &a [*a]\n"])
def test_what_is_no_declaration_at_all_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(text)

    assert problems_of(file)


def test_files_are_those_that_the_settings_name_or_those_in_the_folder(tmp_path: Path) -> None:
    settings = tmp_path / "tradespan.toml"
    assert find_files((), settings) == []
    inside = write(tmp_path / "conventions")

    assert find_files((), settings) == [inside]
    assert find_files((tmp_path / "other.yaml",), settings) == [tmp_path / "other.yaml"]


def test_anchors_and_merged_keys_are_read_as_yaml_means_them(tmp_path: Path) -> None:
    file = tmp_path / "desk.yaml"
    file.write_text(
        "groups:\n"
        "  - &hedges\n"
        "    id: metric.desk.hedges\n"
        "    type: metric\n"
        "    metric_name: desk.hedges\n"
        "    instrument: counter\n"
        "    unit: '{hedge}'\n"
        "    stability: development\n"
        "    brief: Hedges.\n"
        "  - <<: *hedges\n"
        "    id: metric.desk.orders\n"
        "    metric_name: desk.orders\n"
    )
    registry, problems = read_additions([file])

    assert problems == []
    assert [group.name for group in registry.groups] == ["desk.hedges", "desk.orders"]
