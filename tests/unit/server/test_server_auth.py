"""Who asks, by the token that is shown."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from ehmi_ap.config import BackendConfig, Config, Secret
from ehmi_ap.errors import ConfigError, RequestRefused
from ehmi_ap.server.auth import Caller, Tokens, digest_of, only_admin
from tests.pair import write_pair


@pytest.fixture
def config(tmp_path: Path) -> Config:
    _, beta = write_pair(tmp_path)
    backends = {
        "plain": BackendConfig(kind="rest", token=Secret(value="plain-token")),
        "hashed": BackendConfig(kind="rest", token=Secret(value=f"sha256:{hashlib.sha256(b'a token').hexdigest()}")),
        "none": BackendConfig(kind="directory"),
    }
    config = Config.load(beta.config)
    return replace(config, backends=backends, internal=replace(config.internal, admin_token=Secret(value="admin")))


def shown(token: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}"}


def test_a_token_stands_for_a_backend_or_the_administrator(config: Config):
    tokens = Tokens(config)
    assert tokens.caller(shown("plain-token")) == Caller("plain")
    assert tokens.caller(shown("a token")) == Caller("hashed")
    assert tokens.caller(shown("admin", "bearer")).is_admin


@pytest.mark.parametrize("token", ["", "wrong", "none", "plain-token2", hashlib.sha256(b"a token").hexdigest()])
def test_anything_else_is_401(config: Config, token: str):
    with pytest.raises(RequestRefused) as refused:
        Tokens(config).caller(shown(token))
    assert refused.value.status == 401
    assert token not in str(refused.value) or not token


def test_the_digest_itself_is_no_token(config: Config):
    hashed = f"sha256:{hashlib.sha256(b'a token').hexdigest()}"
    with pytest.raises(RequestRefused):
        Tokens(config).caller(shown(hashed))


def test_without_an_administrators_token_nobody_is_one(config: Config):
    tokens = Tokens(replace(config, internal=replace(config.internal, admin_token=None)))
    with pytest.raises(RequestRefused):
        tokens.caller(shown("admin"))


def test_a_token_that_cannot_be_read_is_a_mistake_of_configuration(config: Config, tmp_path: Path):
    missing = Secret(file=tmp_path / "no-such-file")
    with pytest.raises(ConfigError, match="no-such-file"):
        Tokens(replace(config, backends={"x": BackendConfig(kind="rest", token=missing)}))


def test_what_only_looks_like_a_digest_is_a_token():
    assert digest_of("sha256:short") == hashlib.sha256(b"sha256:short").digest()
    assert digest_of("sha256:" + "g" * 64) == hashlib.sha256(b"sha256:" + b"g" * 64).digest()


def test_a_backend_sees_its_own_and_the_administrator_all():
    assert Caller("a").may_see("a")
    assert not Caller("a").may_see("b")
    assert Caller(None).may_see("b")
    with pytest.raises(RequestRefused) as refused:
        only_admin(Caller("a"))
    assert refused.value.status == 403
    assert only_admin(Caller(None)) is None
