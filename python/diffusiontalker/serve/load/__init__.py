"""Load runs: many clients at once against a server, timed."""
