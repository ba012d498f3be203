"""pathshift judge: a model marks the reasoning of a run's right answers; CoT-pass@k comes of it."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from typer import Option

from pathshift.cli.output import PLAIN_LINE_SECONDS, JsonFlag, QuietFlag, Speaker

if TYPE_CHECKING:
    from pathshift.analysis.chains import ChainCurve, ChainReading
    from pathshift.analysis.result import Share
    from pathshift.authoring.chat_client import ChatServer
    from pathshift.authoring.marking import Marked, MarkOptions
    from pathshift.store.judgements import JudgeSettings


def judge(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    judge: Annotated[
        str,
        Option(metavar="openai:BASE_URL#MODEL", help="Model at any OpenAI-compatible server."),
    ],
    votes: Annotated[int, Option(help="Votes a chain, each with its own seed.")] = 3,
    rule: Annotated[
        str,
        Option(help="any, majority or all votes must say sound; may be changed without asking."),
    ] = "majority",
    only_correct: Annotated[
        bool,
        Option(
            "--only-correct/--all",
            help="Judge chains of right answers only; --all: of wrong ones too, to see what the "
            "judge lets pass.",
        ),
    ] = True,
    limit: Annotated[
        int | None,
        Option(help="At most so many chains now, the rest when run again. [default: all]"),
    ] = None,
    temperature: Annotated[float, Option(help="Of the judge; 0 allows one vote only.")] = 0.7,
    max_tokens: Annotated[int, Option(help="Longest reply, thoughts included.")] = 4096,
    seed: Annotated[int, Option(help="Seed of the votes and intervals.")] = 0,
    verifier: Annotated[
        str | None, Option(help="Whose verdicts on answers count. [default: the run's own]")
    ] = None,
    out: Annotated[
        str | None,
        Option(help="Name of the verdicts: verdicts/judge-... [default: after the model]"),
    ] = None,
    retry_failed: Annotated[
        bool, Option("--retry-failed", help="Ask again where no vote could be read.")
    ] = False,
    concurrency: Annotated[int, Option(help="Chains asked at a time.")] = 4,
    timeout: Annotated[float, Option(help="Seconds for one reply.")] = 120.0,
    retries: Annotated[int, Option(help="Tries after a failed one, with growing pauses.")] = 4,
    key_env: Annotated[
        str, Option(help="Environment variable that holds the server's key, if it wants one.")
    ] = "PATHSHIFT_API_KEY",
    json: JsonFlag = None,
    quiet: QuietFlag = False,
) -> None:
    """Have a model judge the chains of right answers: is the way to the answer sound as well?

    Votes are kept, judged chains are not asked again, and a server that dies leaves a state to go
    on from. The chain is fenced in as foreign text; a judge can still be fooled. Needs the api
    extra. Then compare base and tuned with `--verifier` and the name printed here.

    Example: pathshift judge runs/a --judge openai:http://127.0.0.1:8000/v1#Qwen3-8B
    """
    from pathshift.analysis.chains import chain_reading
    from pathshift.authoring.chat_client import ChatServer
    from pathshift.authoring.judge import PROMPT_HASH
    from pathshift.authoring.marking import MarkOptions
    from pathshift.store.judgements import JudgeSettings, judge_name, name_for
    from pathshift.store.run import RunFolder

    server = ChatServer.from_spec(judge)
    name = judge_name(out) if out is not None else name_for(server.model)
    settings = JudgeSettings(
        model=server.model, votes=votes, rule=rule, temperature=temperature,
        answers=verifier or str(RunFolder(run).manifest.config["verifier"]),
        max_tokens=max_tokens, seed=seed, prompt_hash=PROMPT_HASH,
    )  # fmt: skip
    options = MarkOptions(
        only_correct=only_correct, limit=limit, concurrency=concurrency, retry_failed=retry_failed
    )
    speaker = Speaker(json, quiet=quiet)
    connection = _Connection(server, key_env, timeout, retries, speaker.quiet)
    marked = _mark(run, name, settings, options, connection)
    speaker.say(_told(run, name, marked))
    if marked.left:
        speaker.advise(f"{marked.left:,} chains are left; run the same command to go on")
        speaker.result({"run": str(run), "name": name, "left": marked.left})
        return
    reading = chain_reading(run, name, seed=seed)
    for line in lines(reading):
        speaker.say(line)
    speaker.advise(f"next: pathshift compare {run} OTHER_RUN --verifier {name}")
    speaker.result({"left": 0, "asked": marked.asked, **reading.to_dict()})


class _Connection(NamedTuple):
    """Flags that say how the server is reached."""

    server: ChatServer
    key_env: str
    timeout: float
    retries: int
    quiet: bool


def _mark(
    run: Path, name: str, settings: JudgeSettings, options: MarkOptions, connection: _Connection
) -> Marked:
    """Ask until all is asked; what was judged survives a dead server and Ctrl-C."""
    from pathshift.authoring.chat_client import ChatClient, Limits, key_from
    from pathshift.authoring.marking import mark_run
    from pathshift.errors import ModelError

    progress = _Progress(quiet=connection.quiet)
    client = ChatClient(
        connection.server,
        key=key_from(connection.key_env),
        limits=Limits(timeout_s=connection.timeout, retries=connection.retries),
    )
    try:
        return mark_run(run, name, settings, client, options, on_progress=progress)
    except ModelError as error:
        done = progress.last
        on_disk = done.kept + done.asked - done.held if done else 0
        raise ModelError(
            f"{error}; {on_disk:,} judged chains are kept, run the same command again to go on"
        ) from error
    except KeyboardInterrupt:
        typer.echo(f"to go on: {shlex.join(['pathshift', *sys.argv[1:]])}", err=True)
        raise typer.Exit(130) from None
    finally:
        client.close()


class _Progress:
    """A line on stderr: live on a terminal, every ten seconds elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty()
        self._said = time.monotonic()
        self.last: Marked | None = None

    def __call__(self, marked: Marked) -> None:
        """Show how far it is, if it is time."""
        self.last = marked
        now, is_last = time.monotonic(), marked.asked == marked.wanted
        every = 0.2 if self._is_terminal else PLAIN_LINE_SECONDS
        if self._quiet or not marked.asked or (now - self._said < every and not is_last):
            return
        self._said = now
        line = (
            f"{marked.asked:,}/{marked.wanted:,} chains judged ({marked.kept:,} kept), "
            f"{marked.failed:,} without a readable vote, "
            f"{marked.asked / marked.seconds:.1f} chains/s"
        )
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{line}" + ("\n" if is_last else ""))
            sys.stderr.flush()
        else:
            typer.echo(line, err=True)


