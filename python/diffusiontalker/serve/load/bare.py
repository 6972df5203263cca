"""`python -m diffusiontalker.serve.load.bare grpc auto asyncio 1.2 534`: a transport alone.

Prints its address; then, for each line on stdin, the processor seconds of the process so far.
"""

from __future__ import annotations

import asyncio
import sys
import time

from websockets.asyncio.server import ServerConnection, serve

from ...curves import CURVES
from ..rpc import bare, make_server

#: A message of curves as msgpack is about as long.
_WEBSOCKET_FRAME = bytes(5 * len(CURVES) + 40)


async def _serve_grpc(carrier: str, frames_a_chunk: float, sound_bytes: int) -> None:
    service = bare.BareService(frames_a_chunk, sound_bytes)
    server = make_server([service], chunk_bytes=1 << 20, carrier=carrier)
    await _answer(await server.listen("127.0.0.1", 0, None, None))


async def _serve_websocket(frames_a_chunk: float) -> None:
    async def answer(connection: ServerConnection) -> None:
        heard = sent = 0
        await connection.recv()  # the begin
        await connection.send(b"schema")
        async for message in connection:
            if isinstance(message, str):
                break
            heard += 1
            while sent < int(heard * frames_a_chunk):
                await connection.send(_WEBSOCKET_FRAME)
                sent += 1
        await connection.send(b"bye")

    server = await serve(answer, "127.0.0.1", 0, compression=None)
    await _answer(next(iter(server.sockets)).getsockname()[1])


async def _answer(port: int) -> None:
    print(f"127.0.0.1:{port}", flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(time.process_time(), flush=True)


def main(protocol: str, carrier: str, loop: str, frames_a_chunk: str, sound_bytes: str) -> None:
    if loop == "uvloop":
        import uvloop

        uvloop.install()
    serving = (
        _serve_grpc(carrier, float(frames_a_chunk), int(sound_bytes))
        if protocol == "grpc"
        else _serve_websocket(float(frames_a_chunk))
    )
    asyncio.run(serving)


if __name__ == "__main__":
    main(*sys.argv[1:])
