"""Build time: a LLaSM checkpoint and a Whisper folder in, a bundle that the runtime reads out.

``python -m convert --help`` is the command line; ``load_parts`` and ``write_bundle`` are the same from
Python. The writers (``whisper``, ``adapter``, ``llm``, ``bundle``) work on numpy arrays; only
``checkpoint`` and ``parity`` import torch, inside their functions.
"""
