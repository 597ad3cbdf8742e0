"""Whatever fails: an excess is gone in time, a blind circuit is at its safe current, and none is of our making."""

from __future__ import annotations

import math
import os

from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.properties.house import (
    DEAD_S,
    MESSAGE_S,
    PASS_S,
    Car,
    Fault,
    Fittings,
    House,
    Obeys,
    Post,
    Sensor,
    car_at,
    cars,
    houses,
    tenths,
)

from ampacity.core.site import PauseMode

EXAMPLES = int(os.environ.get("AMPACITY_EXAMPLES", "0"))
"""How many stories a property is told; 0: a few, for every day."""

NEAR_A = 0.1
"""Less than this above a limit is rounding: `TOLERANCE_A` of several cars, and their steps."""

FOLLOW_S = MESSAGE_S + DEAD_S
"""From a command to the car's answer."""

CREDIT_S = FOLLOW_S + 0.5
"""A cut is credited until the meter shows it, and so long at most: what is left then was never drawn."""

GRACE_S = 30.0
"""control.md: in budget mode an excess that only a pause can remove lasts no longer."""

DEADLINE_S = 5.0
GOOD_SAMPLES = 3
"""So many good samples of a meter end its blindness, and before it ends nothing is known of its circuit."""

FIRST_REPORT_S = 10.0
"""How long a charger that has just come may take to say what it does, before it is told anything."""

RETRY_S = 61.0
"""What a charger refused or did not answer is said again within 60 s, at the next pass."""


QUIET_S = 90.0
"""Nothing was told for so long: all cars have followed at half an ampere a second, and have been reported since."""


class Watch:
    """What is always checked of a house. Bounds are by circuit, from what its meter and chargers are like."""

    def __init__(self, house: House) -> None:
        self.house = house
        site = house.site
        self.sensors_of = [self._sensors_of(number) for number in range(len(site.circuits))]
        self.cut_s = [self._cut_s(number) for number in range(len(site.circuits))]
        self.pause_s = [self._pause_s(number) for number in range(len(site.circuits))]
        self.over: list[set[int] | None] = [None] * len(site.circuits)
        """By circuit: the lines above their limit at the last look; None: there was something to wait for."""
        house.after = self.check

    def _sensors_of(self, circuit: int) -> list[Sensor]:
        """Whose meters tell what the building does on a circuit: its own, or without one the next ones below it."""
        own = [sensor for sensor in self.house.sensors if sensor.circuit == circuit]
        site = self.house.site
        below = [n for n, other in enumerate(site.circuits) if other.parent == site.circuits[circuit].id]
        return own or [sensor for number in below for sensor in self._sensors_of(number)]

    def _look_s(self, circuit: int) -> float:
        """From when something happens until a pass knows of it."""
        return max((sensor.kind.period_s + sensor.kind.age_s for sensor in self.sensors_of[circuit]), default=PASS_S)

    def _cut_s(self, circuit: int) -> float:
        """From the last thing that grew by itself until all that lowering can remove is gone.

        The worst: cars were cut by what they drew long ago, and draw less. These cuts are credited though they relieve
        nothing. So first every draw has to be known anew: one report of each charger, made when it has followed. Cuts
        made until then are credited for CREDIT_S from the last of them; the sample after that shows the whole excess,
        and the cut that answers it is followed.
        """
        reports_s = max(
            (post.kind.report_s + post.kind.message_s for post in self.house.below(circuit)),
            default=0.0,
        )
        look_s = self._look_s(circuit)
        return look_s + FOLLOW_S + reports_s + 2 * (CREDIT_S + look_s) + FOLLOW_S

    def _pause_s(self, circuit: int) -> float:
        """The same for what only a pause can remove. In budget mode it is borne for up to 30 s, which begin again
        when somebody was paused who turned out not to draw: each charger once."""
        strict = self.house.site.pause_mode is PauseMode.STRICT
        return self.cut_s[circuit] + (0.0 if strict else GRACE_S)

    def check(self, house: House) -> None:
        self.check_decision()
        if house.dead_s is None:
            self.check_flows()
            self.check_blind()

    def check_decision(self) -> None:
        if self.house.decision is None:
            return
        for charger, setpoint in zip(self.house.site.chargers, self.house.decision.setpoints, strict=True):
            assert setpoint.limit_a == 0.0 or charger.min_a <= setpoint.limit_a <= charger.max_a, setpoint

    def check_flows(self) -> None:
        house = self.house
        flows = None
        for number in range(len(house.site.circuits)):
            calm_s = house.now_s - max(house.step_s[number], self._known_s(number))
            if calm_s <= self.cut_s[number]:
                self.over[number] = None
                continue
            if flows is None:
                flows = house.flows()
            self._check_circuit(number, calm_s, flows[number])

    def _check_circuit(self, number: int, calm_s: float, flows: list[complex]) -> None:
        """A circuit on which nothing grew by itself for so long that all of it is known and answered."""
        circuit = self.house.site.circuits[number]
        before = self.over[number]
        now = set()
        for line, limit in enumerate(circuit.limit_a):
            excess_a = math.copysign(abs(flows[line]), flows[line].real) - limit
            if excess_a <= NEAR_A:
                continue
            now.add(line)
            where = f"{self.house.now_s:.1f} s: {circuit.id} L{line + 1} is {excess_a:.2f} A above {limit:g} A"
            assert before is None or line in before, f"{where}: calm for {calm_s:.1f} s, it came from commands of ours"
            for post in self._on(number, line):
                amps = self.house.amps(post)
                if self._heeds(post, self.cut_s[number]):
                    assert amps <= post.charger.min_a + NEAR_A, (
                        f"{where} for more than {self.cut_s[number]:.1f} s, and {post.charger.id} draws {amps:.1f} A"
                    )
                if calm_s > self.pause_s[number] and self._heeds(post, self.pause_s[number]):
                    assert amps == 0.0, (
                        f"{where} for more than {self.pause_s[number]:.1f} s, and {post.charger.id} is not paused"
                    )
        self.over[number] = now

    def _on(self, circuit: int, line: int) -> list[Post]:
        return [p for p in self.house.below(circuit) if p.car is not None and abs(self.house.phasors(p)[line]) > 0]

    def _heeds(self, post: Post, since_s: float) -> bool:
        """Whether it could be told, and would have followed, for so long."""
        assert post.car is not None
        return post.car.obeys is Obeys.ALWAYS and self.house.now_s - post.able_s > max(since_s, RETRY_S + FOLLOW_S)

    def _known_s(self, circuit: int) -> float:
        """Since when what is known of the circuit's load is true and believed."""
        return max((self._true_s(circuit, sensor) for sensor in self.sensors_of[circuit]), default=0.0)

    def _true_s(self, circuit: int, sensor: Sensor) -> float:
        if sensor.faults == 0:
            return 0.0
        if sensor.fault is Fault.FROZEN and self.house.step_s[circuit] < sensor.fault_s:
            return 0.0  # nothing has grown since it froze
        if sensor.fault is not Fault.NONE:
            return math.inf
        return sensor.fault_s + GOOD_SAMPLES * sensor.kind.period_s

    def check_blind(self) -> None:
        """Nobody below a circuit that nothing is known of has more than the safe current."""
        house = self.house
        for sensor in house.sensors:
            if sensor.fault not in (Fault.SILENT, Fault.ABSURD):
                continue
            # Three of its own periods, as learned: each gap before this one made it a fifth longer at most.
            deadline_s = max(DEADLINE_S, 3 * sensor.kind.period_s * min(2.0, 1.2 ** (sensor.faults - 1)))
            bound_s = sensor.kind.age_s + deadline_s + PASS_S + FOLLOW_S
            if house.now_s - sensor.fault_s <= bound_s:
                continue
            for post in house.below(sensor.circuit):
                if post.car is not None and self._heeds(post, bound_s):
                    assert house.amps(post) <= post.charger.safe_a + NEAR_A, (
                        f"{house.now_s:.1f} s: {sensor.meter.id} is blind for {house.now_s - sensor.fault_s:.1f} s "
                        f"(> {bound_s:.1f} s), and {post.charger.id} draws {house.amps(post):.1f} A"
                    )


