"""What can be set about ZEGO, beside what can be set about any vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..knobs import Habits, knob


@dataclass(frozen=True, slots=True)
class Knobs(Habits):
    """The vendor's habits. Times in milliseconds or seconds, as the name says."""

    # The account, and the gateway
    app_id: int = knob(1234567890, "the only App that there is")
    server_secret: str = knob("zego-server-secret-012345", "of that App, without the prefix")
    callback_secret: str = knob("zego-callback-secret", "likewise, for what it calls")
    clock_skew_s: float = knob(600, "how far a timestamp may be off")
    replays: Literal["allow", "refuse"] = knob("allow", "a nonce that came before")
    rate_limit: int = knob(10, "calls per second, App and action; 0: any number")
    rate_burst: int = knob(10, "calls at once after a second without any")
    agent_rate_code: int = knob(410001029, "told of too many calls of AI Agent")
    refused_status: int = knob(200, "HTTP status of a refusal in the envelope")
    rest_latency_ms: float = knob(0, "a call's way to the vendor and back, half of it each")

    # Digital human: the stream task
    avatars: str = knob("", "ids of the digital humans that exist, with commas; empty: any")
    concurrency_limit: int = knob(10, "stream tasks at a time; 0: any number")
    connected_delay_ms: float = knob(300, "created → streaming, at least; five times at most")
    never_connected: bool = knob(False, "a task never streams")
    fail_reason: str = knob("", "why every new task fails; empty: it does not")
    drain_ms: float = knob(200, "stop → stopped")
    retention_s: float = knob(60, "how long a task can be asked about when it has ended")
    deadline_speed: float = knob(1.0, "seconds of a TTL, MaxIdleTime or address per second")

    # Digital human: drives
    cut_on: Literal["start", "reserve"] = knob("start", "what of a new drive cuts the one before")
    reserve_while_driven: Literal["take", "refuse"] = knob(
        "take", "a reservation while another drive is heard"
    )
    idle_interrupt: Literal["take", "refuse"] = knob(
        "take", "an interrupt of a task or an instance that says nothing"
    )
    idle_from: Literal["drives", "calls"] = knob(
        "drives", "what begins MaxIdleTime anew: drives, or reservations and interrupts as well"
    )
    address_s: float = knob(600, "how long a drive's address is valid")
    reuse_drive: Literal["allow", "ignore"] = knob("allow", "a second Start of the same drive")
    first_frame_ms: float = knob(100, "audio that has to be there before the face moves")
    speak_start_ms: float = knob(100, "so much is there → first sample heard, at least")
    stall_end_s: float = knob(10, "dry buffer, and no Stop → the drive is over")
    stalled_status: int = knob(4, "what such a drive is told to be: 4 ended, 3 failed")
    interrupted_status: int = knob(4, "what a drive that is cut is told to be: 4 ended, 5")
    text_ms: float = knob(60, "speech per character of DriveByText")
    audio_ms: float = knob(3000, "speech of DriveByAudio, whose file nobody fetches")

    # The drive socket
    drive_tls: bool = knob(False, "wss with a certificate of its own for its IP, else ws")
    ws_url: str = knob("", "answered instead of the own address")
    second_socket: Literal["replace", "refuse"] = knob(
        "replace", "a second socket of a task closes the first, or is refused"
    )
    socket_replies: Literal["none", "debug"] = knob("none", "whether it says anything")
    end_closes: bool = knob(True, "a task that has ended closes its sockets")
    bad_frame: Literal["ignore", "close"] = knob("ignore", "what is not understood closes it")
    ping_s: float = knob(30, "how often it pings")
    socket_idle_s: float = knob(60, "nothing from the client → closed")
    start_crosses_s: float = knob(0, "a Start after such a silence crosses with a close; 0: none")
    deflate: bool = knob(False, "accept permessage-deflate where the client offers it")
    close_after_ms: float = knob(0, "close every socket this long after it opened; 0: do not")
    close_code: int = knob(1011, "the code of that close; 0 breaks the connection without one")

    # AI Agent
    instance_limit: int = knob(10, "agent instances at a time; 0: any number")
    face_limit: int = knob(10, "those with a digital human; 0: any number")
    llm: Literal["asked", "parrot"] = knob("asked", "the agent's LLM is, or it repeats the person")
    llm_timeout_s: float = knob(15, "silence of the LLM that is an exception")
    add_answer: bool = knob(True, "AddAnswerToHistory, where it is not given")

    # What it calls
    callback_url: str = knob("", "where it posts events; empty: nowhere")
    callback_time: Literal["ms", "s"] = knob("ms", "unit of a task's Timestamp")
    callback_retry: Literal["same", "signed anew"] = knob("same", "what is posted once more")
    callback_wait_s: float = knob(2, "before the second try; doubled before each of the next")
    callback_tries: int = knob(6, "then it is lost")
