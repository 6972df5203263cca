"""Messages, right and wrong, with what the sender's own reader makes of them, one a line:

    TOPIC-HEX PAYLOAD-HEX VERDICT

VERDICT is `-` for a refusal, or the kind and the fields that the test compares.
"""

from __future__ import annotations

import random
import sys
from types import ModuleType

from publisher import load

ROUNDS = 20000


def verdict(wire: ModuleType, parts: list[bytes]) -> str:
    try:
        message = wire.decode(parts)
    except ValueError:
        return "-"
    if isinstance(message, wire.Frame):
        values = " ".join(float(v).hex() for v in message.curves)
        return (
            f"frame {message.session} {message.sequence} {message.index} {message.rate_num} "
            f"{message.rate_den} {message.position} {message.audio_rate} {message.capture_ns} "
            f"{message.flags} {values}"
        )
    if isinstance(message, wire.Schema):
        return (
            f"schema {message.session} {message.rate_num} {message.rate_den} "
            f"{message.audio_rate} {message.start_ns} {message.start_unix_ns} "
            f"{len(message.curves)} x{message.audio_format.encode().hex()}"
        )
    if isinstance(message, wire.Audio):
        return (
            f"audio {message.session} {message.sequence} {message.position} {message.audio_rate} "
            f"{message.capture_ns} {message.samples.hex()}"
        )
    return f"bye {message.session} {message.frames} {message.reason.encode().hex()}"


def main() -> int:
    wire = load("wire")
    draw = random.Random(2)
    good = [
        wire.encode(
            wire.Frame("Face", 1 << 40, 3, 4, 60, 1, 3200, 48000, 5 * 10**9, 2, (0.25, -0.5, 1.5))
        ),
        wire.encode(
            wire.Frame("Änne", 5, 300, 70000, 30000, 1001, 1 << 33, 16000, 1 << 62, 0, (0.1,) * 52)
        ),
        wire.encode(
            wire.Schema(
                "Face", 9, ("jawOpen", "jawLeft", "zähne"), 60, 1, "m", "", 59.2, 48000, 7, 1 << 60
            )
        ),
        wire.encode(
            wire.Schema("Face", 9, ("jawOpen",), 60, 1, "m", "", 59.2, 48000, 7, 1 << 60, "s16le")
        ),
        wire.encode(wire.Audio("Face", 9, 70000, 1 << 33, 48000, 1 << 62, bytes(range(200, 220)))),
        wire.encode(wire.Bye("Face", (1 << 63) - 1, 672, "end of the audio")),
    ]
    edges = (
        b"\x00\x01\x7f\x80\x90\xa0\xbf\xc0\xc1\xc2\xc3\xc4\xca\xcb\xcc\xcf\xd0\xd3\xd9\xdc\xde\xff"
    )
    for number in range(ROUNDS):
        topic, payload = (bytearray(part) for part in draw.choice(good))
        if number >= len(good):
            for _ in range(draw.randrange(1, 4)):
                at = draw.randrange(len(payload))
                action = draw.randrange(5)
                if action == 0:
                    payload[at] = draw.randrange(256)
                elif action == 1:
                    payload[at] = draw.choice(edges)
                elif action == 2:
                    payload.insert(at, draw.choice(edges))
                elif action == 3:
                    del payload[at]
                else:
                    at = draw.randrange(len(topic))
                    topic[at] = draw.choice(b"dt/Fx\xc3\xa4\x01framebyeudio")
                if not payload:
                    break
        parts = [bytes(topic), bytes(payload)]
        sys.stdout.write(f"{parts[0].hex()} {parts[1].hex()} {verdict(wire, parts)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
