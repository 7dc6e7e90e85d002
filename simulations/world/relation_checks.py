"""The invariants of Relation ONE at the end of a day."""

from collections.abc import Collection

from actors.relation.archive_reader import read_back
from actors.relation.folder_archive import FolderArchive
from actors.relation.packing import Packer
from actors.relation.services import Services
from simulations.world.invariants import Journal, check
from simulations.world.relation_person import RelationPerson


async def check_person(
    person: RelationPerson, services: Services, journal: Journal, *, groups: Collection[str], follows: int
) -> None:
    """Check the unread count, chats and friends of a person who has read everything.

    Args:
        person: the person.
        services: the processes of Relation ONE.
        journal: knows who sent messages to whom.
        groups: addresses of the person's groups.
        follows: number of people that the person follows.

    Raises:
        Finding: one of them is wrong.
    """
    await person.read_all()
    unread, chats = await person.state()
    check(unread == 0, f"unread messages of {person.handle}", 0, unread)
    partners = {
        sender if receiver == person.address else receiver
        for sender, receiver in journal.sent
        if person.address in (sender, receiver) and " to " not in sender
    }
    expected, found = partners | set(groups), {chat["id"] for chat in chats}
    check(found == expected, f"the chats of {person.handle}", expected, found)
    friends = await services.calls.ask(services.relation, "following", addr=person.address)
    check(len(friends) == follows, f"the friends of {person.handle}", follows, friends)


async def check_archive(packer: Packer, services: Services, archive: FolderArchive) -> list[int]:
    """Pack the remaining messages, and check that the newest pack's id leads to all messages in order.

    Returns:
        The number of messages in each pack.

    Raises:
        Finding: the archive differs from the log.
    """
    await packer.pack()
    state = await services.calls.ask(services.relation, "waitingAfter", after=-1)
    if not state["messages"]:
        return []
    newest = (await services.calls.ask(services.archive, "getArchive"))["newest"]
    packed: list[int] = []
    archived: list[str] = []
    async for transaction in read_back(archive, newest):
        packed.append(len(transaction.messages))
        archived = [message.id for message in transaction.messages] + archived
    sent: list[str] = []
    while len(sent) < state["messages"]:
        rows = await services.calls.ask(services.relation, "messagesAfter", after=len(sent) - 1, limit=500)
        sent += [row["message"]["id"] for row in rows]
    check(archived == sent, "the archive", f"{len(sent)} messages in order", f"{len(archived)} messages")
    return packed
