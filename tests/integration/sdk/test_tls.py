"""TLS against a real server with a certificate of the test's own making."""

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from fieldfare.core.errors import PeerError, TransportError
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk import GrpcTransport
from tests.support.scripted_aggregator import ScriptedAggregator

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
REQUEST = aggregator_pb2.CheckInRequest(population="p", device_id=bytes(16))


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


def test_the_given_authority_is_trusted_and_no_other(tmp_path: Path) -> None:
    key, cert = certificate(tmp_path, "server")
    _, stranger = certificate(tmp_path, "stranger")
    with ScriptedAggregator(tls=(key.read_bytes(), cert.read_bytes())) as aggregator:
        good = GrpcTransport(aggregator.address, tls_ca=cert)
        assert good.check_in(REQUEST).come_back.reason == "no task"
        good.close()
        with pytest.raises(TransportError, match="closed"):
            good.check_in(REQUEST)
        bad = GrpcTransport(aggregator.address, tls_ca=stranger, timeout=timedelta(seconds=5))
        with pytest.raises(TransportError, match="not signed by an authority that is trusted here") as caught:
            bad.check_in(REQUEST)
        bad.close()
        assert isinstance(caught.value, PeerError)
        plain = GrpcTransport(aggregator.address, timeout=timedelta(seconds=5))
        with pytest.raises(TransportError, match="cannot reach"):
            plain.check_in(REQUEST)
        plain.close()
        assert len(aggregator.check_ins) == 1
