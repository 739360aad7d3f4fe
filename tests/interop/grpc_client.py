"""A gRPC client over TLS that looks at messages, metadata and the status in the trailers.

    grpc_client.py PORT ROOT.pem
"""

import os
import sys

import grpc

port, root = sys.argv[1], open(sys.argv[2], "rb").read()
channel = grpc.secure_channel(
    f"localhost:{port}",
    grpc.ssl_channel_credentials(root_certificates=root),
    options=[("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)],
)
TIMEOUT = 30


def of(metadata):
    return dict(metadata)


echo = channel.unary_unary("/test.Interop/Echo")
for message in [b"hello", b"", os.urandom(2_000_000)]:
    answer, call = echo.with_call(message, metadata=(("x-asked", "politely"),), timeout=TIMEOUT)
    assert answer == message
    assert call.code() is grpc.StatusCode.OK, call
    assert of(call.initial_metadata())["x-initial"] == "politely", call.initial_metadata()
    trailing = of(call.trailing_metadata())
    assert (trailing["x-trailing"], trailing["x-trailing-bin"]) == ("the end", b"\x00\xff"), trailing

fail = channel.unary_unary("/test.Interop/Fail")
try:
    fail(b"", timeout=TIMEOUT)
    raise AssertionError("it did not fail")
except grpc.RpcError as error:
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "no: ü 100%", error.details()
    assert of(error.trailing_metadata())["x-trailing"] == "of a failure", error.trailing_metadata()

count = channel.unary_stream("/test.Interop/Count")(b"1000", timeout=TIMEOUT)
assert [int(number) for number in count] == list(range(1000))
assert of(count.trailing_metadata())["x-trailing"] == "counted"

broken = channel.unary_stream("/test.Interop/BreakOff")(b"", timeout=TIMEOUT)
assert next(broken) == b"first"
try:
    next(broken)
    raise AssertionError("it goes on")
except grpc.RpcError as error:
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "in the middle"), error

# Each word is sent only after the answer to the one before has come: nothing may be held back.
heard = []


def words():
    for number in range(20):
        while len(heard) < number:
            if not talk.is_active():
                return
        yield b"word %d" % number


talk = channel.stream_stream("/test.Interop/Talk")(words(), timeout=TIMEOUT)
for answer in talk:
    heard.append(answer)
assert heard == [b"WORD %d" % number for number in range(20)], heard

# There is no such method: the status comes in the only head there is.
try:
    channel.unary_unary("/test.Interop/Nothing")(b"", timeout=TIMEOUT)
    raise AssertionError("there is such a method")
except grpc.RpcError as error:
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error

calls = [echo.future(b"%d" % number, timeout=TIMEOUT) for number in range(200)]
assert [call.result() for call in calls] == [b"%d" % number for number in range(200)]
print("all well")
