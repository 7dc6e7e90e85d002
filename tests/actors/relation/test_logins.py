"""A login is worth one session, at one domain, for one account."""

from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.node.limits import PerPeriod
from actors.relation.login_domains import DomainMalformed, LoginDomains, WrongDomain, listening_domains
from actors.relation.logins import CHALLENGE_S, LOGIN_S, LoginLimits, Logins, NotLoggedIn
from actors.relation.sessions import Login, Sessions
from actors.relation.used_challenges import LoginsFull, TooManyLogins
from simulations.clients.relation_user import RelationUser, hex_signature
from tests.actors.people import NOW_MS
from tests.actors.relation.seed_client import Client, personal_sign
from tests.actors.relation.served import proxies

OWN, EVIL = "chat.example", "evil.example"
_SEEDS = count(1)


def user() -> RelationUser:
    seed = next(_SEEDS).to_bytes(2, "big")
    return RelationUser(lambda size: (seed * size)[:size], now=NOW_MS)


class LoginWorld:
    """The logins of a proxy, and a clock that the test sets."""

    def __init__(self, *domains: str, **limits: Any) -> None:
        self.now_ms = NOW_MS
        self.logins = Logins(lambda: self.now_ms, LoginDomains(domains or [OWN]), LoginLimits(**limits))

    def challenge(self, user: RelationUser, host: str = OWN) -> tuple[str, str]:
        challenge = self.logins.challenge(user.address, host)
        return challenge, hex_signature(user.wallet, challenge)

    def login(self, user: RelationUser) -> Login:
        return self.logins.login(*self.challenge(user), OWN)

    def is_in(self, login: Login) -> bool:
        try:
            return self.logins.of(login.token) == login
        except NotLoggedIn:
            return False


async def test_a_challenge_for_another_domain_is_neither_issued_nor_accepted(path: Path) -> None:
    async with proxies(path) as served:
        client = Client(served.url)
        port = served.url.rpartition(":")[2]

        async def post(route: str, body: Any, host: str) -> httpx.Response:
            async with httpx.AsyncClient() as http:
                return await http.post(f"{served.url}{route}", json=body, headers={"Host": host})

        async def login(challenge: str, host: str) -> int:
            signed = {"challenge": challenge, "signature": personal_sign(client.account, challenge)}
            return (await post("/login", signed, host)).status_code

        own = f"127.0.0.1:{port}"
        for host in (
            EVIL,
            f"evil.example:{port}",
            "127.0.0.1",
            f"{own}@evil.example",
            f"http://{own}",
            "x" * 300,
            "a b",
        ):
            refusal = await post("/login/challenge", {"address": client.address}, host)
            assert refusal.status_code == 421
            assert f"accounts log in to this proxy at 127.0.0.1:{port} or localhost:{port}" in refusal.json()["error"]
        for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LocalHost:{port}"):
            response = await post("/login/challenge", {"address": client.address}, host)
            challenge = response.json()["challenge"]
            assert challenge.startswith(f"{host.lower()} wants you to sign in")
            assert f"\nURI: http://{host.lower()}\n" in challenge
            assert await login(challenge, EVIL) == 421
            other = f"127.0.0.1:{port}" if "ocal" in host else f"localhost:{port}"
            assert await login(challenge, other) == 421  # the challenge is for the other name
            assert await login(challenge, host) == 200


def test_a_domain_is_a_host_with_an_optional_port() -> None:
    domains = LoginDomains(["Chat.Example", "https://tls.example:443", "[::1]:4200"])
    for host, domain, uri in (
        ("chat.example", "chat.example", "http://chat.example"),
        ("CHAT.example:80", "chat.example", "http://chat.example"),
        ("tls.example", "tls.example", "https://tls.example"),
        ("[::1]:4200", "[::1]:4200", "http://[::1]:4200"),
    ):
        assert domains.check(host) == domain
        assert domains.uri(domain) == uri
    for host in (
        "",
        "chat.example:4200",
        "chat.example/x",
        "x@chat.example",
        "chat.example ",
        "chat.example\n",
        "[::1",
        "http://chat.example",
        "HTTP://chat.example",
        "https://tls.example",
    ):
        with pytest.raises(WrongDomain):
            domains.check(host)
    for text in ("", "a/b", "ftp://a", "a:x", "a:99999", "a b", "u@a", "http://", "a?b", "a#b", "[::1", "ä.example"):
        with pytest.raises(DomainMalformed, match="is not a domain, as in"):
            LoginDomains([text])


