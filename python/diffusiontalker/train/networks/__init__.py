"""The talker in torch, in the paper's symbols, and its way to a bundle and back."""
