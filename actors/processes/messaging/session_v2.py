"""A session that says what it is (mostao-mip-draft.md MIP-03: message history, participant list, metadata)."""

from actors.processes.base import action
from actors.processes.messaging.session_v1 import Session
from actors.processes.request_body import NoBody
from actors.protocol.messages import Context, Effects


class SessionV2(Session):
    """Module ``mostao.session@2``: version 1, and its metadata."""

    __slots__ = ()

    module = "mostao.session@2"

    @action("GetSession")
    def get_session(self, body: NoBody, context: Context) -> Effects:
        """Its participants, how many generations of keys and messages it has, and when the last came, in seconds."""
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
