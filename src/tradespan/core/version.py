"""The version, from the installed package's metadata."""

from importlib.metadata import version

__version__ = version("tradespan")
SCOPE = ("tradespan", __version__, "")
"""The instrumentation scope of spans that tradespan's own wrappers make, and of its instruments."""
