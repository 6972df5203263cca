"""What ZeroMQ holds for an object, and lets go of with it."""

from __future__ import annotations

import weakref

import zmq


class Sockets:
    """A context and its sockets, closed by `close`, or with the object that they are for.

    Until then they are kept alive from here. An owner dropped without `close` in a reference cycle
    would else leave them to the garbage collector, which forgets a context's sockets before it ends
    the context: pyzmq 27.3.0 then waits for them for ever, wherever the collector happened to run.
    """

    def __init__(self, owner: object, kind: int) -> None:
        """`main` is a socket of `kind`, without linger; it may be monitored."""
        self.context = zmq.Context()
        self.main = self.context.socket(kind)
        self.main.setsockopt(zmq.LINGER, 0)
        self._others: list[zmq.Socket[bytes]] = []
        self._shut = weakref.finalize(owner, _shut, self.context, self.main, self._others)
        self._shut.atexit = False  # another thread may be using them yet

    def also(self, socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
        """`socket`, which goes with the rest."""
        socket.setsockopt(zmq.LINGER, 0)
        self._others.append(socket)
        return socket

    def close(self) -> None:
        """Does nothing the second time."""
        self._shut()


def _shut(
    context: zmq.Context[zmq.Socket[bytes]],
    main: zmq.Socket[bytes],
    others: list[zmq.Socket[bytes]],
) -> None:
    main.disable_monitor()
    for socket in (main, *others):
        socket.close()
    context.term()
