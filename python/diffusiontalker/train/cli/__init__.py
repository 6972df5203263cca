"""`dt-train`: a module a command. Nothing here computes."""
