"""What is said of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.machine import describe, type_of_mount, versions

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
/dev/vdb /tmp/deep xfs rw 0 0
overlay /tmp/deep btrfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/var/x", "ext4"), ("/tmp", "tmpfs"), ("/tmp/x", "tmpfs"), ("/tmpfile", "ext4"),
     ("/tmp/deep/x", "btrfs")],
)  # fmt: skip
def test_the_deepest_mount_point_names_the_file_system(path: str, kind: str) -> None:
    assert type_of_mount(Path(path), MOUNTS) == kind


def test_a_package_that_is_not_there_is_told_as_missing() -> None:
    found = versions(("msgspec", "no-such-package-here"))

    assert found["no-such-package-here"] == "missing"
    assert found["msgspec"][0].isdigit()


def test_whether_the_hot_path_is_native_is_told() -> None:
    assert describe()["tradespan's hot path"].startswith(("native", "pure Python"))
