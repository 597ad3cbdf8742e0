"""The guided commissioning as a conversation: one task after the other, until all are done or somebody leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import typer
from rich.markup import escape

from ampacity.api.entrance import AccountShown
from ampacity.api.routes.commissioning import CommissioningShown, TaskShown
from ampacity.cli.controller import Controller, Refused
from ampacity.cli.out import say_error, stdout
from ampacity.cli.tasks import (
    CLOSED,
    MARKS,
    NoResult,
    ReportNotWritten,
    Words,
    charger_names,
    follow,
    run_test,
    say,
    show_list,
    show_task,
    write_report,
)
from ampacity.commission.bus import OVER_LIMIT_OHM

MOST_A = 10_000.0
MOST_SQUARE_MM = 1000.0
LONGEST_POSITION, LONGEST_NOTE = 20, 100
HIGHEST_ROTARY = 15
"""Rotary switches have ten or sixteen positions; which of them are right is for the controller to judge."""
ENDS = frozenset({"not-signed-in", "not-allowed"})
"""Refusals after which no other answer helps."""

_OVER_LIMIT = frozenset({"ol", "o.l", "o.l.", "0l", "0.l", "inf", "∞", "open"})
_TIMES = {"": 1.0, "m": 1e-3, "k": 1e3, "K": 1e3, "M": 1e6}
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(\S*)")

_Answer = TypeVar("_Answer")
_Key = tuple[str, str | None, int]
"""A task: its code, its charger, and which of those that are alike."""


class Left(Exception):
    """Somebody leaves."""


class _Skipped(Exception):
    """Somebody skips what is asked."""


class _Nonsense(Exception):
    """An answer that can't be; with the text that says what could."""


