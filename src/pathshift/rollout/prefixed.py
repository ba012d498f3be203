"""A model that goes on from given beginnings, and the run it is drawn into.

The whole text, beginning and continuation, is what the verifier judges and the run folder keeps, so
drawing, resuming and judging are the ordinary ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelLost
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    Model,
    ModelInfo,
    Request,
    Scored,
    is_conversation,
)
from pathshift.records import Problem, RunManifest, digest
from pathshift.rollout.plan import Plan, environment
from pathshift.rollout.prefixes import Asked, Cut
from pathshift.store.prefixes import TUNED_RIGHT, PrefixNote

_ASKED = ("mode", "template", "template_hash", "system", "temperature", "top_k", "top_p", "min_p",
          "max_tokens", "stop", "task", "task_options", "verifier")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prefixed:
    """A model whose answers begin as they were made to begin.

    A completion's text is the beginning and what the model added; tokens and log-probabilities are
    those of what it added.

    Attributes:
        notes: By the prompt that ends in the beginning.
    """

    model: Model
    notes: Mapping[str, PrefixNote] = field(repr=False)

    @property
    def info(self) -> ModelInfo:
        """The model's own."""
        return self.model.info

    def render_chat(self, messages: Sequence[Message]) -> str:
        """The model's own."""
        return self.model.render_chat(messages)

    def score(self, prompt: str, continuation: str) -> list[float]:
        """The model's own."""
        return self.model.score(prompt, continuation)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """The model's own."""
        return self.model.score_all(prompt, continuations, policy, is_chat=is_chat)

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """Continuations; what the beginning took of the token limit is taken off."""
        drawn: list[list[Completion]] = []
        for request in requests:
            try:
                drawn.append(self._continued(request, policy))
            except ModelLost as lost:
                begun = [self._begun(request, found) for found in lost.drawn]
                raise ModelLost(str(lost), [*drawn, *begun]) from lost
        return drawn

    def _continued(self, request: Request, policy: Policy) -> list[Completion]:
        left = max(1, policy.max_tokens - (self.notes[request.prompt].n_tokens or 0))
        (drawn,) = self.model.generate([request], replace(policy, max_tokens=left))
        return [one for one in self._begun(request, drawn) if one is not None]

    def _begun(
        self, request: Request, drawn: Sequence[Completion | None]
    ) -> list[Completion | None]:
        """Completions with the beginning before them."""
        text = self.notes[request.prompt].text
        return [None if one is None else replace(one, text=text + one.text) for one in drawn]


def prefixed_run(
    cut: Cut, model: Model, n: int, *, wanted: Callable[[PrefixNote], bool] = lambda note: True
) -> tuple[Plan, Prefixed]:
    """A plan for `draw_samples`, and the model to draw it with.

    Args:
        n: Samples of every beginning.
        wanted: Which of the beginnings to ask; `for_the_tuned` keeps what its own model needs.

    Raises:
        ConfigError: The prompts are of a chat and the model has no chat template.
    """
    if n < 1:
        raise ConfigError(f"n must be at least 1, got {n}")
    is_chat = cut.settings.get("mode") == "chat"
    if is_chat and model.info.chat_template is None:
        raise ConfigError(
            f"the run asked through a chat template and {model.info.spec} has none; give the "
            "run of the model that is to continue, asked in its own way: --base"
        )
    if is_chat and any(is_conversation(one.prompt) for one in cut.asked):
        raise ConfigError(
            "the run was asked through a server that fills in the chat template itself, so no "
            "answer can be begun for it; sample it through vLLM, llama-server or hf:PATH_OR_ID"
        )
    asked = [one for one in cut.asked if wanted(one.note)]
    problems = tuple(_problem(one) for one in asked)
    prompts = tuple(one.prompt + one.note.text for one in asked)
    plan = Plan(
        problems=problems, prompts=prompts, is_chat=is_chat, policy=_policy(cut.settings),
        manifest=RunManifest(
            config=_configuration(cut, model, problems), n=n, environment=environment(model)
        ),
    )  # fmt: skip
    notes = {prompt: one.note for prompt, one in zip(prompts, asked, strict=True)}
    return plan, Prefixed(model, notes)


def for_the_tuned(note: PrefixNote) -> bool:
    """Whether the tuned model is to complete it too: alone, and from its own right beginning."""
    return not note.text or any(use.source == TUNED_RIGHT for use in note.uses)


def _problem(asked: Asked) -> Problem:
    """The problem with its answer begun: another question, so that draws are its own."""
    problem, text = asked.problem, asked.note.text
    return replace(
        problem,
        id=f"{problem.id}@{digest(text)[:8] if text else 0}",
        question=f"{problem.question}\n{text}" if text else problem.question,
        cluster=problem.cluster or problem.id,
        data={**problem.data, **asked.note.to_data()},
    )


def _policy(settings: Mapping[str, Any]) -> Policy:
    """The run's own; what an imported run does not say is as by default."""
    names = ("temperature", "top_k", "top_p", "min_p", "max_tokens")
    known = {name: settings[name] for name in names if settings.get(name) is not None}
    return Policy(**known, stop=tuple(settings.get("stop") or ()))


def _configuration(cut: Cut, model: Model, problems: Sequence[Problem]) -> dict[str, Any]:
    info = model.info
    config = {
        **{name: cut.settings.get(name) for name in _ASKED},
        "model": info.spec,
        "weights_hash": info.weights_hash,
        "dtype": info.details.get("dtype"),
        "rows": info.details.get("rows"),
        "prefixes": dict(cut.origin),
        "limit": cut.config.limit,
        "seed": cut.config.seed,
        "stopping": None,
        "store": None,
    }
    stream = digest("prefixes", sorted(config.items()))
    asked = [(p.id, p.content_hash) for p in problems]
    return {**config, "stream": stream[:16], "task_hash": digest(asked)[:16]}
