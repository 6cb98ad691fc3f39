"""The wrappers: one module for each kind of function. All that a call needs is in its closure.

A wrapper is one function, however long: a call of a watched function adds one frame to a traceback.
"""
