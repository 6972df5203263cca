"""Outputs: each takes frames its own way and never waits for whoever is at its end."""
