"""Files of an item that lie in an archive: read, copied, or made files of their own for a while."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ..errors import ImageError, ItemError
from ..projects.items import Item
from ..projects.members import (
    Member,
    MemberError,
    bytes_as_file,
    member_as_file,
    read_in_pieces,
    read_member,
)
from ..store.files import Store, Written
from ..store.packs import PackStore
from .job import Outcome, Stamp


def stamp_of(member: Member) -> Stamp:
    """What tells whether a member, or its archive, has changed."""
    return Stamp(member.st_size, member.st_mtime_ns)


def contents_of(member: Member, name: str, failure: type[ItemError], outcome: Outcome) -> bytes:
    """Read a member, which must fit into memory; its stamp goes to the outcome."""
    outcome.inputs[name] = stamp_of(member)
    with _failing(failure, name):
        return read_member(member)


def copy_member(item: Item, store: Store | PackStore, name: str, member: Member) -> Written:
    """Put a copy of a member that is not in memory: the image of an item."""
    with _failing(ImageError, item.image), store.growing(name) as file:
        for piece in read_in_pieces(member):
            file.write([piece])
    return file.written


def path_of_image(item: Item, temporary: ExitStack, data: bytes | None = None) -> str:
    """Where the image of an item can be read, until `temporary` is closed.

    `data` is what it holds, if that is known.
    """
    if not (item.members and item.members.image):
        return item.image or ""
    try:
        with _failing(ImageError, item.image):
            if data is not None:
                return temporary.enter_context(bytes_as_file(data))
            return temporary.enter_context(member_as_file(item.members.image))
    except OSError as error:
        problem = f"cannot be copied to a temporary file (TMPDIR): {error.strerror}"
        raise ImageError(problem, file=item.image) from error


@contextmanager
def _failing(failure: type[ItemError], name: str | None) -> Iterator[None]:
    """Turn what is wrong with a member into an item's error."""
    try:
        yield
    except MemberError as error:
        raise failure(str(error), file=name) from error
