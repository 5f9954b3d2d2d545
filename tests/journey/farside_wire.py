"""Octets of the far side: lines, and messages that end at CRLF.CRLF and nowhere else."""

import re
import socket
import time

_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_END = b"\r\n.\r\n"
_CHUNK = 1 << 18


class Gone(Exception):
    """The connection is over; the text says by whom."""


def faults_of(octets: bytes) -> list[str]:
    """What must never arrive (I6): bare CR, bare LF, NUL, a line over 1,000 octets (RFC 5321 §4.5.3.1.6)."""
    found = []
    if _BARE_CR.search(octets):
        found.append("bare CR")
    if _BARE_LF.search(octets):
        found.append("bare LF")
    if b"\0" in octets:
        found.append("NUL")
    if max(map(len, octets.split(b"\r\n"))) > 999:  # 998, its CRLF, and one dot of stuffing
        found.append("a line that is too long")
    return found


class Wire:
    """A socket that is read by line or by message."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = bytearray()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, reply: str, drip: float = 0.0) -> None:
        """Send a reply, an octet every `drip` seconds where that is set."""
        self.send(f"{reply}\r\n".encode(), drip)

    def send(self, octets: bytes, drip: float = 0.0) -> None:
        """Send these octets as they are."""
        if not drip:
            self.socket.sendall(octets)
            return
        for octet in octets:
            self.socket.sendall(bytes([octet]))
            time.sleep(drip)

    def line(self) -> bytes:
        """One command with its CRLF. A line feed alone ends nothing here."""
        return self._upto(b"\r\n", 0)

    def waiting(self) -> bytes:
        """What has been received beyond the last line."""
        return bytes(self._buffer)

    def content(self, at_most: int = 0) -> bytes:
        """A message up to CRLF.CRLF, still dot-stuffed, with its last CRLF; or no more than `at_most` octets of it."""
        self._buffer[:0] = b"\r\n"  # the CRLF of DATA counts as the one before the dot
        if at_most:
            while len(self._buffer) < at_most:
                self._receive()
            return bytes(self._buffer)
        return self._upto(_END, len(_END) - 1)[2:-3]

    def _upto(self, mark: bytes, overlap: int) -> bytes:
        start = 0
        while (at := self._buffer.find(mark, start)) < 0:
            start = max(0, len(self._buffer) - overlap - len(mark))
            self._receive()
        taken = bytes(self._buffer[: at + len(mark)])
        del self._buffer[: at + len(mark)]
        return taken

    def _receive(self) -> None:
        octets = self.socket.recv(_CHUNK)
        if not octets:
            raise Gone("the client closed")
        self._buffer += octets
