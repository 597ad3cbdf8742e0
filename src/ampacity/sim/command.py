"""Simulations as a process: python -m ampacity.sim.command SITE BUILDING SESSIONS OUT LAG REPORT_EVERY SEED POLICIES.

Speaks to the command line that started it on standard output, a line each: `progress 0.25`, `stage drawing`, and before
it ends with exit code 1, `error {"error": code, "what": ..., "remedy": ...}`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ampacity.config.site_toml import load
from ampacity.config.steered import effective
from ampacity.core.errors import AmpacityError
from ampacity.core.site import Site
from ampacity.sim.policies import Policy, named
from ampacity.sim.simulate import Story, optimum, simulate, write_summary
from ampacity.sim.tables import read_building, read_sessions

OK, FAILED, INTERRUPTED = 0, 1, 130


class OutNotWritable(AmpacityError):
    """The results can't be written."""

    code = "out-not-writable"
    remedy = "Choose another folder, or make room."


def main(arguments: list[str]) -> int:
    """Exit code 0, or 1 after an `error` line."""
    site, building, sessions, out = (Path(one) for one in arguments[:4])
    lag_s, report_every_s, seed = (int(one) for one in arguments[4:7])
    policies = arguments[7].split(",")
    try:
        story = _story(site, building, sessions, lag_s, report_every_s, seed)
        _run(story, {name: named(name, story.site) for name in policies}, out)
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


def _run(story: Story, policies: Mapping[str, tuple[Policy, Site]], out: Path) -> None:
    """One policy's results are in `out`; those of several in a folder for each, and side by side in `out`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        _say("stage the optimum")
        best_wh = optimum(story)
        summaries = {}
        for number, (name, (policy, site)) in enumerate(policies.items()):
            folder = out if len(policies) == 1 else out / name
            folder.mkdir(exist_ok=True)
            _say(f"stage {name if len(policies) > 1 else 'simulating'}")

            def tell(done: int, of: int, first: int = number) -> None:
                _say(f"progress {(first + done / of) / len(policies):.4f}")

            summary = simulate(replace(story, site=site), folder / "trace.csv", policy, tell, best_wh)
            summaries[name] = {"policy": name, **summary}
            write_summary(folder / "summary.json", summaries[name])
        _say("stage drawing")
        if len(policies) == 1:
            _draw("ampacity.sim.picture", out, out / "trace.png")
        else:
            write_summary(out / "policies.json", summaries)
            _draw("ampacity.sim.policies_picture", out, out / "policies.png")
    except OSError as error:
        raise OutNotWritable(f"{out} can't be written ({error.strerror}).") from error


def _draw(module: str, out: Path, picture: Path) -> None:
    drawn = subprocess.run([sys.executable, "-m", module, str(out)], check=False, capture_output=True)
    if drawn.returncode != 0:
        last = drawn.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OutNotWritable(f"{picture} could not be drawn ({last}).")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
