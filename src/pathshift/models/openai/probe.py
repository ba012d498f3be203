"""What a server is and can, found out by asking it: half a dozen requests of one token.

Nothing is taken from a server's name but how it wants to be spoken to. Whether log-probabilities
are the model's own or of logits divided by the temperature shows in two requests that differ in
temperature alone; whether the server gives those of a prompt, in a request for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.errors import ModelError
from pathshift.models.openai.client import HttpClient
from pathshift.models.openai.dialects import LLAMA, VLLM, dialect_of, wishes
from pathshift.models.openai.replies import Said, said
from pathshift.models.protocol import Message

_ASKED = "The"
_COLD = 0.25
_TOP = 5
_SAME, _SPREAD = 0.05, 0.2
SERVER_TEMPLATE = "(the server's own, filled in by the server)"
_CONVERSATION = [
    {"role": "system", "content": "{system}"},
    {"role": "user", "content": "{question}"},
]
_DATE = re.compile(
    r"\d{1,2}[ -][A-Z][a-z]{2,8}\.?,?[ -]\d{4}|[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4}|\d{4}-\d\d-\d\d"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is known of a server.

    Attributes:
        dialect: One of `dialects`.
        version: Of the server's program; empty if unknown.
        root: Where the server says it has the weights from; empty if it does not.
        context: Longest prompt and answer together, in tokens; None if unknown.
        has_completions: It completes plain text.
        renders: It fills in the chat template and shows the text.
        template: Text that stands for the chat template; None without one.
        logprobs: "raw" (temperature 1), "tempered" (divided by the temperature), or empty.
        gives_ids: It numbers the sampled tokens.
        scores: "ids", "echo", or empty: how it gives log-probabilities of a text.
        fingerprint: The likeliest tokens after "The", to a tenth of a nat.
    """

    dialect: str
    version: str = ""
    root: str = ""
    context: int | None = None
    has_completions: bool = False
    renders: bool = False
    template: str | None = None
    logprobs: str = ""
    gives_ids: bool = False
    scores: str = ""
    fingerprint: str = ""


def features_of(client: HttpClient) -> Features:
    """Ask the server what it can.

    Raises:
        ModelError: it cannot be reached, serves no such model, or completes nothing.
    """
    card = _card(client)
    dialect = dialect_of(card.get("owned_by"))
    first = _one_token(client, dialect, is_chat=False)
    has_completions = first is not None
    renders = has_completions and rendered(client, dialect, _CONVERSATION[1:]) is not None
    template = _template(client, dialect, renders=renders)
    if first is None:
        first = _one_token(client, dialect, is_chat=True)
    if first is None:
        raise ModelError(
            f"{client.server.base_url} completes neither text nor chats of {client.server.model}; "
            "mend the address (often it ends in /v1) or the model's name"
        )
    context = card.get("max_model_len")
    return Features(
        dialect=dialect,
        version=_version(client, dialect),
        root=str(card.get("root") or "")[:300],
        context=context if type(context) is int else None,
        has_completions=has_completions,
        renders=renders,
        template=template,
        logprobs=_kind_of_logprobs(client, dialect, first, is_chat=not has_completions),
        gives_ids=bool(first.token_ids),
        scores=_scores(client, dialect) if has_completions else "",
        fingerprint=_fingerprint(first),
    )


def rendered(client: HttpClient, dialect: str, messages: Sequence[Message]) -> str | None:
    """A conversation as the text that the model reads; None if the server does not tell.

    vLLM gives token numbers; their text is taken only if it is cut into the same tokens again.
    """
    root, model = client.server.root_url, client.server.model
    if dialect == LLAMA:
        text = _asked(client, f"{root}/apply-template", {"messages": list(messages)}).get("prompt")
        return text if isinstance(text, str) and text else None
    if dialect != VLLM:
        return None
    asked = {"model": model, "messages": list(messages), "add_generation_prompt": True}
    ids = _asked(client, f"{root}/tokenize", asked).get("tokens")
    if not ids:
        return None
    text = _asked(client, f"{root}/detokenize", {"model": model, "tokens": ids}).get("prompt")
    if not isinstance(text, str) or tokens_of(client, text, with_special=False) != ids:
        return None
    return text


def tokens_of(client: HttpClient, text: str, *, with_special: bool) -> list[int]:
    """The server's tokens of a text; empty if it does not tell (vLLM does)."""
    asked = {"model": client.server.model, "prompt": text, "add_special_tokens": with_special}
    found = _asked(client, f"{client.server.root_url}/tokenize", asked).get("tokens")
    return [int(one) for one in found] if isinstance(found, list) else []


