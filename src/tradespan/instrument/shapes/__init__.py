"""The wrappers: one module for each kind of function. All that a call needs is in its closure."""
