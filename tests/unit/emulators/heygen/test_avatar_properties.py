"""Whatever is said and cut, and when: heard is what was sent minus what was cut, in order."""

from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emulators.delays import Delays
from emulators.heygen import commands as c
from emulators.heygen.avatar import Avatar
from emulators.heygen.knobs import Knobs
from emulators.playback import RATE_HZ

BEGIN = 1e6  # a machine that has been up for eleven days

Step = tuple[str, int, float]
kinds = ["speak", "speak", "speak", "end", "interrupt", "listen", "append", "commit", "clear"]
steps = st.lists(
    st.tuples(st.sampled_from(kinds), st.integers(0, 30_000), st.floats(0, 3.0)), max_size=30
)


class Client:
    """Numbers the samples that it sends, and forgets nothing."""

    def __init__(self, avatar: Avatar) -> None:
        self.avatar = avatar
        self.now = BEGIN
        self.sent = 0

    def act(self, kind: str, count: int) -> None:
        """Sends one command; looks at what was heard before and after."""
        queue = [*self.avatar.queue]
        before = [each.heard(self.now) for each in queue]
        self.avatar.take(self._command(kind, count), self.now)
        if kind == "interrupt":
            assert not self.avatar.queue
            assert [each.heard(self.now + 99) for each in queue] == before

    def wait(self, seconds: float) -> None:
        """Lets time pass, in which no more can be heard than fits."""
        before = self.heard()
        self.now += seconds
        self.avatar.advance(self.now)
        assert 0 <= self.heard() - before <= seconds * RATE_HZ + 1

    def heard(self) -> int:
        return sum(each.heard(self.now) for each in self.avatar.utterances)

    def _command(self, kind: str, count: int) -> c.Command:
        if kind in ("speak", "append"):
            values = np.arange(self.sent, self.sent + count) % 65_536
            self.sent += count
            return (c.Speak if kind == "speak" else c.Append)(None, values.astype("<u2").tobytes())
        plain = {"end": c.SpeakEnd, "interrupt": c.Interrupt, "listen": c.StartListening}
        return {**plain, "commit": c.Commit, "clear": c.Clear}[kind]()


def samples(pcm: bytes | bytearray) -> np.ndarray:
    return np.frombuffer(bytes(pcm), "<u2").astype(int)


def after(script: list[Step], seed: int, starved: str) -> Client:
    """Returns the client when all is over."""
    knobs = Knobs().turned({"starved": starved})
    client = Client(Avatar(knobs, Delays.draw(knobs, Random(seed))))
    client.avatar.connect()
    for kind, count, pause_s in script:
        client.act(kind, count)
        client.wait(pause_s)
    client.act("end", 0)
    client.wait(client.sent / RATE_HZ + 60)
    assert not client.avatar.queue
    return client


@given(steps, st.integers(0, 99), st.sampled_from(["hold", "idle"]))
def test_heard_is_sent_minus_cut_in_order(script: list[Step], seed: int, starved: str) -> None:
    client = after(script, seed, starved)
    utterances = client.avatar.utterances
    for each in utterances:
        heard, received = samples(each.heard_audio(client.now)), samples(each.audio)
        assert (heard == received[: len(heard)]).all()
        assert each.cut or len(heard) == len(received)
    if not {"append", "clear"} & {kind for kind, *_ in script}:
        received = np.concatenate([samples(each.audio) for each in utterances] or [samples(b"")])
        assert (received == np.arange(client.sent) % 65_536).all()


@given(steps, st.integers(0, 99), st.sampled_from(["hold", "idle"]))
def test_the_log_of_the_play_head_is_gapless_and_never_in_two_places(
    script: list[Step], seed: int, starved: str
) -> None:
    client = after(script, seed, starved)
    runs: list[tuple[float, float]] = []
    for each in client.avatar.utterances:
        position = 0
        for segment in each.segments(client.now):
            assert segment.first == position
            position += segment.samples
            runs.append((segment.at, segment.at + segment.samples / RATE_HZ))
        assert position == each.heard(client.now)
    assert all(BEGIN <= begins <= ends <= client.now for begins, ends in runs)
    assert all(one[1] <= two[0] + 1e-3 for one, two in pairwise(runs))
