"""A nameserver that fails as it is told, in front of the real one: it passes questions on while all is well."""

import socket
import threading

NOERROR, SERVFAIL, REFUSED = 0, 2, 5


class Resolver:
    """Listens on `address`, port 53, UDP. `fate` is an rcode for each question, None for silence, NOERROR to pass it on
    to `real`. `asked` counts them."""

    def __init__(self, address: str, real: str) -> None:
        self.fate: int | None = NOERROR
        self.asked = 0
        self._real = real
        self._address = address
        self.listen()

    def listen(self) -> None:
        """Be there (again)."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self._address, 53))
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Nobody listens any more: the kernel says so to who asks."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (self._address, 53))
        self._thread.join()
        self._socket.close()

    def _serve(self, mine: socket.socket) -> None:
        while True:
            try:
                question, peer = mine.recvfrom(4096)
            except OSError:
                return
            if not question:
                return  # see leave
            self.asked += 1
            threading.Thread(target=self._answer, args=(mine, question, peer), daemon=True).start()

    def _answer(self, mine: socket.socket, question: bytes, peer: tuple[str, int]) -> None:
        if self.fate is None:
            return
        answer = question[:2] + bytes([0x81, 0x80 | self.fate]) + question[4:6] + bytes(6)
        answer += question[12 : question.index(b"\0", 12) + 5]
        try:
            if self.fate == NOERROR:
                answer = self._pass_on(question)
            mine.sendto(answer, peer)
        except OSError:
            return  # this socket is closed, or the real one is silent

    def _pass_on(self, question: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5.0)
            asking.sendto(question, (self._real, 53))
            return asking.recv(65536)
