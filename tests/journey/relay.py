"""A tiny TCP proxy between mailman and postoffice that can lose an answer: the request arrives, the reply does not."""

import socket
import threading


class LossyRelay:
    """Listens on `port` and passes on to `to`. While `lose` is above 0, an answer is swallowed, its connection cut, and
    `lose` counts down; `lost` counts up."""

    def __init__(self, port: int, to: tuple[str, int]) -> None:
        self.lose = 0
        self.lost = 0
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while octets := source.recv(1 << 16):
                if answers and self.lose:
                    self.lose -= 1
                    self.lost += 1
                    break
                sink.sendall(octets)
        except OSError:
            pass  # one side is gone; so is the other, now
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # closed before
