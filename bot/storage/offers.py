"""What is given, and to whom, as a JSON text and back."""

from __future__ import annotations

import json
from dataclasses import asdict

from bot.domain.giveaways import Bonus, Contest, Offer, Requirements
from bot.domain.places import Channel


def offer_json(offer: Offer) -> str:
    """An offer as a text."""
    return json.dumps(asdict(offer), ensure_ascii=False, separators=(",", ":"))


def read_offer(text: str) -> Offer:
    """What `offer_json` wrote."""
    o = json.loads(text)
    r, contest = o["requirements"], o["contest"]
    lists = {name: tuple(r[name]) for name in ("roles", "allow", "block")}
    bonuses = tuple(Bonus(**one) for one in r["bonuses"])
    requirements = Requirements(**{**r, **lists, "bonuses": bonuses})
    if contest is not None:
        contest = Contest(**{**contest, "channel": Channel(**contest["channel"])})
    return Offer(**{**o, "requirements": requirements, "contest": contest})
