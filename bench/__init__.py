"""Side-by-side measurements: `make bench`, or `python -m bench --help`.

A bench (`bench.protocol.Bench`) measures a handful of named figures in one run; `bench.registry`
lists them all, `bench.__main__` repeats them and prints one table. Nothing here is asserted: what
falls short of its target is printed as such.
"""
