"""What Pipecat asks of a language model's adapter, for one that takes no request.

Without it a service gets OpenAI's adapter, and the first session waits while that library loads.
"""

from __future__ import annotations

from typing import Any

from pipecat.adapters.llm.base_llm_adapter import BaseLLMAdapter
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import (
    LLMContext,
    LLMSpecificMessage,
    standard_message_text,
)


def text_messages(context: LLMContext) -> list[dict[str, Any]]:
    """The messages of a context that are text, oldest first, each with `role` and `content`."""
    return [
        {"role": str(message.get("role", "")), "content": standard_message_text(message)}
        for message in context.get_messages()
        if not isinstance(message, LLMSpecificMessage)
    ]


class RulesAdapter(BaseLLMAdapter[dict[str, Any]]):
    """The rules read a context's text, and have no tools."""

    @property
    def id_for_llm_specific_messages(self) -> str:
        """The name of messages that only the rules could read; there are none."""
        return "rules"

    async def get_llm_invocation_params(self, context: LLMContext, **kwargs: Any) -> dict[str, Any]:
        """All that the rules look at."""
        return {"messages": text_messages(context)}

    def to_provider_tools_format(self, tools_schema: ToolsSchema) -> list[Any]:
        """No tool is called."""
        return []

    def get_messages_for_logging(self, context: LLMContext) -> list[dict[str, Any]]:
        """For logs at DEBUG, where a conversation's words may stand."""
        return text_messages(context)
