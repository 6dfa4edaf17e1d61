"""A partner that fails on purpose: it answers each connection with bytes from a script."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class ScriptedPartner:
    """What it was sent, whole requests as they came, and where it listens."""

    endpoint: str
    requests: list[bytes] = field(default_factory=list)


def answer(status: str, body: bytes = b"", *fields: str) -> bytes:
    """Return a whole HTTP reply that closes the connection."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


@contextlib.asynccontextmanager
async def scripted_partner(*answers: bytes | None) -> AsyncIterator[ScriptedPartner]:
    """Answer the n-th request with the n-th bytes and close; None reads the request and never answers."""
    script = list(answers)
    hangs = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        partner.requests.append(head + await reader.readexactly(length))
        reply = script.pop(0)
        if reply is None:
            await hangs.wait()
        else:
            writer.write(reply)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    partner = ScriptedPartner(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/submissions")
    try:
        yield partner
    finally:
        hangs.set()
        server.close()
        await server.wait_closed()
