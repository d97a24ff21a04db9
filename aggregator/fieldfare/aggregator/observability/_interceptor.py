"""Watches every call: counts, times, traces, and gives it an id for the log."""

import inspect
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.observability._call import CURRENT, Call, note_device
from fieldfare.aggregator.observability._registry import Metrics
from fieldfare.aggregator.observability._tracing import Tracing
from fieldfare.protos.v1 import aggregator_pb2

_log = logging.getLogger("fieldfare.aggregator.calls")
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class CallWatcher(grpc.aio.ServerInterceptor):
    """The outermost interceptor of a server.

    Args:
        metrics: get the figures.
        tracing: gets a span for each call.
        log_key: keys the hashes of device ids in the log.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing, log_key: bytes) -> None:
        self._log_key = log_key
        self._metrics = metrics
        self._tracing = tracing
        self._watched: dict[str, tuple[_Handler, _Handler]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Found]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Found:
        """See `grpc.aio.ServerInterceptor`. Only methods that exist get this far, so there are few."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self._metrics.calls.labels("unknown", "UNIMPLEMENTED").inc()
            return None
        method = handler_call_details.method
        known = self._watched.get(method)
        if known is None or known[0] is not handler:
            known = self._watched[method] = (handler, self._watch(handler, method))
        return known[1]

    def _watch(self, handler: _Handler, path: str) -> _Handler:
        behavior = _behavior(handler)
        if not (inspect.iscoroutinefunction(behavior) or inspect.isasyncgenfunction(behavior)):
            return handler
        method = path.rpartition("/")[2]
        kind = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        wrapped = self._watched_stream if inspect.isasyncgenfunction(behavior) else self._watched_call
        return kind(
            wrapped(behavior, path, method),
            self._counted(handler.request_deserializer, self._metrics.received_bytes.labels(method), sent=False),
            self._counted(handler.response_serializer, self._metrics.sent_bytes.labels(method), sent=True),
        )

    def _watched_call(self, behavior: Any, path: str, method: str) -> Any:
        async def call(request: Any, context: _Context) -> Any:
            with self._call(path, method, context):
                self._note_device(request)
                response = await behavior(request, context)
                self._look_at(response)
                return response

        return call

    def _watched_stream(self, behavior: Any, path: str, method: str) -> Any:
        async def stream(request: Any, context: _Context) -> AsyncIterator[Any]:
            with self._call(path, method, context):
                async for response in behavior(request, context):
                    yield response

        return stream

    def _counted(
        self, translate: Callable[[Any], Any] | None, count: Any, *, sent: bool
    ) -> Callable[[Any], Any] | None:
        """The same (de)serializer, which counts the bytes that it sees."""
        if translate is None:
            return None

        def counted(value: Any) -> Any:
            result = translate(value)
            count.inc(len(result if sent else value))
            if not sent:
                self._note_device(result)
            return result

        return counted

    @contextmanager
    def _call(self, path: str, method: str, context: _Context) -> Iterator[None]:
        call = Call(secrets.token_hex(8), method)
        began = time.perf_counter()
        code = "OK"
        CURRENT.set(call)
        self._metrics.calls_open.labels(method).inc()
        attributes = {"rpc.system": "grpc", "rpc.method": path.removeprefix("/"), "fieldfare.call": call.id}
        with self._tracing.span(method, attributes, _metadata(context)) as span:
            call.trace = span.trace_id
            try:
                yield
            except BaseException as error:
                code = _code(error, context)
                span.failed(code)
                raise
            finally:
                seconds = time.perf_counter() - began
                self._metrics.calls_open.labels(method).dec()
                self._metrics.calls.labels(method, code).inc()
                self._metrics.call_seconds.labels(method).observe(seconds)
                _log.debug("code=%s ms=%.1f call ended", code, seconds * 1000)

    def _note_device(self, request: Any) -> None:
        """For the log. A stream's messages are read in its call's service, a single one before."""
        if isinstance(request, aggregator_pb2.ReportRequest) and request.WhichOneof("part") == "header":
            note_device(self._log_key, request.header.device_id)
        elif isinstance(request, aggregator_pb2.CheckInRequest):
            note_device(self._log_key, request.device_id)

    def _look_at(self, response: Any) -> None:
        if isinstance(response, aggregator_pb2.CheckInResponse):
            self._metrics.check_ins.labels(response.WhichOneof("answer") or "none").inc()
        elif isinstance(response, aggregator_pb2.Receipt):
            status = aggregator_pb2.ReceiptStatus.Name(response.status).removeprefix("RECEIPT_STATUS_").lower()
            self._metrics.receipts.labels(status).inc()
            if response.status == aggregator_pb2.RECEIPT_STATUS_INVALID:
                self._metrics.refused(response.reason)


def _behavior(handler: _Handler) -> Any:
    streaming = (handler.request_streaming, handler.response_streaming)
    return {
        (False, False): handler.unary_unary,
        (False, True): handler.unary_stream,
        (True, False): handler.stream_unary,
        (True, True): handler.stream_stream,
    }[streaming]


def _metadata(context: _Context) -> tuple[tuple[str, Any], ...]:
    return tuple(context.invocation_metadata() or ())


def _code(error: BaseException, context: _Context) -> str:
    """The status with which a call ends that raised."""
    if isinstance(error, grpc.aio.AbortError):
        code = context.code()
        return _CODES.get(code.value[0] if isinstance(code, grpc.StatusCode) else code, "UNKNOWN")
    return "UNKNOWN" if isinstance(error, Exception) else "CANCELLED"
