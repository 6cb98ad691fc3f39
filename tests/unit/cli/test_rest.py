"""What `tradespan run` says of records that nobody has delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradespan.cli.run_end import print_rest
from tradespan.config import load_config
from tradespan.spool.folder import RunFolder, private_folder
from tradespan.supervise import RunEnd


@pytest.mark.parametrize(("place", "sent"), [("root/runs/1", "root"), ("elsewhere", "elsewhere")])
def test_the_command_names_a_folder_in_which_the_records_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, sent: str
) -> None:
    (tmp_path / "root" / "runs").mkdir(parents=True)
    folder = RunFolder(private_folder(tmp_path / place))
    print_rest(load_config({"root": str(tmp_path / "root")}), folder, RunEnd(0, None))
    assert capsys.readouterr().err.endswith(f"tradespan agent --once {tmp_path / sent}\n")