WAITS = st.one_of(tenths(0, 3), tenths(3, 60))


class AnyStory(RuleBasedStateMachine):
    """Loads step, cars come and go, links and meters fail, chargers refuse, cars disobey; and time passes."""

    @initialize(fittings=houses(), guests=st.lists(cars(), min_size=6, max_size=6))
    def begin(self, fittings: Fittings, guests: list[Car]) -> None:
        self.house = House(fittings)
        self.watch = Watch(self.house)
        for circuit in range(len(fittings.site.circuits)):
            self.house.disturb(circuit, FIRST_REPORT_S)
        for post, car in zip(self.house.posts, guests, strict=False):
            self.house.plug_in(post.number, car_at(post, car, fittings.site.supply))
        self.house.run(120)

    def post(self, number: int) -> Post:
        return self.house.posts[number % len(self.house.posts)]

    @rule(seconds=tenths(1, 60))
    def time_passes(self, seconds: float) -> None:
        self.house.run(seconds)

    @rule(seconds=tenths(100, 250))
    def much_time_passes(self, seconds: float) -> None:
        self.house.run(seconds)

    @rule(
        wait_s=WAITS,
        circuit=st.integers(0, 4),
        line=st.integers(0, 2),
        share=st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.1]),
    )
    def the_building_steps(self, circuit: int, line: int, share: float, wait_s: float) -> None:
        house = self.house
        circuit %= len(house.site.circuits)
        line %= len(house.site.supply.lines)
        one = house.site.circuits[circuit]
        most_a = one.limit_a[line] if one.meter is not None else one.other_load_a
        house.step_load(circuit, line, min(share, 1.0 if one.meter is None else share) * most_a)
        self.house.run(wait_s)

    @rule(wait_s=WAITS, number=st.integers(0, 5), car=cars())
    def a_car_comes_or_goes(self, number: int, car: Car, wait_s: float) -> None:
        post = self.post(number)
        if post.car is None:
            self.house.plug_in(post.number, car_at(post, car, self.house.site.supply))
        else:
            self.house.unplug(post.number)
        self.house.run(wait_s)

    @rule(wait_s=WAITS, number=st.integers(0, 5), most_a=st.sampled_from([0.0, 4.0, 9.0, 32.0]))
    def a_car_wants_more_or_less(self, number: int, most_a: float, wait_s: float) -> None:
        self.house.takes(self.post(number).number, most_a)
        self.house.run(wait_s)

    @rule(wait_s=WAITS, number=st.integers(0, 5), noticed_after_s=tenths(0, 40))
    def a_link_fails_or_comes_back(self, number: int, noticed_after_s: float, wait_s: float) -> None:
        post = self.post(number)
        if post.link:
            self.house.lose_link(post.number, noticed_after_s)
        else:
            self.house.regain_link(post.number)
        self.house.run(wait_s)

    @rule(wait_s=WAITS, number=st.integers(0, 5))
    def a_charger_refuses_or_agrees_again(self, number: int, wait_s: float) -> None:
        post = self.post(number)
        self.house.refuses(post.number, not post.refuses)
        self.house.run(wait_s)

    @rule(wait_s=WAITS, number=st.integers(0, 5), obeys=st.sampled_from(list(Obeys)))
    def a_car_obeys_or_not(self, number: int, obeys: Obeys, wait_s: float) -> None:
        self.house.obeys(self.post(number).number, obeys)
        self.house.run(wait_s)

    @rule(wait_s=WAITS, number=st.integers(0, 4), fault=st.sampled_from(list(Fault)))
    def a_meter_fails_or_recovers(self, number: int, fault: Fault, wait_s: float) -> None:
        self.house.spoil(self.house.sensors[number % len(self.house.sensors)], fault)
        self.house.run(wait_s)


