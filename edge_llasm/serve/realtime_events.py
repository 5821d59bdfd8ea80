"""What the client of a realtime socket is told, event by event."""

from __future__ import annotations

from typing import Any

from starlette.websockets import WebSocket

from edge_llasm.errors import EdgeLlasmError
from edge_llasm.serve.api_errors import ApiError, dumps
from edge_llasm.serve.completions import failure
from edge_llasm.serve.realtime_shape import new_id

__all__ = ["Events"]


class Events:
    """To one client. Whatever is sent raises WebSocketDisconnect when it has gone."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.newest: str | None = None
        """item that it was told of: the next one comes after it"""

    async def send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": new_id("event"), **fields}
        await self._socket.send_text(dumps(event).decode())

    async def add(self, item: dict[str, Any]) -> None:
        """An item joins the conversation, whole from the first."""
        for moment in ("added", "done"):
            await self.send(f"conversation.item.{moment}", previous_item_id=self.newest, item=item)
        self.newest = item["id"]

    async def fail(self, error: ApiError | EdgeLlasmError, asked: str | None) -> None:
        """`asked` is the event's own id for what could not be done."""
        problem = failure(error)
        await self.send("error", error={**problem.body["error"], "event_id": asked})
