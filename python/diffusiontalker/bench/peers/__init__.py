"""The same network in other people's runtimes, fed a frame at a time as a live voice would."""
