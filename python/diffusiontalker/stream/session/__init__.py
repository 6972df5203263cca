"""Between source and outputs: the live loop, its unpaced counterpart, and their figures."""
