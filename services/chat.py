"""A language model of OpenAI's, or of a server that answers like it, such as Ollama."""

from __future__ import annotations

from typing import Any

from openai import APIConnectionError, AsyncOpenAI, RateLimitError
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.errors import ErrorCategory

# Nobody waits for a voice that long. It bounds the wait for each piece of the answer.
_PATIENCE_S = 30.0


class ChatLLMService(OpenAILLMService):
    """Pipecat's service, with the patience of somebody who talks.

    Args:
        base_url: Where the server is; None for OpenAI's own.
        **kwargs: For Pipecat's :class:`OpenAILLMService`.
    """

    def __init__(self, *, base_url: str | None = None, **kwargs: Any) -> None:
        super().__init__(base_url=base_url, **kwargs)
        # Ollama, for one, ignores what a "developer" says, and a tool's late result comes as such.
        self.supports_developer_role = base_url is None

    def create_client(self, *args: Any, **kwargs: Any) -> AsyncOpenAI:
        """The client, without retries of its own: it would wait for as long as a server wishes.

        A sentence at once is of more use, and the person asks again.
        """
        client: AsyncOpenAI = super().create_client(*args, **kwargs)
        return client.with_options(max_retries=0, timeout=_PATIENCE_S)

    def _classify_error(self, exception: Exception) -> ErrorCategory | None:
        match exception:
            case RateLimitError(code="insufficient_quota"):
                return ErrorCategory.QUOTA
            case APIConnectionError():
                return ErrorCategory.CONNECTIVITY
        return None
