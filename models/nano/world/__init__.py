"""nano's small world: everything a person may say to it, and what it answers.

Each module is a subject with one function ``generate(rng) -> Exchange``. The tables (``*.toml``) hold facts, recipes and words.
"""
