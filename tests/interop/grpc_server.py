"""A gRPC server in clear, with bytes for messages, that says on which port."""

from concurrent import futures

import grpc


def echo(request, context):
    asked = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", asked.get("x-asked", "nothing")),))
    context.set_trailing_metadata((("x-trailing", "the end"), ("x-trailing-bin", b"\x00\xff")))
    return request


def fail(request, context):
    context.set_trailing_metadata((("x-trailing", "of a failure"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no: ü 100%")


def count(request, context):
    for number in range(int(request)):
        yield b"%d" % number
    context.set_trailing_metadata((("x-trailing", "counted"),))


def break_off(request, context):
    yield b"first"
    context.abort(grpc.StatusCode.DATA_LOSS, "in the middle")


def talk(requests, context):
    for request in requests:
        yield request.upper()


handlers = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "BreakOff": grpc.unary_stream_rpc_method_handler(break_off),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
}
server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Interop", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"port {port}", flush=True)
server.wait_for_termination()
