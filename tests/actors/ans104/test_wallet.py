import errno
import os
import stat
from pathlib import Path

import pytest

from actors.ans104.wallet import Wallet, WalletError


def test_a_wallet_comes_back_from_its_key_file(tmp_path: Path) -> None:
    wallet = Wallet.create()
    wallet.save(tmp_path / "key")
    assert Wallet.load(tmp_path / "key").address == wallet.address


def test_only_its_owner_can_read_a_key_file(tmp_path: Path) -> None:
    Wallet.create().save(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    first = Wallet.create()
    first.save(tmp_path / "key")
    with pytest.raises(WalletError, match="File exists"):
        Wallet.create().save(tmp_path / "key")
    assert Wallet.load(tmp_path / "key").address == first.address


def test_two_wallets_are_two_people() -> None:
    assert Wallet.create().address != Wallet.create().address
    assert Wallet(bytes(32)).address == Wallet(bytes(32)).address


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"not json", b'{"kty":"RSA"}', b'{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}', b"\xff\xfe"],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(WalletError, match="is not an Ed25519 key file"):
        Wallet.load(tmp_path / "key")
    with pytest.raises(WalletError, match="cannot be read"):
        Wallet.load(tmp_path / "missing")


def test_a_crash_leaves_a_key_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(descriptor: int) -> None:
        assert not (tmp_path / "key").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        Wallet.create().save(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_kept_on_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    wallet = Wallet.create()
    wallet.save(tmp_path / "key")
    assert Wallet.load(tmp_path / "key").address == wallet.address
    with pytest.raises(WalletError):
        Wallet.create().save(tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key")
    with pytest.raises(WalletError, match="it is not a regular file"):
        Wallet.load(tmp_path / "key")


def test_an_empty_key_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(WalletError, match=r"\(it is empty\): restore a copy of the key"):
        Wallet.load(tmp_path / "key")


def test_a_key_whose_public_half_is_anothers_is_refused(tmp_path: Path) -> None:
    Wallet(bytes(32)).save(tmp_path / "key")
    Wallet(bytes([1]) * 32).save(tmp_path / "other")
    mixed = (tmp_path / "key").read_bytes().replace(b'"d":"AAAA', b'"d":"AQEB')
    (tmp_path / "key").write_bytes(mixed)
    with pytest.raises(WalletError, match="does not belong"):
        Wallet.load(tmp_path / "key")
