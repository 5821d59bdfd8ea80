"""A client of the realtime socket."""

from typing import Any

from starlette.testclient import WebSocketTestSession

from tests.serve.running import slices

Event = dict[str, Any]
MANUAL = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
"""Of a session: the client commits"""


class Socket:
    """A session, and what is said in it."""

    def __init__(self, session: WebSocketTestSession) -> None:
        self.session = session
        self.created = session.receive_json()

    def send(self, kind: str, **fields: Any) -> None:
        self.session.send_json({"type": kind, **fields})

    def until(self, kind: str) -> list[Event]:
        """The events up to the first of this kind."""
        events: list[Event] = []
        while not events or events[-1]["type"] != kind:
            events.append(self.session.receive_json())
            assert kind == "error" or events[-1]["type"] != "error", events[-1]
        return events

    def update(self, session: Event) -> Event:
        self.send("session.update", session=session)
        return dict(self.until("session.updated")[-1]["session"])

    def speak(self, pcm: bytes) -> None:
        for audio in slices(pcm):
            self.send("input_audio_buffer.append", audio=audio)

    def error(self) -> Event:
        return dict(self.until("error")[-1]["error"])


def text_of(events: list[Event]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
