"""The control interface: how scenarios, tests and the page act as people (JSON over HTTP, loopback only).

Every call is checked here for its fields (unknown ones are refused) and handed to the platform, which knows what a
person may do there. Whatever cannot be done is answered with HTTP 400 and `{"error": "why"}`.

A fault's `seconds` means what is natural for its kind: with `429` the wait that the platform asks for (default 1), with
`slow` the delay of the answer (default 2), with all others how long the fault lasts (`deaf`: default 30). `times` is
how many calls are hit: by default 1, or without limit where `seconds` says how long the fault lasts; 0 takes back the
platform's pending faults of that kind (with `match`: those with that `match` only), and ends deafness. `match` is a
text that the path or the decoded body of a call must hold; without it calls that only wait for events are not hit.

A `swallow_reply` is carried out at once, and never answered; with `late`, only so many seconds after its client has
left, as a request that was held up on the way. A `429` of Discord with `html` comes from Cloudflare. A `disconnect`
with `match` acts on one connection: of Slack by its number from 1, of Discord (`deaf` too) by its shard. Deliveries
over HTTP are hit by faults that name them: see `hooks.py`. The platforms `openai` and `drand` take faults too;
`wrong` and `corrupt` are drand's own (see there).

`POST /control/endpoint` is the platform's web page where an app's owner types in the address that Slack (`kind` is
`events`, `interactivity` or `commands`; all without it) or Discord posts to; Telegram is told by `setWebhook`.
`POST /control/manifest` is where an app's manifest is pasted (Slack): from then on other commands are not its own, and
events that it does not name are not pushed.
`POST /control/intents` is the page where Discord's privileged intents are switched on, those of `intents` and no
others: `members`, `presences`, `message_content`. All are on until somebody calls it.
`POST /control/populate` makes places to write to: private chats that their members have started on Telegram, channels
on Slack and Discord. `POST /control/say_many` is many `say`s of one platform in one call: `says` lists their fields.
`POST /control/crowd` makes `count` members named after `prefix`, of whom nothing is told. `POST /control/click_many`
and `vote_many` are many people's clicks (`clicks`: `{"member", "button"}`) or native votes (`votes`: `{"member",
"options"}`) on one message, `at_once` of them at the same time (see `crowds.py`).
A `click` that is `forged` sends its `button` as data, whatever stands under the message: on Telegram clients can do so
(Bot API, `CallbackQuery`), and may not have heard yet that a button is gone. Slack and Discord let nobody do it.
`GET /control/info` also tells the enforced rate limits, under `limits`.
A member's `created` is when their account was made, `boosting` whether they boost the place, `blocked` whether they
take no private messages from the bot; Slack knows none of these, Telegram no times. `GET /control/file` gives what is
in a file that `GET /control/channel` names, by its `id` there: as `text`, or `base64` where it is none.

`GET /control/channel` takes `after=` too, a message's id: only what stands below that message is answered
(everything where it is not there any more), so that a look at a channel of thousands costs little.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from aiohttp import web

from bot.sandbox import crowds
from bot.sandbox.frame import ControlError, Fault, FaultKind, Frame, Json, Platform, Service
from bot.sandbox.openai import OpenAIServer

Call = dict[str, Json]
Handler = Callable[[web.Request], Awaitable[web.Response]]

TEXT, ID, NUMBER, FLAG, ITEMS, FIELDS, FILE, ANY = "text", "id", "number", "flag", "items", "fields", "file", "any"

_CHECKS: dict[str, Callable[[Json], bool]] = {
    TEXT: lambda value: isinstance(value, str),
    ID: lambda value: isinstance(value, str) and value != "",
    NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e10,
    FLAG: lambda value: isinstance(value, bool),
    ITEMS: lambda value: isinstance(value, list),
    FIELDS: lambda value: isinstance(value, dict),
    FILE: lambda value: isinstance(value, str | dict),
    ANY: lambda value: True,
}

_PERSON = {"platform": ID, "member": ID, "tenant": ID}
_PLACE = {**_PERSON, "channel": ID}
_MESSAGE = {**_PLACE, "message_id": ID}

_FIELDS: dict[str, dict[str, str]] = {
    "say": {**_PLACE, "text": TEXT, "reply_to": ID, "attachment": FILE},
    "command": {**_PLACE, "text": TEXT},
    "click": {**_MESSAGE, "button": ID, "forged": FLAG},
    "submit": {**_PERSON, "form_id": ID, "values": FIELDS},
    "vote": {**_MESSAGE, "options": ITEMS},
    "react": {**_MESSAGE, "emoji": ID, "remove": FLAG},
    "edit": {**_MESSAGE, "text": TEXT},
    "delete": _MESSAGE,
    "member": {
        **_PERSON, "name": TEXT, "roles": ITEMS, "joined_at": ANY, "created": ANY, "is_bot": FLAG, "left": FLAG,
        "boosting": FLAG, "blocked": FLAG,
    },
    "raw": {"platform": ID, "tenant": ID, "event": ANY},
    "fault": {
        "platform": ID, "tenant": ID, "kind": ID, "times": NUMBER, "seconds": NUMBER, "match": TEXT, "late": NUMBER,
        "html": FLAG,
    },
    "endpoint": {"platform": ID, "tenant": ID, "url": TEXT, "kind": ID},
    "manifest": {"platform": ID, "tenant": ID, "manifest": FIELDS},
    "intents": {"platform": ID, "tenant": ID, "intents": ITEMS},
    "populate": {"platform": ID, "tenant": ID, "count": NUMBER, "prefix": ID},
    "say_many": {"platform": ID, "tenant": ID, "says": ITEMS},
    "crowd": {
        "platform": ID, "tenant": ID, "prefix": ID, "count": NUMBER, "roles": ITEMS, "joined_at": ANY, "created": ANY,
    },
    "click_many": {"platform": ID, "tenant": ID, "channel": ID, "message_id": ID, "clicks": ITEMS, "at_once": NUMBER},
    "vote_many": {"platform": ID, "tenant": ID, "channel": ID, "message_id": ID, "votes": ITEMS, "at_once": NUMBER},
    "model": {"tenant": ID, "match": TEXT, "reply": ANY, "status": NUMBER, "delay": NUMBER},
    "advance": {"tenant": ID, "seconds": NUMBER},
    "channel": {"platform": ID, "channel": ID, "member": ID, "after": ID, "tenant": ID},
    "journal": {"after": ID, "tenant": ID},
    "file": {"platform": ID, "tenant": ID, "id": ID},
    "info": {"tenant": ID},
}  # fmt: skip
_OPTIONAL = {
    "tenant", "reply_to", "attachment", "remove", "name", "roles", "joined_at", "is_bot", "left",
    "times", "seconds", "match", "reply", "status", "delay", "after", "late", "prefix", "html", "at_once", "forged",
    "created", "boosting", "blocked",
}  # fmt: skip

_OPTIONAL_THERE = {("channel", "member"), ("endpoint", "kind")}
_REQUIRED_THERE = {"advance": {"seconds"}, "crowd": {"prefix"}}
_MOST = 100_000
"""How many places or messages one call may make."""
_BREATH = 50
"""After so many messages at once, the loop sees to the others."""


def read_fields(call: str, given: Json) -> Call:
    """The call's fields, checked; ids given as numbers become text, absent optional ones stay absent.

    Raises `ControlError` for whatever the call does not know, lacks or holds in another type.
    """
    if not isinstance(given, dict):
        raise ControlError(f"/control/{call} takes a JSON object")
    known = _FIELDS[call]
    if unknown := sorted(given.keys() - known.keys()):
        raise ControlError(f"/control/{call} has no field {', '.join(unknown)}; it takes {', '.join(known)}")
    fields = {name: _plain(known[name], value) for name, value in given.items() if value is not None or name == "event"}
    required = known.keys() - _OPTIONAL
    required = required - {n for place, n in _OPTIONAL_THERE if place == call} | _REQUIRED_THERE.get(call, set())
    if missing := sorted(required - fields.keys()):
        raise ControlError(f"/control/{call} needs {', '.join(missing)}")
    for name, value in fields.items():
        if not _CHECKS[known[name]](value):
            raise ControlError(f"/control/{call}: {name} is not {_KIND_WORDS[known[name]]}: {value!r}")
    return fields


_KIND_WORDS = {
    TEXT: "a text", ID: "an id or a name", NUMBER: "a number, 0 or more", FLAG: "true or false", ITEMS: "a list",
    FIELDS: "an object", FILE: "a file's name or an object", ANY: "anything",
}  # fmt: skip


def _plain(kind: str, value: Json) -> Json:
    """Ids may come as numbers (Telegram's do)."""
    return str(value) if kind == ID and isinstance(value, int) and not isinstance(value, bool) else value


def read_fault(call: Mapping[str, Json]) -> Fault:
    """The fault that a `/control/fault` call describes (see the module's text for what `seconds` means)."""
    kind, seconds, times = call["kind"], call.get("seconds"), call.get("times")
    if kind not in get_args(FaultKind):
        raise ControlError(f"no fault {kind!r}; there are {', '.join(get_args(FaultKind))}")
    if kind in ("wrong", "corrupt") and call["platform"] != "drand":
        raise ControlError(f"{kind} is for drand, whose rounds can be other than they should be")
    if times is not None and times != int(times):
        raise ControlError("times is a whole number; 0 takes back what was asked for before")
    if kind == "deaf":
        seconds = 30.0 if seconds is None else seconds
    lasts = kind not in ("429", "slow") and seconds is not None
    count = int(times) if times is not None else (None if lasts else 1)
    if kind == "deaf" and count != 0:
        count = None
    until = time.monotonic() + seconds if lasts and seconds is not None else None
    late = call.get("late")
    if late is not None and kind != "swallow_reply":
        raise ControlError("late says when a swallow_reply is carried out; no other kind takes it")
    html = bool(call.get("html"))
    if html and (kind, call["platform"]) != ("429", "discord"):
        raise ControlError("html is for Discord's 429, which can come from Cloudflare")
    match = call.get("match") or None
    return Fault(kind, times=count, seconds=seconds, match=match, until=until, late=late, html=html)


_encode = json.JSONEncoder(ensure_ascii=False).encode


class Encoded(str):
    """An answer that is JSON text already."""


class Control:
    """The handlers of `/control/...` over the platforms that are running."""

    def __init__(
        self, frame: Frame, platforms: Mapping[str, Platform], openai: OpenAIServer, services: Sequence[Service]
    ) -> None:
        self._frame = frame
        self._platforms = platforms
        self._openai = openai
        self._services = {service.name: service for service in services}

    def routes(self) -> list[web.RouteDef]:
        """All routes under `/control/`."""
        acts: dict[str, Callable[[Call], Awaitable[Json]]] = {
            "say": self._say,
            "member": self._member,
            "raw": self._raw,
            "fault": self._fault,
            "model": self._model,
            "advance": self._advance,
            "endpoint": self._endpoint,
            "manifest": self._own_page("manifest", "manifests: the bot registers its commands itself"),
            "intents": self._own_page("intents", "intents"),
            "populate": self._populate,
            "say_many": self._say_many,
            "crowd": lambda call: crowds.gather_crowd(self._platform(call), call),
            "click_many": self._many("click", "clicks", "button"),
            "vote_many": self._many("vote", "votes", "options"),
        }
        for name in ("command", "click", "submit", "vote", "react", "edit", "delete"):
            acts[name] = self._person(name)
        looks: dict[str, Callable[[Call], Awaitable[Json]]] = {
            "info": self._info,
            "channel": self._channel,
            "journal": self._journal,
            "file": lambda call: _file(self._platform(call), call),
        }
        posts = [web.post(f"/control/{name}", _endpoint(name, act)) for name, act in acts.items()]
        return posts + [web.get(f"/control/{name}", _endpoint(name, look)) for name, look in looks.items()]

    def environment(self) -> dict[str, str]:
        """What a bot needs to come here, as `HERALD_...` environment variables."""
        env: dict[str, str] = {}
        for server in (*self._platforms.values(), *self._services.values()):
            env |= server.environment()
        return env | {"HERALD_CHANNELS": json.dumps(self.channels())}

    def channels(self) -> dict[str, str | int]:
        """Channel ids of all platforms by `platform/name`."""
        pairs = ((p, name, id_) for p, platform in self._platforms.items() for name, id_ in platform.channels().items())
        return {f"{platform}/{name}": id_ for platform, name, id_ in pairs}

    def _platform(self, call: Call) -> Platform:
        found = self._platforms.get(call["platform"])
        if found is None:
            raise ControlError(f"no platform {call['platform']!r}; there are {', '.join(self._platforms)}")
        return found

    async def _say(self, call: Call) -> Json:
        if not call["text"] and not call.get("attachment"):
            raise ControlError("an empty message cannot be sent: give text or an attachment")
        return {"message_id": str(await self._platform(call).say(_placed(call)))}

    def _person(self, name: str) -> Callable[[Call], Awaitable[Json]]:
        async def act(call: Call) -> Json:
            if call.get("forged") and call["platform"] != "telegram":
                raise ControlError(f"{call['platform']} sends only what stands under its messages")
            method = getattr(self._platform(call), name)
            answer = await method(_placed(call))
            return {} if answer is None else answer

        return act

    async def _member(self, call: Call) -> Json:
        fields = {name: value for name, value in call.items() if name not in ("platform", "member", "tenant")}
        return self._platform(call).member(call["member"], fields, call.get("tenant"))

    async def _endpoint(self, call: Call) -> Json:
        answer = await self._platform(call).endpoint(call["url"].strip(), call.get("kind"))
        return {} if answer is None else answer

    def _own_page(self, name: str, without: str) -> Callable[[Call], Awaitable[Json]]:
        """A page for an app's owner that only some platforms have; its call's one field is called like the page."""

        async def act(call: Call) -> Json:
            take = getattr(self._platform(call), name, None)
            if take is None:
                raise ControlError(f"{call['platform']} has no {without}")
            return take(call[name])

        return act

    async def _populate(self, call: Call) -> Json:
        count, prefix = crowds.whole(call, "count", _MOST), call.get("prefix", "crowd")
        return {"ids": self._platform(call).populate(count, prefix, call.get("tenant"))}

    def _many(self, name: str, acts: str, wants: str) -> Callable[[Call], Awaitable[Json]]:
        async def act(call: Call) -> Json:
            at_once = crowds.whole(call, "at_once", crowds.MOST_AT_ONCE, crowds.AT_ONCE)
            place = {n: value for n, value in _placed(call).items() if n not in (acts, "at_once")}
            return await crowds.act_many(getattr(self._platform(call), name), place, call[acts], at_once, wants)

        return act

    async def _say_many(self, call: Call) -> Json:
        about = {name: call[name] for name in ("platform", "tenant") if name in call}
        if len(call["says"]) > _MOST:
            raise ControlError(f"at most {_MOST} messages in one call")
        says = [read_fields("say", {**one, **about} if isinstance(one, dict) else one) for one in call["says"]]
        ids = []
        for number, one in enumerate(says, 1):
            ids.append((await self._say(one))["message_id"])
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        return {"message_ids": ids}

    async def _raw(self, call: Call) -> Json:
        answer = await self._platform(call).raw(call["event"])
        return {} if answer is None else answer

    async def _fault(self, call: Call) -> Json:
        fault = read_fault(call)
        server = self._services.get(call["platform"]) or self._platform(call)
        if fault.times != 0:
            await server.fault(fault)
            return {}
        server.faults.forget(fault.kind, fault.match)
        if fault.kind == "deaf":
            await server.fault(replace(fault, seconds=0.0))
        return {}

    async def _model(self, call: Call) -> Json:
        self._openai.add_rule({name: value for name, value in call.items() if name != "tenant"})
        return {}

    async def _advance(self, call: Call) -> Json:
        self._frame.clock.advance(float(call["seconds"]))
        return {"now": self._frame.clock.now()}

    async def _info(self, _call: Call) -> Json:
        env = self.environment()
        limits = {name: dict(platform.published) for name, platform in self._platforms.items()}
        return {**env, "env": env, "channels": self.channels(), "limits": limits}

    async def _channel(self, call: Call) -> Json:
        place = _placed(call)
        seen = self._platform(call).seen(place["channel"], call.get("member"), call.get("tenant"))
        behind = next((number for number, message in enumerate(seen, 1) if message.id == call.get("after")), 0)
        return Encoded('{"messages": [' + ", ".join([message.encoded for message in seen[behind:]]) + "]}")

    async def _journal(self, call: Call) -> Json:
        after = call.get("after", "0")
        if not after.isdecimal():
            raise ControlError(f"after is the seq of a journal row, not {after!r}")
        return Encoded("[" + ", ".join(self._frame.journal.after(int(after))) + "]")


async def _file(platform: Platform, call: Call) -> Json:
    """What is in a file, as text where it is one."""
    found = platform.file(call["id"], call.get("tenant"))
    shown = {"name": found.name, "type": found.media_type, "size": len(found.data)}
    try:
        return shown | {"text": found.data.decode("utf-8")}
    except UnicodeDecodeError:
        return shown | {"base64": base64.b64encode(found.data).decode()}


def _placed(call: Call) -> Call:
    """The call with `platform/name` shortened to the platform's own channel name."""
    channel = call.get("channel")
    if isinstance(channel, str) and channel.startswith(call["platform"] + "/"):
        return {**call, "channel": channel.partition("/")[2]}
    return call


def _endpoint(name: str, act: Callable[[Call], Awaitable[Any]]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            given = dict(request.query) if request.method == "GET" else await _json(request, garbage=name == "raw")
            answer = await act(read_fields(name, given))
        except ControlError as error:
            return web.json_response({"error": str(error)}, status=400)
        text = answer if isinstance(answer, Encoded) else _encode(answer)
        body = text.encode("utf-8", "backslashreplace")
        return web.Response(body=body, content_type="application/json")

    return handle


async def _json(request: web.Request, *, garbage: bool) -> Json:
    """The body; with `garbage` also one with lone surrogates, which no person can type."""
    try:
        given = json.loads(await request.text())
        if not garbage:
            json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    return given
