"""A plan as a process: python -m ampacity.sim.plan_command QUESTION.JSON-TEXT. Speaks as ampacity.sim.command does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.phases import Supply
from ampacity.core.site import Site
from ampacity.sim.command import FAILED, INTERRUPTED, OK, OutNotWritable
from ampacity.sim.plan import Wish, plan, supply_site
from ampacity.sim.tables import read_building


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks."""

    building: str
    out: str
    site: str | None
    supply: str
    voltage_v: float
    limit_a: float
    continuous_factor: float
    energy_wh: float
    from_s: int
    until_s: int
    cars: tuple[tuple[int, float], ...]
    enough: float
    most: int
    seed: int


def main(text: str) -> int:
    """Exit code 0, or 1 after an `error` line."""
    asked = msgspec.json.decode(text, type=Question)
    try:
        _answer(asked)
    except AmpacityError as error:
        _say(f"error {json.dumps({'error': error.code, 'what': error.what, 'remedy': error.remedy})}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _answer(asked: Question) -> None:
    out = Path(asked.out)
    site = _site(asked)
    building = read_building(Path(asked.building), len(site.supply.lines))
    wish = Wish(
        energy_wh=asked.energy_wh,
        from_s=asked.from_s,
        until_s=asked.until_s,
        cars=asked.cars,
        enough=asked.enough,
        most=asked.most,
        seed=asked.seed,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        found: dict[str, Any] = {"site": site.name, **plan(site, building, wish, out, _tell)}
        found["limit_a"] = list(next(c for c in site.circuits if c.parent is None).limit_a)
        (out / "plan.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutNotWritable(f"{out} can't be written ({error.strerror}).") from error
    _tell("drawing", 0.97)
    drawn = subprocess.run(
        [sys.executable, "-m", "ampacity.sim.plan_picture", str(out)], check=False, capture_output=True
    )
    if drawn.returncode != 0:
        last = drawn.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OutNotWritable(f"{out / 'plan.png'} could not be drawn ({last}).")


def _site(asked: Question) -> Site:
    if asked.site is not None:
        return effective(load(Path(asked.site)))
    return supply_site("plan", Supply(asked.supply), asked.voltage_v, asked.limit_a, asked.continuous_factor)


def _tell(what: str, share: float) -> None:
    _say(f"stage {what}")
    _say(f"progress {share:.4f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
