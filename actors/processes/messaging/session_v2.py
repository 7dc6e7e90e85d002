"""Version 2 of the session: also returns its metadata."""

from actors.processes.base import action
from actors.processes.messaging.session_v1 import Session
from actors.processes.request_body import EmptyBody
from actors.protocol.messages import Context, Effects


class SessionV2(Session):
    """Also returns its participants and metadata (mostao-mip-draft.md "MIP-03")."""

    __slots__ = ()

    module = "mostao.session@2"

    @action(
        "GetSession",
        reply="`participants` (two handle processes), `generation`, `messages`; after the first message also"
        " `lastMessageTime` (seconds)",
    )
    def get_session(self, body: EmptyBody, context: Context) -> Effects:
        """Return the participants, the newest generation, the number of messages and the time of the last one."""
        state, row = self.state, {}
        if len(state.messages):
            row["lastMessageTime"] = state.messages[len(state.messages) - 1].timestamp / 1000
        return Effects(
            {
                "participants": [state.a, state.b],
                "generation": len(state.batches),
                "messages": len(state.messages),
                **row,
            }
        )
