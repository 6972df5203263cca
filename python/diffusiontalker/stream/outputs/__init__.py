"""The ways out: each takes frames and never waits for whoever is at its end."""
