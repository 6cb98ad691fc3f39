"""A plugin for the suites' own pytest: writes down what becomes of each test, as it goes.

A line of JSON each, to the file that EXPLORE_REPORT names, so that a run which dies or hangs has
said how far it came. It stands in a folder of its own, the only one of ours on the suites' path.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

_process = os.getpid()
_began = time.monotonic()
_file = Path(os.environ["EXPLORE_REPORT"]).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115
_LONGEST_DETAIL = 400


def _tell(**facts: Any) -> None:
    if os.getpid() == _process:  # a test may fork, and its child may come along here
        _file.write(json.dumps(facts) + "\n")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart(nodeid: str) -> None:
    _tell(begun=nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and report.passed:
        return
    _tell(test=report.nodeid, phase=report.when, outcome=_outcome(report), detail=_detail(report))


@pytest.hookimpl(tryfirst=True)
def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _tell(test=report.nodeid, phase="collect", outcome="failed", detail=_detail(report))


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: warnings.WarningMessage) -> None:
    _tell(
        warning=warning_message.category.__name__,
        message=str(warning_message.message),
        file=warning_message.filename,
        line=warning_message.lineno,
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _tell(
        exit_status=int(exitstatus),
        seconds=time.monotonic() - _began,
        peak_bytes=usage.ru_maxrss * 1024,
        functions=_functions(),
    )


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome


def _detail(report: pytest.TestReport | pytest.CollectReport) -> str:
    if not report.failed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash)
    return text[:_LONGEST_DETAIL] if crash is not None else text[-_LONGEST_DETAIL:]


def _functions() -> dict[str, Any] | None:
    """What tradespan says that it found, watched and left alone; None in a bare run."""
    module = sys.modules.get("tradespan.instrument.auto.watcher")
    if module is None:
        return None
    report = module.WATCHER.report
    return {
        "found": len(report.watched) + len(report.skipped),
        "watched": len(report.watched),
        "skipped": dict(Counter(report.skipped.values())),
        "left": dict(Counter(report.left.values())),
    }
