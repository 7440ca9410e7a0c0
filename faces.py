"""Who shows the face besides the page: one row per value of `AVATAR`, and what it costs.

A part of `bot.py`: it knows the settings and the vendors, which do not know each other. Pipecat is
loaded with the first conversation, or by `preload()`: who only looks after the account needs none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from settings import Settings
from transports.avatar import (
    Account,
    AvatarError,
    AvatarNotFound,
    CertificateRefused,
    ClockOff,
    ConnectionLost,
    Dismissed,
    EndedByVendor,
    Ending,
    JournalUnusable,
    KeyRefused,
    NeverNamed,
    NeverReady,
    NoCapacity,
    NoCredits,
    NoSlotLeft,
    NotEnabled,
    NotStarted,
    PartFailed,
    RateLimited,
    TooManySessions,
    TrialOver,
    UnexpectedReply,
    Vendor,
    VendorRefused,
    VendorUnreachable,
)
from transports.avatar.journal import Journal, reap
from transports.local import LocalVendor

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from transports.avatar.transport import AvatarTransport
    from transports.zego import AgentBrain, Message, ZegoAgent, ZegoVendor
    from transports.zego.agent_processor import ZegoAgentProcessor
    from transports.zego.desk import Desk

GOODBYE_S = 60
"""A session at a vendor may last so much longer than the conversation."""

DAY_S = 86_400
"""The longest that ZEGO lets a task live."""

ZEGO = ("zego", "zego-agent")
"""Those that call of their own accord."""

PLAN_S = 1_200
"""The longest session that LiveAvatar's plans were seen to allow. It refuses to be asked for more
than a plan has, so that beyond this it is left to the plan."""


class FaceError(Exception):
    """A face cannot be shown. The text is a sentence for whoever started the process."""


class Paid(Protocol):
    """What costs money while it runs."""

    @property
    def account(self) -> Account:
        """Who pays."""


class PaidVendor(Paid, Vendor, Protocol):
    """A vendor whose sessions cost money while they run."""


P = TypeVar("P", bound=Paid, covariant=True)


@dataclass(frozen=True, slots=True)
class Face(Generic[P]):
    """One row: how a vendor is called and built.

    Attributes:
        title: What people call it.
        key: The variables with its key.
        choices: The variables with what it has to know besides.
        module: Where it is, imported before the first conversation.
        slots: The variable that says how many sessions the account may have at once.
        api_url: The address of its API.
        build: Makes the vendor of one conversation.
        viewer: The kind of room that it is in, by `server.viewer.CLIENTS`.
    """

    title: str
    key: str
    choices: str
    module: str
    slots: str
    api_url: Callable[[Settings], str]
    build: Callable[[Settings, Journal], P]
    viewer: str = "livekit"


def preload(config: Settings) -> None:
    """Load what the face needs. Starts no thread and opens nothing; survives a fork."""
    import_module("transports.avatar.transport")
    if row := _row(config):
        import_module(row.module)


def transport(config: Settings, *, page: bool) -> AvatarTransport:
    """The face of one conversation: the drawn one, alone or until a vendor's is there.

    Args:
        config: Says whose.
        page: Whether our page is on the other side: it says what it has played, and it can show a
            vendor's face. For others nothing is paid for until they ask for one.
    """
    from transports.avatar.transport import AvatarTransport

    drawn = LocalVendor(reported=page)
    if config.avatar not in FACES:
        return AvatarTransport(drawn)
    return AvatarTransport(
        vendor(config),
        stand_in=drawn,
        goes_on_without=goes_on_without(config),
        opens_when_watched=not page,
    )


def vendor(config: Settings) -> PaidVendor:
    """Who shows the face of one conversation, where it is not the page."""
    return FACES[config.avatar].build(config, journal(config))


def agent(
    config: Settings,
    *,
    said_before: Sequence[Mapping[str, str]] = (),
    brain: AgentBrain | None = None,
) -> ZegoAgentProcessor:
    """Who holds one conversation, where the vendor hears, thinks and speaks as well.

    It is opened, and paid for, once a page asks for it.

    Args:
        config: Says whose.
        said_before: What was said before, as a context has it.
        brain: Thinks in place of the language model of the settings.
    """
    from transports.zego import Message
    from transports.zego.agent_processor import ZegoAgentProcessor

    messages = [
        Message(each["role"], each["content"])
        for each in said_before
        if each["role"] in ("user", "assistant") and isinstance(each.get("content"), str)
    ]
    return ZegoAgentProcessor(_zego_agent(config, journal(config), messages, brain))


def desk(config: Settings) -> Desk | None:
    """Knows the conversations of this process, where the vendor calls or is asked for over HTTP."""
    return _zego_desk() if config.avatar in ZEGO else None


def signed(config: Settings) -> Callable[[bytes], str | None] | None:
    """Reads what the vendor signs when it calls, if that can be read; see `server.plan.Signed`."""
    if config.avatar not in ZEGO or not config.zego_callback_secret:
        return None
    from transports.zego import Callbacks
    from transports.zego.desk import reader

    # Whether what was signed before has counted, this process does not know.
    secret = config.zego_callback_secret
    callbacks = Callbacks(config.zego_app_id or 0, secret, since=time.time())
    return reader(callbacks)


def attended(
    config: Settings, session: str | None, avatar: AvatarTransport | ZegoAgentProcessor
) -> AbstractContextManager[None]:
    """While this is entered, the desk knows of a conversation with this face."""
    if (there := desk(config)) is None:
        return nullcontext()
    from transports.zego.attended import AgentConversation, HumanConversation

    if config.avatar in AGENTS:
        agent = cast("ZegoAgentProcessor", avatar)
        return there.attending(session, AgentConversation(agent, config.language))
    face = cast("AvatarTransport", avatar)
    human = cast("ZegoVendor", face.vendor)
    return there.attending(session, HumanConversation(face, human, config.language))


@cache
def _zego_desk() -> Desk:
    from transports.zego.desk import Desk

    return Desk()


def goes_on_without(config: Settings) -> bool:
    """Whether the drawn face goes on alone where the vendor's cannot be had, or is lost."""
    return config.avatar in FACES and config.avatar_on_start_error == "local"


