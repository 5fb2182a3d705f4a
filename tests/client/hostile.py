"""A service that does what it is told, on a real socket: for each request the next of its scripted answers."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

Action = Callable[[socket.socket], object]
ID = "0d6c34f5-5b0f-5a4e-8d2b-c0a7ac750000"


def answer(
    status: int | str, body: object = b"", headers: str = "", length: int | None = None
) -> bytes:
    """An answer as bytes; a body that is no bytes is written as JSON. ``length`` is what is claimed, if not the truth."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(data) if length is None else length
    return f"HTTP/1.1 {status} Whatever\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + data


def send(data: bytes) -> Action:
    """Answers with these bytes and leaves the connection open."""
    return lambda connection: connection.sendall(data)


def send_and_close(data: bytes) -> Action:
    """Answers with these bytes and hangs up."""

    def act(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return act


def reset(connection: socket.socket) -> None:
    """Breaks the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang(connection: socket.socket) -> None:
    """Says nothing until the client has gone."""
    while connection.recv(4096):
        pass


def drip(data: bytes, pause: float = 0.05) -> Action:
    """Sends one byte at a time and never comes to an end."""

    def act(connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)
        while True:
            connection.sendall(b"x")
            time.sleep(pause)

    return act


def flood(head: bytes, chunk: bytes = b"x" * 65536) -> Action:
    """Sends without end, as fast as it is read."""

    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(chunk)

    return act


class Hostile:
    """Listens on a port of its own. When the script has come to its end, its last action is repeated."""

    def __init__(self, *script: Action | bytes) -> None:
        self.script: list[Action] = [
            send(each) if isinstance(each, bytes) else each for each in script
        ]
        self.requests: list[bytes] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def heads(self) -> Iterable[dict[str, str]]:
        """The headers of each request, names in lower case."""
        for request in list(self.requests):
            lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
            yield {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def refuse(self) -> None:
        """Takes no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.refuse()
        with self._lock:
            for each in self._open:
                each.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            head, end, body = received.partition(b"\r\n\r\n")
            if not end:
                continue
            length = next(
                (
                    int(line[15:])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                ),
                0,
            )
            if len(body) < length:
                continue
            with self._lock:
                self.requests.append(received)
                action = self.script[0] if len(self.script) == 1 else self.script.pop(0)
            received = b""
            action(connection)


class TlsServer(Hostile):
    """The same service behind TLS."""

    def __init__(self, folder: Path, *script: Action | bytes) -> None:
        super().__init__(*script)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem")
        self._context = context
        self.url = f"https://localhost:{self.port}"

    def _serve(self, connection: socket.socket) -> None:
        try:
            wrapped = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        super()._serve(wrapped)


class Proxy:
    """A proxy that knows ``CONNECT`` alone, and leads every host to one local port."""

    def __init__(self, port: int, refuse: bool = False) -> None:
        self.asked: list[bytes] = []
        self._port, self._refuse = port, refuse
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.asked.append(head)
            if self._refuse:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._port)) as service:
                for each in (client, service):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=self._copy, args=(service, client), daemon=True)
                back.start()
                self._copy(client, service)
                back.join(5)

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
