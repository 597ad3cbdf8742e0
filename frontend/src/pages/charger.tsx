import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, post, put, type Charger } from "../api";
import type { PageProps } from "../main";
import { Page, Trouble, useLoaded } from "../parts";
import { amps, minutes, moment, number, t } from "../texts";
import { ChargerCard, steers } from "./live";

interface Session { session: string; begun_s: number | null; ended_s: number | null; energy_wh: number | null; average_w: number | null; driver: string | null }
const HOUR_S = 3600;

/** One charger: why it gives what it gives, when it will be its turn, what it gave. */
export function ChargerPage({ live, who, path }: PageProps): JSX.Element {
  const id = decodeURIComponent(path.split("/")[2] ?? "");
  const one = live?.chargers.find((charger) => charger.id === id);
  if (!live) return <Page title={id} back="/"><p class="wait">{t("live.waits")}</p></Page>;
  if (!one) return <Page title={id} back="/"><p class="note">{t("charger.gone")}</p></Page>;
  const staff = who.account.role === "owner" || who.account.role === "installer";
  return (
    <Page title={one.name} back="/">
      <ChargerCard one={one} steers={steers(one, who)} large />
      {one.session && <Now one={one} at_s={live.at_s} />}
      {one.session && <Whose key={`${one.session.id} ${one.session.account ?? 0}`} one={one} me={who.account.id} />}
      {steers(one, who) && <Until one={one} />}
      <Facts one={one} />
      {staff && <Newest id={one.id} goesOn={one.session?.id ?? ""} />}
    </Page>
  );
}

function Now({ one, at_s }: { one: Charger; at_s: number | null }): JSX.Element {
  const got = one.session?.energy_wh ?? null;
  const begun = one.session?.begun_s ?? null;
  return (
    <section class="feature" aria-label={t("charger.session")}>
      <h2>{t("charger.session")}</h2>
      <dl>
        <dt>{t("charger.got")}</dt><dd>{got === null ? t("charger.not-known") : `${number(got / 1000, 2)} kWh`}</dd>
        {begun !== null && <><dt>{t("charger.since")}</dt><dd>{moment(begun)}{at_s !== null && at_s > begun && ` (${minutes(at_s - begun)})`}</dd></>}
        {one.power_w !== null && <><dt>{t("charger.power")}</dt><dd>{number(one.power_w / 1000, 1)} kW</dd></>}
        {one.soc_pct !== null && <><dt>{t("charger.battery")}</dt><dd>{number(one.soc_pct, 0)} %</dd></>}
        {one.car && <Asked car={one.car} />}
        {one.place && <><dt>{t("charger.turn")}</dt><dd>{t(one.place.wait_s === null ? "live.place" : "live.place-time", { place: one.place.number, time: minutes(one.place.wait_s ?? 0) })}</dd></>}
      </dl>
    </section>
  );
}

/** What the car told its charger; nothing where it told nothing that says something to people. */
function Asked({ car }: { car: NonNullable<Charger["car"]> }): JSX.Element | null {
  const { min_a, max_a } = car;
  const said: string[] = [];
  if (min_a !== null && max_a !== null) said.push(t("charger.car-range", { min: amps(min_a), max: amps(max_a) }));
  else if (max_a !== null) said.push(t("charger.car-most", { max: amps(max_a) }));
  else if (min_a !== null) said.push(t("charger.car-least", { min: amps(min_a) }));
  if (car.energy_wh !== null) said.push(t("charger.car-energy", { energy: car.energy_wh / 1000 }));
  const leaves_s = car.departure === null ? NaN : Date.parse(car.departure) / 1000;
  if (!Number.isNaN(leaves_s)) said.push(t("charger.car-leaves", { at: moment(leaves_s) }));
  return said.length ? <><dt>{t("charger.car")}</dt><dd>{said.join(", ")}</dd></> : null;
}