def journal(config: Settings) -> Journal:
    """Where it is noted what is paid for."""
    return Journal.of_this_user() if config.avatar_journal else Journal(None)


def accounts(config: Settings) -> list[Account]:
    """Who pays for the face in use; nobody for the drawn one."""
    if config.avatar in AGENTS:  # without it there is no conversation
        return [AGENTS[config.avatar].build(config, journal(config)).account]
    if config.avatar not in FACES:
        return []
    return [replace(vendor(config).account, needed=not goes_on_without(config))]


async def stop_what_was_left(config: Settings) -> None:
    """Stop what killed bots have left running at the vendor; takes seconds at most.

    Raises:
        FaceError: It cannot be noted down what is paid for.
    """
    with journal_needed(config):
        for account in accounts(config):
            await reap(journal(config), account.vendor, account.key, account.stop)


@contextmanager
def journal_needed(config: Settings) -> Iterator[None]:
    """Around what a start does with the journal.

    Raises:
        FaceError: It cannot be used.
    """
    try:
        yield
    except JournalUnusable as error:
        raise FaceError(
            f"AVATAR={config.avatar} costs money while it runs, and {error}. Make the folder"
            " avatarbot in XDG_STATE_HOME (~/.local/state) writable for you and closed to others."
            " AVATAR_JOURNAL=off goes without; then nothing stops what a killed bot leaves running."
        ) from None


def api_url(config: Settings) -> str | None:
    """Where the vendor's API is; None where the page draws the face."""
    row = _row(config)
    return row.api_url(config) if row else None


def room_url(config: Settings) -> str:
    """Where the vendor's room is, as the settings name it; empty: one of the vendor's own."""
    return config.zego_web_server_url if config.avatar in ZEGO else ""


def viewer(config: Settings) -> str | None:
    """The kind of room that the vendor's face is in; None where the page draws the face."""
    row = _row(config)
    return row.viewer if row else None


def row(config: Settings) -> Face[Paid]:
    """Who shows the face, where it is not the page."""
    found = _row(config)
    assert found
    return found


def _row(config: Settings) -> Face[Paid] | None:
    return FACES.get(config.avatar) or AGENTS.get(config.avatar)


