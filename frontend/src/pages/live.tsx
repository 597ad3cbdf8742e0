import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, post, type Charger, type Circuit, type Happened, type Live, type SignIn } from "../api";
import type { PageProps } from "../main";
import { Happenings, Link, Page, Trouble } from "../parts";
import { amps, has, minutes, moment, number, t } from "../texts";

export function LiveHome({ live, who }: PageProps): JSX.Element {
  const [History, setHistory] = useState<ComponentType<{ live: Live }> | null>(null);
  useEffect(() => { if (live && !History) void import("./history").then((one) => setHistory(() => one.History)); }, [live !== null]);
  if (!live) return <Page title="Ampacity"><p class="wait">{t("live.waits")}</p></Page>;
  const own = (one: Charger): boolean => who.account.id !== null && one.session?.account === who.account.id;
  const chargers = who.account.role === "driver" ? [...live.chargers].sort((one, other) => Number(own(other)) - Number(own(one))) : live.chargers;
  return (
    <Page title={live.site.name}>
      <StatusLine live={live} />
      {live.circuits.map((circuit) => <Bars key={circuit.id} circuit={circuit} lines={live.site.lines} />)}
      {(who.account.role === "owner" || who.account.role === "installer") && (live.circuits.some((one) => one.blind !== null) || live.chargers.some((one) => !one.online || one.flag !== null)) && <Link to="/settings/check" class="onward">{t("selfcheck.look")} ›</Link>}
      <h2>{t("live.chargers")}</h2>
      {live.chargers.length === 0 && <p>{t("live.no-chargers")}</p>}
      <div class="cards">{chargers.map((one) => <ChargerCard key={one.id} one={one} steers={steers(one, who)} mine={own(one)} onward />)}</div>
      <Lately />
      {History && <History live={live} />}
    </Page>
  );
}

/** Whether there are buttons for pause and priority; whether a driver may is for the server to say. */
export function steers(one: Charger, who: SignIn): boolean {
  return who.account.role === "owner" || who.account.role === "installer" || (who.account.id !== null && one.session?.account === who.account.id);
}

/** What happened last that matters, on the first page. */
function Lately(): JSX.Element | null {
  const [events, setEvents] = useState<Happened[]>([]);
  useEffect(() => {
    const told = (event: Event): void => setEvents((known) => [(event as CustomEvent<Happened>).detail, ...known].slice(0, 3));
    addEventListener("news", told);
    void get<{ events: Happened[] }>("/events?limit=3").then((got) => setEvents((known) => [...known, ...got.events].slice(0, 3)), () => undefined);
    return () => removeEventListener("news", told);
  }, []);
  if (events.length === 0) return null;
  return (
    <section class="feature" aria-label={t("app.events")}>
      <h2>{t("app.events")}</h2>
      <Happenings events={events} />
      <Link to="/events" class="onward">{t("lately.all")} ›</Link>
    </section>
  );
}

export function StatusLine({ live }: { live: Live }): JSX.Element {
  const names = (ids: string[]): string => ids.map((id) => live.chargers.find((one) => one.id === id)?.name ?? id).join(", ");
  const { status, features } = live;
  const on = features.filter((one) => one !== "schedules" && one !== "dynamic");
  const words = status.code !== "off" || on.length === 0
    ? t(`status.${status.code}`, { missing: names(status.missing), linked: status.linked.length, count: status.count })
    : t("status.other", { features: on.map((one) => t(`features.${one}`)).join(", ") });
  return <p class={`status ${status.code === "off" && on.length > 0 ? "paired" : status.code}`} role="status">{words}{status.since_s !== null && <small> {t("status.since", { since: moment(status.since_s) })}</small>}</p>;
}

