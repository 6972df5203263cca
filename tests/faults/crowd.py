"""Subscribers at once, a plain socket each: crowd.py ENDPOINT COUNT SECONDS.

Prints the least frames that one of them got, and the frames that all of them missed together.
"""

import sys
import time

import msgpack
import zmq


def main() -> None:
    endpoint, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    context, poller = zmq.Context(), zmq.Poller()
    context.set(zmq.MAX_SOCKETS, count + 10)
    got = {}
    for _ in range(count):
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(endpoint)
        socket.subscribe(b"dt/")
        poller.register(socket, zmq.POLLIN)
        got[socket] = [0, 0, -1]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for socket, _ in poller.poll(100):
            fields = msgpack.unpackb(socket.recv_multipart()[1])
            if fields[1] == "frame":
                seen = got[socket]
                seen[1] += fields[3] - seen[2] - 1 if seen[2] >= 0 else 0
                seen[0], seen[2] = seen[0] + 1, fields[3]
    print(min(seen[0] for seen in got.values()), sum(seen[1] for seen in got.values()))


main()
