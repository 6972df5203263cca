"""Between source and outputs: the live loop, its unpaced counterpart, what a receiver follows."""
