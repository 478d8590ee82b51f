"""Compiled loops and nothing else: arrays in, arrays out, no geometry types, no input or output.

Every kernel is serial and releases the interpreter lock; `geomlib.threads` runs several at once on
disjoint parts of the output.
"""
