"""What is measured: one small function for each row, the same for every client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

from .alone import cpu, left_running, logged
from .clients import ADVISED_OURS, CLIENTS, OURS, PEERS, TRANSPORT, VIDEO, Client, Talk, now
from .scene import ARRIVES, Act, Findings, Row, Scene, Seen, known
from .vendor import CONNECTED_MS, RATE_HZ, Json
from .voice import PIECE_S, Voice, pieces_lost, snr_db, speech, tone

RATES_HZ = (8_000, 16_000, 22_050, 44_100, 48_000)
SETTLE_S = 0.05
LATENCY = "interrupt queued → received, ms"
SENTENCES, SENTENCE_S = 8, 2.5


# What the emulator saw


def playing(session: Json) -> list[tuple[float, float]]:
    """When speech was heard: begin and end of each stretch without a gap."""
    return [
        (each["at"], each["at"] + each["samples"] / RATE_HZ)
        for utterance in session["utterances"]
        for each in utterance["segments"]
        if each["samples"]
    ]


def first_playable(messages: list[Json]) -> float | None:
    """When there was something to play: audio, or with the alpha events its first commit."""
    kinds = ("agent.speak", "agent.speak_end", "agent.audio_buffer_commit")
    return min((m["at"] for m in messages if m["kind"] in kinds and m["audio_bytes"]), default=None)


def interrupts(messages: list[Json], since: float = 0.0) -> list[float]:
    return [m["at"] for m in messages if m["kind"] == "agent.interrupt" and m["at"] >= since]


def gaps_s(session: Json) -> list[float]:
    """Silences within the utterances of one voice, as far as they were not the vendor's own."""
    heard = sorted(playing(session))
    pairs = pairwise(heard)
    return [then - end for (_, end), (then, _) in pairs if then - end > 0.001]


def ms(seconds: float) -> float:
    return 1_000 * seconds


# The first audio


async def first_audio(scene: Scene, talk: Talk, *, voice: Voice, label: str, skip: int) -> Seen:
    """From the first piece of the voice to the first audio that can be played.

    `skip`: the pieces that a resampler takes before it gives anything; time counts from the next.
    """
    since = now()
    await talk.say(voice)
    began = talk.began + skip * PIECE_S / voice.pace

    async def seen() -> Findings:
        await scene.vendor.silence(talk.session, since)
        at = first_playable(await scene.vendor.received(talk.session, since))
        return {label: None if at is None else ms(at - began)}

    return seen


def pieces_swallowed(rate_hz: int) -> int:
    """After how many pieces of 20 ms soxr, at the quality that all of us use, says something."""
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="int16", quality="HQ")
    piece = np.zeros(round(rate_hz * PIECE_S), dtype=np.int16)
    swallowed = 0
    while not len(stream.resample_chunk(piece)):
        swallowed += 1
    return swallowed


# Cut-ins


async def cut(
    scene: Scene,
    talk: Talk,
    *,
    earliest_s: float,
    latest_s: float,
    alone: bool = False,
    spread_s: float = 0.0,
) -> Seen:
    """A cut-in at a random time of a voice of six seconds, which begins within `spread_s`."""
    await asyncio.sleep(scene.random.uniform(0.0, spread_s))
    since = now()
    talk.start_saying(speech(6.0))
    await asyncio.sleep(scene.random.uniform(earliest_s, latest_s))
    at = await talk.cut(alone=alone)
    await asyncio.sleep(SETTLE_S)
    return partial(after_cut, scene, talk, since, at)


async def after_cut(scene: Scene, talk: Talk, since: float, at: float) -> Findings:
    session = await scene.vendor.silence(talk.session, since)
    await talk.listened()
    messages = await scene.vendor.received(talk.session, since)
    told = interrupts(messages, at)
    late = [m for m in messages if told and m["audio_bytes"] > 4 and m["at"] > told[0]]
    heard_until = max((end for _, end in playing(session)), default=at)
    return {
        ARRIVES: bool(told),
        LATENCY: ms(told[0] - at) if told else None,
        "avatar really silent after, ms": ms(max(0.0, heard_until - at)),
        "audio received after the interrupt": bool(late) if told else None,
        "more than one interrupt": len(told) > 1 if told else None,
    }


async def cut_alone(scene: Scene, talk: Talk) -> Seen:
    """A cut-in of which only Pipecat's `InterruptionFrame` comes."""
    look = await cut(scene, talk, earliest_s=0.7, latest_s=1.9, alone=True)

    async def seen() -> Findings:
        found = await look()
        return {f"InterruptionFrame alone: {label}": found[label] for label in (ARRIVES, LATENCY)}

    return seen


