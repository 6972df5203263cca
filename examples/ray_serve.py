"""Faces on a Ray cluster: Ray Serve starts a server a replica, watches it, and shares clients out.

    pip install 'diffusiontalker[serve]' 'ray[serve]'
    serve run examples.ray_serve:app                     # two replicas; Ctrl-C ends them

    ws://HOST:8000/v1/face          a session through Ray's proxy, on the replica that it picks
    http://HOST:8000/where          the addresses of a replica: gRPC's clients talk to it directly

A session is one connection and has no state outside its replica, so nothing else need be sticky.
"""

import asyncio
import contextlib

import ray
from fastapi import FastAPI, WebSocket
from ray import serve
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from diffusiontalker.serve.limits import Limits
from diffusiontalker.serve.server import Options, Server

#: Sessions of a replica, which has a core: docs/serving.md says how to find the number.
SESSIONS = 60
api = FastAPI()


@serve.deployment(
    num_replicas=2,
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=SESSIONS + 8,  # a session is a request for as long as it lasts
    graceful_shutdown_wait_loop_s=1.0,
    graceful_shutdown_timeout_s=30.0,
)
@serve.ingress(api)
class Faces:
    """A server in each replica, at free ports of its machine."""

    async def __init__(self) -> None:
        self._host = ray.util.get_node_ip_address()
        # Whoever reaches the cluster's network reaches it; give a token where that is too many.
        self._server = Server(
            Options(host="0.0.0.0", grpc_port=0, http_port=0, limits=Limits(sessions=SESSIONS))
        )
        await self._server.__aenter__()

    async def check_health(self) -> None:
        """Ray begins a replica anew where this raises."""
        if self._server.scheduler.leaving:
            raise RuntimeError("the server has left")

    async def __del__(self) -> None:
        await self._server.leave()
        await self._server.__aexit__()

    @api.get("/where")
    async def where(self) -> dict[str, str | int]:
        return {
            "grpc": f"{self._host}:{self._server.grpc_port}",
            "websocket": f"ws://{self._host}:{self._server.http_port}/v1/face",
            "metrics": f"http://{self._host}:{self._server.http_port}/metrics",
            "sessions": self._server.scheduler.sessions,
        }

    @api.websocket("/v1/face")
    async def face(self, client: WebSocket) -> None:
        await client.accept()
        address = f"ws://127.0.0.1:{self._server.http_port}/v1/face"
        async with connect(address, compression=None, max_size=None) as server:
            there = asyncio.create_task(self._pass_on(client, server))
            try:
                async for message in server:
                    if isinstance(message, bytes):
                        await client.send_bytes(message)
                    else:
                        await client.send_text(message)
            finally:
                there.cancel()
        with contextlib.suppress(RuntimeError):  # it has gone first
            await client.close(server.close_code or 1000)

    @staticmethod
    async def _pass_on(client: WebSocket, server: ClientConnection) -> None:
        """What a client says, until it is gone."""
        with contextlib.suppress(ConnectionClosed):
            while (message := await client.receive())["type"] != "websocket.disconnect":
                data = message.get("bytes")
                await server.send(message["text"] if data is None else data)
            await server.close()


app = Faces.bind()
