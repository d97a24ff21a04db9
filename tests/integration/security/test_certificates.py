"""TLS and mutual TLS on both ports, and renewal without a restart."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from fieldfare.aggregator import AdminClient, Aggregator
from fieldfare.core.access import Role
from fieldfare.core.errors import ConfigError, TransportError
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import GrpcTransport
from tests.integration.security.callers import credential, serving, with_security
from tests.support.certificates import Authority
from tests.support.fleet_threads import wait_until

REQUEST = aggregator_pb2.CheckInRequest(population="p", device_id=bytes(16))
SOON = timedelta(seconds=5)


def by_name(address: str) -> str:
    return address.replace("127.0.0.1", "localhost")


def test_devices_show_certificates_of_the_right_authority(tmp_path: Path) -> None:
    ours, strangers = Authority(tmp_path), Authority(tmp_path, "strangers")
    server, device = ours.issue("server"), ours.issue("device")
    stranger, expired = strangers.issue("stranger"), ours.issue("expired", lasts=timedelta(days=-1))
    settings = with_security(enrollment="off", tls_cert=server.cert, tls_key=server.key, tls_client_ca=ours.ca)
    with serving(tmp_path, settings) as aggregator:
        address = by_name(aggregator.address)
        good = GrpcTransport(address, tls_ca=ours.ca, tls_cert=device.cert, tls_key=device.key)
        assert good.check_in(REQUEST).come_back.reason == "no task for population 'p'"
        good.close()
        for own in (
            {},
            {"tls_cert": stranger.cert, "tls_key": stranger.key},
            {"tls_cert": expired.cert, "tls_key": expired.key},
        ):
            bad = GrpcTransport(address, tls_ca=ours.ca, timeout=SOON, **own)
            with pytest.raises(TransportError):
                bad.check_in(REQUEST)
            bad.close()
    with pytest.raises(ConfigError, match="needs both"):
        GrpcTransport(address, tls_cert=device.cert)


def test_administration_over_tls(tmp_path: Path) -> None:
    ours, strangers = Authority(tmp_path), Authority(tmp_path, "strangers")
    server, person = ours.issue("server"), ours.issue("person")
    token = credential(tmp_path, "ada", Role.ADMIN)
    settings = with_security(admin_tls_cert=server.cert, admin_tls_key=server.key, admin_tls_client_ca=ours.ca)
    own = {"tls_cert": person.cert, "tls_key": person.key}
    with serving(tmp_path, settings) as aggregator:
        address = by_name(aggregator.admin_address)
        with AdminClient(address, token=token, tls_ca=ours.ca, **own) as client:
            assert client.list() == []
        for options in ({"tls_ca": strangers.ca, **own}, {"tls_ca": ours.ca}, {}):
            with AdminClient(address, token=token, **options) as client, pytest.raises(TransportError):
                client.list()


def test_a_renewed_certificate_is_taken_without_a_restart(tmp_path: Path) -> None:
    first, second = Authority(tmp_path, "first"), Authority(tmp_path, "second")
    server = first.issue("server")
    settings = with_security(enrollment="off", tls_cert=server.cert, tls_key=server.key)

    def reached(authority: Authority) -> bool:
        transport = GrpcTransport(address, tls_ca=authority.ca, timeout=SOON)
        try:
            transport.check_in(REQUEST)
        except TransportError:
            return False
        finally:
            transport.close()
        return True

    with serving(tmp_path, settings) as aggregator:
        address = by_name(aggregator.address)
        held = GrpcTransport(address, tls_ca=first.ca)
        held.check_in(REQUEST)
        # Half of the new pair is no pair: the old certificate stays.
        old_key = server.key.read_bytes()
        second.issue("server")
        new_key = server.key.read_bytes()
        server.key.write_bytes(old_key)
        assert reached(first)
        server.key.write_bytes(new_key)
        wait_until(lambda: reached(second), "the new certificate")
        assert not reached(first)
        # What was connected before goes on.
        held.check_in(REQUEST)
        held.close()


def test_what_would_not_be_protected_is_refused(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    server, other = ours.issue("server"), ours.issue("other")
    tls = {"tls_cert": server.cert, "tls_key": server.key}
    admin_tls = {"admin_tls_cert": server.cert, "admin_tls_key": server.key}
    everywhere = "0.0.0.0:0"
    with pytest.raises(ConfigError, match="enrollment: off is for loopback"):
        Aggregator(tmp_path / "state", listen=everywhere, settings=with_security(enrollment="off", **tls))
    with pytest.raises(ConfigError, match="TLS is needed: give --tls-cert"):
        Aggregator(tmp_path / "state", listen=everywhere, settings=with_security())
    with pytest.raises(ConfigError, match="TLS is needed: give --admin-tls-cert"):
        Aggregator(tmp_path / "state", admin_listen=everywhere)
    exposed = Aggregator(tmp_path / "state", admin_listen=everywhere, settings=with_security(**admin_tls))
    with pytest.raises(ConfigError, match="credentials are needed"):
        exposed.start()
    credential(tmp_path, "ada", Role.VIEWER)
    with exposed:
        assert not any("administer" in one for one in exposed.warnings)
    mixed = with_security(tls_cert=server.cert, tls_key=other.key)
    with pytest.raises(ConfigError, match="does not belong to the key"):
        Aggregator(tmp_path / "state", settings=mixed).start()
    (tmp_path / "empty").write_text("")
    for changes, words in (
        ({"tls_cert": tmp_path / "empty", "tls_key": server.key}, r"^security\.tls_cert: .* holds no certificate"),
        ({"tls_cert": server.cert, "tls_key": tmp_path / "empty"}, r"^security\.tls_key: .* no private key"),
        ({"tls_cert": server.cert, "tls_key": tmp_path / "absent"}, r"^security\.tls_key: cannot read"),
        ({**tls, "tls_client_ca": tmp_path / "absent"}, r"^security\.tls_client_ca: cannot read"),
        ({**tls, "tls_client_ca": tmp_path / "empty"}, r"^security\.tls_client_ca: .* holds no certificate"),
        ({**admin_tls, "admin_tls_cert": tmp_path / "absent"}, r"^security\.admin_tls_cert: cannot read"),
    ):
        with pytest.raises(ConfigError, match=words):
            Aggregator(tmp_path / "state", settings=with_security(**changes)).start()
    with pytest.raises(ConfigError, match="tls_client_ca"):
        with_security(tls_client_ca=ours.ca)
    # With certificates of devices, enrolment may be off everywhere.
    settings = with_security(enrollment="off", tls_client_ca=ours.ca, **tls)
    with Aggregator(tmp_path / "state", listen=everywhere, settings=settings) as aggregator:
        assert any("with a client certificate" in one for one in aggregator.warnings)


def test_a_plain_caller_is_not_served_over_a_tls_port(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("server")
    settings = with_security(enrollment="off", tls_cert=server.cert, tls_key=server.key)
    with serving(tmp_path, settings) as aggregator, grpc.insecure_channel(aggregator.address) as channel:
        call = channel.unary_unary("/fieldfare.protos.v1.Aggregator/CheckIn")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=5)


def test_an_administrator_without_tls_is_told_of_it(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("server")
    settings = with_security(admin_tls_cert=server.cert, admin_tls_key=server.key)
    with (
        serving(tmp_path, settings) as aggregator,
        AdminClient(aggregator.admin_address) as admin,
        pytest.raises(TransportError, match="running there with TLS, which --tls-ca is for"),
    ):
        admin.list()
