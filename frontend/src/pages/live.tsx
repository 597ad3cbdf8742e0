import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { post, type Charger, type Circuit, type Live } from "../api";
import type { PageProps } from "../main";
import { Page, Trouble } from "../parts";
import { amps, has, minutes, moment, number, t } from "../texts";

export function LiveHome({ live, who }: PageProps): JSX.Element {
  const [History, setHistory] = useState<ComponentType<{ live: Live }> | null>(null);
  useEffect(() => { if (live && !History) void import("./history").then((one) => setHistory(() => one.History)); }, [live !== null]);
  if (!live) return <Page title="Ampacity"><p class="wait">{t("live.waits")}</p></Page>;
  const steers = who.account.role !== "driver" && who.account.role !== "kiosk";
  return (
    <Page title={live.site.name}>
      <StatusLine live={live} />
      {live.circuits.map((circuit) => <Bars key={circuit.id} circuit={circuit} lines={live.site.lines} />)}
      <h2>{t("live.chargers")}</h2>
      {live.chargers.length === 0 && <p>{t("live.no-chargers")}</p>}
      <div class="cards">{live.chargers.map((one) => <ChargerCard key={one.id} one={one} steers={steers} />)}</div>
      {History && <History live={live} />}
    </Page>
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
            <b>{lines[line]}</b>
            <svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={label}>
              <rect class="track" width="100" height="10" />
              <rect class="building" width={x(building)} height="10" />
              <rect class={left < 0 ? "cars over" : "cars"} x={x(building)} width={Math.min(x(cars), 100 - x(building))} height="10" />
              <rect class="limit" x={x(limit) - 0.3} width="0.6" height="10" />
            </svg>
            <span class="sum"><strong>{number(building + cars)}</strong> / {amps(limit)}</span>
          </div>
        );
      })}
      <p class="key"><i class="building" />{t("live.building")} <i class="cars" />{t("live.cars")} <i class="limit" />{t("live.limit")}</p>
    </section>
  );
}

export function because(one: Charger): string {
  const { cause } = one;
  if (!one.online) return t("causes.offline");
  if (!cause) return t("causes.maximum");
  const known = cause.building_a !== null && has(`causes.${cause.rule}-numbers`);
  return t(known ? `causes.${cause.rule}-numbers` : `causes.${cause.rule}`, { ...cause, circuit: cause.circuit_name ?? t("live.building"), line: cause.line ?? "" });
}

export function ChargerCard({ one, steers, large }: { one: Charger; steers: boolean; large?: boolean }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const wish = (given: object): void => { void post(`/chargers/${encodeURIComponent(one.id)}/wish`, given).then(() => setProblem(null), setProblem); };
  const draws = one.current_a ? one.current_a.map((value) => number(value)).join(" · ") : null;
  const plugged = one.online && one.state !== null && one.state !== "available";
  return (
    <article class={`charger ${one.online ? (one.setpoint_a > 0 && plugged ? "on" : "") : "off"}${large ? " large" : ""}`} aria-label={one.name}>
      <header><h3>{one.name}</h3>{one.primary && <span class="tag">{t("live.primary")}</span>}<span class="state">{t(one.online ? `states.${one.state ?? "unknown"}` : "states.offline")}</span></header>
      <p class="amps"><strong>{plugged ? number(one.setpoint_a) : "–"}</strong> A {draws && plugged && <small>{t("live.draws", { draws })}</small>}</p>
      <p class="because">{because(one)}{one.place && ` ${t(one.place.wait_s === null ? "live.place" : "live.place-time", { place: one.place.number, time: minutes(one.place.wait_s ?? 0) })}`}</p>
      {one.flag && <p class="trouble">{t(`flags.${one.flag}`)}</p>}
      {one.firmware_old && <p class="trouble">{t("live.firmware-old", { firmware: one.firmware })}</p>}
      {one.wish.first && <p class="note">{t("live.is-first")}</p>}
      <Trouble problem={problem} />
      {steers && (
        <div class="wishes">
          <button onClick={() => wish({ paused: !one.wish.paused })}>{t(one.wish.paused ? "live.resume" : "live.pause")}</button>
          <button aria-pressed={one.wish.first} onClick={() => wish({ first: !one.wish.first })}>{t("live.first")}</button>
        </div>
      )}
    </article>
  );
}
