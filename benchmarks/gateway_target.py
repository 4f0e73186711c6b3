"""A chat model that answers at once, as a process: what a gateway adds is measured before it.

python benchmarks/gateway_target.py        prints the port
"""

import asyncio
import json

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "luna",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello there. " * 20}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 60, "total_tokens": 180},
    }
).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ANSWER)


class Target(asyncio.Protocol):
    """One connection; a request without a `Content-Length` has no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._came = transport, b""

    def data_received(self, data: bytes) -> None:
        self._came += data
        while True:
            head, found, rest = self._came.partition(b"\r\n\r\n")
            if not found:
                return
            lines = head.lower().split(b"\r\n")
            length = next((int(each[15:]) for each in lines if each.startswith(b"content-length:")), 0)
            if len(rest) < length:
                return
            self._came = rest[length:]
            self._transport.write(HEAD + ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
