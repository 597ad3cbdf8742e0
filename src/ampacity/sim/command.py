"""One simulation as a process: python -m ampacity.sim.command SITE BUILDING SESSIONS OUT LAG REPORT_EVERY SEED.

Speaks to the command line that started it on standard output, a line each: `progress 0.25`, `stage drawing`, and before
it ends with exit code 1, `error {"error": code, "what": ..., "remedy": ...}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.sim.simulate import Story, simulate, write_summary
from ampacity.sim.tables import read_building, read_sessions

OK, FAILED, INTERRUPTED = 0, 1, 130


class OutNotWritable(AmpacityError):
    """The results can't be written."""

    code = "out-not-writable"
    remedy = "Choose another folder, or make room."


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 after an `error` line."""
    site, building, sessions, out = (Path(one) for one in arguments[:4])
    lag_s, report_every_s, seed = (int(one) for one in arguments[4:])
    try:
        story = _story(site, building, sessions, lag_s, report_every_s, seed)
        _run(story, out)
    except AmpacityError as error:
        _say(f"error {json.dumps({'error': error.code, 'what': error.what, 'remedy': error.remedy})}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _story(site_file: Path, building: Path, sessions: Path, lag_s: int, report_every_s: int, seed: int) -> Story:
    site = effective(load(site_file))
    return Story(
        site=site,
        building=read_building(building, len(site.supply.lines)),
        sessions=read_sessions(sessions, {charger.id: charger.phases for charger in site.chargers}),
        lag_s=lag_s,
        report_every_s=report_every_s,
        seed=seed,
    )


def _run(story: Story, out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        summary = simulate(story, out / "trace.csv", progress=_tell)
        write_summary(out / "summary.json", summary)
    except OSError as error:
        raise OutNotWritable(f"{out} can't be written ({error.strerror}).") from error
    _say("stage drawing")
    drawn = subprocess.run([sys.executable, "-m", "ampacity.sim.picture", str(out)], check=False, capture_output=True)
    if drawn.returncode != 0:
        last = drawn.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OutNotWritable(f"{out / 'trace.png'} could not be drawn ({last}).")


def _tell(done: int, of: int) -> None:
    _say(f"progress {done / of:.4f}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