class Guided:
    """One sitting."""

    def __init__(self, controller: Controller, person: AccountShown, words: Words, report_to: Path | None) -> None:
        """`report_to`: where its files go at the end; None: that is asked."""
        self._controller = controller
        self._person = person
        self._words = words
        self._report_to = report_to
        self._skipped: set[_Key] = set()
        self._wanted: _Key | None = None
        self._listed = 0

    def run(self) -> bool:
        """Whether everything is done, and nothing is wrong.

        Raises:
            Left: before that.
            AmpacityError: it can't go on.
        """
        shown = self._controller.commissioning()
        if shown.test is not None:
            self._say("under-way")
            shown = follow(self._controller, self._words)
        self._say("keys")
        while (task := self._next(shown)) is not None:
            if len(shown.tasks) != self._listed:
                self._list(shown)
            self._present(shown, task)
            try:
                shown = self._taken(shown, task)
            except (Refused, NoResult, ReportNotWritten) as error:
                if error.code in ENDS:
                    raise
                say_error(f"{error.what} {error.remedy}", code=error.code)
                shown = self._controller.commissioning()
        self._list(shown)
        if shown.ready:
            say(escape(self._words("commission.report-ready")))
        else:
            self._say("open", tasks="; ".join(self._words.title(one) for one in shown.tasks if not _is_closed(one)))
        self._report()
        return shown.ready

    def _next(self, shown: CommissioningShown) -> TaskShown | None:
        """The one that was asked for, or the first that is open."""
        wanted, self._wanted = self._wanted, None
        keyed = _keyed(shown)
        if wanted in keyed:
            return keyed[wanted]
        return next((one for key, one in keyed.items() if not _is_closed(one) and key not in self._skipped), None)

    def _list(self, shown: CommissioningShown) -> None:
        self._listed = len(shown.tasks)
        stdout.print()
        show_list(shown, self._words, findings=False)

    def _present(self, shown: CommissioningShown, task: TaskShown) -> None:
        place = list(_keyed(shown).values()).index(task) + 1
        title = escape(self._words.title(task))
        say(f"\n[bold]{place}/{len(shown.tasks)} {title}[/] {MARKS[task.verdict]}")
        say(escape(self._words(f"commission.how-{task.code}")))
        show_task(shown, task, self._words)

    def _taken(self, shown: CommissioningShown, task: TaskShown) -> CommissioningShown:
        """One answer to "what now?" of this task. How all stand after it."""
        key = next(key for key, one in _keyed(shown).items() if one is task)
        self._wanted = key  # until it is dealt with
        asked = self._choices(task)
        match asked:
            case "q":
                raise Left
            case "s":
                self._skipped.add(key)
                self._wanted = None
            case "l":
                self._list(shown)
            case "r":
                self._report()
            case "u" if task.by_hand and task.done is not None:
                return self._controller.undone(task.code)
            case "" | "y":
                return self._done(shown, task, key)
            case number:
                if number.isdecimal() and 1 <= int(number) <= len(shown.tasks):
                    self._wanted = list(_keyed(shown))[int(number) - 1]
                else:
                    self._say("not-understood")
        return shown

    def _choices(self, task: TaskShown) -> str:
        """What now? An empty answer goes on, but for what is only to be confirmed: nobody does that by mistake."""
        only_confirmed = task.by_hand and task.code not in _ASKED
        if only_confirmed:
            first = "confirm"
        elif task.code in ("step", "expiry"):
            first = "begin-test"
        elif task.by_hand or task.code in ("worst", "disclaimer"):
            first = "begin"
        else:
            first = "look-again"
        said = [self._words(f"terminal.{first}")]
        if task.by_hand and task.done is not None:
            said.append(self._words("terminal.undo"))
        answer = _line(f"{', '.join(said)} (s, l, r, q, 1…)").lower()
        return "?" if only_confirmed and not answer else answer

    def _done(self, shown: CommissioningShown, task: TaskShown, key: _Key) -> CommissioningShown:
        try:
            after = self._asked(shown, task)
        except _Skipped:
            return self._controller.commissioning()
        self._wanted = None
        self._skipped.discard(key)
        if (now := _keyed(after).get(key)) is not None and task.code not in _TELL_THEMSELVES:
            show_task(after, now, self._words)
        return after

    def _asked(self, shown: CommissioningShown, task: TaskShown) -> CommissioningShown:
        """Asks for what the task takes, and tells the controller."""
        match task.code:
            case "wiring":
                return self._save(task, self._cable())
            case "bus":
                return self._save(task, {"ohm": self._ask("commission.label-ohm", ohm, unit="ohm, OL")})
            case "switches":
                return self._save(task, self._switches(shown))
            case "reading":
                return self._save(task, self._clamps(shown))
            case "worst":
                return self._worst_loads()
            case "step" | "expiry" if task.charger is not None:
                return self._tested(task.code, task.charger)
            case "disclaimer":
                return self._disclaimer()
            case _ if task.by_hand:
                return self._save(task, {})
            case _:
                return self._controller.commissioning()

    def _save(self, task: TaskShown, values: Mapping[str, str | float]) -> CommissioningShown:
        """A note that was written in the app stays."""
        note = {} if task.done is None else {key: one for key, one in task.done.values.items() if key == "note"}
        return self._controller.done(task.code, {**note, **values})

    def _cable(self) -> dict[str, str | float]:
        values: dict[str, str | float] = {}
        if cable := self._ask("commission.label-cable", _note, hint="commission.cable-hint"):
            values["cable"] = cable
        section_mm2 = self._ask("commission.label-section", _optional(square_mm), unit="mm²")
        return values if section_mm2 is None else {**values, "section_mm2": section_mm2}

    def _switches(self, shown: CommissioningShown) -> dict[str, str | float]:
        hint = "commission.position-hint"
        values: dict[str, str | float] = {"position": self._ask("commission.label-position", _position, hint=hint)}
        for charger, name in charger_names(shown).items():
            hint = "commission.rotary-hint"
            rotary = self._ask("commission.label-rotary", _optional(_rotary), hint=hint, charger=name)
            if rotary is None:
                continue
            values[f"rotary.{charger}"] = rotary
            means_a = self._ask("commission.label-means", _optional(amps), unit="A", charger=name)
            if means_a is not None:
                values[f"means_a.{charger}"] = means_a
        return values

    def _clamps(self, shown: CommissioningShown) -> dict[str, str | float]:
        self._say("clamp-hint")
        values: dict[str, str | float] = {}
        for meter in shown.meters:
            for line in range(1, meter.lines + 1):
                now = self._shows(meter.id, line)
                values[f"{meter.id}.L{line}"] = self._asked_of(f"{meter.name}, L{line} [A] ({now})", amps)
        return values

    def _shows(self, meter: str, line: int) -> str:
        """What a meter shows at this moment."""
        told = [one.amps for one in self._controller.commissioning().meters if one.id == meter and one.amps is not None]
        if not told or line > len(told[0]):
            return self._words("commission.shows-nothing")
        return self._words.said("shows-now", {"amps": round(told[0][line - 1], 1)})

    def _worst_loads(self) -> CommissioningShown:
        told = self._controller.worst_loads()
        for circuit in told.circuits:
            stated = []
            for line, limit_a in enumerate(circuit.limit_a, start=1):
                named = f"{circuit.name}, L{line}"
                stated.append(self._asked_of(f"{named} [A] (< {self._words.reader.number(limit_a)} A)", amps))
            told = self._controller.state_worst_load(told.version, circuit.circuit, stated)
        return self._controller.commissioning()

    def _tested(self, kind: str, charger: str) -> CommissioningShown:
        say(escape(self._words("commission.test-meanwhile")))
        self._say("ctrl-c")
        shown, task = run_test(self._controller, kind, charger, self._words)
        show_task(shown, task, self._words)
        if task.learned is not None:
            asked = self._words("commission.set-lines", charger=str(task.name), lines=task.learned)
            change = self._controller.set_lines
        elif task.guarded is not None:
            asked = self._words("commission.set-guarded" if task.guarded else "commission.set-unguarded")
            change = self._controller.set_guarded
        else:
            return shown
        if not _is_yes(f"{asked}?"):
            return shown
        shown = change(shown.version, charger)
        say(escape(self._words("commission.lines-set")))
        return shown

    def _disclaimer(self) -> CommissioningShown:
        say(escape(self._words("disclaimer.1")))
        accepts = self._words("disclaimer.accept", name=self._person.name)
        if not _is_yes(accepts):
            raise _Skipped
        self._controller.accept()
        return self._controller.commissioning()

    def _report(self) -> None:
        if self._report_to is not None:
            write_report(self._controller, self._report_to, stdout, self._words)
            return
        while (answer := _line(self._words("terminal.folder"))).lower() not in ("n", "no", "q", "s"):
            try:
                write_report(self._controller, Path(answer or ".").expanduser(), stdout, self._words)
                return
            except ReportNotWritten as error:
                say_error(f"{error.what} {error.remedy}", code=error.code)

    def _ask(
        self, key: str, read: Callable[[str], _Answer], *, unit: str = "", hint: str | None = None, **params: str
    ) -> _Answer:
        """Asks for what the text says, in the unit."""
        question = self._words(key, **params)
        if unit:
            question += f" [{unit}]"
        if hint is not None:
            question += f" ({self._words(hint)})"
        return self._asked_of(question, read)

    def _asked_of(self, question: str, read: Callable[[str], _Answer]) -> _Answer:
        """Asks until `read` takes the answer."""
        while True:
            answer = _line(question)
            if answer.lower() == "q":
                raise Left
            if answer.lower() == "s":
                raise _Skipped
            try:
                return read(answer)
            except _Nonsense as error:
                self._say(str(error))

    def _say(self, code: str, **params: str) -> None:
        say(escape(self._words(f"terminal.{code}", **params)))


