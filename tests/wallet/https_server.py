"""A real HTTPS server on the loopback address, which serves whatever a test has put there."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.certificate import self_signed

JSON = "application/json"
Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(body: bytes, type_: str = JSON, status: int = 200, **headers: str) -> Answer:
    """An ordinary answer."""

    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        ours = {"Content-Type": type_, "Content-Length": str(len(body))}
        for name, value in (ours | named).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return send


class HttpsServer:
    """Answers by path; counts what was asked for."""

    def __init__(self, folder: Path) -> None:
        certificate, key = self_signed(folder)
        self.ca_location = certificate
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False  # those that answer have ended once it is closed
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def host(self) -> str:
        """``localhost:port``."""
        return f"localhost:{self._server.server_port}"

    def url(self, path: str) -> str:
        """Where a path is."""
        return f"https://{self.host}{path}"

    def _handler(self) -> Any:
        server = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.answers.get(self.path, answer(b"{}", status=404))(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def __enter__(self) -> "HttpsServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