async def cut_nothing(scene: Scene, talk: Talk) -> Seen:
    """A person speaks while the avatar is silent."""
    at = await talk.cut()
    await asyncio.sleep(SETTLE_S)

    async def seen() -> Findings:
        await scene.vendor.silence(talk.session, at)
        await talk.listened()
        told = interrupts(await scene.vendor.received(talk.session, at))
        return {"interrupt sent when nothing is spoken": bool(told)}

    return seen


async def cut_long(scene: Scene, talk: Talk) -> Seen:
    """A cut-in eight seconds into a reply of eight sentences."""
    since = now()
    talk.start_saying(*sentences())
    while not playing(await scene.vendor.session(talk.session, since)):
        await asyncio.sleep(0.05)
    await asyncio.sleep(8.0)
    at = await talk.cut()

    async def seen() -> Findings:
        found = await after_cut(scene, talk, since, at)
        return {"cut 8 s in: avatar talks on, ms": found["avatar really silent after, ms"]}

    return seen


# Whole speech


def sentences() -> list[Voice]:
    count = round(SENTENCE_S / PIECE_S)
    return [speech(SENTENCE_S, first=1 + count * each) for each in range(SENTENCES)]


async def integrity(scene: Scene, talk: Talk, *, rate_hz: int) -> Seen:
    """Two seconds of a tone, and what of it was heard."""
    since = now()
    voice = tone(2.0, rate_hz)
    await talk.say(voice)

    async def seen() -> Findings:
        await scene.vendor.silence(talk.session, since)
        heard = await scene.vendor.audio(talk.session, since)
        missing = round(voice.seconds * RATE_HZ) - len(heard) // 2
        found: Findings = {
            f"{rate_hz / 1_000:g} kHz: length error, samples": float(abs(missing)),
            f"{rate_hz / 1_000:g} kHz: SNR, dB": snr_db(heard),
        }
        if rate_hz == RATE_HZ:
            found["24 kHz: bit-exact"] = heard == b"".join(voice.pieces)
        return found

    return seen


async def eight_sentences(scene: Scene, talk: Talk) -> Seen:
    """A long reply: is it heard whole, and what does the bot say about it?"""
    since = now()
    said = sentences()
    await talk.say(*said)

    async def seen() -> Findings:
        session = await scene.vendor.silence(talk.session, since)
        lost = pieces_lost(said, await scene.vendor.audio(talk.session, since))
        return {
            "eight sentences: 20 ms pieces lost of 1000": float(lost),
            **state(talk, session, since, "eight sentences: bot"),
        }

    return seen


async def bot_state(scene: Scene, talk: Talk) -> Seen:
    """Three seconds: when does the bot believe that it speaks?"""
    since = now()
    await talk.say(speech(3.0))

    async def seen() -> Findings:
        return state(talk, await scene.vendor.silence(talk.session, since), since, "bot")

    return seen


def state(talk: Talk, session: Json, since: float, who: str) -> Findings:
    heard = playing(session)
    started, stopped = talk.times("started", since), talk.times("stopped", since)
    begin, end = heard[0][0], max(end for _, end in heard)
    return {
        f"{who} started minus real, ms": ms(started[0] - begin) if started else None,
        f"{who} stopped minus real, ms": ms(stopped[-1] - end) if stopped else None,
    }


async def goodbye(scene: Scene, talk: Talk) -> Seen:
    """Six seconds, and the end of the conversation right behind them."""
    since = now()
    await talk.say(speech(6.0))
    await talk.goodbye()

    async def seen() -> Findings:
        while now() < since + 15.0:
            session = await scene.vendor.session(talk.session, since)
            if session["state"] == "GONE":
                break
            await asyncio.sleep(0.2)
        return {"6 s goodbye, then EndFrame: heard, s": session["samples_heard"] / RATE_HZ}

    return seen


# Trouble with time


async def slow_voice(scene: Scene, talk: Talk) -> Seen:
    """Eight seconds at 1.2 times real time: how near to silence does the avatar come?"""
    since = now()
    await talk.say(speech(8.0, pace=1.2))

    async def seen() -> Findings:
        session = await scene.vendor.silence(talk.session, since)
        heard = sorted(playing(session))
        chunks = [each for said in session["utterances"] for each in said["chunks"]]
        lead, received = float("inf"), 0.0
        for each in sorted(chunks, key=lambda chunk: chunk["at"]):
            if received:
                lead = min(lead, received - (each["at"] - heard[0][0]))
            received += each["size"] / 2 / RATE_HZ
        return {
            "voice at 1.2×: worst lead, ms": ms(lead),
            "voice at 1.2×: underruns": float(len(gaps_s(session))),
        }

    return seen


