"""Lines are shown only of the very file that ran, and only from the folders that the run named."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tradespan.core import sourcefiles
from tradespan.core.records import SourceFile
from tradespan.core.sourcefiles import SourceHidden, describe_source, read_source

TEXT = "def decide(price):\n    return price > 1\n"


@pytest.fixture(autouse=True)
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was watched before."""
    monkeypatch.setattr(sourcefiles, "_facts", {})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(os.path.realpath(tmp_path))


@pytest.fixture
def file(root: Path) -> Path:
    path = root / "project" / "bot.py"
    path.parent.mkdir()
    path.write_text(TEXT)
    return path


def facts_of(path: Path) -> SourceFile:
    facts = describe_source(str(path))
    assert facts is not None
    return facts


def why(source: SourceFile, *roots: Path | str) -> str:
    with pytest.raises(SourceHidden) as caught:
        read_source(source, map(str, roots))
    return str(caught.value)


def test_unchanged_file_below_a_root_is_read(file: Path) -> None:
    assert read_source(facts_of(file), [str(file.parent)]) == TEXT
    assert read_source(facts_of(file), ["/nowhere", str(file.parent.parent)]) == TEXT


def test_file_is_described_once_a_process(file: Path) -> None:
    before = facts_of(file)
    file.write_text("def other(): pass\n")
    assert facts_of(file) is before


def test_changed_file_is_not_shown(file: Path) -> None:
    facts = facts_of(file)
    file.write_text(TEXT + "\n")
    assert why(facts, file.parent) == "changed since"


def test_file_of_equal_size_and_time_but_other_bytes_is_not_shown(file: Path) -> None:
    facts = facts_of(file)
    file.write_text(TEXT.replace("1", "2"))
    os.utime(file, ns=(facts.changed, facts.changed))
    assert file.stat().st_mtime_ns == facts.changed
    assert why(facts, file.parent) == "changed since"


def test_touched_file_is_not_shown(file: Path) -> None:
    facts = facts_of(file)
    os.utime(file, ns=(facts.changed + 1_000_000_000,) * 2)
    assert why(facts, file.parent) == "changed since"


def test_file_outside_of_all_roots_is_not_shown(file: Path) -> None:
    facts = facts_of(file)
    sibling = f"{file.parent}-other"
    for roots in ((), (sibling,), ("/",), (file,), (str(file.parent)[1:],), ("",)):
        assert why(facts, *roots) == "outside of the run's folders", roots


@pytest.mark.parametrize(
    "path",
    [
        "{root}/project/../secret.py",
        "{root}/project/./bot.py",
        "project/bot.py",
        "/{root}/project/bot.py",
    ],
)
def test_path_that_is_not_plain_is_not_followed(file: Path, root: Path, path: str) -> None:
    (root / "secret.py").write_text(TEXT)
    strange = msgspec.structs.replace(facts_of(file), path=path.format(root=root))
    assert why(strange, root / "project") == "outside of the run's folders"


def test_file_that_became_a_link_is_not_shown(file: Path, root: Path) -> None:
    facts = facts_of(file)
    kept = root / "kept.py"
    file.rename(kept)
    file.symlink_to(kept)
    assert why(facts, file.parent) == "a link leads to it"


def test_folder_that_became_a_link_is_not_entered(file: Path, root: Path) -> None:
    facts = facts_of(file)
    file.parent.rename(root / "moved")
    (root / "project").symlink_to(root / "moved")
    assert why(facts, root) == "a link leads to it"


def test_script_that_was_a_link_is_known_by_the_file_it_leads_to(file: Path, root: Path) -> None:
    link = root / "link.py"
    link.symlink_to(file)
    facts = facts_of(link)
    assert facts.path == str(file)
    assert read_source(facts, [str(file.parent)]) == TEXT
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()
    assert why(facts, elsewhere) == "outside of the run's folders"


def test_directory_and_pipe_are_no_source(file: Path) -> None:
    facts = facts_of(file)
    file.unlink()
    file.mkdir()
    assert why(facts, file.parent) == "it is no regular file"
    file.rmdir()
    os.mkfifo(file)
    assert why(facts, file.parent) == "it is no regular file"


def test_missing_file_is_gone(file: Path) -> None:
    facts = facts_of(file)
    file.unlink()
    assert why(facts, file.parent) == "the file is gone"


def test_file_of_another_kind_is_not_shown(file: Path) -> None:
    facts = facts_of(file)
    passwords = file.with_suffix(".txt")
    file.rename(passwords)
    assert why(msgspec.structs.replace(facts, path=str(passwords)), file.parent) == (
        "it is no .py file"
    )


def test_what_is_no_source_file_has_no_facts(root: Path) -> None:
    os.mkfifo(root / "pipe.py")
    (root / "folder.py").mkdir()
    (root / "data.txt").write_text(TEXT)
    (root / "large.py").write_bytes(b"#" * (sourcefiles.MOST_BYTES + 1))
    names = ("pipe.py", "folder.py", "data.txt", "large.py", "missing.py", "a\0b.py", "x" * 999)
    for name in names:
        assert describe_source(str(root / name)) is None, name
    for strange in ("<string>", "<stdin>", "", "\udcff.py"):
        assert describe_source(strange) is None, strange


def test_largest_file_is_shown_whole(root: Path) -> None:
    path = root / "largest.py"
    path.write_bytes(b"#" * sourcefiles.MOST_BYTES)
    assert len(read_source(facts_of(path), [str(root)])) == sourcefiles.MOST_BYTES
