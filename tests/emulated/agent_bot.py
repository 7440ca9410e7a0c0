"""A bot that a vendor's agent asks for its words, and that whoever is connected can ask about it.

What is said to it over its WebSocket is a name and arguments in JSON. It runs alone, and behind the
launcher.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from pipecat.processors.aggregators.llm_context import LLMContext
from starlette.websockets import WebSocketDisconnect

import logs
import settings
from server.completions import AgentBrain, Completions, reachable
from server.runner import serve
from services import providers
from services.brain import Brain
from services.providers import Account
from tests.emulated.serving import ROOT
from tools.world_clock import time_in_city

COMPLETIONS = Completions()
router = COMPLETIONS.router


async def bot(runner_args: Any) -> None:
    config = settings.load(dotenv=None)
    logs.keep_secret(config.secrets())
    socket = runner_args.websocket
    if socket.client_state.name == "CONNECTING":
        await socket.accept()
    account = Account(config.openai_api_key, config.openai_base_url, "stand-in")
    context = LLMContext([], tools=[time_in_city])
    brain = Brain(context, providers.language_model(config.llm, account))
    session = socket.scope["avatarbot"].session
    origin = reachable(config.public_url, vendor="http://127.0.0.1:9", otherwise="")
    async with brain.awake():
        with COMPLETIONS.lend(brain, session=session, origin=origin) as agent:
            try:
                async for text in socket.iter_text():
                    await socket.send_text(json.dumps(await done(json.loads(text), agent, context)))
            except WebSocketDisconnect:
                pass


async def done(told: dict[str, Any], agent: AgentBrain, context: LLMContext) -> Any:
    """Do what is told, and return what there is to know then."""
    name = told.pop("do", None)
    if name is not None:
        made = getattr(agent, name)(**told)
        if asyncio.iscoroutine(made):
            await made
    said = [[each["role"], each.get("content")] for each in context.get_messages()]
    return {"url": agent.url, "key": agent.key, "model": agent.model, "said": said}


def main() -> None:
    config = settings.load(dotenv=None)
    logs.configure(2)
    port = int(sys.argv[1])
    serve(
        "localhost",
        port,
        page=ROOT / "web",
        public_url=config.public_url,
        router=router,
        opened=lambda: logs.configure(2),
    )


if __name__ == "__main__":
    main()
