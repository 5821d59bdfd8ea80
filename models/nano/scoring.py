"""Token error: the edits between what was heard and what was said."""


def distance(heard: list[str], said: list[str]) -> int:
    """Edits (insertions, deletions, substitutions) between two token lists."""
    row = list(range(len(said) + 1))
    for i, token in enumerate(heard, 1):
        diagonal, row[0] = row[0], i
        for j, wanted in enumerate(said, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (token != wanted))
    return row[-1]
