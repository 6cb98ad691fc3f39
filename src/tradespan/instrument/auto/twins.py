"""The code of a function's watched twin: parameters of its own, the body of a wrapper.

What a wrapper of `shapes/` does is written there once, with `*args, **kwargs` and names that it
closes over. Here its text becomes a function of the original's very parameters: so what
reads a function's code finds the same signature, a call that does not fit is refused by Python in
the same words, and nothing is set on the function. What the wrapper closes over are attributes of
one object (`Binding`) among the code's constants: a code object can be put into a function that
exists already, a closure cannot.

Its text is compiled once for each form that parameters have; for each function its names, its file
and its binding are put in, which takes microseconds.
"""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import sys
from collections.abc import Callable
from functools import cache
from textwrap import indent
from types import CodeType, FunctionType
from typing import Any, NamedTuple, Protocol

from tradespan.core import guard
from tradespan.instrument.watch import SHAPES, Shape, placed

_BINDING = "@binding"
"""Stands for the binding until it is put in."""
_MOVED = "_tradespan_moved"
_SHORT = 255
"""Variables up to which one byte names each."""


class Form(NamedTuple):
    """What is particular about a function's parameters, as far as a template has to know."""

    positional: int
    """All that may be given by position."""
    keyword: int
    rest: bool
    keywords: bool
    closure: bool
    """Whether its body uses variables of the scopes around it."""


def _code_in(code: CodeType) -> CodeType:
    """The function that a function defines."""
    return next(const for const in code.co_consts if isinstance(const, CodeType))


_NAMES = sorted({name for shape in SHAPES for name in _code_in(shape.__code__).co_freevars})
"""All that wrappers close over."""


class _Bound:
    """What both kinds of binding are; one becomes the other when its names are made."""

    # Slots: CPython 3.11 reads them faster than what became of a dict when the class was changed.
    __slots__ = ("_level", "_passing", *_NAMES)
    _level: int
    _passing: Passing
    # Of plain functions and coroutine functions; the governor times them now and then.
    begin: Any
    returned: Any
    raised: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return self._passing.again()


class _Filled(_Bound):
    """It looks for nothing: CPython 3.11 does not specialise reading from one that does."""

    __slots__ = ()


class Binding(_Bound):
    """What a twin's code works with: the names that the wrapper of `shapes/` closes over.

    They are made when the first call asks for one: of thousands of functions few are ever called.
    A code object that is pickled by value (cloudpickle, for functions of `__main__`) takes its
    binding along: what arrives is a binding of the other process.
    """

    __slots__ = ()

    def __init__(self, passing: Passing, level: int) -> None:
        """`passing`: whose wrapper it is; `level`: how closely that one watches."""
        self._passing = passing
        self._level = level

    def __getattr__(self, name: str, is_ending: Callable[[], bool] = sys.is_finalizing) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        passing = self._passing
        if is_ending():  # the modules that would be needed are empty by now
            return passing.names()[name]
        try:
            names = closed_over(passing.wrapper(self._level))
        except RecursionError:
            # No depth left to make it, maybe enough for the call itself.
            return passing.names()[name]
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("watching", error)
            names = passing.names()
        for key, value in names.items():
            setattr(self, key, value)
        self.__class__ = _Filled  # type: ignore[assignment]
        return names[name]


class Passing(Protocol):
    """One function's wrapper, and the way around it."""

    def wrapper(self, level: int, /) -> FunctionType:
        """What would watch it as a function of its own.

        Raises:
            Exception: It cannot be made.
        """
        ...

    def names(self) -> dict[str, Any]:
        """Name that a twin's code asks for → what lets the call pass unrecorded."""
        ...

    def again(self) -> tuple[Any, ...]:
        """How to make a binding in the process that unpickles one, as `__reduce__` says it."""
        ...


