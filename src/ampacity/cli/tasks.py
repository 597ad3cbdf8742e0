"""What `ampacity commission` shows of the tasks, a test that it follows, and the files of the report."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ampacity.api.routes.commissioning import CommissioningShown, TaskShown
from ampacity.api.routes.diagnosis import FindingShown
from ampacity.cli.controller import Controller, ControllerGone
from ampacity.cli.out import stderr, stdout
from ampacity.commission.report import Reader, values_in_words
from ampacity.core.errors import AmpacityError
from ampacity.web.texts import text

POLL_S = 0.5
POLLS_MISSED = 20
"""So often in a row the controller may not answer while a test goes on: the app may be started anew meanwhile."""
MARKS = {"fine": "[green]✓[/]", "note": "[yellow]•[/]", "wrong": "[bold red]✗[/]", "unknown": "[dim]?[/]"}
CLOSED = ("fine", "note")
"""Verdicts after which nothing is left to do."""


class NoResult(AmpacityError):
    """A test is over, and nothing new is known."""

    code = "test-no-result"
    remedy = "What was known before stays. Make it again; if it goes on, look into the controller's log."


class ReportNotWritten(AmpacityError):
    """Its files can't be written."""

    code = "report-not-written"
    remedy = "Name a folder that you may write to; nothing else is lost."


class Words:
    """The app's texts in one language, with numbers in its way."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        """`zone`: of the site, for times."""
        self._language = language
        self._zone = zone
        self.reader = Reader(words=partial(text, language), language=language)
        self.said = self.reader.said

    def __call__(self, key: str, /, **params: str) -> str:
        return text(self._language, key, **params)

    def now(self) -> datetime:
        """On the site's clock."""
        return datetime.now(self._zone)

    def title(self, task: TaskShown) -> str:
        words = self(f"commission.task-{task.code}")
        return words if task.name is None else f"{words}: {task.name}"

    def finding(self, one: FindingShown) -> str:
        return self.said(one.code, one.params)

    def done(self, task: TaskShown, shown: CommissioningShown) -> list[str]:
        """What was typed in, by whom, and when; empty: it was not done."""
        if task.done is None:
            return []
        at = datetime.fromtimestamp(task.done.at_s, self._zone).strftime("%Y-%m-%d %H:%M")
        chargers, meters = charger_names(shown), {one.id: one.name for one in shown.meters}
        values = values_in_words(task.done.values, self.reader, chargers, meters)
        return [*values, self("commission.report-done", by=task.done.by, at=at)]


def charger_names(shown: CommissioningShown) -> dict[str, str]:
    """What people call them, by id."""
    return {one.charger: one.name or one.charger for one in shown.tasks if one.charger is not None}


def say(words: str, *, indent: int = 0, console: Console = stdout) -> None:
    """Markup: broken at words in a terminal, and one line in a file or a pipe."""
    if console.is_terminal:
        console.print(Padding(words, (0, 0, 0, indent)))
    else:
        console.print(" " * indent + words, soft_wrap=True)


def show_list(shown: CommissioningShown, words: Words, *, findings: bool) -> None:
    """All tasks under their numbers; with `findings`, what is known of each."""
    for number, task in enumerate(shown.tasks, start=1):
        say(f"{number:>3} {MARKS[task.verdict]} {escape(words.title(task))}")
        if findings:
            show_task(shown, task, words, indent=6)
    done = sum(one.verdict in CLOSED for one in shown.tasks)
    wrong = sum(one.verdict == "wrong" for one in shown.tasks)
    counts = words.said("progress", {"done": done, "all": len(shown.tasks)})
    if wrong:
        counts = f"{counts}, {words.said('wrong', {'count': wrong})}"
    say(escape(counts))


def show_task(shown: CommissioningShown, task: TaskShown, words: Words, *, indent: int = 2) -> None:
    """What was found, what was typed in, by whom and when."""
    for one in task.findings:
        say(f"{MARKS[one.verdict]} {escape(words.finding(one))}", indent=indent)
    for line in words.done(task, shown):
        say(f"[dim]{escape(line)}[/]", indent=indent)


def run_test(controller: Controller, kind: str, charger: str, words: Words) -> tuple[CommissioningShown, TaskShown]:
    """Makes a step or an expiry test, and says how far it is; Ctrl-C stops it. What is known then, and of this test.

    Raises:
        AmpacityError: it can't be made, or nothing came of it.
        KeyboardInterrupt: it was stopped.
    """
    before = task_tested(controller.commissioning(), kind, charger)
    known_s = None if before is None or before.done is None else before.done.at_s
    try:
        with _noticed() as interrupted:
            controller.begin(kind, charger)
            shown = _followed(controller, words, interrupted)
    except KeyboardInterrupt:
        stop_test(controller, words)
        raise
    after = task_tested(shown, kind, charger)
    if after is None or after.done is None or after.done.at_s == known_s:
        known = [] if before is None else before.findings
        news = [] if after is None else [words.finding(one) for one in after.findings if one not in known]
        raise NoResult(" ".join(["The test came to nothing.", *news]))
    return shown, after


def follow(controller: Controller, words: Words) -> CommissioningShown:
    """The test that is under way, to its end; Ctrl-C stops it. What is known then."""
    try:
        with _noticed() as interrupted:
            return _followed(controller, words, interrupted)
    except KeyboardInterrupt:
        stop_test(controller, words)
        raise


def stop_test(controller: Controller, words: Words) -> None:
    controller.stop()
    say(escape(words("terminal.stopped")), console=stderr)


def task_tested(shown: CommissioningShown, kind: str, charger: str) -> TaskShown | None:
    return next((one for one in shown.tasks if (one.code, one.charger) == (kind, charger)), None)


@contextmanager
def _noticed() -> Iterator[threading.Event]:
    """Ctrl-C sets the event. As an exception it may be lost: libraries pass over some, and then nothing would stop the
    test."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # no signal comes here
        return
    before = signal.signal(signal.SIGINT, lambda _, __: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _followed(controller: Controller, words: Words, interrupted: threading.Event) -> CommissioningShown:
    """
    Raises:
        KeyboardInterrupt: the event is set.
    """
    stage = ""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=1.0)
        while (test := (shown := _polled(controller)).test) is not None:
            if test.stage != stage:
                if not stage:
                    say(escape(words(f"commission.test-ground-{test.ground}")), console=stderr)
                stage = test.stage
                said = f"{test.charger}: {words(f'commission.stage-{stage}')}"
                progress.update(bar, description=escape(said))
                if not stderr.is_terminal:
                    say(escape(said), console=stderr)
            progress.update(bar, completed=test.share)
            if interrupted.wait(POLL_S):
                raise KeyboardInterrupt
    return shown


def _polled(controller: Controller) -> CommissioningShown:
    missed = 0
    while True:
        try:
            return controller.commissioning()
        except ControllerGone:
            missed += 1
            if missed >= POLLS_MISSED:
                raise
            time.sleep(POLL_S)


def write_report(controller: Controller, folder: Path, console: Console, words: Words) -> None:
    """As a page and for print, in the language of the account.

    Raises:
        ReportNotWritten
    """
    name = f"ampacity-commissioning-{words.now():%Y-%m-%d-%H%M}"
    key = controller.commissioning().key
    for form in ("html", "pdf"):
        content, path = controller.report(form), folder / f"{name}.{form}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise ReportNotWritten(f"{path} can't be written ({error.strerror or error}).") from error
        say(escape(words("terminal.written", file=str(path))), console=console)
    say(escape(words("terminal.signed", fingerprint=key)), console=console)
