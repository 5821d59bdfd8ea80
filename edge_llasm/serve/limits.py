"""What a client may take, so that none takes everything."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bounds of one server."""

    queue: int = 64
    """questions that wait; one client may have three quarters of these"""
    body_bytes: int = 32 << 20
    """of one request"""
    held_bytes: int = 256 << 20
    """of all requests that are being read or answered"""
    audio_seconds: float = 600.0
    """of all recordings in one request, and of one question over the socket"""
    recordings: int = 64
    """in one request"""
    connections: int = 256
    """open at once, sockets among them"""
    sockets: int = 32
    """of these: each has a thread"""
    header_bytes: int = 16 << 10
    """of one request's head"""
    idle_seconds: float = 30.0
    """without a byte while a request is read; between requests a connection is closed after a sixth of this"""
    total_seconds: float = 600.0
    """of one request, its answer included"""
    socket_seconds: float = 3600.0
    """without a message, before a socket is closed"""
    chat_turns: int = 256
    """that a socket remembers"""
    memo_bytes: int = 64 << 20
    """of embeddings: what was heard in earlier turns is not heard again"""
    cache_bytes: int = 512 << 20
    """of KV caches: chats that can go on without being read again"""