async def blocked(scene: Scene, talk: Talk, *, seconds: float, label: str) -> Seen:
    """A long utterance while something else in the bot's process blocks the loop."""
    since = now()
    await talk.say(speech(seconds))

    async def seen() -> Findings:
        session = await scene.vendor.silence(talk.session, since, seconds + 20.0)
        missing = gaps_s(session)
        return {
            f"{label}: underruns": float(len(missing)),
            f"{label}: silence in it, s": sum(missing),
        }

    return seen


@asynccontextmanager
async def blocking(every_s: float, block_s: float, times: int) -> AsyncIterator[None]:
    """Blocks the loop again and again."""

    async def block() -> None:
        for _ in range(times):
            await asyncio.sleep(every_s)
            time.sleep(block_s)  # noqa: ASYNC251 - this is the point

    task = asyncio.create_task(block())
    try:
        yield
    finally:
        task.cancel()


async def pause(scene: Scene, talk: Talk, *, pause_s: float) -> Seen:
    """Two seconds of speech with a pause of the TTS in the middle."""
    since = now()
    await talk.say(speech(2.0, pauses={50: pause_s}))

    async def seen() -> Findings:
        await scene.vendor.silence(talk.session, since)
        messages = await scene.vendor.received(talk.session, since)
        ends = sum(each["kind"] == "agent.speak_end" for each in messages)
        return {f"TTS pause of {pause_s:g} s: extra speak_end": float(max(0, ends - 1))}

    return seen


# Trouble with the vendor


async def what_became(scene: Scene, talk: Talk, since: float) -> str:
    """Says something, and tells whether it was heard, or who learnt that it was not."""
    asked = now()
    talk.start_saying(speech(1.0))
    await asyncio.sleep(3.0)
    await talk.hush()
    messages = await scene.vendor.received(talk.session, asked)
    if any(each["audio_bytes"] and each["taken"] for each in messages):
        return "speech goes on"
    errors = talk.errors(since)
    return f"ends: {errors[0]}" if errors else "silent, and nobody is told"


async def socket_closed(scene: Scene, talk: Talk) -> Seen:
    """The control socket closes in mid-utterance."""
    talk.start_saying(speech(6.0))
    await asyncio.sleep(1.0)
    at = now()
    await scene.vendor.script(action="close", session=talk.session, code=1011)

    async def seen() -> Findings:
        await asyncio.sleep(3.0)
        told = [when for when, what in talk.told if when >= at and what in talk.errors(at)]
        return {
            "socket closed in mid-utterance": await what_became(scene, talk, at),
            "socket closed: told after, ms": ms(told[0] - at) if told else None,
        }

    return seen


async def odd_event(scene: Scene, talk: Talk) -> Seen:
    """The vendor sends one message that is not JSON."""
    at = now()
    await scene.vendor.script(action="send", session=talk.session, text="oops {")

    async def seen() -> Findings:
        await asyncio.sleep(0.3)
        return {"one event that is not JSON": await what_became(scene, talk, at)}

    return seen


async def start_fails(scene: Scene, client: Client, *, status: int) -> Seen:
    """The session's start is answered by an error once."""
    label = f"start answers {status} once"
    before = {each["id"] for each in await scene.vendor.sessions()}
    await scene.vendor.script(fail=[{"call": "start", "status": status}])
    at = now()
    try:
        async with asyncio.timeout(20.0), client.open(scene.place) as talk:
            try:
                async with asyncio.timeout(4.0):
                    talk.session = await scene.started(before)
                    found = f"retried, {now() - at:.1f} s"
            except TimeoutError:
                errors = talk.errors()
                found = f"ends: {errors[0]}" if errors else "runs on mute"
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what it does
        found = f"raises {type(error).__name__}"
    running = [
        each
        for each in await scene.vendor.sessions()
        if each["id"] not in before and each["started_at"] and not each["ended_at"]
    ]
    return partial(known, {label: found + (", session left running" if running else "")})


async def too_early(scene: Scene, client: Client) -> Seen:
    """The vendor is connected late, and somebody speaks at once."""
    await scene.vendor.turn(connected_delay_ms=1_500)
    before = {each["id"] for each in await scene.vendor.sessions()}
    try:
        async with client.open(scene.place) as talk:
            since = now()
            talk.start_saying(speech(3.0))
            talk.session = await scene.started(before)
            await asyncio.sleep(2.0)
            session = await scene.vendor.silence(talk.session, since, 15.0)
            messages = await scene.vendor.received(talk.session, since)
            lost = [each for each in messages if not each["taken"]]
    finally:
        await scene.vendor.turn(connected_delay_ms=CONNECTED_MS)
    heard = session["samples_heard"] / RATE_HZ
    return partial(
        known,
        {
            "messages before `connected`": float(len(lost)),
            "speech before `connected`: heard of 3 s": heard,
        },
    )


