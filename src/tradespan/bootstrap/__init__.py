"""The composition root: the only room that knows all others, in small `build_*` steps."""
