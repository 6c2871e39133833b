"""A client of HTTP/3 that is not quiche's: aioquic, driven without its event loop, so that every datagram can be kept.

    aioquic_client.py CASE PORT CERTIFICATES [ARGUMENT..]

prints one JSON object. Each function named case_* is a case. Who waits for longer than 10 seconds fails.
"""

import json
import select
import socket
import sys
import time

from aioquic.buffer import Buffer
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, DatagramReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived, StreamReset
from aioquic.tls import Epoch

PATIENCE = 10


class Raw(QuicConnection):
    """Sends any frame in place of a PING."""

    raw = None

    def _write_ping_frame(self, builder, uids=[], comment=""):
        if self.raw is None:
            return super()._write_ping_frame(builder, uids, comment)
        (kind, payload), self.raw = self.raw, None
        builder.start_frame(kind, capacity=8 + len(payload)).push_bytes(payload)


class Client:
    def __init__(self, port, certificates, **options):
        self.server = ("127.0.0.1", port)
        self.tickets = []
        settings = {"server_name": "localhost", "alpn_protocols": ["h3"], "max_datagram_frame_size": 65536}
        self.configuration = QuicConfiguration(is_client=True, **(settings | options))
        self.configuration.load_verify_locations(certificates)
        self.quic = Raw(configuration=self.configuration, session_ticket_handler=self.tickets.append)
        self.sockets = []
        self.rebind()
        self.h3 = None
        self.sent = []
        self.heads, self.bodies, self.ended, self.resets = {}, {}, set(), {}
        self.interim = []
        self.datagrams = []
        self.handshake = self.closed = None
        self.raw_heads = {}
        self.quic.connect(self.server, now=time.time())

    def rebind(self):
        """Goes on from another port. What was on its way to the one before still arrives."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.sockets.append(self.socket)

    def flush(self):
        for datagram, address in self.quic.datagrams_to_send(now=time.time()):
            self.sent.append(datagram)
            self.socket.sendto(datagram, address)

    def pump(self, is_done, flushes=True):
        """Sends and receives until it is so."""
        end = time.time() + PATIENCE
        while not is_done():
            if time.time() > end:
                raise TimeoutError(sys._getframe(1).f_code.co_name)
            if flushes:
                self.flush()
            timer = self.quic.get_timer()
            wait = max(0, min(0.05, (timer or end) - time.time()))
            ready = select.select(self.sockets, [], [], wait)[0]
            for each in ready:
                datagram, address = each.recvfrom(65536)
                self.quic.receive_datagram(datagram, address, now=time.time())
            if not ready and timer is not None and timer <= time.time():
                self.quic.handle_timer(now=time.time())
            while (event := self.quic.next_event()) is not None:
                self.on(event)
        if flushes:
            self.flush()

    def on(self, event):
        if isinstance(event, HandshakeCompleted):
            self.handshake = event
        elif isinstance(event, ConnectionTerminated):
            self.closed = event
        elif isinstance(event, StreamReset):
            self.resets[event.stream_id] = event.error_code
        elif isinstance(event, StreamDataReceived) and event.stream_id % 4 == 0:
            self.raw_heads.setdefault(event.stream_id, bytearray()).extend(event.data[:4096])
        for event in self.h3.handle_event(event) if self.h3 else []:
            if isinstance(event, HeadersReceived):
                head = dict(event.headers)
                if head.get(b":status", b"").startswith(b"1"):
                    self.interim.append(head)
                else:
                    self.heads.setdefault(event.stream_id, head)
            elif isinstance(event, DataReceived):
                self.bodies.setdefault(event.stream_id, bytearray()).extend(event.data)
            elif isinstance(event, DatagramReceived):
                self.datagrams.append(bytes(event.data))
            if getattr(event, "stream_ended", False):
                self.ended.add(event.stream_id)

    def connected(self):
        self.pump(lambda: self.handshake or self.closed)
        self.speak()
        return self

    def speak(self):
        # What aioquic calls so is what says H3_DATAGRAM too.
        self.h3 = H3Connection(self.quic, enable_webtransport=True)

    def ask(self, path, method=b"GET", content=b"", fields=(), ends=True):
        stream = self.quic.get_next_available_stream_id()
        head = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path.encode())]
        self.h3.send_headers(stream, head + list(fields), end_stream=ends and not content)
        if content:
            self.h3.send_data(stream, content, end_stream=True)
        return stream

    def answered(self, stream):
        self.pump(lambda: stream in self.ended or stream in self.resets or self.closed)
        return self.status(stream)

    def status(self, stream):
        return int(self.heads.get(stream, {}).get(b":status", 0))

    def get(self, path, **more):
        stream = self.ask(path, **more)
        return self.answered(stream), bytes(self.bodies.get(stream, b""))

    def close(self):
        self.quic.close(error_code=0x100)
        self.flush()


def case_get(port, certificates, path="/plaintext"):
    client = Client(port, certificates).connected()
    status, body = client.get(path)
    return {"status": status, "body": body.decode(), "retries": client.quic._retry_count}


def case_post(port, certificates, size):
    client = Client(port, certificates).connected()
    content = bytes(number % 251 for number in range(int(size)))
    status, body = client.get("/echo", method=b"POST", content=content)
    return {"status": status, "same": body == content}


def case_many(port, certificates, count):
    client = Client(port, certificates).connected()
    streams = {client.ask(f"/users/{number}"): str(number).encode() for number in range(int(count))}
    right = sum(client.answered(stream) == 200 and client.bodies[stream] == text for stream, text in streams.items())
    return {"right": right}


def resumed(port, certificates):
    """A client that has a ticket, and has begun to speak before its handshake."""
    first = Client(port, certificates).connected()
    first.get("/plaintext")
    first.pump(lambda: first.tickets)
    first.close()
    client = Client(port, certificates, session_ticket=first.tickets[-1])
    client.speak()
    return client


def case_early(port, certificates, method, path):
    client = resumed(port, certificates)
    stream = client.ask(path, method=method.encode(), content=b"early" if method == "POST" else b"")
    client.flush()
    flight = len(client.sent)
    # Nothing more is sent: whatever comes answers the first flight.
    client.pump(lambda: stream in client.ended, flushes=False)
    assert len(client.sent) == flight
    result = {"status": client.status(stream), "accepted": client.handshake.early_data_accepted}
    # The connection goes on.
    return result | {"after": client.get("/plaintext")[0]}


def case_tardy(port, certificates, path):
    """As early, but the answer may come after the handshake."""
    client = resumed(port, certificates)
    stream = client.ask(path)
    return {"status": client.answered(stream), "accepted": client.handshake.early_data_accepted}


def case_replay(port, certificates, path):
    client = resumed(port, certificates)
    stream = client.ask(path)
    client.flush()
    flight = list(client.sent)
    client.answered(stream)
    client.close()
    # Until it has forgotten the connection, the server takes them for old packets of it.
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.settimeout(0.2)
    replies, end = 0, time.time() + PATIENCE
    while replies < 3 and time.time() < end:
        for datagram in flight:
            other.sendto(datagram, ("127.0.0.1", port))
        try:
            replies += len(other.recv(65536)) > 0
        except TimeoutError:
            pass
    return {"status": client.status(stream), "accepted": client.handshake.early_data_accepted, "replies": replies}


def case_move(port, certificates, how):
    """In the middle of an answer that comes in small pieces: what is lost with an old address quiche sends again far too slowly."""
    client = Client(port, certificates).connected()
    stream = client.ask("/stream/100")
    client.pump(lambda: len(client.bodies.get(stream, b"")) > 200)
    if how == "migration":
        client.quic.change_connection_id()
    client.rebind()
    # A client whose address has changed under it speaks before it hears of it.
    client.quic.send_ping(1)
    status = client.answered(stream)
    pieces = client.bodies[stream].count(b"\n")
    return {"status": status, "pieces": pieces, "after": client.get("/plaintext")[0]}


def case_keys(port, certificates):
    client = Client(port, certificates).connected()
    before = client.get("/plaintext")[0]
    keys, phases, statuses = client.quic._cryptos[Epoch.ONE_RTT], [], [before]
    for _ in range(3):
        client.quic.request_key_update()
        statuses.append(client.get("/plaintext")[0])
        # That of what comes follows that of what goes.
        client.pump(lambda: keys.recv.key_phase == keys.send.key_phase)
        phases.append(keys.key_phase)
    return {"statuses": statuses, "phases": phases}


def case_datagrams(port, certificates, count):
    client = Client(port, certificates).connected()
    client.pump(lambda: client.h3.received_settings)
    stream = client.ask("/datagrams", method=b"POST", ends=False)
    client.pump(lambda: client.status(stream))
    for number in range(int(count)):
        client.h3.send_datagram(stream, b"datagram %d" % number)
        client.pump(lambda: len(client.datagrams) > number or stream in client.ended)
    client.h3.send_data(stream, b"", end_stream=True)
    status = client.answered(stream)
    return {"status": status, "came": [text.decode() for text in client.datagrams]}


def case_raw(port, certificates, kind, payload):
    """A frame of QUIC's, and how the server ends the connection."""
    client = Client(port, certificates).connected()
    client.get("/plaintext")
    client.quic.raw = (int(kind, 0), bytes.fromhex(payload))
    client.quic.send_ping(1)
    client.pump(lambda: client.closed)
    return {"code": client.closed.error_code, "frame": client.closed.frame_type}