def test_the_listening_address_is_the_default_domain() -> None:
    for host, address, expected in (
        ("127.0.0.1", "127.0.0.1", ["127.0.0.1:4200", "localhost:4200"]),
        ("localhost", "127.0.0.1", ["127.0.0.1:4200", "localhost:4200"]),
        ("::1", "::1", ["[::1]:4200", "localhost:4200"]),
        ("chat.example", "192.0.2.1", ["192.0.2.1:4200", "chat.example:4200"]),
        ("0.0.0.0", "0.0.0.0", []),
        ("::", "::", []),
    ):
        assert listening_domains((address, 4200), host) == expected


def test_100000_logins_of_one_account_end_no_other_session_and_free_no_used_challenge() -> None:
    world, alice, bob = LoginWorld(), user(), user()
    theirs = world.login(bob)
    used = world.challenge(bob)
    world.logins.login(*used, OWN)
    accepted: list[Login] = []
    challenge, signature = world.challenge(alice)
    for _ in range(100_000):
        with suppress(TooManyLogins):
            accepted.append(world.logins.login(challenge, signature, OWN))
            challenge, signature = world.challenge(alice)
    with pytest.raises(TooManyLogins, match="has logged in 100 times within a few minutes, which is the limit"):
        world.logins.login(challenge, signature, OWN)
    assert len(accepted) == LoginLimits().account_logins
    assert world.is_in(theirs)
    assert [world.is_in(login) for login in accepted] == [False] * 68 + [True] * LoginLimits().account_sessions
    with pytest.raises(NotLoggedIn, match="was used"):
        world.logins.login(*used, OWN)
    world.now_ms += CHALLENGE_S * 1000
    world.login(alice)
    with pytest.raises(NotLoggedIn, match="expired"):
        world.logins.login(*used, OWN)


def test_a_used_challenge_stays_used_when_the_clock_goes_back() -> None:
    world, alice = LoginWorld(), user()
    used = world.challenge(alice)
    world.logins.login(*used, OWN)
    world.now_ms += 2 * CHALLENGE_S * 1000
    world.login(alice)  # the proxy forgets expired challenges now
    world.now_ms = NOW_MS + 1000
    with pytest.raises(NotLoggedIn, match="was used"):
        world.logins.login(*used, OWN)


def test_where_the_total_of_logins_is_reached_others_are_refused_and_no_session_is_ended() -> None:
    world = LoginWorld(logins=3)
    logins = [world.login(user()) for _ in range(3)]
    with pytest.raises(LoginsFull, match="3 logins within a few minutes"):
        world.login(user())
    assert all(world.is_in(login) for login in logins)


def test_where_all_sessions_are_taken_a_login_replaces_the_longest_unused_one() -> None:
    world, alice = LoginWorld(sessions=3), user()
    first, second, third = (world.login(one) for one in (alice, user(), user()))
    assert world.is_in(first)  # and used now
    newest = world.login(user())
    assert [world.is_in(login) for login in (second, third, first, newest)] == [False, True, True, True]
    again = world.login(alice)  # in place of her own first session
    assert [world.is_in(login) for login in (first, third, newest, again)] == [False, True, True, True]
    world.logins.logout(third)
    assert world.is_in(world.login(user()))
    assert world.is_in(newest)
    world.now_ms += LOGIN_S * 1000
    assert not world.is_in(newest)
    for _ in range(3):
        world.login(user())


def test_100000_sessions_of_other_accounts_lock_no_account_out() -> None:
    sessions = Sessions(account_max=32, total_max=100_000)
    active = Login("active", "0xactive", 86_400)
    sessions.add(active, 0)
    for number in range(100_000):
        sessions.add(Login(f"token {number}", f"0x{number:040x}", 86_400), 0)
        if number % 1_000 == 0:
            assert sessions.find("active", 0) is active
    victim = Login("victim", "0xvictim", 86_400)
    sessions.add(victim, 0)
    assert sessions.find("victim", 0) is victim
    assert sessions.find("active", 0) is active


def test_an_address_logs_in_a_limited_number_of_times_and_others_are_not_affected() -> None:
    world = LoginWorld(address_logins=PerPeriod(3, 3600))
    for _ in range(3):
        world.logins.login(*world.challenge(user()), OWN, "192.0.2.1")
    with pytest.raises(
        TooManyLogins, match=r"login limit: at most 3 logins per hour from one address; try again in \d+ s"
    ):
        world.logins.login(*world.challenge(user()), OWN, "192.0.2.1")
    world.logins.login(*world.challenge(user()), OWN, "192.0.2.2")
    unlimited = LoginWorld(address_logins=None)
    for _ in range(201):
        unlimited.logins.login(*unlimited.challenge(user()), OWN, "192.0.2.1")
