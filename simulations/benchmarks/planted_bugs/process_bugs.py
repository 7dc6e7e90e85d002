"""Bugs in handles, sessions and groups."""

from typing import Any

from msgspec.structs import replace

from actors.processes.collections.map import Map
from actors.protocol.messages import Effects
from simulations.benchmarks.planted_bugs.bug import Plant, PlantedBug, Proceed, every
from simulations.clients.group import GroupChat

HANDLE, SESSION, GROUP = "mostao.handle", "mostao.session", "mostao.group"


def _lost_notification(plant: Plant) -> None:
    due = every(13)

    def send(proceed: Proceed, *_: Any) -> Effects:
        effects = proceed()
        return replace(effects, messages=()) if due() else effects

    plant.handler(SESSION, "SendMessage", send)


def _double_send(plant: Plant) -> None:
    due = every(13)

    def relay(proceed: Proceed, *_: Any) -> Effects:
        effects = proceed()
        return replace(effects, messages=effects.messages * 2) if due() else effects

    plant.handler(HANDLE, "RelayMessage", relay)


def _lost_update(plant: Plant) -> None:
    due = every(7)

    def update(proceed: Proceed, process: Any, *_: Any) -> Effects:
        before, effects = process.state, proceed()
        if due():
            process.state = before
        return effects

    plant.handler(HANDLE, "ProfileUpdate", update)


def _time_not_updated(plant: Plant) -> None:
    def notify(proceed: Proceed, process: Any, _: Any, context: Any) -> Effects:
        before = process.state.chats.get(context.sender)
        effects = proceed()
        if before is not None and before.last_message is not None:
            _keep_chat(process, context.sender, last_message=before.last_message)
        return effects

    plant.handler(HANDLE, "Notify", notify)


def _reset_by_repetition(plant: Plant) -> None:
    def update(proceed: Proceed, process: Any, body: Any, context: Any) -> Effects:
        is_known = body.sessionID in process.state.chats
        effects = proceed()
        if is_known:
            new = {"last_message": None, "last_viewed": None, "unread": 0, "activity": context.slot}
            _keep_chat(process, body.sessionID, **new)
        return effects

    plant.handler(HANDLE, "UpdateChatList", update)


def _order_of_equal_times(plant: Plant) -> None:
    def chat_list(proceed: Proceed, *_: Any) -> Effects:
        rows: list[Any] = []
        for row in proceed().reply:
            is_equal = rows and "lastMessageTime" in row and rows[-1].get("lastMessageTime") == row["lastMessageTime"]
            rows.insert(len(rows) - 1 if is_equal else len(rows), row)
        return Effects(rows)

    plant.handler(HANDLE, "GetChatList", chat_list)


def _refusal_of_another_message(plant: Plant) -> None:
    def reply(proceed: Proceed, process: Any, _: Any, context: Any) -> Effects:
        effects = proceed()
        chat = process.state.chats.get(context.sender)
        if chat is not None and chat.refusal is not None:
            _keep_chat(process, context.sender, refused_message=context.message_id)
        return effects

    plant.handler(HANDLE, "Reply", reply)


def _delegate_after_expiry(plant: Plant) -> None:
    def relay(proceed: Proceed, process: Any, _: Any, context: Any) -> Effects:
        delegates = process.state.delegates
        if context.sender in delegates:
            process.state = replace(process.state, delegates=delegates.set(context.sender, context.timestamp + 1))
        effects = proceed()
        process.state = replace(process.state, delegates=delegates)
        return effects

    plant.handler(HANDLE, "RelayMessage", relay)


def _shared_state(plant: Plant) -> None:
    shared: dict[str, str] = {}

    def add(proceed: Proceed, process: Any, body: Any, _: Any) -> Effects:
        effects = proceed()
        shared[body.handle] = body.note or ""
        process.state = replace(process.state, contacts=Map(shared))
        return effects

    plant.handler(HANDLE, "AddContact", add)


def _until_excludes_its_end(plant: Plant) -> None:
    def query(proceed: Proceed, _: Any, body: Any, __: Any) -> Effects:
        if body.until is not None:
            body.until = max(body.until - 0.001, 0)
        return proceed()

    plant.handler(SESSION, "QueryMessage", query)