@settings(max_examples=EXAMPLES or 30)
@given(
    houses(),
    st.lists(cars(), min_size=6, max_size=6),
    st.integers(0, 4),
    st.integers(0, 2),
    st.lists(tenths(0, 1.2), min_size=2, max_size=2),
    tenths(0, 10),
)
def test_what_lowering_can_remove_is_gone_within_a_sample_a_pass_and_the_cars_dead_time(
    fittings: Fittings, guests: list[Car], circuit: int, line: int, shares: list[float], wait_s: float
) -> None:
    """A load steps where all was quiet: the first sample that shows it is answered in full, in one pass. What only a
    pause can remove is gone as soon in strict mode, and within 30 s of the step in budget mode."""
    house = House(fittings)
    for post, car in zip(house.posts, guests, strict=False):
        house.plug_in(post.number, car_at(post, car, fittings.site.supply))
    circuit = house.sensors[circuit % len(house.sensors)].circuit
    line %= len(fittings.site.supply.lines)
    limit_a = fittings.site.circuits[circuit].limit_a[line]
    house.step_load(circuit, line, min(shares) * limit_a)
    house.run(180 + wait_s)
    while house.now_s - house.told_s < QUIET_S and house.now_s < 600:
        house.run(10)
    if house.now_s - house.told_s < QUIET_S:
        event("never quiet")
        return
    event("quiet")
    before, stepped_s = house.flows(), house.now_s
    house.step_load(circuit, line, max(shares) * limit_a)
    sensor = next(sensor for sensor in house.sensors if sensor.circuit == circuit)
    slowest_s = max((p.kind.message_s + p.car.dead_s for p in house.posts if p.car is not None), default=0.0)
    look_s = sensor.kind.period_s + sensor.kind.age_s
    if len(house.sensors) > 1:
        # Another meter may show the step first. What is cut by it is credited here, though this meter's next sample
        # may come after the cut and with the whole step: the rest shows in the sample after the credit has ended.
        look_s += CREDIT_S + look_s
    house.run(look_s + slowest_s + 1e-6)
    if abs(before[circuit][line]) > limit_a + NEAR_A:
        return
    event(f"too much at first: {abs(before[circuit][line]) + (max(shares) - min(shares)) * limit_a > limit_a}")
    strict = fittings.site.pause_mode is PauseMode.STRICT
    for post in drawing_above(house, circuit, line):
        assert house.amps(post) <= (0.0 if strict else post.charger.min_a + NEAR_A), post
    if not strict:
        house.run(stepped_s + GRACE_S - house.now_s)
        assert not drawing_above(house, circuit, line)


def drawing_above(house: House, circuit: int, line: int) -> list[Post]:
    """Who draws on a line that is above its limit."""
    flow, limit_a = house.flows()[circuit][line], house.site.circuits[circuit].limit_a[line]
    if math.copysign(abs(flow), flow.real) <= limit_a + NEAR_A:
        return []
    return [
        post
        for post in house.below(circuit)
        if post.car is not None and house.amps(post) > 0 and abs(house.phasors(post)[line]) > 0
    ]


AnyStory.TestCase.settings = settings(max_examples=EXAMPLES or 15, stateful_step_count=30)
TestWhateverFails = AnyStory.TestCase
