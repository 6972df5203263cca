"""Whole jobs, each a function to read from top to bottom: run, tables, add_speaker."""
