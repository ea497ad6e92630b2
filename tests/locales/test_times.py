"""Times in both languages: as people type them, as they are shown, and as they come again over clock changes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bot.chat.moments import Moment, split
from bot.domain.spans import LONGEST
from bot.locales.times import next_time, read_rule, read_time, said, show_time, warm
from bot.locales.zones import find_zone, is_zone, load_zone

BERLIN, NEW_YORK, SHANGHAI = "Europe/Berlin", "America/New_York", "Asia/Shanghai"
ZONES = [BERLIN, NEW_YORK, SHANGHAI, "UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"]
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def wall(at: float | None, zone: str) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%Y-%m-%d %H:%M}"


# --- points in time ------------------------------------------------------------------------------------------------

NOW = utc("2026-11-25 04:50:30")
"""A Wednesday; in Shanghai it is 12:50."""

READ = {
    "tomorrow 9am": "2026-11-26 09:00",
    "Tomorrow at 9 AM": "2026-11-26 09:00",
    "tomorrow at noon": "2026-11-26 12:00",
    "9:30pm tomorrow": "2026-11-26 21:30",
    "tomorrow": "2026-11-26 12:50",
    "the day after tomorrow 8:15": "2026-11-27 08:15",
    "today 18:00": "2026-11-25 18:00",
    "tonight 8pm": "2026-11-25 20:00",
    "friday 18:00": "2026-11-27 18:00",
    "by friday 18:00": "2026-11-27 18:00",
    "fri 6pm": "2026-11-27 18:00",
    "wednesday 18:00": "2026-11-25 18:00",
    "wednesday 9:00": "2026-12-02 09:00",
    "wednesday": "2026-12-02 12:50",
    "this friday 18:00": "2026-11-27 18:00",
    "next friday 18:00": "2026-12-04 18:00",
    "next wednesday": "2026-12-02 12:50",
    "18:00": "2026-11-25 18:00",
    "9:00": "2026-11-26 09:00",
    "12:50": "2026-11-26 12:50",
    "12:51": "2026-11-25 12:51",
    "midnight": "2026-11-26 00:00",
    "2026-12-01 09:00": "2026-12-01 09:00",
    "2026-12-01T09:00": "2026-12-01 09:00",
    "2026/12/01 09:00": "2026-12-01 09:00",
    "2026-12-01T09:00:00+08:00": "2026-12-01 09:00",
    "2026-12-01T09:00+01:00": "2026-12-01 16:00",
    "2026-12-01T09:00Z": "2026-12-01 17:00",
    "2026-12-01 09:00 UTC+1": "2026-12-01 16:00",
    "18:00 utc": "2026-11-26 02:00",
    "Dec 1, 9am": "2026-12-01 09:00",
    "1 December 9:00": "2026-12-01 09:00",
    "1st of december 9:00": "2026-12-01 09:00",
    "jan 1": "2027-01-01 12:50",
    "Fri 27 Nov 18:00": "2026-11-27 18:00",
    "31/12 9:00": "2026-12-31 09:00",
    "12/31/2026 9:00": "2026-12-31 09:00",
    "31.12. 9:00": "2026-12-31 09:00",
    "in 3 days at 18:00": "2026-11-28 18:00",
    "in 2 weeks 9am": "2026-12-09 09:00",
    "明天9:00": "2026-11-26 09:00",
    "明天18点": "2026-11-26 18:00",
    "明天 18 点": "2026-11-26 18:00",
    "明天下午三点一刻": "2026-11-26 15:15",
    "明日十八点": "2026-11-26 18:00",
    "明天": "2026-11-26 12:50",
    "明早8点": "2026-11-26 08:00",
    "明晚8点半": "2026-11-26 20:30",
    "明天中午": "2026-11-26 12:00",
    "明天中午1点": "2026-11-26 13:00",
    "明天24点": "2026-11-27 00:00",
    "明天晚上12点": "2026-11-27 00:00",
    "明天凌晨12点": "2026-11-26 00:00",
    "后天上午10点半": "2026-11-27 10:30",
    "後天上午10點半": "2026-11-27 10:30",
    "大后天9点": "2026-11-28 09:00",
    "今晚8点": "2026-11-25 20:00",
    "今天下午3:30": "2026-11-25 15:30",
    "晚上8点": "2026-11-25 20:00",
    "晚上十二点": "2026-11-26 00:00",
    "上午9点": "2026-11-26 09:00",
    "18点": "2026-11-25 18:00",
    "二十点整": "2026-11-25 20:00",
    "周五18点": "2026-11-27 18:00",
    "星期五 18：00": "2026-11-27 18:00",
    "礼拜天9点": "2026-11-29 09:00",
    "周三18点": "2026-11-25 18:00",
    "周三9点": "2026-12-02 09:00",
    "下周一": "2026-11-30 12:50",
    "下周五18点": "2026-12-04 18:00",
    "本周五18点": "2026-11-27 18:00",
    "这周日9点": "2026-11-29 09:00",
    "12月1日 9点": "2026-12-01 09:00",
    "十二月一号上午九点": "2026-12-01 09:00",
    "2026年12月1日9点30分": "2026-12-01 09:30",
    "1月1日": "2027-01-01 12:50",
    "3天后 18:00": "2026-11-28 18:00",
    "两周后9点": "2026-12-09 09:00",
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("text", READ)
def test_what_people_type(text: str, language: str) -> None:
    assert wall(read_time(text, NOW, SHANGHAI, language), SHANGHAI) == READ[text]


LENGTHS = {
    **{"30s": 30, "10m": 600, "2h": 7200, "3d": 3 * DAY, "1w": 7 * DAY, "2h30m": 9000, "in 2 hours": 7200},
    **{"90分钟": 5400, "2小时": 7200, "3天": 3 * DAY, "1周": 7 * DAY, "半小时": 1800, "两小时后": 7200},
}


@pytest.mark.parametrize(("text", "seconds"), LENGTHS.items())
def test_lengths_of_time_begin_now(text: str, seconds: float) -> None:
    assert read_time(text, NOW, BERLIN, "en") == NOW + seconds


UNREAD = """
|x|hello|5|18|20261201|1765000000|at 5|tomorrow 5|friday 9|9.30|december|next week|in a while|soon|:|9:|25:00|9:61|13pm
|yesterday|2 days ago|2 hours ago|today 9:00|today|this monday 9:00|2026-11-25 12:50|2020-01-01|2126-01-01 9:00|-2h
|february 30 9:00|2026-02-30 9:00|friday saturday 9:00|9:00 10:00|tomorrow friday 9:00|dec 1 jan 1|9am utc gmt
|Thu 27 Nov 18:00|tomorrow 9am please|9:00:00:00|2026-12-01T09:00+99:00
|昨天|今天9点|明天晚上1点|上午13点|明天25点|9点70分|15号|明年|下下周一|下周|周末|月底|13月1日|12月32日|明天吧|点|半|后天大后天|三|两点三点
""".replace("\n", "").split("|")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("text", [*UNREAD, " " * 50, "9:00 " * 30])
def test_what_is_no_time_to_come(text: str, language: str) -> None:
    assert read_time(text, NOW, SHANGHAI, language) is None


@pytest.mark.parametrize("text", ["3/4", "3/4 9:00", "3/4/2027 9:00", "3.4.2027 9:00", "3.4. 9:00"])
def test_day_or_month(text: str) -> None:
    assert read_time(text, NOW, SHANGHAI, "en") is None
    assert (wall(read_time(text, NOW, SHANGHAI, "zh"), SHANGHAI) or "").startswith("2027-03-04")
    assert (wall(read_time(text.replace("3", "4", 1), NOW, SHANGHAI, "en"), SHANGHAI) or "").startswith("2027-04-04")


def test_the_zone_decides_what_day_it_is() -> None:
    now = utc("2026-11-25 20:00")
    days = {zone: wall(read_time("tomorrow 9am", now, zone, "en"), zone) for zone in (SHANGHAI, BERLIN, NEW_YORK)}
    assert days == {SHANGHAI: "2026-11-27 09:00", BERLIN: "2026-11-26 09:00", NEW_YORK: "2026-11-26 09:00"}


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../UTC", "asia/shanghai"])
def test_a_zone_that_is_not(zone: str) -> None:
    for call in (
        lambda: read_time("9:00", NOW, zone, "en"),
        lambda: read_rule("daily 9:00", NOW, zone),
        lambda: next_time("DTSTART:20260101T090000\nRRULE:FREQ=DAILY", zone, NOW),
        lambda: show_time(NOW, zone, "en"),
    ):
        with pytest.raises(ValueError, match="no zone"):
            call()


GAPS = [
    (BERLIN, "2026-03-28 12:00", "tomorrow 2:30", "2026-03-29 01:30"),
    (BERLIN, "2026-03-29 00:30", "2:30", "2026-03-29 01:30"),
    (BERLIN, "2026-03-28 12:00", "tomorrow 3:00", "2026-03-29 01:00"),
    (NEW_YORK, "2026-03-07 12:00", "明天2:30", "2026-03-08 07:30"),
    (BERLIN, "2026-10-24 12:00", "tomorrow 2:30", "2026-10-25 00:30"),
    (BERLIN, "2026-10-25 00:40", "2:30", "2026-10-25 01:30"),
    (BERLIN, "2026-10-25 01:40", "2:30", "2026-10-26 01:30"),
    (NEW_YORK, "2026-11-01 04:00", "1:30", "2026-11-01 05:30"),
    (NEW_YORK, "2026-11-01 05:40", "1:30", "2026-11-01 06:30"),
]
"""Zone, now, text, expected; in UTC. Clocks leave hours out, and show others twice."""


@pytest.mark.parametrize(("zone", "now", "text", "expected"), GAPS)
def test_hours_that_clocks_leave_out_or_show_twice(zone: str, now: str, text: str, expected: str) -> None:
    assert wall(read_time(text, utc(now), zone, "en"), "UTC") == expected


def test_a_length_of_time_does_not_mind_clock_changes() -> None:
    now = utc("2026-03-28 12:00")
    assert read_time("24h", now, BERLIN, "en") == read_time("1d", now, BERLIN, "zh") == now + DAY
    assert read_time("tomorrow", now, BERLIN, "en") == now + DAY - HOUR


moments = st.integers(1_600_000_000 // 60, 2_200_000_000 // 60).map(lambda minutes: minutes * MINUTE)


@given(moments, st.integers(1, 5 * 525_600), st.sampled_from(ZONES), st.sampled_from(["en", "zh"]))
@example(utc("2026-10-25 00:00"), 90, BERLIN, "en")
@example(utc("2026-10-25 00:00"), 30, BERLIN, "zh")
def test_what_is_shown_is_read_as_the_same_time(now: float, minutes: int, zone: str, language: str) -> None:
    at = now + minutes * MINUTE
    assert read_time(show_time(at, zone, language), now, zone, language) == at
    assert read_time(show_time(at, zone, language), now, SHANGHAI, language) == at


@given(moments, st.integers(0, 23), st.integers(0, 59), st.sampled_from(ZONES))
def test_a_time_of_day_is_the_next_one(now: float, hour: int, minute: int, zone: str) -> None:
    found = [read_time(f"{hour}{sign}{minute:02}{unit}", now, zone, "zh") for sign, unit in ((":", ""), ("点", "分"))]
    assert found[0] == found[1]
    assert found[0] is not None
    assert now < found[0] <= now + 25 * HOUR
    day = datetime.fromtimestamp(found[0], ZoneInfo(zone))
    assume(round_trip(day.replace(hour=hour, minute=minute)))
    assert (day.hour, day.minute) == (hour, minute)


@given(moments, st.integers(0, 400), st.integers(5, 23), st.sampled_from([BERLIN, NEW_YORK, SHANGHAI]))
def test_days_ahead_in_all_words(now: float, ahead: int, hour: int, zone: str) -> None:
    day = datetime.fromtimestamp(now, ZoneInfo(zone)).date() + timedelta(days=ahead)
    texts = [f"{day} {hour}:00", f"{day:%Y}年{day.month}月{day.day}日{hour}点", f"{day.day} {day:%B %Y} {hour}:00"]
    texts += {0: ["today {}:00", "今天{}点"], 1: ["tomorrow {}:00", "明天{}点"], 2: ["后天{}点"]}.get(ahead, [])
    texts += [f"in {ahead} days at {{}}:00", f"{ahead}天后{{}}点"] if ahead else []
    if 0 < ahead < 365:
        texts += [f"{day:%b} {day.day}, {{}}:00", f"{day.month}月{day.day}号{{}}点"]
    expected = datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(zone)).timestamp()
    for text in texts:
        assert read_time(text.format(hour), now, zone, "en") == (expected if expected > now else None), text


def round_trip(at: datetime) -> bool:
    """Whether the clock shows this time."""
    return at.astimezone(UTC).astimezone(at.tzinfo).replace(tzinfo=None) == at.replace(tzinfo=None)


@given(moments, st.integers(0, 6), st.sampled_from([BERLIN, NEW_YORK, SHANGHAI]))
def test_days_of_the_week_in_both_languages(now: float, day: int, zone: str) -> None:
    names = "monday tuesday wednesday thursday friday saturday sunday".split()
    for english, chinese in (("", ""), ("next ", "下")):
        text, same = f"{english}{names[day]} 12:00", f"{chinese}周{'一二三四五六日'[day]}12点"
        at = read_time(text, now, zone, "en")
        assert at is not None
        assert at == read_time(same, now, zone, "zh")
        found, today = (datetime.fromtimestamp(one, ZoneInfo(zone)) for one in (at, now))
        assert (found.weekday(), found.hour) == (day, 12)
        monday = today.date() - timedelta(days=today.weekday())
        weeks = (found.date() - monday).days // 7
        assert weeks == (1 if english or found.date() - timedelta(days=7) >= today.date() else weeks)
        assert 0 < at - now < (14 if english else 7) * DAY + HOUR


TYPED = st.lists(
    st.sampled_from(
        [
            *READ,
            *UNREAD,
            *"0123456789:/.-+点时分半周月日号后天年今明下本晚早ztp ",
            "am",
            "utc",
            " in ",
            "days",
            "monday",
            "上午",
        ]
    ),
    max_size=6,
).map("".join)


@given(st.one_of(TYPED, st.text(max_size=100)), moments, st.sampled_from(ZONES), st.sampled_from(["en", "zh"]))
def test_any_text_is_a_time_to_come_or_none(text: str, now: float, zone: str, language: str) -> None:
    at = read_time(text, now, zone, language)
    assert at is None or now < at <= now + LONGEST
    rule = read_rule(text, now, zone)
    assert rule is None or (next_time(rule, zone, now) or 0) > now


# --- how they are shown --------------------------------------------------------------------------------------------


def test_times_are_shown_with_their_zone() -> None:
    at = utc("2026-11-22 10:00")
    assert show_time(at, SHANGHAI, "en") == "Sun 22 Nov 2026, 18:00 (UTC+8)"
    assert show_time(at, SHANGHAI, "zh") == "2026年11月22日 周日 18:00（UTC+8）"
    assert show_time(at, "UTC", "en") == "Sun 22 Nov 2026, 10:00 (UTC)"
    assert show_time(at, "America/St_Johns", "zh") == "2026年11月22日 周日 06:30（UTC-3:30）"
    assert show_time(at, "Asia/Kathmandu", "en") == "Sun 22 Nov 2026, 15:45 (UTC+5:45)"
    assert show_time(utc("2026-07-01 10:00"), BERLIN, "en") == "Wed 1 Jul 2026, 12:00 (UTC+2)"


def test_as_a_moment_it_keeps_its_time() -> None:
    at = utc("2026-11-22 10:00")
    assert split(said(at, SHANGHAI, "zh")) == [Moment(int(at), "2026年11月22日 周日 18:00（UTC+8）")]


# --- zones ---------------------------------------------------------------------------------------------------------

CALLED = {
    "Asia/Shanghai": SHANGHAI,
    "asia/shanghai": SHANGHAI,
    "Shanghai": SHANGHAI,
    "上海": SHANGHAI,
    "北京": SHANGHAI,
    "北京时间": SHANGHAI,
    "New York": NEW_YORK,
    "america/new york": NEW_YORK,
    "纽约": NEW_YORK,
    "berlin": BERLIN,
    "柏林": BERLIN,
    "kolkata": "Asia/Kolkata",
    "utc": "UTC",
    "UTC+8": "Etc/GMT-8",
    "gmt-5": "Etc/GMT+5",
    "UTC +08:00": "Etc/GMT-8",
    "＋８": "Etc/GMT-8",
    "UTC+0": "UTC",
}


@pytest.mark.parametrize("text", CALLED)
def test_zones_as_people_call_them(text: str) -> None:
    assert find_zone(text) == CALLED[text]


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "Mars", "Asia", "asia/", "../UTC", "localtime", "Factory", "UTC+15", "UTC+5:30", "x" * 10_000],
)
def test_zones_that_nobody_knows(text: str) -> None:
    assert find_zone(text) is None


@given(st.text(max_size=40))
def test_any_text_is_a_zone_or_none(text: str) -> None:
    found = find_zone(text)
    if found is not None:
        assert is_zone(found)
        assert load_zone(found).key == found
    if is_zone(text):
        assert find_zone(text) == text


# --- what it costs -------------------------------------------------------------------------------------------------


def test_the_libraries_of_dates_are_loaded_when_they_are_needed() -> None:
    code = (
        "import sys; import bot.locales.times as times\n"
        "assert not {'dateparser', 'dateutil.rrule'} & set(sys.modules)\n"
        "times.read_time('2h', 0.0, 'UTC', 'en'); times.show_time(0.0, 'UTC', 'en')\n"
        "assert 'dateparser' not in sys.modules\n"
        "times.warm()\n"
        "assert 'dateparser' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_warming_raises_nothing() -> None:
    warm()
