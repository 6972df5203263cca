"""Makes takes: film to curves, packages to speech. Nothing that trains imports this."""