/** Who has no card the controller knows says here that the car is theirs. */
function Whose({ one, me }: { one: Charger; me: number | null }): JSX.Element | null {
  const [problem, setProblem] = useState<unknown>(null);
  const owner = one.session?.account ?? null;
  if (me === null || (owner !== null && owner !== me)) return null;
  const give = (account: number | null): void => void put(`/sessions/${encodeURIComponent(one.id)}/${encodeURIComponent(one.session?.id ?? "")}/driver`, { account }).then(() => setProblem(null), setProblem);
  return (
    <section class="feature">
      <p>{t(owner === me ? "charger.is-mine" : "charger.whose")}</p>
      <Trouble problem={problem} />
      <button onClick={() => give(owner === me ? null : me)}>{t(owner === me ? "charger.not-mine" : "charger.mine")}</button>
    </section>
  );
}

function Until({ one }: { one: Charger }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const wish = (given: object, hours: number): void => void post(`/chargers/${encodeURIComponent(one.id)}/wish`, { ...given, until_s: Date.now() / 1000 + hours * HOUR_S }).then(() => setProblem(null), setProblem);
  return (
    <section class="feature" aria-label={t("charger.for")}>
      <h2>{t("charger.for")}</h2>
      <p>{one.wish.until_s === null ? t("charger.ends") : t("charger.until", { until: moment(one.wish.until_s) })}</p>
      <Trouble problem={problem} />
      {(["paused", "first"] as const).map((what) => (
        <div class="hours" key={what} role="group" aria-label={t(what === "paused" ? "live.pause" : "live.first")}>
          <b>{t(what === "paused" ? "live.pause" : "live.first")}</b>
          {[1, 2, 4, 8].map((hours) => <button key={hours} onClick={() => wish({ [what]: true }, hours)}>{t("charger.hours", { hours })}</button>)}
        </div>
      ))}
    </section>
  );
}

function Facts({ one }: { one: Charger }): JSX.Element {
  return (
    <section class="feature" aria-label={t("charger.facts")}>
      <h2>{t("charger.facts")}</h2>
      <dl>
        <dt>{t("charger.maker")}</dt><dd>{one.vendor ? `${one.vendor} ${one.model ?? ""}` : t("chargers.unknown")}</dd>
        {one.firmware && <><dt>{t("charger.firmware")}</dt><dd>{one.firmware}</dd></>}
        {one.ocpp && <><dt>{t("charger.ocpp")}</dt><dd>OCPP {one.ocpp}</dd></>}
        <dt>{t("chargers.lines")}</dt><dd>{one.lines?.join(" ") ?? t("chargers.wiring-unknown")}</dd>
        <dt>{t("places.min_a")}</dt><dd>{amps(one.min_a)}</dd>
        <dt>{t("places.max_a")}</dt><dd>{amps(one.max_a)}</dd>
        <dt>{t("charger.safe")}</dt><dd>{amps(one.safe_a)}</dd>
        {one.own_limit && <><dt>{t("charger.own-limit")}</dt><dd>{one.own_limit.limit_a === null ? t("charger.own-limit-unknown") : amps(one.own_limit.limit_a)}{one.own_limit.source && ` (${one.own_limit.source})`}</dd></>}
        {one.energy_wh !== null && <><dt>{t("charger.counter")}</dt><dd>{number(one.energy_wh / 1000, 1)} kWh</dd></>}
      </dl>
    </section>
  );
}

function Newest({ id, goesOn }: { id: string; goesOn: string }): JSX.Element | null {
  const [now, setNow] = useState(0);
  useEffect(() => setNow(Math.floor(Date.now() / 1000)), [goesOn]);
  const [lines, problem] = useLoaded(() => (now ? get<Session[]>(`/sessions?from_s=${now - 31 * 24 * HOUR_S}&charger=${encodeURIComponent(id)}`) : Promise.resolve([])), now);
  return (
    <section aria-label={t("app.sessions")}>
      <h2>{t("app.sessions")}</h2>
      <Trouble problem={problem} />
      {lines?.length === 0 && <p>{t("sessions.none")}</p>}
      <ul class="list">
        {(lines ?? []).slice(0, 10).map((one) => (
          <li key={one.session}><small>{one.begun_s === null ? "–" : moment(one.begun_s)}{one.driver && ` · ${one.driver}`}</small><span class="sum"><strong>{one.energy_wh === null ? "–" : number(one.energy_wh / 1000, 2)}</strong> kWh</span></li>
        ))}
      </ul>
    </section>
  );
}
