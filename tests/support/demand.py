"""Stands in for the one part of KEDA's HTTP add-on that a wake needs: its scaler, which says who has requests waiting.

The manifests name it by its address in the cluster. Nothing resolves that here, so KEDA is told to reach its scalers
through a proxy, which leads there whatever the address is.
"""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

POLL_SECONDS = 0.5
"""How often an open stream looks whether something has changed."""

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: dict[str, list[tuple[str, int, Any, str]]] = {
    "ScaledObjectRef": [("name", 1, _FIELD.TYPE_STRING, ""), ("namespace", 2, _FIELD.TYPE_STRING, "")],
    "IsActiveResponse": [("result", 1, _FIELD.TYPE_BOOL, "")],
    "MetricSpec": [("metricName", 1, _FIELD.TYPE_STRING, ""), ("targetSize", 2, _FIELD.TYPE_INT64, "")],
    "GetMetricSpecResponse": [("metricSpecs", 1, _FIELD.TYPE_MESSAGE, "MetricSpec")],
    "GetMetricsRequest": [("scaledObjectRef", 1, _FIELD.TYPE_MESSAGE, "ScaledObjectRef")],
    "MetricValue": [("metricName", 1, _FIELD.TYPE_STRING, ""), ("metricValue", 2, _FIELD.TYPE_INT64, "")],
    "GetMetricsResponse": [("metricValues", 1, _FIELD.TYPE_MESSAGE, "MetricValue")],
}
"""The messages of KEDA's `externalscaler.proto`, as far as they are needed: field, number, type, message."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="externalscaler.proto", package="externalscaler", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            label = _FIELD.LABEL_REPEATED if field.endswith("s") and of else _FIELD.LABEL_OPTIONAL
            message.field.add(
                name=field, number=number, type=kind, label=label, type_name=f".externalscaler.{of}" if of else None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"externalscaler.{name}"))
        for name in _MESSAGES
    }


class Demand:
    """Who has requests waiting: nobody, until a test says so.

    Args:
        folder: keeps it, a file for each endpoint, so that tests in several processes have one cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def request(self, namespace: str, *names: str) -> None:
        """Requests for these endpoints wait, or are being answered."""
        for name in names:
            self._file(namespace, name).touch()

    def answer(self, namespace: str, *names: str) -> None:
        """There are none any more."""
        for name in names:
            self._file(namespace, name).unlink()

    def is_waiting(self, namespace: str, name: str) -> bool:
        return self._file(namespace, name).exists()

    def _file(self, namespace: str, name: str) -> Path:
        return self.folder / f"{namespace}.{name}"


class Scaler:
    """Tells KEDA, which reaches it through `proxy`."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._closed = threading.Event()
        self._messages = _classes()
        self._server = grpc.server(ThreadPoolExecutor(600, thread_name_prefix="scaler"))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._closed.set()
        self._listener.close()
        self._server.stop(None).wait()

    def _is_waiting(self, reference: Any) -> bool:
        return self._demand.is_waiting(reference.namespace, reference.name)

    def _handlers(self) -> grpc.GenericRpcHandler:
        make = self._messages

        def is_active(request: Any, context: Any) -> Any:
            return make["IsActiveResponse"](result=self._is_waiting(request))

        def stream(request: Any, context: Any) -> Iterator[Any]:
            said = None
            while not self._closed.wait(0.0 if said is None else POLL_SECONDS) and context.is_active():
                now = self._is_waiting(request)
                if now != said:
                    said = now
                    yield make["IsActiveResponse"](result=now)

        def spec(request: Any, context: Any) -> Any:
            return make["GetMetricSpecResponse"](
                metricSpecs=[make["MetricSpec"](metricName="concurrency", targetSize=32)]
            )

        def metrics(request: Any, context: Any) -> Any:
            value = int(self._is_waiting(request.scaledObjectRef))
            return make["GetMetricsResponse"](
                metricValues=[make["MetricValue"](metricName="concurrency", metricValue=value)]
            )

        def unary(behaviour: Any, takes: str) -> Any:
            return grpc.unary_unary_rpc_method_handler(behaviour, make[takes].FromString, _serialized)

        methods = {
            "IsActive": unary(is_active, "ScaledObjectRef"),
            "GetMetricSpec": unary(spec, "ScaledObjectRef"),
            "GetMetrics": unary(metrics, "GetMetricsRequest"),
            "StreamIsActive": grpc.unary_stream_rpc_method_handler(
                stream, make["ScaledObjectRef"].FromString, _serialized
            ),
        }
        return grpc.method_handlers_generic_handler("externalscaler.ExternalScaler", methods)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with closing(client), socket.create_connection(("127.0.0.1", self._port)) as scaler:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (part := client.recv(4096)):
                    return
                head += part
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(scaler, client), daemon=True)
            back.start()
            _copy(client, scaler)
            back.join()


def _serialized(message: Any) -> bytes:
    assert isinstance(message, Message)
    return message.SerializeToString()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
