"""Simulators: where the embedded default data of the chapters comes from.

One module a simulator. `heart` is an engine that several of them share; the others end in the shape, the
names and the file format of a real data set.
"""