def explain(config: Settings, error: Exception) -> str | None:
    """What the person is told of an error of the vendor. It quotes nobody."""
    face = row(config)
    match error:
        case PartFailed(part=part, lasting=True):
            pattern = (
                f"The {part} of {{title}} refuses its key, or what it is asked. Check {{choices}}."
            )
        case PartFailed(part=part):
            pattern = f"The {part} of {{title}} did not work just now. Please try again."
        case ConnectionLost() | EndedByVendor() if (
            config.avatar == "liveavatar" and config.liveavatar_sandbox
        ):
            pattern = "A minute of {title}'s sandbox is over, or the connection to it was lost."
        case EndedByVendor(why=why) if why in _ENDED:
            pattern = f"{_SAID[EndedByVendor]} {_ENDED[why]}"
        case CertificateRefused() if config.avatar == "zego":
            pattern = f"{_SAID[CertificateRefused]} ZEGO_DRIVE_TLS says whom to believe."
        case RateLimited(retry_after_s=float(seconds)):
            pattern = f"{{title}} takes no more requests now. Wait {seconds:g} s."
        case AvatarError():
            pattern = next(said for kind, said in _SAID.items() if isinstance(error, kind))
        case _:
            return None
    return pattern.format(title=face.title, key=face.key, choices=face.choices, slots=face.slots)


_ENDED: Mapping[Ending, str] = {
    Ending.LIMIT: "It had lasted as long as it may: MAX_SESSION_SECONDS has to be less.",
    Ending.IDLE: "Nothing was said in it for too long: MAX_SESSION_SECONDS has to be less.",
    Ending.STOPPED: "Somebody else has stopped it: look who else uses {key}.",
    Ending.CREDITS: "The account has no credit left.",
}

_SAID: Mapping[type[AvatarError], str] = {
    KeyRefused: "{title} does not accept the key. Check {key}.",
    NoCredits: "{title} says that the account has no credit left.",
    TooManySessions: "{title} already runs as many sessions as the account may have. Wait until"
    " one has ended.",
    NoSlotLeft: "As many sessions of {title} run as {slots} allows. Wait until one has ended.",
    NoCapacity: "{title} has no room for one more at the moment. Try again later.",
    TrialOver: "{title} takes its trial credentials no longer, or not for this. Check {choices}.",
    PartFailed: "A part of {title} did not work just now. Please try again.",
    NeverNamed: "{title} did not answer, and may run for another minute. Try again later.",
    EndedByVendor: "{title} has ended the session.",
    Dismissed: "{title} was told to end, and nobody else answers.",
    AvatarNotFound: "{title} cannot show this avatar. Check {choices}.",
    RateLimited: "{title} takes no more requests now. Wait a minute.",
    NotEnabled: "{title} is not enabled for this account. Enable it at {title}, and check {key}.",
    ClockOff: "{title} has another time than this machine. Set its clock, which may be ten minutes"
    " off and no more.",
    VendorRefused: "{title} refuses what it is asked. Check {choices}.",
    VendorUnreachable: "{title} cannot be reached, or has a problem of its own. Try again later.",
    UnexpectedReply: "{title} answers in a way that this version does not understand.",
    NotStarted: "{title} could not start the avatar. Try again later, or check {choices}.",
    CertificateRefused: "It cannot be verified who answers in {title}'s name, so nothing was said.",
    NeverReady: "{title} did not become ready in time. Try again later.",
    ConnectionLost: "The connection to {title} was lost.",
    JournalUnusable: "It cannot be noted down that {title} is paid for, so it is not started. The"
    " bot's log says why.",
    AvatarError: "{title} has failed.",
}
"""The first that fits."""


def _liveavatar(config: Settings, journal: Journal) -> PaidVendor:
    from transports.heygen.liveavatar import SANDBOX_AVATAR, LiveAvatarVendor

    longest_s = config.max_session_seconds + GOODBYE_S
    return LiveAvatarVendor(
        api_key=config.liveavatar_api_key or "",
        avatar_id=config.liveavatar_avatar_id or SANDBOX_AVATAR,
        sandbox=config.liveavatar_sandbox,
        max_session_s=longest_s if longest_s <= PLAN_S else None,
        journal=journal,
        max_sessions=config.liveavatar_max_sessions,
        api_url=config.liveavatar_api_url,
    )


def _heygen(config: Settings, journal: Journal, *, alpha: bool = False) -> PaidVendor:
    from transports.heygen import AlphaVendor, InteractiveVendor

    make = AlphaVendor if alpha else InteractiveVendor
    return make(
        api_key=config.heygen_api_key or "",
        avatar_id=config.heygen_avatar_id,
        journal=journal,
        max_sessions=config.heygen_max_sessions,
        api_url=config.heygen_api_url,
    )


