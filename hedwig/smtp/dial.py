"""A TCP connection to one address of an exchanger, from the address of ours that is to be seen there."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from hedwig.smtp import Target

Dial = Callable[[Target], Awaitable[socket.socket]]

_IP_BIND_ADDRESS_NO_PORT = 24  # Linux's number; the socket module has the name only from Python 3.14 on


async def dial(target: Target) -> socket.socket:
    """A TCP connection to the target's address, from `local` if it has one (no name is looked up); OSError if it can't
    be had."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if target.local:
            # The port is chosen by connect, which knows the far side: many connections may share one (ip(7)).
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((target.local, 0))
        await asyncio.get_running_loop().sock_connect(sock, (target.address, target.port))
    except BaseException:
        sock.close()
        raise
    return sock