def _asked(
    client: HttpClient, url: str, body: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """An object the server may have to give; empty if it has not."""
    answer = client.probe(url, body)
    try:
        found = json.loads(answer.body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _card(client: HttpClient) -> Mapping[str, Any]:
    """What the server's list says of the model; empty where there is no list."""
    listed = _asked(client, f"{client.server.base_url}/models").get("data")
    cards = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    known = {str(one.get("id")): one for one in cards}
    if known and client.server.model not in known:
        names = ", ".join(sorted(known)[:8])[:300]
        raise ModelError(
            f"{client.server.base_url} serves no model {client.server.model}; it has: {names}"
        )
    return known.get(client.server.model, {})


def _version(client: HttpClient, dialect: str) -> str:
    if dialect != VLLM:
        return ""
    return str(_asked(client, f"{client.server.root_url}/version").get("version", ""))[:60]


def _one_token(
    client: HttpClient, dialect: str, *, is_chat: bool, temperature: float = 1.0
) -> Said | None:
    """The completion of a word by one token, with the likeliest tokens where there are any."""
    policy = Policy(temperature=temperature, max_tokens=1)
    asked = {"model": client.server.model, **wishes(policy, 1, dialect)}
    if is_chat:
        path, tops = "chat/completions", {"logprobs": True, "top_logprobs": _TOP}
        asked["messages"] = [{"role": "user", "content": _ASKED}]
    else:
        path, tops = "completions", {"logprobs": _TOP}
        asked["prompt"] = _ASKED
    if dialect == VLLM:
        asked["return_token_ids"] = True
    for extra in (tops, {}):
        answer = client.probe(f"{client.server.base_url}/{path}", asked | extra)
        if answer.body is not None and (found := said(answer.body, is_chat=is_chat)) is not None:
            return found
    return None


def _template(client: HttpClient, dialect: str, *, renders: bool) -> str | None:
    """What stands for the chat template: a conversation filled in, or that the server does it."""
    if renders:
        # Some templates know no system turn; some hold today's date.
        text = rendered(client, dialect, _CONVERSATION)
        text = text or rendered(client, dialect, _CONVERSATION[1:]) or ""
        return _DATE.sub("(date)", text)
    has_chat = _one_token(client, dialect, is_chat=True) is not None
    return SERVER_TEMPLATE if has_chat else None


def _kind_of_logprobs(client: HttpClient, dialect: str, warm: Said, *, is_chat: bool) -> str:
    """Whose log-probabilities they are: compare one position at two temperatures."""
    if not warm.likeliest or warm.logprobs is None:
        return ""
    cold = _one_token(client, dialect, is_chat=is_chat, temperature=_COLD)
    if cold is None or not cold.likeliest:
        return ""
    return kind_of(warm.likeliest[0], cold.likeliest[0], _COLD)


def kind_of(warm: Mapping[str, float], cold: Mapping[str, float], temperature: float) -> str:
    """Tell "raw" log-probabilities from "tempered" ones, whose logits were divided.

    Empty where the tokens shown cannot tell.

    >>> kind_of({"a": -1.0, "b": -2.0}, {"a": -1.0, "b": -2.0}, 0.25)
    'raw'
    >>> kind_of({"a": -1.0, "b": -2.0}, {"a": -0.1, "b": -4.1}, 0.25)
    'tempered'
    """
    shared = sorted(warm.keys() & cold.keys(), key=lambda token: -warm[token])
    if len(shared) < 2 or warm[shared[0]] - warm[shared[-1]] < _SPREAD:
        return ""
    if all(abs(warm[token] - cold[token]) < _SAME for token in shared):
        return "raw"
    first = shared[0]
    gaps = [((warm[first] - warm[t]) / temperature, cold[first] - cold[t]) for t in shared[1:]]
    is_divided = all(abs(wanted - found) < _SAME + 0.02 * abs(wanted) for wanted, found in gaps)
    return "tempered" if is_divided else ""


def _scores(client: HttpClient, dialect: str) -> str:
    """How log-probabilities of a given text are to be had."""
    text = "One two three four"
    if dialect == VLLM:
        ids = tokens_of(client, text, with_special=True)
        found = scored_ids(client, ids) if len(ids) > 1 else None
        return "ids" if found is not None else ""
    echoed = scored_echo(client, text)
    return "echo" if echoed is not None else ""


def scored_ids(client: HttpClient, ids: list[int]) -> list[float] | None:
    """ln p of every token but the first, as vLLM gives them of a prompt."""
    asked = {
        "model": client.server.model, "prompt": ids, "max_tokens": 1, "temperature": 1.0,
        "prompt_logprobs": 0,
    }  # fmt: skip
    answer = client.probe(f"{client.server.base_url}/completions", asked)
    found = said(answer.body, is_chat=False) if answer.body is not None else None
    if found is None or len(found.prompt_logprobs) != len(ids):
        return None
    try:
        return [
            float(place[str(token)]["logprob"])
            for token, place in zip(ids[1:], found.prompt_logprobs[1:], strict=True)
        ]
    except (KeyError, TypeError, ValueError):
        return None


def scored_echo(client: HttpClient, text: str) -> list[tuple[int, float]] | None:
    """Where each token of a text begins and its ln p, from a server that echoes the prompt."""
    asked = {
        "model": client.server.model, "prompt": text, "max_tokens": 1, "temperature": 1.0,
        "echo": True, "logprobs": 1,
    }  # fmt: skip
    answer = client.probe(f"{client.server.base_url}/completions", asked)
    found = said(answer.body, is_chat=False) if answer.body is not None else None
    if found is None or found.logprobs is None or len(found.offsets) != len(found.logprobs):
        return None
    places = list(zip(found.offsets, found.logprobs, strict=True))
    prompt = [place for place in places if place[0] < len(text)]
    is_echoed = found.text.startswith(text) and len(prompt) > 1 and prompt[0][0] == 0
    return prompt if is_echoed else None


def _fingerprint(first: Said) -> str:
    if not first.likeliest:
        return ""
    tops = sorted(first.likeliest[0].items(), key=lambda item: -item[1])[:3]
    return " ".join(f"{text[:12]!r}:{value:.1f}" for text, value in tops)
