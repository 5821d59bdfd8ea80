"""What lands in an editor."""

import pytest

from edge_llasm.live.code_block import code_block


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```python\nprint(total)\n```", "print(total)"),
        ("Like this:\n```python\ndef f():\n    pass\n```\nThat is all.", "def f():\n    pass"),
        ("```\n    if x:\n\ty()\n```", "    if x:\n\ty()"),
        ("1. so\n   ```python\n   a\n     b\n   ```", "a\n  b"),
        ("```python\nfirst\n```\n```python\nsecond\n```", "first"),
        ("```python\nfor i in range(3):\n    pri", "for i in range(3):\n    pri"),
        ("# 你好 `code`", ""),
        ("", ""),
    ],
)
def test_only_the_first_block_is_kept_and_moved_to_the_left(answer: str, code: str) -> None:
    assert code_block(answer) == code
