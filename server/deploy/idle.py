#!/usr/bin/env python3
"""What an idle connection costs: idle.py TRILANE [h1|h2c|tls|h2] [COUNT]. Starts that binary's demo on one shard, opens connections,
asks each once, and prints by how much the resident memory of the process has grown, a connection."""

import socket
import ssl
import subprocess
import sys
import time

WARM = 512
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
ACKNOWLEDGED = b"\x00\x00\x00\x04\x01\x00\x00\x00\x00"


def headers(authority):
    """GET /plaintext on stream 1: the static table (RFC 7541 A), and literals that are not indexed."""
    block = b"\x82\x86\x04\x0a/plaintext\x01" + bytes([len(authority)]) + authority
    return len(block).to_bytes(3, "big") + b"\x01\x05\x00\x00\x00\x01" + block


def connect(address, kind, context):
    plain = socket.create_connection(address)
    authority = f"{address[0]}:{address[1]}".encode()
    it = context.wrap_socket(plain, server_hostname="localhost") if kind in ("tls", "h2") else plain
    if kind in ("h2c", "h2"):
        it.sendall(PREFACE + SETTINGS + ACKNOWLEDGED + headers(authority))
    else:
        it.sendall(b"GET /plaintext HTTP/1.1\r\nHost: " + authority + b"\r\n\r\n")
    got = b""
    while not got.endswith(b"Hello, World!"):
        piece = it.recv(65536)
        assert piece, f"closed after {got!r}"
        got += piece
    return it


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup") as text:
        return next(int(line.split()[1]) << 10 for line in text if line.startswith("Rss:"))


def main():
    binary, kind = sys.argv[1], (sys.argv[2:] or ["h1"])[0]
    count = int((sys.argv[3:] or ["5000"])[0])
    flags = ["--shards", "1", "--log", "off", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--http3", "off", "--h2c"]
    server = subprocess.Popen([binary, "demo", *flags], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ready = dict(part.split("=", 1) for part in server.stdout.readline().split()[2:])
        host, port = ready["https" if kind in ("tls", "h2") else "http"].rsplit(":", 1)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2" if kind == "h2" else "http/1.1"])
        # What there is once for all is there before.
        warm = [connect((host, int(port)), kind, context) for _ in range(WARM)]
        time.sleep(3)
        before = resident(server.pid)
        held = [connect((host, int(port)), kind, context) for _ in range(count)]
        time.sleep(3)
        each = (resident(server.pid) - before) / count
        print(f"{kind}: {each:.0f} bytes of resident memory each, {count} idle connections beside {len(warm)}")
        del held
    finally:
        server.terminate()
        server.wait()


main()
