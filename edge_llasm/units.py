"""Numbers as people read them."""

__all__ = ["readable"]


def readable(size: int) -> str:
    """Bytes -> "5.2 GB", "25.3 MB", "1.5 kB"."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
