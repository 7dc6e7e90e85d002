"""People of their own who use every action of the processes, also without the right to it.

They act at random, and no other person depends on them. The model predicts what each action causes
(``simulations.world.model``). A new action of a process is a line in one of the tables below.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from actors.ans104.external_wallets import EthereumWallet
from actors.ans104.wallet import Wallet
from actors.protocol.canonical_json import encode
from actors.relation.services import Services
from simulations.clients.encryption import public_key_of, seal_session_key
from simulations.clients.user import NodeClient, User, UserError

Body = dict[str, Any]
NAMES = ("vera", "wim", "xena")
KEY_BYTES = 32
RIGHT = 0.7
"""How often the person acts who has the right to it."""


class Chores:
    """Random actions of a few people and accounts.

    Args:
        seed: the same seed gives the same actions.
        client: the connection to the node.
        now_ms: gives the virtual time in ms.

    Attributes:
        people: people of MostAO.
    """

    def __init__(self, seed: str, client: NodeClient, now_ms: Callable[[], int]) -> None:
        self._random, self._client, self._now = Random(seed), client, now_ms
        self.people = [User(name, entropy=self._random.randbytes) for name in NAMES]
        self._accounts = [EthereumWallet(self._random.randbytes(KEY_BYTES)) for _ in NAMES]
        self._sessions: list[str] = []
        self._groups: list[str] = []
        self._daos: list[str] = []
        self._founder = self.people[0]
        self._deck: list[tuple[str, str]] = []

    async def begin(self) -> None:
        """Register the people."""
        for user in self.people:
            await user.register(self._client)

    async def act(self) -> None:
        """Do one chore of MostAO. Whether the process refuses it is for the model to tell."""
        if not self._deck:
            self._deck = [(kind, action) for kind, table in _TABLES.items() for action in table for _ in range(2)]
            self._deck.append(("registry", "CreateGroup"))
            self._random.shuffle(self._deck)
        kind, action = self._deck.pop()
        if kind == "handle":
            await self._act_at_a_handle(action)
        elif kind == "registry" or not self._groups:
            await self._act_at_the_registry(action if kind == "registry" else "CreateGroup")
        else:
            await self._act_in_the_group(action)

    async def act_at_relation(self, services: Services, operator: Wallet, proxy: str) -> None:
        """Do one chore of Relation ONE.

        Args:
            services: its processes.
            operator: the owner of the proxy.
            proxy: id of the proxy's process.
        """
        account, relation = self._random.choice(self._accounts), services.relation
        action = self._random.choice(list(_RELATION))
        reply = await self._sign(account, relation, action, _RELATION[action](self, account.address))
        self._daos += [reply["dao"]] if "dao" in reply else []
        await self._query(services.keys.process, "getPublicKey", {})
        await self._query(relation, "profileURI", {"addr": self._account()})
        if self._daos:
            await self._query(relation, "daoURI", {"dao": self._random.choice(self._daos)})
        action = self._random.choice(("setMuted", "setSticky"))
        flags = {action.removeprefix("set").lower(): self._random.random() < 0.5}
        owner = operator if self._random.random() < 0.8 else account
        await self._sign(owner, proxy, action, {"addr": self._account(), "chat": self._account(), **flags})

    async def _act_at_a_handle(self, action: str) -> None:
        owner = self._person()
        await self._send(self._mostly(owner), owner.pid, action, _HANDLE[action](self))
        query = self._random.choice(list(_HANDLE_QUERIES))
        await self._query(owner.pid, query, _HANDLE_QUERIES[query](self))

    async def _act_at_the_registry(self, action: str) -> None:
        person = self._person()
        reply = await self._send(
            self._mostly(person), self._client.registry, action, _REGISTRY[action](self, person.handle)
        )
        if "groupID" in reply:
            self._groups.append(reply["groupID"])
            self._founder = person
            others = [user.pid for user in self.people if user is not person]
            await self._relay(person, reply["groupID"], "AddMember", {"members": others})
        if "sessionID" in reply:
            self._sessions.append(reply["sessionID"])
        action = self._random.choice(list(_REGISTRY_QUERIES))
        await self._query(self._client.registry, action, _REGISTRY_QUERIES[action](self))

    async def _act_in_the_group(self, action: str) -> None:
        person = self._mostly(self._founder)
        if action == "RotateGroupKey":
            await self._rotate(person, self._groups[-1])
        else:
            await self._relay(person, self._groups[-1], action, _GROUP[action](self))

    async def _rotate(self, person: User, group: str) -> None:
        """Make a new key of a group, in two messages if there are several members."""
        about = await self._query(group, "GetGroup", {})
        members = [row["member"] for row in await self._query(group, "GetMembers", {})]
        await self._query(group, "GetMembers", {"offset": 1, "limit": 1})
        await self._query(group, "GetCurrentKey", {"member": person.pid})
        key = person.entropy(KEY_BYTES)
        sealed = {
            user.pid: seal_session_key(key, public_key_of(user.pubkey), person.entropy)
            for user in self.people
            if user.pid in members
        }
        for action, pids in (("RotateGroupKey", members[:1]), ("AddGroupKeys", members[1:])):
            if pids:
                part = {"epoch": about["epoch"], "sealed": {pid: sealed[pid] for pid in pids}}
                await self._relay(person, group, action, part)

    async def _send(self, person: User, target: str, action: str, body: Body) -> Body:
        return await self._sign(person.wallet, target, action, body)

    async def _relay(self, person: User, group: str, action: str, body: Body) -> None:
        message = {"Target": group, "Tags": {"Action": action}, "Data": encode(body)}
        await self._send(person, person.pid, "RelayMessage", message)

    async def _sign(self, wallet: Any, target: str, action: str, body: Body) -> Body:
        """Send a signed message. Returns its reply; empty if it was refused."""
        item = wallet.sign(target=target, action=action, data=encode(body), anchor=self._random.randbytes(32))
        result = await self._client.send(item)
        return {} if result.error is not None else dict(result.answer)

    async def _query(self, process: str, action: str, body: Body) -> Any:
        try:
            return await self.people[0].query(self._client, process, action, body)
        except UserError:
            return None

    def _mostly(self, right: User) -> User:
        """The right person for an action, or sometimes anyone."""
        return right if self._random.random() < RIGHT else self._person()

    def _person(self) -> User:
        return self._random.choice(self.people)

    def _account(self) -> str:
        return self._random.choice(self._accounts).address

    def _conversation(self) -> str:
        return self._random.choice([*self._sessions, *self._groups, "none"])

    def _pair(self) -> Body:
        one, other = self._random.sample(self.people, 2)
        return {"handleA": one.handle, "handleB": other.handle}

    def _domain(self) -> str:
        return f"domain {self._random.randrange(2)}"

    def _dao(self) -> str:
        return self._random.choice([*self._daos, self._accounts[0].address])


_HANDLE: dict[str, Callable[[Chores], Body]] = {
    "ProfileUpdate": lambda chores: {"bio": f"bio {chores._random.randrange(9)}"},
    "SetEnv": lambda chores: {"theme": chores._random.choice(("dark", "light", None)), "size": [1, None]},
    "AddContact": lambda chores: {"handle": chores._person().handle, "note": "a chore"},
    "RemoveContact": lambda chores: {"handle": chores._person().handle},
    "AddDelegate": lambda chores: {
        "address": chores.people[0].wallet.address,
        "expires": chores._now() / 1000 + 3600 * chores._random.randrange(5),
    },
    "RemoveDelegate": lambda chores: {"address": chores.people[0].wallet.address},
    "MarkAsViewed": lambda chores: {"sessionID": chores._conversation()},
    "RemoveChat": lambda chores: {"sessionID": chores._conversation()},
}
_HANDLE_QUERIES: dict[str, Callable[[Chores], Body]] = {
    "GetEnv": lambda _: {},
    "GetDelegates": lambda _: {},
    "GetChatList": lambda chores: {"offset": chores._random.randrange(3), "limit": 2},
    "GetContacts": lambda chores: {"offset": chores._random.randrange(3), "limit": 2},
}
_REGISTRY: dict[str, Callable[[Chores, str], Body]] = {
    "Register": lambda chores, _: {"name": chores._domain()},
    "Renounce": lambda chores, _: {"name": chores._domain()},
    "EstablishSession": lambda chores, _: chores._pair(),
    "CreateGroup": lambda chores, own: {"handle": own, "name": "chores", "free": chores._random.random() < 0.5},
    "JoinGroup": lambda chores, own: {"handle": own, "group": chores._groups[-1] if chores._groups else "none"},
}
_REGISTRY_QUERIES: dict[str, Callable[[Chores], Body]] = {
    "QueryDomain": lambda chores: {"name": chores._domain()},
    "QuerySession": lambda chores: chores._pair(),
    "GetHandles": lambda chores: {"owner": chores._person().wallet.address},
    "GetDomains": lambda chores: {"owner": chores._person().wallet.address},
}
_GROUP: dict[str, Callable[[Chores], Body]] = {
    "Invite": lambda chores: {"members": [chores._person().pid]},
    "AddMember": lambda chores: {"members": [chores._person().pid]},
    "Remove": lambda chores: {"members": [chores._person().pid]},
    "Leave": lambda _: {},
    "SetRole": lambda chores: {
        "member": chores._person().pid,
        "role": chores._random.choice(("administrator", "member")),
    },
    "SetGroup": lambda chores: {"announcement": f"news {chores._random.randrange(9)}"},
    "MarkAsViewed": lambda _: {},
    "RotateGroupKey": lambda _: {},
}
_TABLES: dict[str, dict[str, Any]] = {"handle": _HANDLE, "registry": _REGISTRY, "group": _GROUP}
_RELATION: dict[str, Callable[[Chores, str], Body]] = {
    "register": lambda chores, own: {"owner": own, "name": f"chore{chores._random.randrange(9)}.eth"},
    "setProfileURI": lambda chores, _: {"profileURI": f"ar://{chores._random.randrange(9)}"},
    "follow": lambda chores, _: {"addr": chores._account()},
    "unfollow": lambda chores, _: {"addr": chores._account()},
    "deployDaoContract": lambda _, own: {"owner": own, "name": "chores"},
    "setDaoURI": lambda chores, _: {"dao": chores._dao(), "uri": f"ar://{chores._random.randrange(9)}"},
    "setFreeJoin": lambda chores, _: {"dao": chores._dao(), "free": chores._random.random() < 0.5},
    "join": lambda chores, _: {"dao": chores._dao()},
    "addMember": lambda chores, _: {"dao": chores._dao(), "addr": [chores._account()]},
    "remove": lambda chores, _: {"dao": chores._dao(), "addr": chores._account()},
}
