import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, Problem, put, type ProblemBody } from "../api";
import type { PageProps } from "../main";
import { Field, go, Link, Page, Switch, Trouble, useLoaded } from "../parts";
import { amps, moment, number, t } from "../texts";

export function Settings({ who, signedIn }: PageProps): JSX.Element {
  const staff = who.account.role === "owner" || who.account.role === "installer";
  const rows: [string, string, boolean][] = [["/settings/energy", "energy.title", staff], ["/settings/chargers", "live.chargers", staff], ["/settings/tags", "tags.title", who.account.role === "owner"], ["/settings/people", "people.title", who.account.role === "owner"], ["/settings/security", "security.title", true], ["/settings/audit", "audit.title", staff], ["/kiosk", "kiosk.title", staff]];
  return (
    <Page title={t("app.settings")}>
      <p>{who.account.name} · {t(`roles.${who.account.role}`)}</p>
      <nav class="rows" aria-label={t("app.settings")}>{rows.filter(([, , may]) => may).map(([to, words]) => <Link key={to} to={to}>{t(words)}<span aria-hidden="true">›</span></Link>)}</nav>
      <button onClick={() => void call("DELETE", "/sign-in").finally(() => { signedIn(null); go("/"); })}>{t("app.sign-out")}</button>
    </Page>
  );
}

interface Feature { id: string; on: boolean; refused: ProblemBody | null; settings: { limit_a?: number | null; most_a?: number; mode?: string; count?: number } }
interface Features { version: string; features: Feature[] }

export function Energy(_: PageProps): JSX.Element {
  const [page, problem, setPage] = useLoaded(() => get<Features>("/features"));
  const [trouble, setTrouble] = useState<{ at: string; problem: unknown } | null>(null);
  const [limit, setLimit] = useState<number | null>(null);
  if (!page) return <Page title={t("energy.title")} back="/settings"><Trouble problem={problem} /></Page>;
  const set = (id: string, on: boolean, settings: object = {}): void => {
    void put<Features>(`/features/${id}`, { version: page.version, on, settings }).then(
      (got) => { setPage(got); setTrouble(null); },
      (error: unknown) => {
        setTrouble({ at: id, problem: error });
        void get<Features>("/features").then(setPage, () => undefined);
      },
    );
  };
  return (
    <Page title={t("energy.title")} back="/settings">
      {page.features.map((one) => (
        <section class="feature" key={one.id} aria-label={t(`features.${one.id}`)}>
          {one.id === "dynamic" ? (
            <Link to="/settings/energy/load-management" class="big">{t("features.dynamic")}<span>{t(one.on ? "app.on" : "app.off")} ›</span></Link>
          ) : (
            <Switch name={one.id} label={t(`features.${one.id}`)} on={one.on} set={(on) => set(one.id, on, one.id === "static" && limit !== null ? { limit_a: limit } : {})} />
          )}
          <p>{t(`features.${one.id}-hint`)}</p>
          {one.id === "static" && (
            <form onSubmit={(event) => { event.preventDefault(); set("static", one.on, { limit_a: limit ?? one.settings.limit_a }); }}>
              <Field name="static_a" label={t("energy.static-limit")} unit="A" type="number" step="any" value={limit ?? one.settings.limit_a ?? ""} onInput={(event) => setLimit(event.currentTarget.valueAsNumber || 0)} hint={t("energy.most", { most: one.settings.most_a })} />
              <button disabled={limit === null}>{t("app.save")}</button>
            </form>
          )}
          {one.id === "solar" && (
            <div class="choice" role="group" aria-label={t("features.solar")}>{["surplus", "top-up"].map((mode) => <button key={mode} aria-pressed={one.settings.mode === mode} onClick={() => set("solar", one.on, { mode })}>{t(`energy.${mode}`)}</button>)}</div>
          )}
          {one.id === "schedules" && <Link to="/settings/energy/schedules">{t("schedules.title")} ({one.settings.count ?? 0}) ›</Link>}
          {trouble?.at === one.id ? <Trouble problem={trouble.problem} /> : one.refused && <p class="note">{told(one.refused)}</p>}
        </section>
      ))}
    </Page>
  );
}
const told = (body: ProblemBody): string => t(`errors.${body.code}`, { ...body.params, feature: t(`features.${String(body.params["feature"])}`), against: t(`features.${String(body.params["against"])}`) });

