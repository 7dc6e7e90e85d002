"""Actions of people beside talking: they look back at old messages, let others relay for them, and make mistakes."""

from simulations.clients.user import Chat, NodeClient, User
from simulations.scenario.workload import DELEGATION_H, HOUR_S

ROWS = 7
"""Messages that a person looks at."""


async def look_back(user: User, client: NodeClient, session: str) -> None:
    """Query the chat list, all keys of a session, and some of its messages up to and from an earlier one."""
    await user.chat_list(client)
    await user.query(client, user.pid, "GetUnread")
    about = await user.query(client, session, "GetSession")
    for generation in range(about["generation"] + 2):
        await user.query(client, session, "GetKeyByGeneration", {"generation": generation})
    rows = await user.query(client, session, "QueryMessage", {"limit": ROWS})
    if rows:
        time = rows[-1]["timestamp"]
        for page in (
            {"until": time, "limit": 3},
            {"from": time, "limit": 3, "order": "ASC"},
            {"from": time, "until": time},
            {"from": time, "until": rows[0]["timestamp"], "order": "ASC"},
        ):
            await user.query(client, session, "QueryMessage", page)


async def appoint(user: User, client: NodeClient, delegate: User, now_ms: int) -> None:
    """Let another person relay for some hours.

    Raises:
        UserError: the handle refused.
    """
    expires = now_ms / 1000 + DELEGATION_H * HOUR_S
    await user.ask(client, user.pid, "AddDelegate", {"address": delegate.wallet.address, "expires": expires})


async def stand_in(delegate: User, client: NodeClient, user: User, session: str) -> None:
    """Relay a query of a session in another person's name. Whether the handle accepts it depends on the time."""
    relayed = {"Target": session, "Tags": {"Action": "GetSession"}, "Data": "{}"}
    await client.send(delegate.item(user.pid, "RelayMessage", relayed))


async def send_under_a_missing_key(chat: Chat) -> None:
    """Send a message under a key that the session does not have: the handle relays it, and the session refuses it."""
    await chat.relay("SendMessage", {"content": "bm8ga2V5", "generation": chat.generation + 100})
