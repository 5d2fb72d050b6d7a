"""From sources to the rendered book. The Snakefile is the graph; each module here is one kind of step."""
