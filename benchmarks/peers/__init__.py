"""Ours and other people's clients of LiveAvatar, beside each other on the same emulator.

    uv run --group peers python -m benchmarks.peers [--quick | --long] [--rows cut first]

The emulator runs in a process of its own; the clients share another one and take turns in random
order, round by round, so that whatever the machine does happens to all of them. All times are of
the machine's monotonic clock, which is the same in both processes: a frame's is taken before it is
queued at the pipeline's head, its arrival when the emulator has read the message.

HeyGen's own demo (Pipecat 0.0.49) cannot be installed beside a Pipecat of today and is left out.
LiveKit's media is replaced by a room in which nobody else is, for all who join one. What
`HeyGenVideoService` lets the bot know of its speech comes out of that room: those cells are empty.
"As advised" is our default profile, with the vendor's advice of 0.4 s first; "ours" sends at once.
"""
