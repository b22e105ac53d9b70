"""What clients send, checked: a chat as OpenAI's clients write it, and a question to design a workflow for."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from flowsteer.backends.budget import Caps
from flowsteer.errors import ConfigError
from flowsteer.guessed_type import guessed_type
from flowsteer.serving.refusals import RequestRefused
from flowsteer.session import checked_question
from flowsteer.task import Task, TaskType
from flowsteer.unicode import sound

MOST_TURNS = 200
"""Most turns a client may ask for."""


def _only(offered: tuple[object, ...], why: str) -> BeforeValidator:
    """Refuses what a client can ask of a model, and not of a system, in words of its own."""

    def check(value: object) -> object:
        if value not in offered:
            raise PydanticCustomError("not_offered", why)
        return value

    return BeforeValidator(check)


def _no_truth(value: object) -> object:
    """The value, refused if it is true or false, which would count as 1 or 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("no_number", "Input should be a number")
    return value


_NUMBER = BeforeValidator(_no_truth)


class TextPart(BaseModel):
    """A part of a message; there are none but text."""

    type: Literal["text"]
    text: str


def _text_alone(content: object) -> object:
    """The content of a message, refused if a part of it is a picture or the like."""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type", "text") != "text":
            kind = sound(str(part["type"]))  # pydantic writes no half of a character
            raise PydanticCustomError("not_text", "a system reads text alone, no {kind}", {"kind": kind})
    return content


class ChatMessage(BaseModel):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | list[TextPart] | None, BeforeValidator(_text_alone)] = None

    @property
    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """OpenAI's options of a stream."""

    include_usage: bool = False


class BudgetBody(BaseModel, extra="forbid"):
    """What an episode may cost, as a client says it; see `Caps`. A name that is not known would limit nothing."""

    calls: Annotated[int, _NUMBER, Field(ge=0)] | None = None
    tokens: Annotated[int, _NUMBER, Field(ge=0)] | None = None
    seconds: Annotated[float, _NUMBER, Field(ge=0)] | None = None
    cost: Annotated[float, _NUMBER, Field(ge=0)] | None = None

    @property
    def caps(self) -> Caps:
        """The limits."""
        return Caps(self.calls, self.tokens, self.seconds, self.cost)


class AskBody(BaseModel):
    """What every question to a system may say.

    Attributes:
        model: Name of the system.
        type: Type of the task; the server's default, or guessed, without it.
        context: Passages to answer from.
        max_turns: Most turns of a Director; the server's without it.
        seed: Seed of every draw; the server's without it.
        budget: What the episode may cost; None for no limit of its own.
    """

    model: str
    type: TaskType | None = None
    context: str = ""
    max_turns: Annotated[int, _NUMBER, Field(ge=1, le=MOST_TURNS)] | None = None
    seed: Annotated[int, _NUMBER, Field(ge=0, lt=2**63)] | None = None
    budget: BudgetBody | None = None

    def asks(self, question: str, context: str, default: TaskType | None) -> Task:
        """The task of a question; its type is guessed from what asks, and from no chat before it.

        Args:
            question: The question.
            context: Passages to answer from, and what else was said.
            default: Type of a task whose type is not said; None to guess it.
        """
        return Task(question, self.type or default or guessed_type(question, self.context).type, context)


class ChatBody(AskBody):
    """The body of a chat completion; fields that are not named here, such as `temperature`, change nothing.

    Attributes:
        messages: The last of the user is the question; the others are context.
        stream: Whether the answer comes as a stream of chunks.
        stream_options: Whether the last chunk holds the usage.
        progress: Whether the stream also holds the events of the episode.
        n: Answers asked for; there is one.
        tools: Tools of the client; a system has none but its operators.
        response_format: Form of the answer; text.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    progress: bool = False
    n: Annotated[Any, _only((None, 1), "an episode has one answer; ask again for another")] = None
    tools: Annotated[Any, _only((None, []), "a system calls its operators and no tools of a client")] = None
    response_format: Annotated[Any, _only((None, {"type": "text"}), "an answer is text; ask for no other form")] = None

    def task(self, default: TaskType | None) -> Task:
        """The task that the chat asks.

        Args:
            default: Type of a task whose type is not said; None to guess it.

        Raises:
            RequestRefused: The user has asked nothing, or the question is too long.
            ConfigError: A text is not sound.
        """
        asked = max((at for at, message in enumerate(self.messages) if message.role == "user"), default=None)
        if asked is None:
            raise RequestRefused(400, "no_question", "no message has the role user", "add one", param="messages")
        others = [_as_context(message) for at, message in enumerate(self.messages) if at != asked]
        context = "\n\n".join(text for text in (self.context, *others) if text)
        return self.asks(_question(self.messages[asked].text, "messages"), context, default)


class DesignBody(AskBody):
    """The body of a request for a workflow that is not run.

    Attributes:
        question: The question.
    """

    question: str

    def task(self, default: TaskType | None) -> Task:
        """The task; see `ChatBody.task`."""
        return self.asks(_question(self.question, "question"), self.context, default)


def _as_context(message: ChatMessage) -> str:
    if message.role in ("system", "developer") or not message.text:
        return message.text
    return f"{message.role}: {message.text}"


def _question(text: str, param: str) -> str:
    try:
        return checked_question(text)
    except ConfigError as error:  # its hint is for the command line
        hint = "say the question alone here; long material goes into context"
        raise RequestRefused(400, "bad_question", error.message, hint, param=param) from None


def unread_body(found: str) -> RequestRefused:
    """What a client is told of a body that is no JSON object at all.

    Args:
        found: What ends the sentence.
    """
    hint = 'send {"model": …, "messages": […]} with the header Content-Type: application/json'
    return RequestRefused(400, "invalid_body", f"the body is no JSON{found}", hint)


def unfit(fault: Mapping[str, Any]) -> RequestRefused:
    """What a client is told of a body that does not fit.

    Args:
        fault: The first fault that was found, as pydantic tells it.
    """
    *path, last = fault["loc"]
    if fault["type"] == "json_invalid":
        return unread_body(f": {fault['ctx']['error']}")
    if not path:
        return unread_body(" object")
    param, hint = ".".join(map(str, (*path[1:], last))), ""
    match fault["type"]:
        case "model_type" | "model_attributes_type" | "dict_type":
            found = f"{param}: Input should be a JSON object"
        case "extra_forbidden":
            found, hint = f"{param}: there is no such field", f"one of: {', '.join(BudgetBody.model_fields)}"
        case _:
            found = f"{param}: {fault['msg']}"
    return RequestRefused(400, "invalid_body", found, hint, param=param)
