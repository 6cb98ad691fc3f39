"""The kernel's count of processes that it killed for memory, by either version of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradespan.core.cgroups import oom_kills


@pytest.mark.parametrize(
    ("membership", "files", "count"),
    [
        ("0::/user.slice/bot\n", {"cgroup/user.slice/bot/memory.events": "low 0\noom_kill 3\n"}, 3),
        (
            "5:memory:/docker/7\n1:name=systemd:/x\n0::/\n",
            {"cgroup/memory/docker/7/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n"},
            2,
        ),
        # A container sees its own cgroup as the root, whatever its name outside.
        ("0::/../../bot\n", {"cgroup/memory.events": "oom_kill 1\n"}, 1),
        ("0::/\n", {"proc/vmstat": "nr_free 9\noom_kill 8\n"}, 8),
        ("0::/\n", {"proc/vmstat": "nr_free 9\n"}, None),
        ("nonsense", {"cgroup/memory.events": "oom_kill many\n"}, None),
    ],
)
def test_count(tmp_path: Path, membership: str, files: dict[str, str], count: int | None) -> None:
    for name, content in {"proc/self/cgroup": membership, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert oom_kills(tmp_path / "cgroup", tmp_path / "proc") == count


def test_where_nobody_counts(tmp_path: Path) -> None:
    assert oom_kills(tmp_path, tmp_path) is None
