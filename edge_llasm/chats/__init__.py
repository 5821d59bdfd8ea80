"""The chats of this user, kept in one SQLite file on this machine."""

from edge_llasm.chats.store import Chat, Exchange, Store, chats_file

__all__ = ["Chat", "Exchange", "Store", "chats_file"]