interface Schedule { name: string; chargers: string[]; days: string[]; begin: string; end: string; limit_a: number | null }
interface SchedulesShown { version: string; on: boolean; time_zone: string; schedules: Schedule[] }
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

export function Schedules({ live }: PageProps): JSX.Element {
  const [page, problem, setPage] = useLoaded(() => get<SchedulesShown>("/schedules"));
  const [trouble, setTrouble] = useState<unknown>(null);
  const [own, setOwn] = useState<Schedule>({ name: "", chargers: [], days: [...DAYS], begin: "22:00", end: "06:00", limit_a: null });
  if (!page) return <Page title={t("schedules.title")} back="/settings/energy"><Trouble problem={problem} /></Page>;
  const save = (schedules: Schedule[]): void => void put<SchedulesShown>("/schedules", { version: page.version, schedules }).then((got) => { setPage(got); setTrouble(null); setOwn({ ...own, name: "" }); }, setTrouble);
  const name = (id: string): string => live?.chargers.find((one) => one.id === id)?.name ?? id;
  return (
    <Page title={t("schedules.title")} back="/settings/energy">
      <p>{t("schedules.hint", { zone: page.time_zone })}</p>
      {!page.on && <p class="note">{t("schedules.off")}</p>}
      <ul class="list">
        {page.schedules.map((one) => (
          <li key={one.name}>
            <div><b>{one.name}</b><br />{one.days.map((day) => t(`days.${day}`)).join(" ")} · {one.begin}–{one.end} · {one.limit_a === null ? t("schedules.may") : one.limit_a === 0 ? t("schedules.none") : t("schedules.at-most", { limit: one.limit_a })}<br /><small>{one.chargers.length ? one.chargers.map(name).join(", ") : t("schedules.all")}</small></div>
            <button onClick={() => save(page.schedules.filter((other) => other !== one))} aria-label={t("schedules.remove", { name: one.name })}>✕</button>
          </li>
        ))}
      </ul>
      <Trouble problem={trouble} />
      <form onSubmit={(event) => { event.preventDefault(); save([...page.schedules, own]); }}>
        <h2>{t("schedules.new")}</h2>
        <Field name="name" label={t("schedules.name")} required value={own.name} onInput={(event) => setOwn({ ...own, name: event.currentTarget.value })} />
        <fieldset><legend>{t("schedules.days")}</legend><div class="days">{DAYS.map((day) => <label key={day}><input type="checkbox" checked={own.days.includes(day)} onChange={(event) => setOwn({ ...own, days: DAYS.filter((one) => (one === day ? event.currentTarget.checked : own.days.includes(one))) })} />{t(`days.${day}`)}</label>)}</div></fieldset>
        <div class="row">
          <Field name="begin" label={t("schedules.begin")} type="time" required value={own.begin} onInput={(event) => setOwn({ ...own, begin: event.currentTarget.value })} />
          <Field name="end" label={t("schedules.end")} type="time" required value={own.end} onInput={(event) => setOwn({ ...own, end: event.currentTarget.value })} />
        </div>
        <Field name="limit" label={t("schedules.limit")} hint={t("schedules.limit-hint")} unit="A" type="number" step="any" min="0" value={own.limit_a ?? ""} onInput={(event) => setOwn({ ...own, limit_a: event.currentTarget.value === "" ? null : event.currentTarget.valueAsNumber })} />
        <fieldset><legend>{t("live.chargers")}</legend><div class="days">{(live?.chargers ?? []).map((one) => <label key={one.id}><input type="checkbox" checked={own.chargers.includes(one.id)} onChange={(event) => setOwn({ ...own, chargers: event.currentTarget.checked ? [...own.chargers, one.id] : own.chargers.filter((id) => id !== one.id) })} />{one.name}</label>)}</div><small>{t("schedules.none-chosen")}</small></fieldset>
        <button class="main">{t("app.save")}</button>
      </form>
    </Page>
  );
}

