"""A mail server and a receiver of webhooks on this machine: they take what comes, and refuse what they are told to."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast


@dataclass
class Letter:
    """What was taken."""

    sender: str
    to: list[str]
    content: EmailMessage
    user: str | None
    secret: bool
    """It came under TLS."""


@dataclass
class Postbox:
    """How the mail server behaves, and what it got."""

    context: ssl.SSLContext | None = None
    """For STARTTLS, or with `from_first` from the first byte."""
    from_first: bool = False
    offers_starttls: bool = True
    accounts: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Recipients."""
    data_answer: bytes = b"250 taken"
    quit_answer: bytes = b"221 bye"
    silent: bool = False
    letters: list[Letter] = field(default_factory=list)
    tries: int = 0
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        box = cast(_Server, self.server).box
        box.tries += 1
        if box.silent:
            box.ended.wait(60)
            return
        try:
            self._talk(box)
        except (OSError, ssl.SSLError):
            return  # the other side left

    def _talk(self, box: Postbox) -> None:
        self._secret = False
        self._user: str | None = None
        if box.from_first:
            self._go_secret(box)
        self._sender, self._to = "", list[str]()
        self._say(b"220 here")
        while line := self.rfile.readline():
            if not self._answer(box, line.decode().strip()):
                return

    def _answer(self, box: Postbox, line: str) -> bool:
        word, _, rest = line.partition(" ")
        match word.upper():
            case "EHLO":
                offers = [b"250-here", b"250-AUTH PLAIN"]
                if box.context is not None and box.offers_starttls and not self._secret:
                    offers.append(b"250-STARTTLS")
                self._say(*offers, b"250 8BITMIME")
            case "STARTTLS":
                self._say(b"220 go")
                self._go_secret(box)
            case "AUTH":
                _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                right = box.accounts.get(user) == password
                self._user = user if right else None
                self._say(b"235 welcome" if right else b"535 5.7.8 wrong user or password")
            case "MAIL":
                self._sender, self._to = rest.partition("<")[2].partition(">")[0], []
                self._say(b"250 ok")
            case "RCPT":
                address = rest.partition("<")[2].partition(">")[0]
                if address in box.refused:
                    self._say(b"550 5.1.1 nobody of that name")
                else:
                    self._to.append(address)
                    self._say(b"250 ok")
            case "DATA":
                self._take(box)
            case "QUIT":
                self._say(box.quit_answer)
                return False
            case _:
                self._say(b"250 ok")
        return True

    def _take(self, box: Postbox) -> None:
        self._say(b"354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        if box.data_answer.startswith(b"2"):
            content = message_from_bytes(b"".join(lines), policy=default)
            box.letters.append(Letter(self._sender, self._to, content, self._user, self._secret))
        self._say(box.data_answer)

    def _go_secret(self, box: Postbox) -> None:
        assert box.context is not None
        self.request = self.connection = box.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self._secret = True

    def _say(self, *lines: bytes) -> None:
        self.connection.sendall(b"".join(line + b"\r\n" for line in lines))

    def finish(self) -> None:
        super().finish()
        self.rfile.close()
        self.connection.close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, box: Postbox) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.box = box


@contextmanager
def open_postbox(box: Postbox) -> Iterator[Postbox]:
    """Serves it on a port that is free."""
    with _Server(box) as server:
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            box.ended.set()
            server.shutdown()
            thread.join()


@dataclass
class Post:
    """What was posted."""

    path: str
    headers: dict[str, str]
    """Names in small letters."""
    body: bytes


@dataclass
class Receiver:
    """How it answers, and what it got."""

    status: int = 204
    location: str | None = None
    silent: bool = False
    posts: list[Post] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def open_receiver(receiver: Receiver) -> Iterator[Receiver]:
    """Serves it on a port that is free."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.posts.append(Post(self.path, headers, body))
            if receiver.silent:
                receiver.ended.wait(60)
                return
            self.send_response(receiver.status)
            if receiver.location is not None:
                self.send_header("location", receiver.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook?key=k"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.ended.set()
            server.shutdown()
            thread.join()


def closed_port() -> int:
    """One on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
