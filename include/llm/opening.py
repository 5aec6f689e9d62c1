"""The chat model that the settings name, with its fallbacks and its caches."""

from __future__ import annotations

from collections.abc import Callable

from include.embedding.openai import openai_tokenizer
from include.errors import ModelError
from include.llm.chain import ChatChain
from include.llm.openai_chat import OpenAIChat
from include.llm.protocol import ChatModel
from include.llm.question_stores import LakeQuestions, RedisQuestions
from include.llm.questions import ForgivingQuestions, Questions
from include.llm.responses import Forgiving, LakeResponses, RedisResponses, Responses
from include.remote.attempts import Remote
from include.settings import Settings
from include.storage.objects import ObjectStore


def open_chat(settings: Settings, remote: Remote, responses: Responses) -> ChatModel:
    """The models of RAG_CHAT_MODEL. Raises ConfigurationError for one without a price."""
    names = [name.removeprefix("openai:") for name in settings.chat_model.split(",")]
    keep = settings.llm.response_cache_seconds
    models = [
        OpenAIChat(name, remote, _counter(name, remote), responses=responses, keep_seconds=keep)
        for name in names
    ]
    return ChatChain(models)


def open_responses(settings: Settings, objects: ObjectStore) -> Responses:
    """Where answers to identical requests are kept."""
    if settings.redis_url:
        return Forgiving(RedisResponses(settings.redis_url))
    return Forgiving(LakeResponses(objects))


def open_questions(settings: Settings, objects: ObjectStore) -> Questions:
    """Where answered questions are kept."""
    if settings.redis_url:
        return ForgivingQuestions(RedisQuestions(settings.redis_url))
    return ForgivingQuestions(LakeQuestions(objects))


def _counter(model: str, remote: Remote) -> Callable[[str], int]:
    """Counts a chat model's tokens; for a model nobody knows, bytes: never less than its tokens."""
    try:
        return openai_tokenizer(model, remote.endpoint).count
    except ModelError:
        return lambda text: len(text.encode("utf-8", "surrogatepass"))
