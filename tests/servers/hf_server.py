"""A real OpenAI-compatible server for tests: a transformers model behind the routes of vLLM.

It draws with torch's own multinomial and knows nothing of the code under test. What it has and has
not (template shown, log-probabilities, echo, ...) is a setting, so that it can stand for other
servers too; where a request leaves a sampling setting out it falls back on bad defaults, as real
servers fall back on a model's generation_config.json.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
Body = dict[str, Any]
Mishap = Callable[[BaseHTTPRequestHandler, Body, int], bool]
"""(handler, request, its number from 0) -> whether it answered in its own way."""


class Refusal(Exception):
    """An HTTP 400 with a message."""


@dataclass
class Behaviour:
    """What the server has, and what it was asked.

    Attributes:
        owner: What it calls itself in its list of models; None for no list.
        logprobs: "raw", "tempered", or "none".
        shows_template: It has routes that fill in the chat template.
        echoes: It gives log-probabilities of an echoed prompt.
        gives_ids: It numbers tokens, and gives log-probabilities of prompts.
    """

    owner: str | None = "vllm"
    logprobs: str = "raw"
    has_completions: bool = True
    has_chat: bool = True
    shows_template: bool = True
    echoes: bool = False
    gives_ids: bool = True
    context: int = 512
    thinks: bool = False
    mishap: Mishap | None = None
    url: str = ""
    asked: list[Body] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    under_way: int = 0
    most_under_way: int = 0

    @property
    def spec(self) -> str:
        return f"openai:{self.url}#test/Model-1"

    @property
    def samples_asked(self) -> list[Body]:
        """Requests that came after the probes."""
        return [body for body in self.asked if body.get("seed", 1) != 1]


class Brain:
    """The model."""

    def __init__(self, folder: Path, behaviour: Behaviour) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.network = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.behaviour = behaviour
        self.lock = threading.Lock()

    def rendered(self, messages: list[dict[str, str]]) -> str:
        template = self.tokenizer.chat_template or TEMPLATE
        text: str = self.tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True
        )
        return text

    @torch.inference_mode()
    def logits(self, ids: list[int]) -> torch.Tensor:
        with self.lock:
            found: torch.Tensor = self.network(torch.tensor([ids])).logits[0].double()
        return found

    def complete(self, body: Body, ids: list[int]) -> Body:
        """One choice."""
        room = self.behaviour.context - len(ids)
        if room < 0 or not ids:
            raise Refusal(f"This model's maximum context length is {self.behaviour.context} tokens")
        most = min(body["max_tokens"], room)
        made: list[int] = []
        shown: list[float] = []
        tops: list[dict[str, float]] = []
        draw = torch.Generator().manual_seed(body.get("seed", 0))
        text, finish = "", "length"
        while len(made) < most:
            logits = self.logits(ids + made)[-1]
            token = int(torch.multinomial(warped(logits, body), 1, generator=draw))
            plain, hot = logits.log_softmax(-1), tempered(logits, body).log_softmax(-1)
            seen = plain if self.behaviour.logprobs == "raw" else hot
            made.append(token)
            shown.append(float(seen[token]))
            best = seen.topk(5)
            tops.append(
                {self.tokenizer.decode([int(i)]): float(v) for v, i in zip(*best, strict=True)}
            )
            text = self.tokenizer.decode(made, skip_special_tokens=True)
            cuts = [at for stop in body.get("stop") or [] if (at := text.find(stop)) >= 0]
            if token == self.tokenizer.eos_token_id or cuts:
                text, finish = text[: min(cuts)] if cuts else text, "stop"
                break
        return {"text": text, "finish": finish, "ids": made, "shown": shown, "tops": tops}

    def prompt_logprobs(self, ids: list[int]) -> list[float]:
        plain = self.logits(ids).log_softmax(-1)
        return [float(plain[i, token]) for i, token in enumerate(ids[1:])]


def tempered(logits: torch.Tensor, body: Body) -> torch.Tensor:
    temperature: float = body["temperature"] or 1.0
    return logits / temperature


def warped(logits: torch.Tensor, body: Body) -> torch.Tensor:
    """Probabilities under a request; what it leaves out is as bad as it can be."""
    if body["temperature"] == 0:
        return torch.nn.functional.one_hot(logits.argmax(), len(logits)).double()
    probs = tempered(logits, body).softmax(-1)
    top_k = body.get("top_k", 1)
    if top_k > 0:
        probs = probs * (probs >= probs.topk(top_k).values[-1])
    kept: torch.Tensor = probs * (probs >= body.get("min_p", 0.9) * probs.max())
    return kept


def completion(brain: Brain, body: Body) -> Body:
    """The reply of /v1/completions."""
    own, tok = brain.behaviour, brain.tokenizer
    prompt = body["prompt"]
    special = body.get("add_special_tokens", True)
    ids = tok.encode(prompt, add_special_tokens=special) if isinstance(prompt, str) else prompt
    made = brain.complete(body, ids)
    choice: Body = {"index": 0, "text": made["text"], "finish_reason": made["finish"]}
    if own.logprobs != "none" and body.get("logprobs") is not None:
        choice["logprobs"] = {
            "tokens": [tok.decode([i]) for i in made["ids"]],
            "token_logprobs": made["shown"],
            "top_logprobs": made["tops"][: len(made["ids"])] if body["logprobs"] else None,
        }
    if body.get("echo") and own.echoes:
        pieces = [tok.decode([i]) for i in [*ids, *made["ids"]]]
        choice["text"] = prompt + made["text"]
        choice["logprobs"] = {
            "token_logprobs": [None, *brain.prompt_logprobs(ids), *made["shown"]],
            "text_offset": [len("".join(pieces[:i])) for i in range(len(pieces))],
        }
    if own.gives_ids and body.get("return_token_ids"):
        choice["token_ids"], choice["prompt_token_ids"] = made["ids"], ids
    if own.gives_ids and body.get("prompt_logprobs") is not None:
        found = zip(ids[1:], brain.prompt_logprobs(ids), strict=True)
        choice["prompt_logprobs"] = [None, *({str(i): {"logprob": v}} for i, v in found)]
    return {"choices": [choice], "usage": {"completion_tokens": len(made["ids"])}}


def chat(brain: Brain, body: Body) -> Body:
    """The reply of /v1/chat/completions."""
    ids = brain.tokenizer.encode(brain.rendered(body["messages"]), add_special_tokens=False)
    made = brain.complete(body, ids)
    message: Body = {"role": "assistant", "content": made["text"]}
    if brain.behaviour.thinks:
        message["reasoning_content"] = "Let me see."
    choice: Body = {"message": message, "finish_reason": made["finish"]}
    if brain.behaviour.logprobs != "none" and body.get("logprobs"):
        choice["logprobs"] = {
            "content": [
                {"token": "x", "logprob": value,
                 "top_logprobs": [{"token": t, "logprob": v} for t, v in tops.items()]}
                for value, tops in zip(made["shown"], made["tops"], strict=True)
            ]
        }  # fmt: skip
    return {"choices": [choice], "usage": {"completion_tokens": len(made["ids"])}}


def route(brain: Brain, path: str, body: Body) -> Body | None:
    """The reply to a POST; None for a route the server has not."""
    own, tok = brain.behaviour, brain.tokenizer
    if path == "/v1/completions" and own.has_completions:
        return completion(brain, body)
    if path == "/v1/chat/completions" and own.has_chat:
        return chat(brain, body)
    if path == "/apply-template" and own.shows_template and own.owner == "llamacpp":
        return {"prompt": brain.rendered(body["messages"])}
    if path == "/tokenize" and own.gives_ids:
        if "messages" in body:
            return {"tokens": tok.encode(brain.rendered(body["messages"]), add_special_tokens=False)
                    if own.shows_template else None}  # fmt: skip
        return {"tokens": tok.encode(body["prompt"], add_special_tokens=body["add_special_tokens"])}
    if path == "/detokenize" and own.gives_ids:
        return {"prompt": tok.decode(body["tokens"])}
    return None


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    sent = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    for name, value in {**sent, **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def handler_of(brain: Brain) -> type[BaseHTTPRequestHandler]:
    own = brain.behaviour

    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            card = {"id": "test/Model-1", "owned_by": own.owner, "root": "/weights",
                    "max_model_len": own.context}  # fmt: skip
            found = {"/v1/models": {"data": [card]}, "/version": {"version": "9"}}.get(self.path)
            missing = found is None or own.owner is None
            send(self, 404 if missing else 200, json.dumps(found or {}).encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with own.lock:
                number = len(own.asked)
                own.asked.append(body)
                own.headers.append({k.lower(): v for k, v in self.headers.items()})
                own.under_way += 1
                own.most_under_way = max(own.most_under_way, own.under_way)
            try:
                if own.mishap is None or not own.mishap(self, body, number):
                    self.answer(body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with own.lock:
                    own.under_way -= 1

        def answer(self, body: Body) -> None:
            try:
                found = route(brain, self.path, body)
            except Refusal as error:
                send(self, 400, json.dumps({"error": {"message": str(error)}}).encode())
                return
            send(self, 404 if found is None else 200, json.dumps(found or {}).encode())

        def log_message(self, *_: object) -> None:
            pass

    return Api


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def serving(folder: Path, behaviour: Behaviour | None = None) -> Iterator[Behaviour]:
    """The server on a free port of this machine, until the block ends."""
    own = behaviour or Behaviour()
    server = _Server(("127.0.0.1", 0), handler_of(Brain(folder, own)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    own.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield own
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