/** A bar a line: building, cars, what is left, and the limit. */
export function Bars({ circuit, lines }: { circuit: Circuit; lines: string[] }): JSX.Element {
  const top = Math.max(...circuit.limit_a.map((limit, line) => Math.max(limit, circuit.measured_a?.[line] ?? 0))) * 1.1;
  const name = circuit.spans ? t("live.network") : circuit.name;
  return (
    <section class="circuit" aria-label={name}>
      <h2>{name}</h2>
      {circuit.blind && <p class="trouble" role="alert">{t(`blind.${circuit.blind}`)}</p>}
      {circuit.limit_a.map((limit, line) => {
        const building = Math.max(0, circuit.building_a?.[line] ?? 0);
        const cars = Math.max(0, circuit.cars_a[line] ?? 0);
        const left = circuit.headroom_a[line] ?? 0;
        const label = t(circuit.building_a ? "live.line" : "live.line-cars", { line: lines[line] ?? "", building, cars, left: Math.max(0, left), limit });
        const x = (value: number): number => Math.min(100, (100 * value) / top);
        return (
          <div class="bar" key={line}>
            <b aria-hidden="true">{lines[line]}</b>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={label}>
              <rect class="track" width="100" height="10" />
              <rect class="building" width={x(building)} height="10" />
              <rect class={left < 0 ? "cars over" : "cars"} x={x(building)} width={Math.min(x(cars), 100 - x(building))} height="10" />
              <line class="limit" x1={x(limit)} x2={x(limit)} y2="10" />
            </svg>
            <span class="sum" aria-hidden="true"><strong>{number(building + cars)}</strong> / {amps(limit)} <small>{t("live.left", { left: Math.max(0, left) })}</small></span>
          </div>
        );
      })}
      <p class="key"><span><i class="building" />{t("live.building")}</span><span><i class="cars" />{t("live.cars")}</span><span><i class="limit" />{t("live.limit")}</span></p>
    </section>
  );
}

export function because(one: Charger): string {
  const { cause } = one;
  if (!one.online) return t("causes.offline");
  if (!cause) return t("causes.maximum");
  const known = cause.building_a !== null && cause.cars_a !== null && has(`causes.${cause.rule}-numbers`);
  const promised = known && (cause.offered_a ?? 0) > (cause.cars_a ?? 0) + 0.5;
  return t(promised ? `causes.${cause.rule}-promised` : known ? `causes.${cause.rule}-numbers` : `causes.${cause.rule}`, { ...cause, circuit: cause.circuit_name ?? t("live.building"), line: cause.line ?? "" });
}

export function ChargerCard({ one, steers, large, mine, onward }: { one: Charger; steers: boolean; large?: boolean; mine?: boolean; onward?: boolean }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const wish = (given: object): void => { void post(`/chargers/${encodeURIComponent(one.id)}/wish`, given).then(() => setProblem(null), setProblem); };
  const draws = one.current_a ? one.current_a.map((value, phase) => `${one.lines?.[phase] ?? ""} ${number(value)}`.trim()).join(" · ") : null;
  const plugged = one.online && one.state !== null && one.state !== "available";
  return (
    <article class={`charger ${one.online ? (one.setpoint_a > 0 && plugged ? "on" : "") : "off"}${large ? " large" : ""}`} aria-label={one.name}>
      <header><h3>{onward ? <Link to={`/charger/${encodeURIComponent(one.id)}`}>{one.name}</Link> : one.name}</h3>{mine && <span class="tag">{t("live.mine")}</span>}{one.primary && <span class="tag">{t("live.primary")}</span>}<span class="state">{t(one.online ? `states.${one.state ?? "unknown"}` : "states.offline")}</span></header>
      <p class="amps"><strong>{plugged ? number(one.setpoint_a) : "–"}</strong> A {draws && plugged && <small>{t("live.draws", { draws })}</small>}</p>
      <p class="because">{because(one)}{one.place && ` ${t(one.place.wait_s === null ? "live.place" : "live.place-time", { place: one.place.number, time: minutes(one.place.wait_s ?? 0) })}`}</p>
      {one.flag && <p class="trouble">{t(`flags.${one.flag}`)}</p>}
      {one.firmware_old && <p class="trouble">{t("live.firmware-old", { firmware: one.firmware })}</p>}
      {one.wish.first && <p class="note">{t("live.is-first")}</p>}
      <Trouble problem={problem} />
      {steers && (plugged || one.wish.paused || one.wish.first) && (
        <div class="wishes">
          <button onClick={() => wish({ paused: !one.wish.paused })}>{t(one.wish.paused ? "live.resume" : "live.pause")}</button>
          <button aria-pressed={one.wish.first} onClick={() => wish({ first: !one.wish.first })}>{t("live.first")}</button>
        </div>
      )}
    </article>
  );
}
