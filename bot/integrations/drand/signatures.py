"""Signatures of drand's scheme bls-unchained-g1-rfc9380: BLS over BLS12-381, signature on G1, public key on G2.

What is signed is the SHA-256 of the round's number in eight bytes, big-endian. A check takes some milliseconds.
"""

from __future__ import annotations

from hashlib import sha256

from py_arkworks_bls12381 import GT, G1Point, G2Point

DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
"""The domain that drand hashes under (RFC 9380, 8.10)."""


class Signatures:
    """Checks signatures under one chain's public key."""

    def __init__(self, key: str) -> None:
        """`key` is the compressed point in hex. Raises ValueError where that is no public key."""
        try:
            self._key = G2Point.from_compressed_bytes(bytes.fromhex(key))
        except ValueError:
            raise ValueError("is no public key: no point of the curve's second group") from None
        if self._key == G2Point.identity() or self._key.to_compressed_bytes().hex() != key.lower():
            raise ValueError("is no public key: nothing could be signed with it")

    def holds(self, number: int, signature: str) -> bool:
        """Whether this (compressed, hex) is the chain's signature of a round."""
        try:
            point = G1Point.from_compressed_bytes(bytes.fromhex(signature))
        except ValueError:
            return False
        if point == G1Point.identity() or point.to_compressed_bytes().hex() != signature:
            return False  # nothing, or a second way of writing the same point, which would be a second value
        message = G1Point.hash_to_curve(sha256(number.to_bytes(8, "big")).digest(), DOMAIN)
        return GT.pairing_check([point, -message], [G2Point(), self._key])
