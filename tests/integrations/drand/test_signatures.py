"""Signatures of rounds: two that drand's quicknet published, and whatever is not one."""

from __future__ import annotations

import pytest
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from bot.integrations.drand.signatures import Signatures
from bot.settings import Giveaways

from .mirrors import KEY, SECRET, signed

QUICKNET = Giveaways().key
ROUNDS = {
    1000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    1001: "b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41",
}
"""As published."""


def test_published_rounds_are_signed_with_the_key_of_the_settings() -> None:
    for number, signature in ROUNDS.items():
        assert Signatures(QUICKNET).holds(number, signature)


def test_a_signature_is_of_one_round_and_one_chain() -> None:
    assert not Signatures(QUICKNET).holds(1000, ROUNDS[1001])
    assert not Signatures(QUICKNET).holds(1001, ROUNDS[1000])
    assert not Signatures(KEY).holds(1000, ROUNDS[1000])
    assert Signatures(KEY).holds(7, signed(7))
    assert not Signatures(KEY).holds(7, signed(7, SECRET + Scalar(1)))
    assert not Signatures(KEY).holds(7, signed(7 << 8))


@pytest.mark.parametrize("at", range(0, 48, 5))
def test_every_byte_of_a_signature_counts(at: int) -> None:
    raw = bytearray.fromhex(ROUNDS[1000])
    raw[at] ^= 1
    assert not Signatures(QUICKNET).holds(1000, raw.hex())


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "00",
        "00" * 48,
        "ff" * 48,
        "c0" + "00" * 47,  # the point at infinity, which "holds" under the key of the secret 0
        "c0" + "11" * 47,
        ROUNDS[1000][:-2],
        ROUNDS[1000] + "00",
        (-G1Point.from_compressed_bytes(bytes.fromhex(ROUNDS[1000]))).to_compressed_bytes().hex(),
    ],
)
def test_what_is_no_signature(signature: str) -> None:
    assert not Signatures(QUICKNET).holds(1000, signature)


def test_a_point_beside_the_group_is_no_second_signature() -> None:
    """The pairing alone cannot tell it from the signature: whoever adds it would have another value of the round."""
    outside = G1Point.from_compressed_bytes_unchecked(bytes.fromhex("80" + "00" * 46 + "04"))
    beside = outside * (Scalar(0) - Scalar(1)) + outside  # as often as the group has points: what is not of the group
    assert beside != G1Point.identity()
    signature = G1Point.from_compressed_bytes(bytes.fromhex(ROUNDS[1000]))
    assert not Signatures(QUICKNET).holds(1000, (signature + beside).to_compressed_bytes().hex())


@pytest.mark.parametrize(
    "key", ["", "00" * 96, "ff" * 96, "c0" + "00" * 95, "c0" + "ff" * 95, QUICKNET[:-2], QUICKNET[:96], "zz" * 96]
)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="is no public key"):
        Signatures(key)


def test_a_key_is_the_one_way_of_writing_it() -> None:
    assert Signatures(QUICKNET.upper()).holds(1000, ROUNDS[1000])
    assert G2Point.from_compressed_bytes(bytes.fromhex(KEY)) == G2Point() * SECRET
