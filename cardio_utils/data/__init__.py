"""Data sets: one module each finds, downloads, verifies, parses and checks one of them.

Every ``load()`` returns an `xarray.Dataset` whose group coordinates make honest splits possible.
"""
