"""A receiver as a stranger would write it from docs/wire.md: pyzmq, msgpack, nothing of ours.

    plain_subscriber.py ENDPOINT SECONDS [TOPIC_PREFIX]

Prints "ready", then a line of JSON a message with the time of arrival, and leaves after a bye or
SECONDS without one.
"""

import json
import sys
import time

import msgpack
import zmq


def main() -> None:
    endpoint, seconds = sys.argv[1], float(sys.argv[2])
    prefix = sys.argv[3].encode() if len(sys.argv) > 3 else b"dt/"
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVTIMEO, 100)
    socket.setsockopt(zmq.RECONNECT_IVL, 10)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(endpoint)
    socket.subscribe(prefix)
    print("ready", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            topic, payload = socket.recv_multipart()
        except zmq.Again:
            continue
        arrival_ns = time.monotonic_ns()
        fields = msgpack.unpackb(payload)
        # JSON has no bytes, which is what sound comes in.
        line = json.dumps([arrival_ns, topic.decode(), len(payload), fields], default=bytes.hex)
        print(line, flush=True)
        if fields[1] == "bye":
            return


main()
