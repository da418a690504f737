"""Every call passes here: bytes become messages, and whatever is raised becomes a status with a canonical code.

Handlers are wrapped without a deserializer, because gRPC itself answers UNKNOWN or INTERNAL to bytes that do not parse.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import grpc
from grpc import aio

from shortlist_server.errors import ShuttingDownError
from shortlist_server.rpc.status import DETAILS_KEY, problem_of

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
Context = aio.ServicerContext[Any, Any]
Parse = Callable[[Any], Any]
Behaviour = Callable[[Any, Context], Any]

STANDARD_SERVICES = "/grpc."


class ErrorInterceptor(aio.ServerInterceptor):
    """Turns exceptions of handlers into statuses, and refuses calls that come after the server was told to stop."""

    def __init__(self) -> None:
        self._refusing = False

    def refuse(self) -> None:
        """From now on answer every new call with UNAVAILABLE, nothing done, so that callers try another server. gRPC
        alone would answer CANCELLED when it stops, which says neither.
        """
        self._refusing = True

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[RequestT, ResponseT] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[RequestT, ResponseT] | None:
        """Wrap the handler of one call; None means that there is no such method, which gRPC answers itself."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        return _wrapped(handler, method, refusing=self._refusing and not method.startswith(STANDARD_SERVICES))


def _wrapped(
    handler: grpc.RpcMethodHandler[Any, Any], method: str, *, refusing: bool
) -> grpc.RpcMethodHandler[Any, Any]:
    parse: Parse = _itself if handler.request_deserializer is None else handler.request_deserializer
    if handler.request_streaming:
        parse = _each(parse)
    if refusing:
        parse = _refuse
    serializer = handler.response_serializer
    behaviour: Any = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    if handler.response_streaming:
        many: Any = _answering_many(behaviour, parse, method)
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(many, response_serializer=serializer)
        return grpc.unary_stream_rpc_method_handler(many, response_serializer=serializer)
    once: Any = _answering_once(behaviour, parse, method)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(once, response_serializer=serializer)
    return grpc.unary_unary_rpc_method_handler(once, response_serializer=serializer)


def _refuse(message: Any) -> NoReturn:
    raise ShuttingDownError("the server is shutting down, nothing was done")


def _itself(message: Any) -> Any:
    return message


def _each(parse: Parse) -> Callable[[AsyncIterator[bytes]], AsyncIterator[Any]]:
    async def messages(raw: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for message in raw:
            yield parse(message)

    return messages


def _answering_once(behaviour: Behaviour, parse: Parse, method: str) -> Callable[[Any, Context], Awaitable[Any]]:
    async def handle(raw: Any, context: Context) -> Any:
        try:
            return await behaviour(parse(raw), context)
        except aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where any error becomes a status
            await _abort(context, error, method)

    return handle


def _answering_many(behaviour: Behaviour, parse: Parse, method: str) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def handle(raw: Any, context: Context) -> AsyncIterator[Any]:
        try:
            async for reply in behaviour(parse(raw), context):
                yield reply
        except aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where any error becomes a status
            await _abort(context, error, method)

    return handle


async def _abort(context: Context, error: Exception, method: str) -> NoReturn:
    problem = problem_of(error, method)
    details = (DETAILS_KEY, problem.to_status().SerializeToString())
    await context.abort(problem.code, problem.message, trailing_metadata=(details,))
    raise AssertionError("abort raises")
