"""A way to PostgreSQL that is cut at a chosen request."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

READY = b"Z\0\0\0\5"  # what the server ends an answer with; a byte of status follows


class Proxy:
    """Passes everything on, but loses the connection when a request is the one to be cut.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._wanted: Callable[[str], bool] = lambda request: False
        self._answered, self._then = False, lambda: None
        self.n_requests = 0

    def cut(
        self,
        wanted: Callable[[str], bool],
        answered: bool = False,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Cuts once, at the next request that is wanted.

        Args:
            wanted: whether it is this request; it is given the SQL.
            answered: the server does what it is asked, and its answer is lost.
            then: called before the client can notice.
        """
        with self._lock:
            self._wanted, self._answered, self._then = wanted, answered, then
            self.n_requests = 0

    def _is_wanted(self, request: bytes) -> bool:
        with self._lock:
            self.n_requests += 1
            if not self._wanted(request[5:].decode(errors="replace")):
                return False
            self._wanted = lambda request: False
            return True

    def serve(self) -> None:
        """Takes connections until it is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(1 << 20)
                    if not data:
                        return
                    if source is client and data[:1] == b"Q" and self._is_wanted(data):
                        self._lose(server, data)
                        return
                    (server if source is client else client).sendall(data)

    def _lose(self, server: socket.socket, request: bytes) -> None:
        if self._answered:
            server.sendall(request)
            while server.recv(1 << 20)[-6:-1] != READY:
                pass
        server.close()  # the server rolls back what was not committed
        self._then()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """A proxy, open for as long as the block."""
    proxy = Proxy(port)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
