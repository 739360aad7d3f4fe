"""Reads HTTP/1.1 as llhttp (Node's parser, by httptools) and h11 do, and says what they made of it.

On standard input come batches: a count, then so many connections, each as its length and its bytes (numbers have four
bytes, most significant first). For each connection one line goes out: what each of the two has read, as JSON, with one
character a byte.
"""

import json
import sys

import h11
import httptools


class Llhttp:
    """The callbacks of httptools."""

    def __init__(self):
        self.messages = []
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self):
        self.method, self.target, self.fields, self.body = None, b"", [], b""

    def on_url(self, url):
        self.target += url

    def on_header(self, name, value):
        self.fields.append((name, value))

    def on_headers_complete(self):
        parser = self.parser
        self.messages.append({
            "method": parser.get_method().decode("latin-1"),
            "target": self.target.decode("latin-1"),
            "minor": int(parser.get_http_version()[2:]),
            "fields": written(self.fields),
            "body": "",
            "whole": False,
        })

    def on_body(self, body):
        self.messages[-1]["body"] += body.decode("latin-1")

    def on_message_complete(self):
        self.messages[-1]["whole"] = True


def llhttp(data):
    reader = Llhttp()
    try:
        reader.parser.feed_data(data)
        end = "Waits"
    except httptools.HttpParserUpgrade:
        end = "Switches"
    except httptools.HttpParserError:
        end = "Refuses"
    return {"messages": reader.messages, "end": end}


def by_h11(data):
    messages = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return {"messages": messages, "end": "Waits"}
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return {"messages": messages, "end": "Leaves"}
            if isinstance(event, h11.Request):
                messages.append({
                    "method": event.method.decode("latin-1"),
                    "target": event.target.decode("latin-1"),
                    "minor": int(event.http_version[2:]),
                    "fields": written(event.headers),
                    "body": "",
                    "whole": False,
                })
            elif isinstance(event, h11.Data):
                messages[-1]["body"] += event.data.decode("latin-1")
            elif isinstance(event, h11.EndOfMessage):
                messages[-1]["whole"] = True
                # It reads on only after an answer, and as HTTP only after one that switches nothing.
                connection.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return {"messages": messages, "end": "Leaves"}
                connection.start_next_cycle()
    except h11.RemoteProtocolError:
        return {"messages": messages, "end": "Refuses"}


def written(fields):
    return [(name.lower().decode("latin-1"), value.strip(b" \t").decode("latin-1")) for name, value in fields]


def number(source):
    return int.from_bytes(source.read(4), "big")


def main():
    source, out = sys.stdin.buffer, sys.stdout
    while count := number(source):
        connections = [source.read(number(source)) for _ in range(count)]
        for data in connections:
            out.write(json.dumps([llhttp(data), by_h11(data)]) + "\n")
        out.flush()


main()
