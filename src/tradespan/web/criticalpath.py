"""Where a trace's time went: the tree of its spans, own time, and the critical path.

Pure functions over the store's spans. Stored spans may be incomplete or contradict each other: a
parent that was never recorded, clocks of two machines that disagree, an id that is its own
ancestor. Every span still appears exactly once, and no time is negative or counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Interval = tuple[int, int]
"""Start and end in nanoseconds; never empty."""


class Timed(Protocol):
    """What is needed of a span to place it."""

    @property
    def span_id(self) -> str: ...
    @property
    def parent_id(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def duration(self) -> int: ...


@dataclass(slots=True)
class Node:
    """A span's place in its trace. Other spans are named by their index in `Tree.nodes`."""

    span: int
    """Index of the span in the list the tree was built from."""
    start: int
    end: int
    parent: int | None = None
    children: list[int] = field(default_factory=list)
    depth: int = 0
    orphan: bool = False
    """Its parent is not among the spans (or a cycle was cut here): shown as a root."""
    own: list[Interval] = field(default_factory=list)
    """When the span ran and none of its children did."""

    @property
    def own_time(self) -> int:
        """Nanoseconds in the span itself, its children left out."""
        return sum(end - start for start, end in self.own)


@dataclass(frozen=True, slots=True)
class Tree:
    """A trace's spans in reading order: parents before children, children by start."""

    nodes: list[Node]
    roots: list[int]

    @property
    def main(self) -> int:
        """The root that the trace is named after: the earliest one, a true root before orphans."""
        return min(self.roots, key=lambda root: (self.nodes[root].orphan, self.nodes[root].start))

    @property
    def start(self) -> int:
        """The earliest start, in nanoseconds."""
        return min(node.start for node in self.nodes)

    @property
    def end(self) -> int:
        """The latest end, in nanoseconds."""
        return max(node.end for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the critical path: the time that one span itself accounts for."""

    node: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The chain of work that a span's end had to wait for."""

    steps: list[Step]
    """Latest first; they cover the span's time exactly once."""
    windows: dict[int, Interval]
    """Each span on the path, with the stretch in which the path runs through it or its children."""


def build_tree(spans: Sequence[Timed]) -> Tree:
    """Order a trace's spans as a tree. `spans` may come in any order, but must not be empty."""
    parents = find_parents(spans)
    children: dict[int | None, list[int]] = {}
    for index in sorted(range(len(spans)), key=lambda i: reading_order(spans[i])):
        children.setdefault(parents[index], []).append(index)
    nodes: list[Node] = []
    place: dict[int, int] = {}
    waiting = list(reversed(children[None]))
    while waiting:
        index = waiting.pop()
        place[index] = len(nodes)
        nodes.append(make_node(spans, index, parents[index], place, nodes))
        waiting.extend(reversed(children.get(index, [])))
    for node in nodes:
        node.own = subtract((node.start, node.end), [interval(nodes[i]) for i in node.children])
    return Tree(nodes, [place[index] for index in children[None]])


def find_parents(spans: Sequence[Timed]) -> list[int | None]:
    """Each span's parent by index, None for roots, orphans and where a cycle is cut."""
    by_id: dict[str, int] = {}
    for index, span in enumerate(spans):
        by_id.setdefault(span.span_id, index)
    parents = [by_id.get(span.parent_id) if span.parent_id else None for span in spans]
    settled: set[int] = set()
    for index in sorted(range(len(spans)), key=lambda i: reading_order(spans[i])):
        path: set[int] = set()
        at: int | None = index
        while at is not None and at not in settled and at not in path:
            path.add(at)
            at = parents[at]
        if at is not None and at in path:
            # A cycle. Its earliest span becomes a root, so that time still runs downward.
            cycle = walk_cycle(parents, at)
            parents[min(cycle, key=lambda i: reading_order(spans[i]))] = None
        settled |= path
    return parents


def walk_cycle(parents: Sequence[int | None], start: int) -> list[int]:
    cycle = [start]
    while (parent := parents[cycle[-1]]) is not None and parent != start:
        cycle.append(parent)
    return cycle


def reading_order(span: Timed) -> tuple[int, int, str]:
    """By start; of those that start together the longest first, then by id, to be repeatable."""
    return span.start, -span.duration, span.span_id


def make_node(
    spans: Sequence[Timed],
    index: int,
    parent: int | None,
    place: dict[int, int],
    nodes: list[Node],
) -> Node:
    span = spans[index]
    node = Node(index, span.start, span.start + max(span.duration, 0))
    if parent is None:
        node.orphan = bool(span.parent_id)
        return node
    node.parent = place[parent]
    node.depth = nodes[node.parent].depth + 1
    nodes[node.parent].children.append(len(nodes))
    return node


def interval(node: Node) -> Interval:
    return node.start, node.end


def subtract(whole: Interval, parts: Iterable[Interval]) -> list[Interval]:
    """What is left of `whole` without the `parts`, which may overlap each other and reach out."""
    left: list[Interval] = []
    at, end = whole
    for part_start, part_end in sorted(parts):
        if part_start > at:
            left.append((at, min(part_start, end)))
        at = max(at, part_end)
        if at >= end:
            return left
    if at < end:
        left.append((at, end))
    return left


def find_critical_path(tree: Tree, root: int) -> CriticalPath:
    """What the end of `root` had to wait for.

    Walked backward from the end: the child that ended last explains the time back to its start,
    then the child that ended last before that, and so on, in each of them again. What no child
    explains is the span's own. Where children overlap, the time goes to the one that ended later.
    """
    steps: list[Step] = []
    windows: dict[int, Interval] = {}
    nodes = tree.nodes
    # (node, from, to): look at the part of a span between two moments.
    waiting = [(root, nodes[root].start, nodes[root].end)]
    while waiting:
        index, lower, at = waiting.pop()
        windows[index] = lower, at
        for child in sorted(nodes[index].children, key=lambda i: (-nodes[i].end, nodes[i].start)):
            start, end = max(nodes[child].start, lower), min(nodes[child].end, at)
            if start >= end:
                continue
            if end < at:
                steps.append(Step(index, end, at))
            waiting.append((child, start, end))
            at = start
        if lower < at:
            steps.append(Step(index, lower, at))
    return CriticalPath(sorted(steps, key=lambda step: -step.end), windows)