_ASKED = ("wiring", "bus", "switches", "reading")
"""Tasks of hands with something to type in."""
_TELL_THEMSELVES = ("step", "expiry", "mounting", "proof")
"""Tasks that have shown what was found, or come up again."""


def _line(question: str) -> str:
    answer: str = typer.prompt(question, default="", show_default=False, prompt_suffix=": ")
    return answer.strip()


def _keyed(shown: CommissioningShown) -> dict[_Key, TaskShown]:
    found: dict[_Key, TaskShown] = {}
    for one in shown.tasks:
        place = sum((code, charger) == (one.code, one.charger) for code, charger, _ in found)
        found[one.code, one.charger, place] = one
    return found


def _is_closed(task: TaskShown) -> bool:
    return task.verdict in CLOSED


def _is_yes(question: str) -> bool:
    return _line(f"{question} (y/N)").lower() in ("y", "yes")


# --- what people type ---


def ohm(typed: str) -> float:
    """`60`, `60,2 Ω`, `1.2 kΩ`, or `OL`, as instruments show it. OVER_LIMIT_OHM: that."""
    if typed.lower() in _OVER_LIMIT:
        return OVER_LIMIT_OHM
    number, unit = _number(typed, "not-ohm")
    factor = re.sub(r"(?i)(ohms?|[ΩΩω]|r)$", "", unit)
    if number < 0 or factor not in _TIMES or (unit in ("m", "M") and unit == factor):
        raise _Nonsense("not-ohm")
    return min(number * _TIMES[factor], OVER_LIMIT_OHM)


def amps(typed: str) -> float:
    """`12.3`, `12,3 A`, `300 mA`. Clamps that show a sign may: the size counts."""
    number, unit = _number(typed, "not-amps")
    factor = re.sub(r"(?i)a(mps?|mperes?)?$", "", unit)
    if factor not in ("", "m", "k") or (unit and unit == factor) or abs(number * _TIMES[factor]) > MOST_A:
        raise _Nonsense("not-amps")
    return abs(number * _TIMES[factor])


def square_mm(typed: str) -> float:
    """`2.5`, `0,8 mm²`."""
    number, unit = _number(typed, "not-section")
    if unit.lower() not in ("", "mm²", "mm2") or not 0 < number <= MOST_SQUARE_MM:
        raise _Nonsense("not-section")
    return number


def _rotary(typed: str) -> float:
    if not typed.isdecimal() or int(typed) > HIGHEST_ROTARY:
        raise _Nonsense("not-rotary")
    return float(typed)


def _position(typed: str) -> str:
    if len(typed) > LONGEST_POSITION or not typed.isprintable():
        raise _Nonsense("not-position")
    return typed


def _note(typed: str) -> str:
    if len(typed) > LONGEST_NOTE or not typed.isprintable():
        raise _Nonsense("not-note")
    return typed


def _optional(read: Callable[[str], _Answer]) -> Callable[[str], _Answer | None]:
    return lambda typed: read(typed) if typed else None


def _number(typed: str, nonsense: str) -> tuple[float, str]:
    """With the unit behind it."""
    found = _NUMBER.fullmatch(typed.strip())
    if found is None:
        raise _Nonsense(nonsense)
    return float(found[1].replace(",", ".")), found[2]
