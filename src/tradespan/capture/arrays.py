"""Arrays and tables by shape: `[DataFrame 1000×50]`, `[ndarray float64 (100,100)]`.

A type is told by its package and name, so that no library is imported to recognise its types. Only
what is stored is read: nothing is computed, a lazy frame stays lazy, and what would keep its answer
in a cache is not asked. What may be watched, the libraries' functions in Python, is not called: the
call of ours would be recorded as one of the program's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_PACKAGES = frozenset({"numpy", "pandas", "polars", "pyarrow"})


def type_name(kind: type) -> str:
    """The name of a type, also of one whose metaclass has something else under `__name__`."""
    return str(type.__dict__["__name__"].__get__(kind))


def package_of(kind: type) -> str:
    """The first part of the module that a type says it is from."""
    module = type.__dict__["__module__"].__get__(kind)
    return module.partition(".")[0] if type(module) is str else ""


def find_form(package: str, name: str) -> Callable[[Any], str] | None:
    """How values of a library's type are shown; None for other types."""
    if package not in _PACKAGES:
        return None
    if package == "pyarrow" and name.endswith("Array"):
        return _arrow_array
    return _FORMS.get(f"{package}.{name}")


def _frame(value: Any) -> str:
    rows, columns = value.shape
    return f"[{type_name(type(value))} {rows}×{columns}]"


def _lazy(value: Any) -> str:
    return f"[{type_name(type(value))}]"


def _series(value: Any) -> str:
    return f"[{type_name(type(value))} {value.shape[0]} {_data_type(value.dtype)}]"


def _pandas_series(value: Any) -> str:
    # Not by `shape`, for which pandas calls functions that may be watched.
    return f"[{type_name(type(value))} {len(value)} {_data_type(value.dtype)}]"


def _index(value: Any) -> str:
    # `dtype` would stay in the index's cache.
    data = value.__dict__.get("_data")
    kind = "" if data is None else f" {_data_type(data.dtype)}"
    return f"[{type_name(type(value))} {len(value)}{kind}]"


def _array(value: Any) -> str:
    return f"[ndarray {_data_type(value.dtype)} ({','.join(map(str, value.shape))})]"


def _arrow_array(value: Any) -> str:
    return f"[{type_name(type(value))} {len(value)} {value.type}]"


def _table(value: Any) -> str:
    return f"[{type_name(type(value))} {value.num_rows}×{value.num_columns}]"


def _data_type(data_type: Any) -> str:
    package = package_of(type(data_type))
    if package == "numpy":
        return _numpy_type(data_type.str)
    # `str()` of a pandas extension type is its author's code.
    return str(data_type) if package in _PACKAGES else type_name(type(data_type))


_NUMBERS = {"f": "float", "i": "int", "u": "uint", "c": "complex"}
_TIMES = {"M": "datetime64", "m": "timedelta64"}
_OTHERS = {"|b1": "bool", "|O": "object"}


def _numpy_type(code: str) -> str:
    """`<f8` → `float64`; `str()` and `name` of a numpy type are written in Python.

    Source: numpy, "The array interface protocol", `typestr`: byte order, kind, bytes, unit of time.
    """
    order, kind, size = code[0], code[1], code[2:]
    if order == ">":
        return code
    if kind in _NUMBERS:
        return f"{_NUMBERS[kind]}{8 * int(size)}"
    if kind in _TIMES:
        return _TIMES[kind] + size[1:]
    return _OTHERS.get(code, code)


def _scalar(value: Any) -> str:
    return repr(value.item())


_SCALARS = (
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32",
)  # fmt: skip
_INDEXES = ("Index", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "MultiIndex")
_FORMS: dict[str, Callable[[Any], str]] = {
    "pandas.DataFrame": _frame,
    "polars.DataFrame": _frame,
    "polars.LazyFrame": _lazy,
    "pandas.Series": _pandas_series,
    "polars.Series": _series,
    **{f"pandas.{name}": _index for name in _INDEXES},
    "pandas.RangeIndex": _pandas_series,  # which says the same always
    **{f"pandas.{name}": repr for name in ("Timestamp", "Timedelta", "NaTType", "NAType")},
    "numpy.ndarray": _array,
    "pyarrow.Table": _table,
    "pyarrow.RecordBatch": _table,
    **{f"numpy.{name}": _scalar for name in _SCALARS},
    **{f"numpy.{name}": repr for name in ("datetime64", "timedelta64")},
}
"""By package and name: types whose short form is their library's, not the user's, and cheap."""