def case_malformed(port, certificates, stream, data):
    """Bytes on a stream, and how the server ends the connection."""
    client = Client(port, certificates).connected()
    client.get("/plaintext")
    client.quic.send_stream_data(int(stream), bytes.fromhex(data))
    client.pump(lambda: client.closed)
    return {"code": client.closed.error_code}


def case_stopped(port, certificates):
    """The server's control stream is not wanted."""
    client = Client(port, certificates).connected()
    client.get("/plaintext")
    client.quic.stop_stream(3, 0x100)
    client.pump(lambda: client.closed)
    return {"code": client.closed.error_code}


def case_qpack(port, certificates):
    client = Client(port, certificates).connected()
    fields = [(b"x-of-ours-%d" % number, b"a value that is worth a place in a table") for number in range(4)]
    sizes, asked = [], []
    for _ in range(6):
        before = client.h3._encoder_bytes_sent
        stream = client.ask("/headers", fields=fields)
        assert client.answered(stream) == 200
        buffer = Buffer(data=bytes(client.raw_heads[stream]))
        kind, length = buffer.pull_uint_var(), buffer.pull_uint_var()
        assert kind == 1
        sizes.append(length)
        asked.append(client.h3._encoder_bytes_sent - before)
        text = client.bodies[stream]
        assert all(name in text for name, _ in fields), text
    received = {"decoder": client.h3._decoder_bytes_received, "encoder": client.h3._encoder_bytes_received}
    return {"sections": sizes, "instructions": asked, "received": received}


