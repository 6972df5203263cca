"""Takes to what the networks see: augmented streams of features and curves, in windows."""