def _zego(config: Settings, journal: Journal) -> PaidVendor:
    from transports.avatar.trust import Trust
    from transports.zego import ZegoVendor

    longest_s = min(config.max_session_seconds + GOODBYE_S, DAY_S)
    return ZegoVendor(
        app_id=config.zego_app_id or 0,
        server_secret=config.zego_server_secret or "",
        digital_human_id=config.zego_digital_human_id,
        max_session_s=longest_s,
        max_idle_s=longest_s,  # a person may be silent, or be spoken to by the drawn face
        reserves_early=config.zego_reserve == "early",
        tells=bool(config.zego_callback_secret),
        drive_trust=Trust(config.zego_drive_tls),
        web_server_url=config.zego_web_server_url,
        token_mode=config.zego_token_mode,
        journal=journal,
        max_sessions=config.zego_max_sessions,
        api_url=config.zego_digital_human_api_url,
    )


def _zego_agent(
    config: Settings,
    journal: Journal,
    said_before: Sequence[Message] = (),
    brain: AgentBrain | None = None,
) -> ZegoAgent:
    from transports.zego import Blocks, ZegoAgent

    llm = (
        None
        if brain or not config.zego_agent_llm_url
        else {
            "Url": config.zego_agent_llm_url,
            "ApiKey": config.zego_agent_llm_api_key or "",
            "Model": config.zego_agent_llm_model,
        }
    )
    tts = {"Vendor": config.zego_agent_tts_vendor, "Params": config.zego_agent_tts_params}
    asr = {"Vendor": config.zego_agent_asr_vendor, "Params": config.zego_agent_asr_params or {}}
    return ZegoAgent(
        app_id=config.zego_app_id or 0,
        server_secret=config.zego_server_secret or "",
        agent_id=config.zego_agent_id,
        blocks=Blocks(llm=llm, tts=tts, asr=asr),
        brain=brain,
        system_prompt=config.system_prompt,
        said_before=said_before,
        digital_human_id=config.zego_digital_human_id,
        voice_only=config.zego_agent_voice_only,
        max_session_s=config.max_session_seconds + GOODBYE_S,
        tells=bool(config.zego_callback_secret),
        web_server_url=config.zego_web_server_url,
        token_mode=config.zego_token_mode,
        journal=journal,
        max_sessions=config.zego_max_sessions,
        api_url=config.zego_ai_agent_api_url,
    )


AGENTS: Mapping[str, Face[ZegoAgent]] = {
    "zego-agent": Face(
        "ZEGO's AI Agent",
        "ZEGO_APP_ID and ZEGO_SERVER_SECRET",
        "ZEGO_DIGITAL_HUMAN_ID, ZEGO_AGENT_LLM_URL and ZEGO_AGENT_TTS_PARAMS",
        "transports.zego.agent_processor",
        "ZEGO_MAX_SESSIONS",
        lambda config: config.zego_ai_agent_api_url,
        _zego_agent,
        viewer="zego",
    ),
}
"""Those that hear, think and speak as well."""

FACES: Mapping[str, Face[PaidVendor]] = {
    "liveavatar": Face(
        "LiveAvatar",
        "LIVEAVATAR_API_KEY",
        "LIVEAVATAR_AVATAR_ID and LIVEAVATAR_SANDBOX",
        "transports.heygen",
        "LIVEAVATAR_MAX_SESSIONS",
        lambda config: config.liveavatar_api_url,
        _liveavatar,
    ),
    "heygen": Face(
        "HeyGen",
        "HEYGEN_API_KEY",
        "HEYGEN_AVATAR_ID",
        "transports.heygen",
        "HEYGEN_MAX_SESSIONS",
        lambda config: config.heygen_api_url,
        _heygen,
    ),
    "heygen-alpha": Face(
        "HeyGen",
        "HEYGEN_API_KEY",
        "HEYGEN_AVATAR_ID",
        "transports.heygen",
        "HEYGEN_MAX_SESSIONS",
        lambda config: config.heygen_api_url,
        partial(_heygen, alpha=True),
    ),
    "zego": Face(
        "ZEGO",
        "ZEGO_APP_ID and ZEGO_SERVER_SECRET",
        "ZEGO_DIGITAL_HUMAN_ID",
        "transports.zego",
        "ZEGO_MAX_SESSIONS",
        lambda config: config.zego_digital_human_api_url,
        _zego,
        viewer="zego",
    ),
}
