import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, put, type ProblemBody } from "../api";
import type { PageProps } from "../main";
import { Choice, Field, go, Link, Page, Remove, Switch, Trouble, useLoaded } from "../parts";
import { amps, moment, t } from "../texts";

export function Settings({ who, signedIn }: PageProps): JSX.Element {
  const staff = who.account.role === "owner" || who.account.role === "installer";
  const rows: [string, string, boolean][] = [["/settings/energy", "energy.title", staff], ["/settings/chargers", "live.chargers", staff], ["/settings/tags", "tags.title", who.account.role === "owner"], ["/settings/people", "people.title", who.account.role === "owner"], ["/settings/commissioning", "commission.title", staff], ["/settings/check", "selfcheck.title", staff], ["/settings/notifications", "notify.title", who.account.role === "owner"], ["/settings/security", "security.title", true], ["/settings/backup", "backup.title", who.account.role === "owner"], ["/settings/audit", "audit.title", staff], ["/kiosk", "kiosk.title", who.account.role === "owner"], ["/about", "about.title", true]];
  return (
    <Page title={t("app.settings")}>
      <p class="who"><b>{who.account.name}</b><small>{t(`roles.${who.account.role}`)}{who.account.email && ` · ${who.account.email}`}</small></p>
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
          {one.id === "schedules" && <Link to="/settings/energy/schedules" class="onward">{t("schedules.title")} ({one.settings.count ?? 0}) ›</Link>}
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
            <Remove name={one.name} act={() => save(page.schedules.filter((other) => other !== one))} />
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
      const lines = given.get("lines");
      await call("PATCH", `/chargers/${encodeURIComponent(id)}`, { version, name: given.get("name"), min_a: Number(given.get("min_a")), ...(max ? { max_a: Number(max) } : {}), ...(lines ? { lines: String(lines).split(" ") } : {}) });
      setSaved(id);
      setTrouble(null);
    } catch (problem) { setTrouble({ at: id, problem }); setSaved(""); }
  };
  const remove = async (id: string): Promise<void> => {
    try {
      const { version } = await get<Features>("/features");
      await call("DELETE", `/chargers/${encodeURIComponent(id)}?version=${encodeURIComponent(version)}`);
      setTrouble(null);
    } catch (problem) { setTrouble({ at: id, problem }); }
  };
  const installer = who.account.role === "installer";
  return (
    <Page title={t("live.chargers")} back="/settings">
      <Link to="/settings/chargers/link" class="onward">{t("linking.title")} ›</Link>
      {(live?.chargers ?? []).map((one) => (
        <form key={one.id} class="feature" onSubmit={(event) => void change(one.id, event)}>
          <h2>{one.name}</h2>
          <p><small>{one.id} · {one.vendor ? `${one.vendor} ${one.model ?? ""} ${one.firmware ?? ""}` : t("chargers.unknown")} · {one.lines?.join(" ") ?? t("chargers.wiring-unknown")}</small></p>
          <Field name="name" label={t("chargers.name")} required value={one.name} />
          <div class="row">
            <Field name="min_a" label={t("places.min_a")} unit="A" type="number" step="any" value={one.min_a} />
            {installer ? <Field name="max_a" label={t("places.max_a")} unit="A" type="number" step="any" value={one.max_a} /> : <p>{t("places.max_a")}: {amps(one.max_a)}</p>}
          </div>
          {installer && <Choice name="lines" label={t("chargers.lines")} value={one.lines?.join(" ") ?? ""} options={wirings(live?.site.lines ?? [], one.lines)} />}
          {trouble?.at === one.id && <Trouble problem={trouble.problem} />}
          {saved === one.id && <p class="done" role="status">{t("lm.saved")}</p>}
          <div class="does"><button>{t("app.save")}</button><a class="onward" href={`/api/v1/chargers/${encodeURIComponent(one.id)}/qr.svg`} target="_blank" rel="noreferrer" aria-label={t("chargers.code-of", { name: one.name })}>{t("chargers.code")}</a><Remove name={one.name} act={() => void remove(one.id)} /></div>
        </form>
      ))}
    </Page>
  );
}

/** Onto which lines a charger's own phases can be wired, in their order. */
function wirings(lines: string[], now: string[] | null): [string, string][] {
  const two = lines.flatMap((one) => lines.filter((other) => other !== one).map((other) => `${one} ${other}`));
  const three = lines.length === 3 ? lines.flatMap((one) => lines.flatMap((other) => lines.filter((last) => new Set([one, other, last]).size === 3).map((last) => `${one} ${other} ${last}`))) : [];
  return [...(now ? [] : ([["", t("chargers.wiring-unknown")]] as [string, string][])), ...[...lines, ...two, ...three].map((one): [string, string] => [one, one])];
}

interface Line { id: number; at_s: number; who: string; key: string; old: string | null; new: string | null }
export function Audit(_: PageProps): JSX.Element {
  const [lines, setLines] = useState<Line[]>([]);
  const [more, setMore] = useState(true);
  const [problem, setProblem] = useState<unknown>(null);
  const load = (before: number | null): void => void get<Line[]>(`/audit?limit=100${before === null ? "" : `&before=${before}`}`).then((got) => { setLines((known) => (before === null ? got : [...known, ...got])); setMore(got.length === 100); setProblem(null); }, setProblem);
  useEffect(() => load(null), []);
  return (
    <Page title={t("audit.title")} back="/settings">
      <Trouble problem={problem} />
      <div class="scroll" tabIndex={0} role="region" aria-label={t("audit.title")}>
        <table>
          <thead><tr><th>{t("audit.when")}</th><th>{t("audit.who")}</th><th>{t("audit.what")}</th><th>{t("audit.before")}</th><th>{t("audit.after")}</th></tr></thead>
          <tbody>{lines.map((one) => <tr key={one.id}><td>{moment(one.at_s)}</td><td>{one.who}</td><td>{one.key}</td><td>{one.old ?? "–"}</td><td>{one.new ?? "–"}</td></tr>)}</tbody>
        </table>
      </div>
      {more && lines.length > 0 && <button onClick={() => load(lines.at(-1)?.id ?? null)}>{t("lately.more")}</button>}
    </Page>
  );
}
