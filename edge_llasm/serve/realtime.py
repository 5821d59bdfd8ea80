"""`WS /v1/realtime`: speech in while it is spoken, text out while it is written.

The part of OpenAI's realtime events that a spoken chat with written answers needs; anything else is an `error` event.

session.update                            settings.py
input_audio_buffer.append|commit|clear    realtime_buffer.py
conversation.item.create                  realtime_items.py
response.create|cancel                    realtime_answers.py
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_llasm.composer import default_sampling
from edge_llasm.errors import EdgeLlasmError
from edge_llasm.serve.api_errors import ApiError, bad_request, dumps
from edge_llasm.serve.backend import Backend, backend_of, client_of
from edge_llasm.serve.conversation import Conversation
from edge_llasm.serve.fields import Fields
from edge_llasm.serve.realtime_answers import Answers
from edge_llasm.serve.realtime_buffer import InputBuffer
from edge_llasm.serve.realtime_events import Events
from edge_llasm.serve.realtime_items import create_item
from edge_llasm.serve.settings import Settings, read_session

__all__ = ["realtime"]

SUBPROTOCOL = "realtime"
AGAIN_LATER, AGAINST_THE_RULES, GOING = 1013, 1008, 1001
"""Close codes"""


async def realtime(socket: WebSocket) -> None:
    """Serve one socket until it is closed."""
    backend = backend_of(socket)
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    name = socket.query_params.get("model", backend.names[0])
    problem = None
    if name not in backend.names:
        problem = ApiError(404, f"there is no model {name!r} here, only {backend.names[0]}", param="model")
    elif backend.decoder.state != "ready":
        problem = ApiError(503, "there is no model yet: try again", kind="server_error")
    elif backend.sockets.full:
        problem = ApiError(503, "too many sockets are open: try again", kind="server_error")
    if problem is not None:
        with suppress(WebSocketDisconnect):
            await socket.send_text(dumps({"type": "error", **problem.body}).decode())
            await socket.close(AGAINST_THE_RULES if problem.status == 404 else AGAIN_LATER)
        return
    with backend.sockets:
        await _Session(socket, backend).run()


class _Session:
    """One socket: the conversation, and who takes each kind of event."""

    def __init__(self, socket: WebSocket, backend: Backend) -> None:
        self._socket, self._backend = socket, backend
        self._id = f"sess_{token_hex(8)}"
        client = f"{client_of(socket)}\n{self._id}"
        settings = Settings(default_sampling(backend.bundle))
        self._chat = Conversation(backend.decoder, client, settings, backend.limits.chat_turns)
        self._events = Events(socket)
        self._answers = Answers(backend, self._chat, self._events)
        self._buffer = InputBuffer(backend, self._chat, self._events, self._answers)
        self._handlers: dict[str, Callable[[Fields], Awaitable[None]]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._buffer.append,
            "input_audio_buffer.commit": self._buffer.commit,
            "input_audio_buffer.clear": self._buffer.clear,
            "conversation.item.create": partial(create_item, self._chat, self._events),
            "response.create": self._answers.create,
            "response.cancel": self._answers.cancel,
        }

    async def run(self) -> None:
        try:
            await self._events.send("session.created", session=self._shown)
            while True:
                async with asyncio.timeout(self._backend.limits.socket_seconds):
                    message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._handle(message.get("text") or "")  # a binary message is no event
        except WebSocketDisconnect:
            return
        except TimeoutError:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.close(GOING)
        finally:
            await self._answers.close()
            await self._buffer.close()

    async def _handle(self, text: str) -> None:
        asked: str | None = None
        try:
            event = Fields(_parsed(text))
            asked = event.text("event_id")
            kind = event.text("type")
            if kind not in self._handlers:
                raise bad_request(f"the event {kind!r} is not known here", "type", "unknown_event")
            await self._handlers[kind](event)
        except (ApiError, EdgeLlasmError) as error:
            await self._events.fail(error, asked)

    async def _update(self, event: Fields) -> None:
        session = event.table("session")
        event.finish()
        self._chat.settings = read_session(session, self._chat.settings, self._backend.names)
        await self._events.send("session.updated", session=self._shown)

    @property
    def _shown(self) -> dict[str, Any]:
        settings = self._chat.settings.shown
        return {
            "object": "realtime.session",
            "id": self._id,
            "model": self._backend.bundle.name,
            **settings,
        }


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_request("an event must be a JSON object") from error
