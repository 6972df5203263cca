"""How good a bundle is: metrics, the players that are measured, report and plots."""
