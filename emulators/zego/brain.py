"""The LLM that an agent was given, asked as the vendor asks it: chat completions over SSE."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from .news import milliseconds

GENERAL, PARAMETER, AUTH, CONCURRENCY = 2201, 2202, 2203, 2204
_CODES = {400: PARAMETER, 422: PARAMETER, 401: AUTH, 403: AUTH, 429: CONCURRENCY}


class Mute(Exception):
    """It gave no answer that can be spoken. `code` is that of the exception told."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


def request(
    llm: dict[str, Any], messages: list[dict[str, str]], info: dict[str, Any]
) -> dict[str, Any]:
    """Returns what an LLM is posted."""
    body: dict[str, Any] = {
        "model": llm.get("Model", ""),
        "messages": messages,
        "stream": True,
        "temperature": llm.get("Temperature", 0.7),
        "top_p": llm.get("TopP", 0.9),
        **llm.get("Params", {}),
    }
    if llm.get("AddAgentInfo"):
        body["agent_info"] = {**info, "time_stamp": milliseconds()}
    if "AgentExtraInfo" in llm:
        body["agent_extra_info"] = llm["AgentExtraInfo"]
    return body


def messages(system: str, history: list[dict[str, str]], question: str) -> list[dict[str, str]]:
    """Returns the messages of a request; the question is the last one, once."""
    said = [{"role": each["Role"], "content": each["Content"]} for each in history]
    asked = {"role": "user", "content": question}
    if said[-1:] != [asked]:
        said.append(asked)
    return [{"role": "system", "content": system}, *said] if system else said


async def parrot(question: str) -> AsyncIterator[str]:
    """Answers without an LLM."""
    yield f"You said: {question}."


async def answer(
    http: aiohttp.ClientSession, llm: dict[str, Any], body: dict[str, Any], timeout_s: float
) -> AsyncIterator[str]:
    """Yields the pieces of an answer.

    Raises:
        Mute: It cannot be asked, or its answer does not end as it has to: with one chunk whose
            finish_reason is `stop`, and then `[DONE]`.
    """
    if "Url" not in llm:
        raise Mute(PARAMETER, "there is no LLM")
    headers = {"Authorization": f"Bearer {llm.get('ApiKey', '')}", "Accept": "text/event-stream"}
    limits = aiohttp.ClientTimeout(total=None, connect=timeout_s, sock_read=timeout_s)
    stopped = False
    try:
        async with http.post(llm["Url"], json=body, headers=headers, timeout=limits) as reply:
            if reply.status != 200:
                raise Mute(_CODES.get(reply.status, GENERAL), f"the LLM answers {reply.status}")
            async for line in reply.content:
                data = line.decode().strip().removeprefix("data:").strip()
                if not line.startswith(b"data:"):
                    continue
                if data == "[DONE]":
                    if not stopped:
                        raise Mute(GENERAL, "no chunk says stop")
                    return
                piece, finish = _read(data)
                if stopped:
                    raise Mute(GENERAL, "more comes behind the chunk that says stop")
                stopped = bool(finish)
                if piece:
                    yield piece
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Mute(GENERAL, f"the LLM cannot be asked: {type(error).__name__}") from None
    raise Mute(GENERAL, "the stream ends without [DONE]")


def _read(data: str) -> tuple[str, str]:
    """Returns the text of a chunk, and why it is the last one, if it is."""
    try:
        choices = json.loads(data)["choices"]
        if not choices:  # a chunk with nothing but usage
            return "", ""
        delta = choices[0].get("delta") or {}
        return delta.get("content") or "", choices[0].get("finish_reason") or ""
    except (KeyError, TypeError, IndexError, AttributeError):
        raise Mute(GENERAL, "a chunk is not as it has to be") from None
