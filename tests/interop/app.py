"""An app for `sidegate run`: listens on $PORT once the file GATE exists.

    app.py GATE [EXIT_CODE_ON_TERM]

GET /exit ends it with exit code 7, GET /slow is answered once GATE is gone again, and everything else at once, with
what was asked.
"""

import http.server
import os
import signal
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        print(f"app: asked for {self.path}", flush=True)
        while self.path == "/slow" and os.path.exists(sys.argv[1]):
            time.sleep(0.01)
        body = f"{self.path} {self.headers['X-Forwarded-Proto']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.path == "/exit":
            os._exit(7)

    def log_message(self, *_):
        pass


if len(sys.argv) > 2:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(int(sys.argv[2])))
print("app: waiting", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print("app: listening", flush=True)
server.serve_forever()