# The table

COMMON = (OURS, ADVISED_OURS, *PEERS)
LATE = partial(cut, earliest_s=0.7, latest_s=1.9)
CROWD = partial(LATE, spread_s=6.0)  # twenty people do not begin in the same moment
EARLY = partial(cut, earliest_s=0.02, latest_s=0.35)


def rows() -> list[Row]:
    """All rows, in the order of the table."""
    latency, long = (5, 30, 100), (1, 2, 5)
    table = [
        Row(name, partial(first_audio, **how), latency, who) for name, how, who in first_voices()
    ]
    table += [
        Row("cut-late", called("cut at 0.7–1.9 s", LATE), (5, 40, 1_000), COMMON),
        Row("cut-early", called("cut at 20–350 ms", EARLY), (5, 30, 1_000), COMMON),
        Row("cut-alone", cut_alone, (3, 16, 50), (OURS, TRANSPORT, VIDEO)),
        Row("cut-nothing", cut_nothing, (3, 10, 100)),
        Row("cut-20", called("20 sessions", CROWD), (1, 8, 50), sessions=20),
    ]
    table += [
        Row(f"integrity-{rate}", partial(integrity, rate_hz=rate), (1, 5, 20), together=True)
        for rate in sorted((*RATES_HZ, RATE_HZ))
    ]
    table += [
        Row("sentences", eight_sentences, long, together=True),
        Row("cut-long", cut_long, long, together=True),
        Row("state", bot_state, (3, 20, 100), together=True),
        *blocks(long),
        Row("slow", slow_voice, (1, 3, 10), CLIENTS, together=True),
        Row("pause-500", partial(pause, pause_s=0.5), (1, 5, 20), together=True),
        Row("pause-3000", partial(pause, pause_s=3.0), (1, 5, 20), together=True),
        Row("cpu-1", partial(cpu, sessions=1), (1, 2, 5), COMMON, opens=True),
        Row("cpu-10", partial(cpu, sessions=10), (1, 2, 5), COMMON, opens=True),
        Row("cpu-50", partial(cpu, sessions=50), (0, 2, 5), COMMON, opens=True),
        Row("socket", socket_closed, (1, 2, 10), fresh=True),
        Row("odd", odd_event, (1, 2, 10), fresh=True),
        Row("start-500", partial(start_fails, status=500), (1, 2, 5), opens=True),
        Row("start-429", partial(start_fails, status=429), (1, 2, 5), opens=True),
        Row("early", too_early, (1, 3, 10), opens=True),
        Row("goodbye", goodbye, (1, 3, 10), fresh=True, together=True),
        Row("left", left_running, (1, 1, 5), opens=True),
        Row("log", logged, (1, 1, 1), opens=True),
    ]
    return table


def first_voices() -> list[tuple[str, dict[str, Any], tuple[Client, ...]]]:
    """The rows of the first audio: name, what it is measured with, who takes part."""
    say = "first TTS frame → first playable audio"
    found: list[tuple[str, dict[str, Any], tuple[Client, ...]]] = []
    for name, voice, more in (
        ("first", speech(1.2), ""),
        ("first-short", speech(0.3), ", utterances of 0.3 s"),
        ("first-slow", speech(1.2, pace=1.2), ", voice at 1.2×"),
    ):
        found.append((name, {"voice": voice, "label": f"{say}{more}, ms", "skip": 0}, CLIENTS))
    for rate_hz in RATES_HZ:
        label = f"{say}, {rate_hz / 1_000:g} kHz from the resampler’s first output on, ms"
        skip = pieces_swallowed(rate_hz)
        how = {"voice": tone(1.2, rate_hz), "label": label, "skip": skip}
        found.append((f"first-{rate_hz}", how, (OURS, *PEERS)))
    return found


def blocks(rounds: tuple[int, int, int]) -> list[Row]:
    """Rows with a loop that is blocked."""
    often, once = "loop blocked 200 ms every 0.7 s", "loop blocked 500 ms once"
    return [
        Row(
            "blocked",
            partial(blocked, seconds=45.0, label=often),
            rounds,
            together=True,
            around=partial(blocking, 0.5, 0.2, 1_000),
        ),
        Row(
            "blocked-once",
            partial(blocked, seconds=6.0, label=once),
            rounds,
            together=True,
            around=partial(blocking, 2.0, 0.5, 1),
        ),
    ]


def called(prefix: str, act: Act) -> Act:
    """The same under a name of its own."""

    async def named(scene: Scene, talk: Talk) -> Seen:
        look = await act(scene, talk)

        async def seen() -> Findings:
            return {f"{prefix}: {label}": value for label, value in (await look()).items()}

        return seen

    return named
