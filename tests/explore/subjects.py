"""The suites: what is watched, what is run, and how."""

from __future__ import annotations

from dataclasses import dataclass

TESTS = r".*\.(tests|conftest)\..*"
"""The suites themselves, where they are a part of the package: they are not what is watched."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One suite, or a part of one."""

    key: str
    """What `--only` names."""
    distribution: str
    """The package on the registry, for its version."""
    include: tuple[str, ...]
    """Patterns of `-i`."""
    arguments: tuple[str, ...]
    """For pytest."""
    exclude: tuple[str, ...] = (TESTS,)
    """Patterns of `-x`."""
    from_source: bool = False
    """Whether the tests stand in the source distribution only: it is unpacked, and run there."""
    environment: tuple[tuple[str, str], ...] = ()
    deselect: tuple[tuple[str, str], ...] = ()
    """Tests that are not run either way, each with the reason."""
    minutes: float = 40
    """Longest time of one run; beyond it, it hangs."""
    quick: bool = False
    """Whether it is a part of `--quick`."""


def numpy(part: str, *, quick: bool = False) -> Subject:
    """A subpackage's tests; all of numpy is watched, `numpy.testing` too."""
    return Subject(
        f"numpy.{part}",
        "numpy",
        (r"numpy\..*",),
        ("--pyargs", f"numpy.{part}"),
        environment=(("NPY_AVAILABLE_MEM", "2 GB"),),  # what wants more is skipped, both ways
        quick=quick,
    )


def pandas(part: str, *chosen: str, quick: bool = False) -> Subject:
    """A folder of pandas' tests, or what is `chosen` of it by pytest's options; all of pandas is
    watched but its tests' own machinery.
    """
    marks = ("-m", "not slow and not network and not db")
    arguments = (*marks, *chosen, "--pyargs", f"pandas.tests.{part}")
    # `pandas._testing` counts the frames from its assertions to the test that called them.
    exclude = (TESTS, r"pandas\._testing\..*")
    return Subject(f"pandas.{part}", "pandas", (r"pandas\..*",), arguments, exclude, quick=quick)


SUBJECTS = (
    numpy("lib"),
    numpy("ma"),
    numpy("polynomial", quick=True),
    numpy("random"),
    pandas("frame"),
    pandas("series"),
    pandas("indexing"),
    pandas("tools"),
    pandas("reshape"),
    pandas("copy_view"),
    pandas("computation", "-k", "Scope or local or resolvers or query or assignment"),
    pandas("util", quick=True),
    Subject(
        "networkx",
        "networkx",
        (r"networkx\..*",),
        (
            "--pyargs",
            "networkx.classes",
            "networkx.utils",
            "networkx.algorithms.shortest_paths",
            "networkx.algorithms.flow",
            "networkx.readwrite",
        ),
    ),
    Subject("toolz", "toolz", (r"toolz\..*",), ("--pyargs", "toolz"), quick=True),
    Subject(
        "zope.interface",
        "zope.interface",
        (r"zope\..*",),
        # test_ro wants zope.testing
        ("--continue-on-collection-errors", "--pyargs", "zope.interface.tests"),
        environment=(("PURE_PYTHON", "1"),),
        quick=True,
    ),
    Subject("attrs", "attrs", (r"attrs?\..*",), ("tests",), from_source=True),
    Subject("jinja2", "jinja2", (r"jinja2\..*",), ("tests",), from_source=True, quick=True),
    Subject("click", "click", (r"click\..*",), ("tests",), from_source=True),
    Subject(
        "more-itertools",
        "more-itertools",
        (r"more_itertools\..*",),
        ("tests/test_more.py",),
        from_source=True,
        deselect=(
            (
                "tests/test_more.py::DiscreteFourierTransformTests::test_roundtrip",
                "ten million calls of one function",
            ),
        ),
    ),
    Subject("asyncstdlib", "asyncstdlib", (r"asyncstdlib\..*",), ("unittests",), from_source=True),
    Subject("starlette", "starlette", (r"starlette\..*",), ("tests",), from_source=True),
)
BY_KEY = {subject.key: subject for subject in SUBJECTS}
