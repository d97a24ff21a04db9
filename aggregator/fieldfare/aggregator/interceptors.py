"""What all of the servers' interceptors have in common."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

__all__ = ["Handler", "WrappingInterceptor"]

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Found: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class WrappingInterceptor(grpc.aio.ServerInterceptor):
    """Puts something around each method's handler, once: interceptors outside of this one know handlers by identity."""

    def __init__(self) -> None:
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    @abstractmethod
    def wrap(self, method: str, handler: Handler) -> Handler:
        """The handler that is called in place of this one; `method` is "/package.Service/Call"."""

    def unknown(self) -> None:
        """A call to a method that does not exist."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Found]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Found:
        """See `grpc.aio.ServerInterceptor`. Only methods that exist are kept, so there are few."""
        handler = await continuation(handler_call_details)
        if handler is None:
            self.unknown()
            return None
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            known = self._wrapped[method] = (handler, self.wrap(method, handler))
        return known[1]
