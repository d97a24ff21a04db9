import pytest

from fieldfare.core.client_tls import ClientTls, read_client_tls
from fieldfare.core.errors import ConfigError


def test_what_is_named_is_read(tmp_path):
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(name)
    assert read_client_tls(tmp_path / "ca", tmp_path / "cert", tmp_path / "key") == ClientTls(b"ca", b"key", b"cert")
    assert read_client_tls(tmp_path / "ca", None, None).is_asked_for
    assert not read_client_tls(None, None, None).is_asked_for


def test_what_cannot_be_used(tmp_path):
    with pytest.raises(ConfigError, match=r"tls_ca: .*absent cannot be read"):
        read_client_tls(tmp_path / "absent", None, None)
    with pytest.raises(ConfigError, match="needs both"):
        read_client_tls(None, tmp_path / "cert", None)
