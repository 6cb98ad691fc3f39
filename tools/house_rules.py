"""The rules of this house that no linter knows: `python tools/house_rules.py [ROOT]`.

Prints one line per finding (`path:line: what is wrong`) and exits 1 if there is any. The rules:

- a function has at most 60 lines beside its docstring, a code file at most 400 unless its top says
  `# long: reason`;
- imports stand at the top. An import inside a function is marked `# optional extra` on its own
  line (in tests also `# import under test`), or stands in the front door,
  `src/tradespan/__init__.py`;
- tests never sleep; `sleep(0)`, which only yields, is allowed;
- the supervisor imports the standard library only;
- no file that git tracks or would track names a package registry or a folder of somebody's machine.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400
TOP_LINES = 15  # a shebang, a licence line and a short docstring fit before the reason
CODE_SUFFIXES = frozenset({".css", ".js", ".py", ".sh", ".sql"})
SKIPPED_FOLDERS = frozenset({"__pycache__", "build", "dist", "node_modules"})

FRONT_DOOR = PurePosixPath("src/tradespan/__init__.py")
SUPERVISOR = PurePosixPath("src/tradespan/supervise")
SLEEPING_MODULES = frozenset({"anyio", "asyncio", "gevent", "time", "trio"})

LONG_REASON = re.compile(r"(?:#|//|/\*|--)\s*long:\s*\w")
OPTIONAL_EXTRA = re.compile(r"#.*\boptional extra\b")
IMPORT_UNDER_TEST = re.compile(r"#.*\bimport under test\b")

# The brackets keep this file from containing what it looks for.
FORBIDDEN_TEXT = {
    "a registry's address": re.compile(
        r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs[.]org|registry[.]yarnpkg[.]com"
        r"|proxy[.]golang[.]org|sum[.]golang[.]org"
    ),
    # An absolute path only: `docs/work/`, `~/home/` and `$HOME/root/` are nobody's machine.
    "a machine's path": re.compile(
        r"(?<![\w.~$}*-])/(?:work|root|Users|opt/wheels|home/\w[\w.-]*)/"
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    path: PurePosixPath
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path below the root, its lines and its tree."""

    path: PurePosixPath
    lines: list[str]
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        return self.path.parts[0] == "tests"

    def finding(self, node: ast.stmt | ast.expr, message: str) -> Finding:
        return Finding(self.path, node.lineno, message)


def list_files(root: Path) -> list[PurePosixPath]:
    """Files that git tracks or would track; outside a repository, all that are not hidden."""
    git = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (root / ".git").exists():
        names = subprocess.run(git, check=True, capture_output=True).stdout.decode().split("\0")
        paths = [PurePosixPath(name) for name in names if name]
    else:
        paths = [PurePosixPath(p.relative_to(root).as_posix()) for p in root.rglob("*")]
        paths = [p for p in paths if not any(is_skipped_folder(part) for part in p.parts[:-1])]
    return sorted(path for path in set(paths) if (root / path).is_file())


def is_skipped_folder(name: str) -> bool:
    hidden = name.startswith(".") and name not in {".ci", ".github"}
    return hidden or name in SKIPPED_FOLDERS


def check_tree(root: Path) -> list[Finding]:
    """Every finding below `root`, sorted by place."""
    findings: list[Finding] = []
    for path in list_files(root):
        content = (root / path).read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8", errors="replace")
        findings += find_forbidden_text(path, text)
        if path.suffix in CODE_SUFFIXES:
            findings += find_long_file(path, text)
        if path.suffix == ".py":
            findings += check_python(path, text)
    return sorted(findings)


def check_python(path: PurePosixPath, text: str) -> Iterator[Finding]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield Finding(path, error.lineno or 1, f"does not parse: {error.msg}")
        return
    source = Source(path, text.splitlines(), tree)
    yield from find_long_functions(source)
    yield from find_inner_imports(source)
    if source.is_test:
        yield from find_sleeps(source)
    if path.with_suffix("") == SUPERVISOR or SUPERVISOR in path.parents:
        yield from find_third_party_imports(source)


def find_forbidden_text(path: PurePosixPath, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in FORBIDDEN_TEXT.items():
            if match := pattern.search(line):
                yield Finding(path, number, f"{what} in a tracked file: {match.group()}")


def find_long_file(path: PurePosixPath, text: str) -> Iterator[Finding]:
    lines = text.splitlines()
    explained = any(LONG_REASON.search(line) for line in lines[:TOP_LINES])
    if len(lines) > MAX_FILE_LINES and not explained:
        message = f"{len(lines)} lines, over {MAX_FILE_LINES}: split it or say `# long: reason`"
        yield Finding(path, 1, f"{message} at its top")


def find_long_functions(source: Source) -> Iterator[Finding]:
    for function in walk_functions(source.tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        length -= docstring_lines(function)
        if length > MAX_FUNCTION_LINES:
            message = f"`{function.name}` has {length} lines, over {MAX_FUNCTION_LINES}"
            yield source.finding(function, message)


def docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """What a docstring takes: to say what each option means makes nothing harder to read."""
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is None:
        return 0
    return (first.end_lineno or first.lineno) - first.lineno + 1


def find_inner_imports(source: Source) -> Iterator[Finding]:
    if source.path == FRONT_DOOR:
        return
    inner = {
        node
        for function in walk_functions(source.tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    for node in inner:
        # A formatter may break the names over lines: the mark may stand on any of them.
        text = "\n".join(source.lines[node.lineno - 1 : node.end_lineno])
        if OPTIONAL_EXTRA.search(text) or (source.is_test and IMPORT_UNDER_TEST.search(text)):
            continue
        yield source.finding(node, "import inside a function, not marked `# optional extra`")


def find_sleeps(source: Source) -> Iterator[Finding]:
    sleepers = collect_sleepers(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in sleepers and not yields(node):
            yield source.finding(node, f"a test sleeps: {ast.unparse(node)}; wait for the event")


def collect_sleepers(tree: ast.Module) -> set[str]:
    """The file's spellings of a real sleep: `time.sleep`, or `nap` if it was imported as `nap`."""
    sleepers: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            sleepers |= {
                f"{alias.asname or alias.name}.sleep"
                for alias in node.names
                if alias.name in SLEEPING_MODULES
            }
        elif isinstance(node, ast.ImportFrom) and node.module in SLEEPING_MODULES:
            sleepers |= {
                alias.asname or alias.name for alias in node.names if alias.name == "sleep"
            }
    return sleepers


def yields(call: ast.Call) -> bool:
    """Whether the call is `sleep(0)`: it gives way to other tasks and waits for no time."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    return bool(arguments) and isinstance(arguments[0], ast.Constant) and arguments[0].value == 0


def find_third_party_imports(source: Source) -> Iterator[Finding]:
    allowed = sys.stdlib_module_names | {"tradespan"}
    for node in ast.walk(source.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            if name.split(".")[0] not in allowed:
                assert isinstance(node, ast.stmt)
                yield source.finding(node, f"the supervisor imports {name}: standard library only")


def walk_functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def main(arguments: list[str]) -> int:
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    findings = check_tree(root)
    for finding in findings:
        print(finding)
    print(f"house rules: {len(findings)} finding(s)" if findings else "house rules: kept")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
