"""Whoever waits for keys is woken by an event."""

import select

from edge_llasm.live.events import Written
from edge_llasm.live.mailbox import Mailbox


def waiting(mailbox: Mailbox) -> bool:
    return bool(select.select([mailbox], [], [], 0)[0])


def test_it_is_readable_as_long_as_there_is_something_to_take() -> None:
    mailbox = Mailbox()
    assert not waiting(mailbox)
    for i in range(3000):  # more than a socket holds
        mailbox.put(Written(str(i)))
    assert waiting(mailbox)
    assert [event for event in mailbox.take() if isinstance(event, Written)][-1] == Written("2999")
    assert not waiting(mailbox)
    assert list(mailbox.take()) == []
    mailbox.put(Written("again"))
    assert waiting(mailbox)
    assert list(mailbox.take()) == [Written("again")]
    mailbox.close()
    mailbox.close()
