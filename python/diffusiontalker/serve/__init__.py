"""`dt-serve`: faces for many clients at once, by Audio2Face-3D's protocol and by WebSocket.

Sessions come in through `rpc` (gRPC) and `websocket`; `scheduler` lets them share passes over the
weights by the places that `pool` has. docs/serving.md says what clients meet.
"""


class ServeError(Exception):
    """What keeps a server from starting or a load run from going on; the message is one line."""
