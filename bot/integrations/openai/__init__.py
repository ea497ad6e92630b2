"""OpenAI and every server that speaks its chat completions: Ollama, vLLM, llama.cpp."""

from bot.integrations.openai.model import OpenAIModel, OpenAISettings

__all__ = ["OpenAIModel", "OpenAISettings"]
