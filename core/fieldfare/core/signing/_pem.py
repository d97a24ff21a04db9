"""Keys as PEM files that other tools read too (`openssl pkey`): PKCS #8 and SubjectPublicKeyInfo (RFC 8410).

`cryptography` is loaded with the first call, as in `_ed25519`.
"""

from fieldfare.core.errors import ConfigError


def private_key_to_pem(seed: bytes) -> bytes:
    """The private key, not encrypted: the file's mode protects it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_key_from_pem(pem: bytes) -> bytes:
    """The 32 bytes of an Ed25519 private key.

    Raises:
        ConfigError: no PEM, another kind of key, or one that is encrypted.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            "this is no private key: `fieldfare plan keygen` makes one; an encrypted key must be decrypted first"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("this private key is not an Ed25519 key: `fieldfare plan keygen` makes one")
    return key.private_bytes_raw()


def public_key_to_pem(public_key: bytes) -> bytes:
    """The public key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public_key).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_key_from_pem(pem: bytes) -> bytes:
    """The 32 bytes of an Ed25519 public key.

    Raises:
        ConfigError: no PEM, or another kind of key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("this is no public key: `fieldfare plan keygen` makes one beside the private key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("this public key is not an Ed25519 key: `fieldfare plan keygen` makes one")
    return key.public_bytes_raw()