def _swapped_messages(plant: Plant) -> None:
    due = every(9)

    def query(proceed: Proceed, *_: Any) -> Effects:
        effects = proceed()
        rows = effects.reply
        if len(rows) > 1 and due():
            rows[0]["content"], rows[1]["content"] = rows[1]["content"], rows[0]["content"]
        return effects

    plant.handler(SESSION, "QueryMessage", query)


def _wrong_generation(plant: Plant) -> None:
    def key(proceed: Proceed, process: Any, body: Any, __: Any) -> Effects:
        asked = body.generation
        if asked:
            body.generation = min(asked + 1, len(process.state.batches))
        return Effects([{**row, "generation": asked} for row in proceed().reply])

    plant.handler(SESSION, "GetKeyByGeneration", key)


def _key_batch_without_a_member(plant: Plant) -> None:
    members = GroupChat.members

    async def all_but_the_last(self: GroupChat) -> list[str]:
        found = await members(self)
        return found[:-1] if found[-1] != self._user.pid else found

    def rotate(proceed: Proceed, process: Any, _: Any, context: Any) -> Effects:
        present = process.state.members
        last = max(present, key=lambda pid: present[pid].author)
        if last != context.sender:
            process.state = replace(process.state, members=present.delete(last))
        effects = proceed()
        process.state = replace(process.state, members=present)
        return effects

    plant.attribute(GroupChat, "members", all_but_the_last)
    plant.handler(GROUP, "RotateGroupKey", rotate)


def _removed_member_stays(plant: Plant) -> None:
    def remove(proceed: Proceed, process: Any, body: Any, _: Any) -> Effects:
        removed = {pid: process.state.members.get(pid) for pid in body.members}
        effects = proceed()
        members = process.state.members.update({pid: member for pid, member in removed.items() if member})
        process.state = replace(process.state, members=members)
        return effects

    plant.handler(GROUP, "Remove", remove)


def _viewed_by_all(plant: Plant) -> None:
    def view(proceed: Proceed, process: Any, *_: Any) -> Effects:
        effects = proceed()
        state = process.state
        viewed = {pid: replace(member, viewed=len(state.messages)) for pid, member in state.members.items()}
        process.state = replace(state, members=Map(viewed))
        return effects

    plant.handler(GROUP, "MarkAsViewed", view)


def _keep_chat(process: Any, session: str, **changes: Any) -> None:
    chats = process.state.chats
    process.state = replace(process.state, chats=chats.set(session, replace(chats[session], **changes)))


PROCESS_BUGS = (
    PlantedBug("lost notification", "every 13th message of the sessions sends no Notify", _lost_notification),
    PlantedBug("double send", "every 13th relay sends its message twice", _double_send),
    PlantedBug("lost update", "every 7th profile update is acknowledged and not kept", _lost_update),
    PlantedBug("time not updated", "a Notify leaves the time of the last message as it was", _time_not_updated),
    PlantedBug("reset by repetition", "a repeated UpdateChatList resets the chat", _reset_by_repetition),
    PlantedBug("order of equal times", "chats with equal times are listed in the wrong order", _order_of_equal_times),
    PlantedBug(
        "refusal of another", "a handle keeps a refusal with the id of another message", _refusal_of_another_message
    ),
    PlantedBug("delegate stays", "a delegate relays after the end of the delegation", _delegate_after_expiry),
    PlantedBug("shared state", "all handles share one map of contacts", _shared_state),
    PlantedBug(
        "until off by one", "QueryMessage excludes messages at the end of the time span", _until_excludes_its_end
    ),
    PlantedBug("swapped contents", "every 9th page swaps the contents of two messages", _swapped_messages),
    PlantedBug("wrong generation", "GetKeyByGeneration returns the key of the next generation", _wrong_generation),
    PlantedBug(
        "incomplete key batch", "a group accepts a key that the newest member lacks", _key_batch_without_a_member
    ),
    PlantedBug("removed member stays", "a removed member of a group stays a member", _removed_member_stays),
    PlantedBug("viewed by all", "when a member views a group, all members count as having viewed it", _viewed_by_all),
)
