"""Whatever is said and cut, and when: heard is what was sent minus what was cut, in order."""

from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emulators.heygen import commands as c
from emulators.heygen.avatar import Avatar
from emulators.heygen.delays import Delays
from emulators.heygen.knobs import Knobs
from emulators.heygen.playback import RATE_HZ

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["speak", "speak", "speak", "end", "interrupt", "listen", "append", "commit"]
        ),
        st.integers(0, 30_000),
        st.floats(0, 3.0),
    ),
    max_size=30,
)


@dataclass
class Reckoning:
    """Samples that are numbered through, and how many there were."""

    sent: int = 0

    def samples(self, count: int) -> bytes:
        values = np.arange(self.sent, self.sent + count, dtype=np.uint32)
        self.sent += count
        return (values % 65_536).astype("<u2").tobytes()


@given(steps, st.integers(0, 99), st.sampled_from(["hold", "idle"]))
def test_heard_is_sent_minus_cut_in_order(
    script: list[tuple[str, int, float]], seed: int, starved: str
) -> None:
    knobs = Knobs().turned({"starved": starved})
    avatar = Avatar(knobs, Delays.draw(knobs, Random(seed)))
    avatar.connect()
    reckoning, now, begin = Reckoning(), 1e6, 1e6
    for kind, count, pause_s in script:
        pcm = reckoning.samples(count) if kind in ("speak", "append") else b""
        command = {
            "speak": c.Speak(None, pcm),
            "end": c.SpeakEnd(),
            "interrupt": c.Interrupt(),
            "listen": c.StartListening(),
            "append": c.Append(None, pcm),
            "commit": c.Commit(None, b"\0"),
        }[kind]
        before = [each.heard(now) for each in avatar.queue]
        queue = [*avatar.queue]
        avatar.take(command, now)
        if kind == "interrupt":
            assert not avatar.queue
            assert [each.heard(now + 99) for each in queue] == before
        now += pause_s
        avatar.advance(now)
    avatar.take(c.SpeakEnd(), now)
    now += reckoning.sent / RATE_HZ + 60
    avatar.advance(now)

    runs: list[tuple[float, float]] = []
    for each in avatar.utterances:
        heard = np.frombuffer(each.heard_audio(now), "<u2")
        assert (heard == np.frombuffer(each.audio, "<u2")[: len(heard)]).all()
        assert each.cut or len(heard) == each.samples
        position = 0
        for segment in each.segments(now):
            assert segment.first == position
            position += segment.samples
            runs.append((segment.at, segment.at + segment.samples / RATE_HZ))
        assert position == len(heard)
    assert all(begin <= at <= end <= now for at, end in runs)
    assert all(one[1] <= two[0] + 1e-3 for one, two in pairwise(runs))
    sent = np.concatenate(
        [np.frombuffer(each.audio, "<u2") for each in avatar.utterances] or [np.zeros(0, "<u2")]
    ).astype(int)
    waiting = np.concatenate(
        [np.frombuffer(pcm, "<u2") for pcm, _ in avatar.buffer] or [np.zeros(0, "<u2")]
    ).astype(int)
    assert len(sent) + len(waiting) == reckoning.sent
    if not any(kind == "append" for kind, *_ in script):
        assert (sent == np.arange(reckoning.sent) % 65_536).all()