def closed_over(wrapper: FunctionType) -> dict[str, Any]:
    """What a wrapper's code closes over, by name; None for what its first call sets."""
    names: dict[str, Any] = {}
    for name, cell in zip(wrapper.__code__.co_freevars, wrapper.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            names[name] = None
    return names


def binding_in(code: CodeType) -> Binding | None:
    """What a twin's code works with; None if it is no twin's."""
    return next((const for const in code.co_consts if isinstance(const, Binding | _Filled)), None)  # type: ignore[return-value]


def twin_code(code: CodeType, shape: Shape, binding: Binding) -> CodeType:
    """The code that watches a function when it is put in the place of its own.

    Args:
        code: The function's own.
        shape: What makes the wrapper of such functions (`shapes/`).
        binding: Has the names of that wrapper.

    Raises:
        OSError: tradespan was installed without its source.
    """
    form = _form_of(code)
    template = _template(shape, form)
    positional, keyword, rest, keywords, _ = form
    names = code.co_varnames[: positional + keyword + rest + keywords]
    count = len(names)
    stands: dict[Any, Any] = {_BINDING: binding}
    for place in range(keyword):
        stands[f"k{place}"] = names[positional + place]
    return placed(
        template,
        code,
        co_code=_closing_over(template, len(code.co_freevars)),
        co_posonlyargcount=code.co_posonlyargcount,
        co_varnames=names + template.co_varnames[count:],
        co_freevars=code.co_freevars,
        co_consts=tuple([_put_in(const, stands) for const in template.co_consts]),
    )


def _closing_over(template: CodeType, count: int) -> bytes:
    """The template's instructions for so many free variables: it was compiled with one, or none."""
    code = template.co_code
    if count < 2:
        return code
    copy = dis.opmap["COPY_FREE_VARS"]
    place = next(place for place in range(0, len(code), 2) if code[place] == copy)
    return code[: place + 1] + bytes((count,)) + code[place + 2 :]


def _form_of(code: CodeType) -> Form:
    return Form(
        code.co_argcount,
        code.co_kwonlyargcount,
        bool(code.co_flags & inspect.CO_VARARGS),
        bool(code.co_flags & inspect.CO_VARKEYWORDS),
        bool(code.co_freevars),
    )


def _put_in(const: Any, stands: dict[str, Any]) -> Any:
    if type(const) is str:
        return stands.get(const, const)
    if type(const) is tuple:
        return tuple([_put_in(each, stands) for each in const])
    return const


@cache
def _template(shape: Shape, form: Form) -> CodeType:
    # By the shape: a code object is hashed by all that it holds, each time.
    wrapper = _code_in(shape.__code__)
    text = _text_of(wrapper)
    for marker, spelled in _spelled(form).items():
        text = text.replace(marker, spelled)
    free = "free" if form.closure else ""
    # Named where it is never reached: so it is a free variable, and its cell is passed on.
    text = text.replace("FREE", f"if 0: {free}" if free else "pass")
    code = compile(f"def around({free}):\n{indent(text, ' ')}", wrapper.co_filename, "exec")
    return _moving(_code_in(_code_in(code)))


def _moving(code: CodeType) -> CodeType:
    """The code with arguments handed over where the text says `(_moved := a0)`.

    What the body drops is gone then, as it would be without a twin: `array.resize`, pandas'
    warnings about chained assignment and the memory of a pipeline of frames depend on it.
    """
    if _MOVED not in code.co_varnames or len(code.co_varnames) > _SHORT:
        return code
    slot, nothing = code.co_varnames.index(_MOVED), code.co_consts.index(None)
    units = bytearray(code.co_code)
    load, copy, store = (dis.opmap[name] for name in ("LOAD_FAST", "COPY", "STORE_FAST"))
    moved = bytes((copy, 1, store, slot))
    place = units.find(moved)
    while place > 0:
        if place % 2 == 0 and units[place - 2] == load:
            # Load, copy, store elsewhere → load, load None, store there.
            units[place : place + 2] = dis.opmap["LOAD_CONST"], nothing
            units[place + 3] = units[place - 1]
        place = units.find(moved, place + 1)
    return code.replace(co_code=bytes(units))


def _spelled(form: Form) -> dict[str, str]:
    """Marker of a wrapper's text → what stands there for parameters of one form."""
    positional = [f"a{place}" for place in range(form.positional)]
    keyword = [f"k{place}" for place in range(form.keyword)]
    rest = ["*rest"] if form.rest else []
    keywords = ["**keywords"] if form.keywords else []
    star = rest or (["*"] if keyword else [])
    declared = [*positional, *star, *keyword, *keywords]
    by_name = [f"{name}={name}" for name in keyword]
    moved = [
        *(f"({_MOVED} := {name})" for name in positional),
        *(f"*({_MOVED} := rest)" for _ in rest),
        *(f"{name}=({_MOVED} := {name})" for name in keyword),
        *(f"**({_MOVED} := keywords)" for _ in keywords),
    ]
    items = [f"'{name}': {name}" for name in keyword]
    return {
        "*PARAMETERS": ", ".join(declared),
        "*MOVED, **MOVED": ", ".join(moved),
        "*ARGUMENTS, **KEYWORDS": ", ".join([*positional, *rest, *by_name, *keywords]),
        "ARGUMENTS": "(" + "".join(f"{each}, " for each in [*positional, *rest]) + ")",
        "KEYWORDS": "{" + ", ".join([*items, *keywords]) + "}",
    }


@cache
def _text_of(wrapper: CodeType) -> str:
    """The text of a wrapper as a function without a closure, with markers for its parameters."""
    text = "".join(linecache.getlines(wrapper.co_filename))
    tree = next(
        (
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.lineno == wrapper.co_firstlineno
        ),
        None,
    )
    if tree is None:
        raise OSError(f"no source of tradespan's own: {wrapper.co_filename}")
    tree.returns = None
    _mark_moves(tree)
    tree.args = ast.arguments([], [], ast.arg("PARAMETERS"), [], [], None, [])
    tree = _Unbound(wrapper).visit(tree)
    tree.body.insert(0, ast.Expr(ast.Name("FREE", ast.Load())))
    return ast.unparse(ast.fix_missing_locations(tree))


def _mark_moves(tree: ast.AST) -> None:
    """Have the calls that are handed all arguments take them, where nothing needs them later."""
    if sys.version_info >= (3, 13):  # its compiler joins the instructions that `_moving` looks for
        return
    blocks: dict[ast.AST, ast.AST] = {}
    for block in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.If))]:
        blocks.update(dict.fromkeys(ast.walk(block), block))  # inner ones come later
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.Call) and any(isinstance(each, ast.Starred) for each in node.args):
            later = [
                name
                for name in ast.walk(blocks[node])
                if isinstance(name, ast.Name) and name.id == "args" and name.lineno > node.lineno
            ]
            if not later:
                moved = ast.Name("MOVED", ast.Load())
                node.args, node.keywords = [ast.Starred(moved)], [ast.keyword(None, moved)]


class _Unbound(ast.NodeTransformer):
    """What a wrapper closes over becomes attributes of the binding; its own names get out of the
    way of parameters.
    """

    def __init__(self, wrapper: CodeType) -> None:
        self._bound = set(wrapper.co_freevars)
        self._marked = {"args": "ARGUMENTS", "kwargs": "KEYWORDS"}
        self._own = {*wrapper.co_varnames} - {*self._marked}

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """What it sets is the binding's."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._renamed(node.name)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._bound:
            return ast.Attribute(ast.Constant(_BINDING), node.id, node.ctx)
        return ast.Name(self._renamed(node.id), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        self.generic_visit(node)
        if isinstance(called, ast.Name) and called.id in self._bound:
            # By way of a variable: an attribute that is called at once is looked up as a method,
            # which CPython 3.11 does not specialise for what an instance holds.
            node.func = ast.NamedExpr(ast.Name(f"_tradespan_{called.id}", ast.Store()), node.func)
        return node

    def _renamed(self, name: str) -> str:
        return self._marked.get(name) or (f"_tradespan_{name}" if name in self._own else name)
