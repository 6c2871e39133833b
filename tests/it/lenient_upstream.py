"""Python's http.server with the handler that one writes in a hurry: lengths by int(), chunks by any value with that word in it.

    lenient_upstream.py PORT

What it understood of each request is a line of JSON on standard output, and the answer is that line's id, CONNECTION.NUMBER. A request that
it could not read is a line with "error" instead.
"""

import itertools
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONNECTIONS = itertools.count(1)


def say(**line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection_number, self.request_number = next(CONNECTIONS), 0

    def __getattr__(self, name):
        # Whatever the method is.
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def line(self):
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line

    def content(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            content = b""
            while size := int(self.line().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.line()
            while self.line().strip():
                pass
            return content
        length = int(self.headers.get("Content-Length", 0))
        content = self.rfile.read(length)
        if len(content) < length:
            raise EOFError
        return content

    def answer(self):
        try:
            content = self.content()
        except EOFError:
            # Who gave it up has nothing to hear.
            self.close_connection = True
            return
        except ValueError as error:
            say(id=f"{self.connection_number}.0", error=str(error))
            self.close_connection = True
            return
        self.request_number += 1
        id = f"{self.connection_number}.{self.request_number}"
        say(id=id, method=self.command, target=self.raw_requestline.decode("latin1").split()[1], version=self.request_version, fields=self.headers.items(),
            content=content.decode("latin1"))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(id)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(id.encode())

    def send_error(self, code, message=None, explain=None):
        say(id=f"{self.connection_number}.0", error=f"{code} {message}")
        super().send_error(code, message, explain)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
