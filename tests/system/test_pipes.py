"""Pipes tell whose something has come, and what."""

import os
from collections.abc import Callable
from contextlib import closing
from multiprocessing import Pipe

import pytest

from savemasks.system.pipes import Pipes


@pytest.mark.parametrize("taken", [[], ["select.poll"]])
def test_pipes_tell_whose_something_has_come(
    taken: list[str], take_away: Callable[..., None]
) -> None:
    take_away(*taken)
    ends = [Pipe() for _ in range(3)]
    with closing(Pipes()) as pipes:
        assert pipes.ready(0) == []
        for number, (ours, _) in enumerate(ends):
            pipes.add(ours, number)
        assert pipes.ready(0) == []
        ends[1][1].send_bytes(b"x")
        assert pipes.ready(60) == [1]
        ends[2][1].close()
        assert sorted(pipes.ready(60)) == [1, 2]
        pipes.remove(ends[1][0])
        assert pipes.ready(60) == [2]
    for end in (*ends[0], *ends[1], ends[2][0]):
        end.close()


@pytest.mark.parametrize("taken", [[], ["select.poll"]])
def test_messages_that_have_come_through_a_pipe_are_read_at_once(
    taken: list[str], take_away: Callable[..., None]
) -> None:
    take_away(*taken)
    ours, theirs = Pipe()
    messages = [b"", b"lemon", bytes(20_000), b"kiwi" * 10]
    with closing(Pipes()) as pipes:
        pipes.add(ours, "owner")
        for message in messages:
            theirs.send_bytes(message)
        read: list[bytes] = []
        while len(read) < len(messages):
            assert pipes.ready(60) == ["owner"]
            read += pipes.read(ours)
        assert read == messages
        theirs.close()
        assert pipes.ready(60) == ["owner"]
        with pytest.raises(EOFError):
            pipes.read(ours)
    ours.close()


def test_a_message_may_come_in_pieces() -> None:
    ours, theirs = Pipe()
    with closing(Pipes()) as pipes:
        pipes.add(ours, "owner")
        length = (5).to_bytes(4, "big")
        for piece, complete in (
            (length[:1], []),
            (length[1:] + b"le", []),
            (b"mon" + length, [b"lemon"]),
            # Lengths that four bytes cannot hold are written so.
            (b"lemon" + b"\xff" * 4 + (3).to_bytes(8, "big")[:7], [b"lemon"]),
            (b"\3fig", [b"fig"]),
        ):
            os.write(theirs.fileno(), piece)
            assert pipes.read(ours) == complete
    ours.close()
    theirs.close()
