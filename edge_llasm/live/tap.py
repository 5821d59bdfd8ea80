"""Held or tapped?"""

__all__ = ["TAP_S"]

TAP_S = 0.3
"""s; a key that goes up sooner was tapped, not held"""
