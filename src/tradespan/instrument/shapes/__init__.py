"""The wrappers: one module for each kind of function. All that a call needs is in its closure.

A wrapper is one function, however long: a call of a watched function adds one frame to a traceback.
It names nothing of its module: it is given the globals of the function that it watches, where
whoever asks a frame for its module (warnings, named tuples) finds what it would find without us.
"""
