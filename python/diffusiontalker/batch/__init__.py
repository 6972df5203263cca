"""Whole libraries of recorded lines to curves: `dt-batch`.

lines.py     what is to be done: folders, patterns, files
manifest.py  the same, written down in a CSV or JSON lines
stores.py    where it goes: a folder, or a URL through fsspec
journal.py   what is finished, so that a run goes on where it was cut
formats.py   the forms of a face on disk: CSV, JSON lines, npz
work.py      one line, from sound to files; runs in workers
crew.py      workers on this machine
cluster.py   workers of a Ray cluster
run.py       lines to workers, their parts into place, each once
cli/         the command

docs/batch.md is the manual.
"""
