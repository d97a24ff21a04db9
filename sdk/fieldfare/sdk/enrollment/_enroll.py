"""The two calls that give a device a token."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fieldfare.core.errors import AuthenticationError, ProtocolError
from fieldfare.core.signing import enrollment_message, public_key_of, refresh_message, sign
from fieldfare.protos.v1 import aggregator_pb2
from fieldfare.sdk.enrollment._membership import LATEST_MICROS, Member, Membership
from fieldfare.sdk.transport import Transport

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TOKEN_CHARACTERS = 4096
_LONGEST_TOKEN_MICROS = 366 * 86_400 * 10**6


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def enroll(transport: Transport, membership: Membership, device_id: bytes, key: str, now: datetime) -> Member:
    """Enrol with a one-time key. Made again after a lost answer, it gives the same device a token.

    Args:
        transport: reaches the aggregator.
        membership: gets the key pair and the token.
        device_id: 16 bytes of the device's own making.
        key: that an administrator made.
        now: by the device's clock.

    Raises:
        TransportError: the aggregator cannot be reached, or refuses.
        ProtocolError: it does not keep to the protocol.
        StorageError: key or token cannot be kept.
    """
    seed = membership.private_key(create=True)
    request = aggregator_pb2.EnrollRequest(
        key=key,
        device_id=device_id,
        public_key=public_key_of(seed),
        signature=sign(seed, enrollment_message(device_id, key)),
    )
    member = _with_token(Member(), transport.enroll(request), now)
    membership.write(member)
    return member


def refresh(transport: Transport, membership: Membership, member: Member, device_id: bytes, now: datetime) -> Member:
    """The next token. Where the aggregator says that the clock is wrong, its own time is signed instead, once.

    Raises:
        TransportError: the aggregator cannot be reached, or refuses.
        ProtocolError: it does not keep to the protocol.
        StateError: the device's key is gone.
        StorageError: the token cannot be kept.
    """
    seed = membership.private_key()
    try:
        return _refresh(transport, membership, member, device_id, seed, now)
    except AuthenticationError as error:
        if error.server_time_micros is None or error.server_time_micros > LATEST_MICROS:
            raise
        behind = error.server_time_micros - micros(now)
        member = replace(member, clock_behind_micros=behind, signed_micros=0)
        return _refresh(transport, membership, member, device_id, seed, now)


def _refresh(
    transport: Transport, membership: Membership, member: Member, device_id: bytes, seed: bytes, now: datetime
) -> Member:
    time = max(micros(now) + member.clock_behind_micros, member.signed_micros + 1, 0)
    # Noted before it is sent: whatever becomes of the answer, the next one is later.
    member = replace(member, signed_micros=time)
    membership.write(member)
    request = aggregator_pb2.RefreshTokenRequest(
        device_id=device_id, time_micros=time, signature=sign(seed, refresh_message(device_id, time))
    )
    member = _with_token(member, transport.refresh_token(request), now)
    membership.write(member)
    return member


def _with_token(member: Member, answer: aggregator_pb2.AccessToken, now: datetime) -> Member:
    if not 0 < len(answer.token) <= _LONGEST_TOKEN_CHARACTERS or not answer.token.isascii():
        raise ProtocolError("the aggregator's answer holds no usable access token")
    try:
        lasts = answer.expires_in.ToTimedelta() // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise ProtocolError("the access token ends at a time that cannot be") from error
    if not 0 < lasts <= _LONGEST_TOKEN_MICROS or answer.server_time_micros > LATEST_MICROS:
        raise ProtocolError("the access token lasts, or the aggregator's clock shows, a time that cannot be")
    return replace(
        member,
        population=answer.population,
        token=answer.token,
        expires_micros=answer.server_time_micros + lasts,
        clock_behind_micros=answer.server_time_micros - micros(now),
    )
