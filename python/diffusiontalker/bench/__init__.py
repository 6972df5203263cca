"""How fast the runtime is on this machine, beside other builds and other people's runtimes.

What is measured runs in processes of their own, on one core: `worker` for a build of this package,
`peers` for the same network elsewhere. docs/performance.md says what each row means.
"""


class BenchError(RuntimeError):
    """Something a user can put right; the message is one line.

    The command prints it and leaves with exit code 2.
    """
