"""What `ampacity commission` shows of the tasks, a test that it follows, and the files of the report."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ampacity.api.routes.commissioning import CommissioningShown, TaskShown
from ampacity.api.routes.diagnosis import FindingShown
from ampacity.cli.controller import Controller, ControllerGone
from ampacity.cli.out import stderr, stdout
from ampacity.core.errors import AmpacityError
from ampacity.web.texts import text

POLL_S = 0.5
POLLS_MISSED = 20
"""So often in a row the controller may not answer while a test goes on: the app may be started anew meanwhile."""
MARKS = {"fine": "[green]✓[/]", "note": "[yellow]•[/]", "wrong": "[bold red]✗[/]", "unknown": "[dim]?[/]"}
CLOSED = ("fine", "note")
"""Verdicts after which nothing is left to do."""


class NoResult(AmpacityError):
    """A test is over, and nothing came of it."""

    code = "test-no-result"
    remedy = (
        "Make it again. If it goes on, look into the controller's log: whether it ended, or can't write its record."
    )


class ReportNotWritten(AmpacityError):
    """Its files can't be written."""

    code = "report-not-written"
    remedy = "Name a folder that you may write to; nothing else is lost."


class Words:
    """The app's texts in one language, with numbers in its way."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        """`zone`: of the site, for times."""
        self.language = language
        self._zone = zone

    def __call__(self, key: str, /, **params: str | float | None) -> str:
        return text(self.language, key, **{name: self.value(one) for name, one in params.items()})

    def value(self, one: str | float | None) -> str:
        """As in the app: one digit at the most, and `?` for what is not known."""
        if one is None:
            return "?"
        if isinstance(one, str):
            return one
        shown = f"{one:.1f}".removesuffix(".0")
        return shown if self.language == "en" else shown.replace(".", ",")

    def now(self) -> datetime:
        """On the site's clock."""
        return datetime.now(self._zone)

    def title(self, task: TaskShown) -> str:
        words = self(f"commission.task-{task.code}")
        return words if task.name is None else f"{words}: {task.name}"

    def finding(self, one: FindingShown) -> str:
        return self(f"commission.{one.code}", **one.params)

    def done(self, task: TaskShown) -> str | None:
        """By whom and when, with what was typed in; None: it was not done."""
        if task.done is None:
            return None
        at = datetime.fromtimestamp(task.done.at_s, self._zone).strftime("%Y-%m-%d %H:%M")
        values = ", ".join(f"{name}: {self.value(one)}" for name, one in task.done.values.items() if one != "")
        return f"{self('commission.report-done', by=task.done.by, at=at)} {values}".strip()


def show_list(shown: CommissioningShown, words: Words, *, findings: bool) -> None:
    """All tasks under their numbers; with `findings`, what is known of each."""
    for number, task in enumerate(shown.tasks, start=1):
        stdout.print(f"{number:>3} {MARKS[task.verdict]} {escape(words.title(task))}", soft_wrap=True)
        if findings:
            show_task(task, words, indent=" " * 6)
    done = sum(one.verdict in CLOSED for one in shown.tasks)
    wrong = sum(one.verdict == "wrong" for one in shown.tasks)
    counts = words("terminal.counts", done=done, all=len(shown.tasks))
    stdout.print(escape(f"{counts} {words('terminal.wrong', count=wrong)}" if wrong else counts), soft_wrap=True)


def show_task(task: TaskShown, words: Words, *, indent: str = "  ") -> None:
    """What was found, by whom and when."""
    for one in task.findings:
        stdout.print(f"{indent}{MARKS[one.verdict]} {escape(words.finding(one))}", soft_wrap=True)
    if (done := words.done(task)) is not None:
        stdout.print(f"{indent}[dim]{escape(done)}[/]", soft_wrap=True)


def run_test(controller: Controller, kind: str, charger: str, words: Words) -> TaskShown:
    """Makes a step or an expiry test, and says how far it is; Ctrl-C stops it.

    Raises:
        AmpacityError: it can't be made, or nothing came of it.
        KeyboardInterrupt: it was stopped.
    """
    before = task_tested(controller.commissioning(), kind, charger)
    began_s = None if before is None or before.done is None else before.done.at_s
    try:
        controller.begin(kind, charger)
        after = task_tested(_followed(controller, words), kind, charger)
    except KeyboardInterrupt:
        stop_test(controller, words)
        raise
    if after is None or after.done is None or after.done.at_s == began_s:
        raise NoResult("The test is over, and the controller has kept nothing of it.")
    return after


def follow(controller: Controller, words: Words) -> CommissioningShown:
    """The test that is under way, to its end; Ctrl-C stops it. What is known then."""
    try:
        return _followed(controller, words)
    except KeyboardInterrupt:
        stop_test(controller, words)
        raise


def stop_test(controller: Controller, words: Words) -> None:
    controller.stop()
    stderr.print(escape(words("terminal.stopped")), soft_wrap=True)


def task_tested(shown: CommissioningShown, kind: str, charger: str) -> TaskShown | None:
    return next((one for one in shown.tasks if (one.code, one.charger) == (kind, charger)), None)


def _followed(controller: Controller, words: Words) -> CommissioningShown:
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
                stage = test.stage
                said = f"{test.charger}: {words(f'commission.stage-{stage}')}"
                progress.update(bar, description=escape(said))
                if not stderr.is_terminal:
                    stderr.print(escape(said), soft_wrap=True)
            progress.update(bar, completed=test.share)
            time.sleep(POLL_S)
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
        console.print(escape(words("terminal.written", file=str(path))), soft_wrap=True)
    console.print(escape(words("terminal.signed", fingerprint=key)), soft_wrap=True)
