"""Clients of WebSockets that are not ours, over every protocol: `websockets` over HTTP/1.1, and its frames over `h2` and `aioquic`.

    websockets_client.py h1|h1s|h2|h3 PORT CERTIFICATES

prints "ok". Who waits for longer than 10 seconds fails.
"""

import select
import socket
import ssl
import sys
import time

from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

PATIENCE = 10
MESSAGES = ["hello", "", "\u00e4" * 5000, b"", b"bytes" * 100_000]
HEAD = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/ws"),
    ("sec-websocket-version", "13"),
]


def context(certificates, protocol):
    made = ssl.create_default_context(cafile=certificates)
    made.set_alpn_protocols([protocol])
    return made


def upgraded(port, certificates, is_secure):
    from websockets.sync.client import connect

    options = {"ssl": context(certificates, "http/1.1")} if is_secure else {}
    scheme = "wss" if is_secure else "ws"
    with connect(f"{scheme}://localhost:{port}/ws", max_size=None, **options) as socket:
        assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
        for message in MESSAGES:
            socket.send(message)
            assert socket.recv(timeout=PATIENCE) == message
        socket.send(["in ", "three ", "frames"])
        assert socket.recv(timeout=PATIENCE) == "in three frames"
        assert socket.ping().wait(PATIENCE)
        socket.close(4000, "done")
    assert (socket.close_code, socket.close_reason) == (4000, "done")


class Http2:
    """The stream of an extended CONNECT (RFC 8441)."""

    def __init__(self, port, certificates):
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        plain = socket.create_connection(("localhost", port), PATIENCE)
        self.socket = context(certificates, "h2").wrap_socket(plain, server_hostname="localhost")
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()
        self.head, self.data, self.is_ended = None, b"", False
        while self.h2.remote_settings.enable_connect_protocol != 1:
            self.pump()
        self.h2.send_headers(1, HEAD)
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def pump(self):
        from h2.events import DataReceived, ResponseReceived, StreamEnded

        for event in self.h2.receive_data(self.socket.recv(65536)):
            if isinstance(event, ResponseReceived):
                self.head = dict(event.headers)
            elif isinstance(event, DataReceived):
                self.data += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, StreamEnded):
                self.is_ended = True
        self.flush()

    def send(self, data):
        while data:
            room = min(self.h2.local_flow_control_window(1), self.h2.max_outbound_frame_size, len(data))
            self.h2.send_data(1, data[:room])
            self.flush()
            data = data[room:]
            if data and room == 0:
                self.pump()


class Http3:
    """The stream of an extended CONNECT (RFC 9220)."""

    def __init__(self, port, certificates):
        from aioquic.h3.connection import H3Connection
        from aioquic.quic.configuration import QuicConfiguration
        from aioquic.quic.connection import QuicConnection

        configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name="localhost")
        configuration.load_verify_locations(certificates)
        self.quic = QuicConnection(configuration=configuration)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.address = ("127.0.0.1", port)
        self.quic.connect(self.address, now=time.time())
        self.h3, self.head, self.data, self.is_ended = None, None, b"", False
        self.is_ready = False
        while not self.is_ready:
            self.pump()
        self.h3 = H3Connection(self.quic)
        while self.h3.received_settings is None:
            self.pump()
        assert self.h3.received_settings[8] == 1, "SETTINGS_ENABLE_CONNECT_PROTOCOL"
        self.h3.send_headers(0, [(name.encode(), value.encode()) for name, value in HEAD])

    def pump(self):
        from aioquic.h3.events import DataReceived, HeadersReceived
        from aioquic.quic.events import HandshakeCompleted

        for datagram, _ in self.quic.datagrams_to_send(now=time.time()):
            self.socket.send(datagram)
        timer = self.quic.get_timer() or time.time() + 1
        wait = max(0, min(0.05, timer - time.time()))
        if select.select([self.socket], [], [], wait)[0]:
            self.quic.receive_datagram(self.socket.recv(65536), self.address, now=time.time())
        self.quic.handle_timer(now=time.time())
        while event := self.quic.next_event():
            self.is_ready |= isinstance(event, HandshakeCompleted)
            for event in self.h3.handle_event(event) if self.h3 else ():
                if isinstance(event, HeadersReceived):
                    self.head = {name.decode(): value.decode() for name, value in event.headers}
                elif isinstance(event, DataReceived):
                    self.data += event.data
                self.is_ended |= getattr(event, "stream_ended", False)

    def send(self, data):
        self.h3.send_data(0, data, end_stream=False)


def tunnelled(stream):
    end = time.time() + PATIENCE

    def until(is_done):
        while not is_done():
            assert time.time() < end, "it takes too long"
            stream.pump()
            data, stream.data = stream.data, b""
            frames.receive_data(data)
            got.extend(frames.events_received())

    def say():
        for data in frames.data_to_send():
            stream.send(data)

    frames, got = Protocol(Side.CLIENT, state=State.OPEN, max_size=None), []
    until(lambda: stream.head)
    assert stream.head[":status"] == "200" and "sec-websocket-accept" not in stream.head, stream.head
    for message in MESSAGES:
        is_text = isinstance(message, str)
        data = message.encode() if is_text else message
        (frames.send_text if is_text else frames.send_binary)(data)
        say()
        until(lambda: got)
        frame = got.pop()
        assert not got and frame.data == data and frame.opcode == (Opcode.TEXT if is_text else Opcode.BINARY)
    frames.send_ping(b"there?")
    say()
    until(lambda: got)
    frame = got.pop()
    assert (frame.opcode, frame.data) == (Opcode.PONG, b"there?")
    frames.send_close(4000, "done")
    say()
    until(lambda: frames.close_rcvd)
    assert (frames.close_rcvd.code, frames.close_rcvd.reason) == (4000, "done")
    until(lambda: stream.is_ended)


how, port, certificates = sys.argv[1], int(sys.argv[2]), sys.argv[3]
match how:
    case "h1":
        upgraded(port, certificates, False)
    case "h1s":
        upgraded(port, certificates, True)
    case "h2":
        tunnelled(Http2(port, certificates))
    case "h3":
        tunnelled(Http3(port, certificates))
print("ok")