def case_reset(port, certificates):
    """What a connection that is over says to its packets: a stateless reset with the token that was given."""
    client = Client(port, certificates).connected()
    client.get("/plaintext")
    # aioquic keeps no token of the first id.
    client.quic.change_connection_id()
    client.get("/plaintext")
    token = client.quic._peer_cid.stateless_reset_token
    # A packet that the server has not seen, with the id that the client uses.
    client.quic.send_ping(1)
    late = [datagram for datagram, _ in client.quic.datagrams_to_send(now=time.time())][0]
    client.quic.send_stream_data(2, b"\x04\x00", end_stream=False)
    client.pump(lambda: client.closed)
    end = time.time() + PATIENCE
    client.socket.setblocking(True)
    client.socket.settimeout(0.2)
    while time.time() < end:
        client.socket.sendto(late + bytes(60), ("127.0.0.1", port))
        try:
            reply = client.socket.recv(65536)
        except TimeoutError:
            continue
        if reply[-16:] == token:
            return {"reset": True, "short": reply[0] & 0xc0 == 0x40, "shorter": len(reply) < len(late) + 60}
    return {"reset": False}


def case_hints(port, certificates, path):
    """Interim responses, in the order in which they came, and the answer."""
    client = Client(port, certificates).connected()
    status, _ = client.get(path)
    told = [[int(head[b":status"]), head.get(b"link", b"").decode()] for head in client.interim]
    return {"status": status, "told": told}


def case_certificate(port, certificates, name):
    client = Client(port, certificates, server_name=name).connected()
    status = client.get("/plaintext")[0]
    return {"status": status, "subject": client.quic.tls._peer_certificate.subject.rfc4514_string()}


def main():
    name, port, certificates, *arguments = sys.argv[1:]
    print(json.dumps(globals()[f"case_{name}"](int(port), certificates, *arguments)))


main()