def _told(run: Path, name: str, marked: Marked) -> str:
    return (
        f"{run}: {marked.asked:,} distinct chains judged now, {marked.kept:,} before, "
        f"{marked.failed:,} of those asked now gave no readable vote; stored as verdicts/{name}"
    )


def lines(found: ChainReading) -> Iterator[str]:
    """A judge's reading as lines for a terminal."""
    asked = found.judge
    yield (
        f"{found.judged:,} right answers on {found.problems:,} problems, {asked.votes} votes each "
        f"by {asked.model}: {found.failed:,} without a readable vote (in no rate), {found.short:,} "
        "with fewer votes than asked"
    )
    for rule, share in found.sound.items():
        middle = found.sound_median[rule]
        beside = "" if middle is None else f"; median over problems {middle:.3f}"
        mark = "  <- counted" if rule == asked.rule else ""
        yield f"sound by {rule:<8} {_share(share)} of right answers{beside}{mark}"
    if found.agreement is not None:
        yield (
            f"votes agree on all of {found.agreement.votes} in {_share(found.agreement.unanimous)} "
            f"of chains; Fleiss kappa {_share(found.agreement.kappa)} (steadiness, not rightness)"
        )
    if found.wrong_called_sound.value is not None:
        yield (
            f"of the chains with a wrong answer the judge calls {_share(found.wrong_called_sound)} "
            "sound: what it lets pass"
        )
    yield from _curves(found)


def _curves(found: ChainReading) -> Iterator[str]:
    """pass@k beside CoT-pass@k under the three rules."""
    if not found.k:
        return
    head = "   ".join(f"{'and chain, ' + rule:<20}" for rule in found.chains)
    yield f"{'k':>5}  {'answer':>7}   {head}".rstrip()
    for i, k in enumerate(found.k):
        cells = "   ".join(f"{_at(curve, i):<20}" for curve in found.chains.values())
        yield f"{k:>5}  {found.answers.value[i]:>7.3f}   {cells}".rstrip()


def _at(curve: ChainCurve, i: int) -> str:
    return f"{curve.value[i]:.3f} [{curve.low[i]:.3f}, {curve.high[i]:.3f}]"


def _share(share: Share) -> str:
    if share.value is None:
        return "undefined"
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]"
