#!/bin/sh
# grpcio 1.85.3 (grpc.aio), Linux.
#
# Input: a stream-stream call on 127.0.0.1 which the server ends at the first message, by
# `context.abort(RESOURCE_EXHAUSTED, "enough")`. A client that writes one message sees that code; so
# does a client of the synchronous `grpc` that goes on writing. A client of `grpc.aio` that goes on
# writing (100 messages of 16 kB) sees an AioRpcError, as documented, but its code, and from then on
# `call.code()`, is INTERNAL ("Internal error from Core"): the server's status is gone. It depends on
# the order in which the event loop sees both; here all of 10 calls (2026-11-29). Expected:
# RESOURCE_EXHAUSTED, "enough", in all three. grpc's issue 36066 and pull request 43486 have the
# cause.
#
# Ends with 0 while that is so, with 1 as soon as the package behaves otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check grpcio==1.85.3
"$folder/venv/bin/python" - <<'PROGRAM'
import asyncio
import sys

import grpc
import grpc.aio

MESSAGE = bytes(16000)
CALLS = 10


async def ended(_: object, context: grpc.aio.ServicerContext) -> None:
    await context.read()
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")


async def written(address: str, messages: int) -> tuple[str, str]:
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream("/Test/Call")()
        try:
            for _ in range(messages):
                await call.write(MESSAGE)
            await call.done_writing()
        except grpc.aio.AioRpcError:
            pass
        return (await call.code()).name, await call.details()


def written_synchronously(address: str, messages: int) -> tuple[str, str]:
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream("/Test/Call")(MESSAGE for _ in range(messages))
        return call.code().name, call.details()


async def main() -> bool:
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(ended)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("Test", {"Call": handler}),)
    )
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    right = ("RESOURCE_EXHAUSTED", "enough")
    one = [await written(address, 1) for _ in range(CALLS)]
    many = [await written(address, 100) for _ in range(CALLS)]
    synchronous = [
        await asyncio.to_thread(written_synchronously, address, 100) for _ in range(CALLS)
    ]
    await server.stop(0)
    lost = sum(status == ("INTERNAL", "Internal error from Core") for status in many)
    print(f"grpc.aio, 1 message:    {one.count(right)} of {CALLS} as the server said")
    print(f"grpc.aio, 100 messages: {many.count(right)}; {lost} times", *max(many, key=many.count))
    print(f"grpc, 100 messages:     {synchronous.count(right)}")
    return one.count(right) == CALLS == synchronous.count(right) and lost > 0


as_stated = asyncio.run(asyncio.wait_for(main(), 60))
print("as stated" if as_stated else "OTHERWISE than stated")
sys.exit(0 if as_stated else 1)
PROGRAM
