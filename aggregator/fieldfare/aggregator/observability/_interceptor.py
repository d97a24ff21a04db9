"""Watches every call: counts, times, traces, and gives it an id for the log."""

import inspect
import itertools
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, TypeAlias

import grpc

from fieldfare.aggregator.interceptors import Handler, WrappingInterceptor
from fieldfare.aggregator.observability._call import CURRENT, Call
from fieldfare.aggregator.observability._registry import Metrics
from fieldfare.aggregator.observability._tracing import Tracing
from fieldfare.protos.v1 import aggregator_pb2

_log = logging.getLogger("fieldfare.aggregator.calls")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class CallWatcher(WrappingInterceptor):
    """The outermost interceptor of a server.

    Args:
        metrics: get the figures.
        tracing: gets a span for each call.
        log_key: keys the hashes of device ids in the log.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing, log_key: bytes) -> None:
        super().__init__()
        self._log_key = log_key
        self._metrics = metrics
        self._tracing = tracing

    def unknown(self) -> None:
        """Count it under one name: callers may make up any number of methods."""
        self._metrics.calls.labels("unknown", "UNIMPLEMENTED").inc()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """The watched handler."""
        behavior = _behavior(handler)
        if not (inspect.iscoroutinefunction(behavior) or inspect.isasyncgenfunction(behavior)):
            return handler
        call = method.rpartition("/")[2]
        kind = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        wrapped = self._watched_stream if inspect.isasyncgenfunction(behavior) else self._watched_call
        return kind(
            wrapped(behavior, _Watch(self._metrics, self._tracing, self._log_key, method)),
            self._counted(handler.request_deserializer, self._metrics.received_bytes.labels(call), sent=False),
            self._counted(handler.response_serializer, self._metrics.sent_bytes.labels(call), sent=True),
        )

    def _watched_call(self, behavior: Any, watch: "_Watch") -> Any:
        async def call(request: Any, context: _Context) -> Any:
            with _Watched(watch, context):
                self._note_device(request)
                response = await behavior(request, context)
                self._look_at(response)
                return response

        return call

    @staticmethod
    def _watched_stream(behavior: Any, watch: "_Watch") -> Any:
        async def stream(request: Any, context: _Context) -> AsyncIterator[Any]:
            with _Watched(watch, context):
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

    @staticmethod
    def _note_device(request: Any) -> None:
        """For the log. A stream's messages are read in its call's service, a single one before."""
        if (call := CURRENT.get()) is None:
            return
        if isinstance(request, aggregator_pb2.CheckInRequest):
            call.device_id = request.device_id
        elif isinstance(request, aggregator_pb2.ReportRequest) and request.HasField("header"):
            call.device_id = request.header.device_id

    def _look_at(self, response: Any) -> None:
        if isinstance(response, aggregator_pb2.CheckInResponse):
            self._metrics.check_ins.labels(response.WhichOneof("answer") or "none").inc()
        elif isinstance(response, aggregator_pb2.Receipt):
            status = aggregator_pb2.ReceiptStatus.Name(response.status).removeprefix("RECEIPT_STATUS_").lower()
            self._metrics.receipts.labels(status).inc()
            if response.status == aggregator_pb2.RECEIPT_STATUS_INVALID:
                self._metrics.refused(response.reason)


class _Watch:
    """What the calls of one method share: its counters, looked up once."""

    def __init__(self, metrics: Metrics, tracing: Tracing, log_key: bytes, path: str) -> None:
        self.method = path.rpartition("/")[2]
        self.tracing = tracing
        self.log_key = log_key
        self.open = metrics.calls_open.labels(self.method)
        self.seconds = metrics.call_seconds.labels(self.method)
        self.attributes = {"rpc.system": "grpc", "rpc.method": path.removeprefix("/")}
        self._calls = metrics.calls
        self._ended: dict[str, Any] = {}
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count()

    def new_call(self) -> Call:
        """A call with an id that no other has."""
        return Call(f"{self._prefix}{next(self._numbers):08x}", self.method, key=self.log_key)

    def ended(self, code: str) -> None:
        """Count a call."""
        counter = self._ended.get(code)
        if counter is None:
            counter = self._ended[code] = self._calls.labels(self.method, code)
        counter.inc()


class _Watched:
    """One call while it is served."""

    __slots__ = ("_began", "_context", "_exit", "_span", "_watch")

    def __init__(self, watch: _Watch, context: _Context) -> None:
        self._watch = watch
        self._context = context

    def __enter__(self) -> None:
        watch, call = self._watch, self._watch.new_call()
        CURRENT.set(call)
        watch.open.inc()
        self._began = time.perf_counter()
        self._exit = None
        if watch.tracing.on:
            attributes = {**watch.attributes, "fieldfare.call": call.id}
            spanning = watch.tracing.span(watch.method, attributes, _metadata(self._context))
            self._span, self._exit = spanning.__enter__(), spanning.__exit__
            call.trace = self._span.trace_id

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._began
        code = "OK" if error is None else _code(error, self._context)
        self._watch.open.dec()
        self._watch.ended(code)
        self._watch.seconds.observe(seconds)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("code=%s ms=%.1f call ended", code, seconds * 1000)
        if self._exit is not None:
            if error is not None:
                self._span.failed(code)
            self._exit(kind, error, trace)


def _behavior(handler: Handler) -> Any:
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
