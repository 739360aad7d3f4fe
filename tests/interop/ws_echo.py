"""A WebSocket server that sends back what it gets, and says on which port."""

import asyncio

from websockets.asyncio.server import serve


async def echo(connection):
    async for message in connection:
        if message == "bye":
            await connection.close(4001, "as you wish")
            return
        await connection.send(message)


async def main():
    async with serve(echo, "127.0.0.1", 0, subprotocols=["sidegate.test"], max_size=None) as server:
        print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main())
