"""Arrays and tables by shape: `[DataFrame 1000×50]`, `[ndarray float64 (100,100)]`.

A type is told by its package and name, so that no library is imported to recognise its types. Only
what is stored is read: nothing is computed, a lazy frame stays lazy.
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


def _array(value: Any) -> str:
    return f"[ndarray {_data_type(value.dtype)} ({','.join(map(str, value.shape))})]"


def _arrow_array(value: Any) -> str:
    return f"[{type_name(type(value))} {len(value)} {value.type}]"


def _table(value: Any) -> str:
    return f"[{type_name(type(value))} {value.num_rows}×{value.num_columns}]"


_MOST_KNOWN = 1_000
_known: dict[Any, str] = {}
"""numpy's types that were shown: it writes them in Python, by functions that may be watched."""


def _data_type(data_type: Any) -> str:
    kind = type(data_type)
    package = package_of(kind)
    if package != "numpy":
        # `str()` of a pandas extension type is its author's code.
        return str(data_type) if package in _PACKAGES else type_name(kind)
    shown = _known.get(data_type)
    if shown is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        shown = _known[data_type] = str(data_type)
    return shown


def _scalar(value: Any) -> str:
    return repr(value.item())


_SCALARS = (
    "bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32",
)  # fmt: skip
_INDEXES = ("Index", "RangeIndex", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "MultiIndex")
_FORMS: dict[str, Callable[[Any], str]] = {
    "pandas.DataFrame": _frame,
    "polars.DataFrame": _frame,
    "polars.LazyFrame": _lazy,
    "pandas.Series": _pandas_series,
    "polars.Series": _series,
    **{f"pandas.{name}": _pandas_series for name in _INDEXES},
    **{f"pandas.{name}": repr for name in ("Timestamp", "Timedelta", "NaTType", "NAType")},
    "numpy.ndarray": _array,
    "pyarrow.Table": _table,
    "pyarrow.RecordBatch": _table,
    **{f"numpy.{name}": _scalar for name in _SCALARS},
    **{f"numpy.{name}": repr for name in ("datetime64", "timedelta64")},
}
"""By package and name: types whose short form is their library's, not the user's, and cheap."""