export function Chargers({ live, who }: PageProps): JSX.Element {
  const [trouble, setTrouble] = useState<{ at: string; problem: unknown } | null>(null);
  const [saved, setSaved] = useState("");
  const change = async (id: string, event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const max = given.get("max_a");
    try {
      const { version } = await get<Features>("/features");
      await call("PATCH", `/chargers/${encodeURIComponent(id)}`, { version, name: given.get("name"), min_a: Number(given.get("min_a")), ...(max ? { max_a: Number(max) } : {}) });
      setSaved(id);
      setTrouble(null);
    } catch (problem) { setTrouble({ at: id, problem }); setSaved(""); }
  };
  return (
    <Page title={t("live.chargers")} back="/settings">
      <p><Link to="/settings/chargers/link">{t("linking.title")} ›</Link></p>
      {(live?.chargers ?? []).map((one) => (
        <form key={one.id} class="feature" onSubmit={(event) => void change(one.id, event)}>
          <h2>{one.name}</h2>
          <p><small>{one.id} · {one.vendor ? `${one.vendor} ${one.model ?? ""} ${one.firmware ?? ""}` : t("chargers.unknown")} · {one.lines?.join(" ") ?? t("chargers.wiring-unknown")}</small></p>
          <Field name="name" label={t("chargers.name")} required value={one.name} />
          <div class="row">
            <Field name="min_a" label={t("places.min_a")} unit="A" type="number" step="any" value={one.min_a} />
            {who.account.role === "installer" ? <Field name="max_a" label={t("places.max_a")} unit="A" type="number" step="any" value={one.max_a} /> : <p>{t("places.max_a")}: {amps(one.max_a)}</p>}
          </div>
          {trouble?.at === one.id && <Trouble problem={trouble.problem} />}
          {saved === one.id && <p class="done" role="status">{t("lm.saved")}</p>}
          <button>{t("app.save")}</button>
        </form>
      ))}
    </Page>
  );
}

interface Line { at_s: number; who: string; key: string; old: string | null; new: string | null }
export function Audit(_: PageProps): JSX.Element {
  const [lines, problem] = useLoaded(() => get<Line[]>("/audit"));
  return (
    <Page title={t("audit.title")} back="/settings">
      <Trouble problem={problem} />
      <div class="scroll" tabIndex={0} role="region" aria-label={t("audit.title")}>
        <table>
          <thead><tr><th>{t("audit.when")}</th><th>{t("audit.who")}</th><th>{t("audit.what")}</th><th>{t("audit.before")}</th><th>{t("audit.after")}</th></tr></thead>
          <tbody>{(lines ?? []).map((one, row) => <tr key={row}><td>{moment(one.at_s)}</td><td>{one.who}</td><td>{one.key}</td><td>{one.old ?? "–"}</td><td>{one.new ?? "–"}</td></tr>)}</tbody>
        </table>
      </div>
    </Page>
  );
}

interface Session { charger: string; charger_name: string; session: string; begun_s: number | null; ended_s: number | null; energy_wh: number | null; average_w: number | null }
export function Sessions(_: PageProps): JSX.Element {
  const [lines, problem] = useLoaded(() => get<Session[]>("/sessions"));
  return (
    <Page title={t("app.sessions")}>
      <Trouble problem={problem instanceof Problem ? problem : null} />
      <p><a href="/api/v1/sessions/export?format=csv" download>CSV</a> · <a href="/api/v1/sessions/export?format=parquet" download>Parquet</a></p>
      {lines?.length === 0 && <p>{t("sessions.none")}</p>}
      <ul class="list">
        {(lines ?? []).map((one) => (
          <li key={`${one.charger} ${one.session}`}>
            <div><b>{one.charger_name}</b> · {one.begun_s === null ? "–" : moment(one.begun_s)}<br /><small>{one.ended_s === null ? t("sessions.goes-on") : t("sessions.until", { end: moment(one.ended_s) })}</small></div>
            <span class="sum"><strong>{one.energy_wh === null ? "–" : number(one.energy_wh / 1000, 2)}</strong> kWh{one.average_w !== null && <><br /><small>{t("sessions.average", { kw: number(one.average_w / 1000) })}</small></>}</span>
          </li>
        ))}
      </ul>
    </Page>
  );
}
