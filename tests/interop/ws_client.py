"""A WebSocket client that wants its words back.

    ws_client.py PORT ROOT.pem
"""

import asyncio
import os
import ssl
import sys

import websockets
from websockets.asyncio.client import connect


async def main(port, root):
    trust = ssl.create_default_context(cafile=root)
    url = f"wss://localhost:{port}/socket?a=b"
    async with connect(url, ssl=trust, subprotocols=["sidegate.test"], max_size=None) as connection:
        assert connection.subprotocol == "sidegate.test", connection.subprotocol
        # Small and large, text and bytes; the large ones need many frames on the wire below.
        for message in ["hello", "ü" * 70_000, b"", os.urandom(3_000_000)]:
            await connection.send(message)
            assert await connection.recv() == message
        await (await connection.ping(b"are you there"))
        # Many at once, and none out of order.
        for number in range(500):
            await connection.send(str(number))
        for number in range(500):
            assert await connection.recv() == str(number)
        await connection.send("bye")
        try:
            await connection.recv()
            raise AssertionError("it goes on")
        except websockets.ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as you wish"), closed
    # Two at a time do not hear each other.
    offer = {"ssl": trust, "subprotocols": ["sidegate.test"]}
    async with connect(url, **offer) as one, connect(url, **offer) as two:
        await one.send("one")
        await two.send("two")
        assert (await two.recv(), await one.recv()) == ("two", "one")
    print("all well")


asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2]), 60))
