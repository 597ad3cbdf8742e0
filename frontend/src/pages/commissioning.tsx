import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, get, post, put, type Charger } from "../api";
import type { PageProps } from "../main";
import { Field, Page, Switch, Trouble } from "../parts";
import { about, amps, has, moment, number, t, type Params } from "../texts";

type Verdict = "fine" | "note" | "wrong" | "unknown";
type Values = Record<string, string | number>;
interface Finding { code: string; verdict: Verdict; params: Params }
interface Task { code: string; verdict: Verdict; findings: Finding[]; charger: string | null; name: string | null; done: { by: string; at_s: number; values: Values } | null; by_hand: boolean; learned: string | null; guarded?: boolean | null }
interface Test { kind: "step" | "expiry"; charger: string; stage: string; share: number; ground: string }
interface Meter { id: string; name: string; lines: number; amps: number[] | null }
interface Shown { version: string; ready: boolean; may: boolean; tasks: Task[]; test: Test | null; meters: Meter[]; key: string }
interface Worst { version: string; circuits: { circuit: string; name: string; limit_a: number[]; worst_load_a: number[] | null }[] }

const MARKS = { fine: "✓", note: "!", wrong: "✕", unknown: "?" } as const;
const OVER_LIMIT_OHM = 1e9;
const EVERY_MS = 2000;
const TESTING_MS = 1000;
/** From the begin of each stage to the end of a test, as it mostly goes. */
const LEFT_S: Record<string, number> = { clearing: 160, raising: 150, waiting: 130, "raising-again": 85, cut: 70 };
const STEP_S = 175;

const isClosed = (task: Task): boolean => task.verdict === "fine" || task.verdict === "note";
const keyOf = (task: Task, tasks: Task[]): string => `${task.code}-${task.charger ?? ""}-${tasks.filter((one) => one.code === task.code && one.charger === task.charger).indexOf(task)}`;
const titleOf = (task: Task): string => (task.name === null ? t(`commission.task-${task.code}`) : `${t(`commission.task-${task.code}`)}: ${task.name}`);
const isOf = (test: Test, task: Task): boolean => test.kind === task.code && (test.charger === task.name || test.charger === task.charger);

const next = (now: Shown): string => { const first = now.tasks.find((one) => !isClosed(one)); return first ? keyOf(first, now.tasks) : ""; };
/** Where to begin: at the test that is under way, else at what is open. */
const begun = (now: Shown): string => { const tested = now.tasks.find((one) => now.test !== null && isOf(now.test, one)); return tested ? keyOf(tested, now.tasks) : next(now); };

/** The guide's order of work, step by step: what hands do is typed in, what software can test it tests. */
export function Commissioning({ live, who, lost }: PageProps): JSX.Element {
  const [shown, setShown] = useState<Shown | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [open, setOpen] = useState<string | null>(null);
  const [moved, setMoved] = useState(false);
  const tests = shown?.test != null;
  useEffect(() => {
    // What was open when the page came stays open, whatever is told later.
    const load = (): void => void get<Shown>("/commissioning").then((got) => { setShown(got); setOpen((one) => one ?? begun(got)); setProblem(null); }, setProblem);
    load();
    const timer = setInterval(load, tests ? TESTING_MS : EVERY_MS);
    return () => clearInterval(timer);
  }, [tests]);
  useEffect(() => {
    if (!moved || !open) return;
    const step = document.getElementById(open);
    step?.focus({ preventScroll: true });
    step?.scrollIntoView({ block: "start" });
    setMoved(false);
  }, [open, moved]);
  if (!shown) return <Page title={t("commission.title")} back="/settings"><Trouble problem={problem} /></Page>;
  /** What the server says of a step that was saved; on to the next one, if it is right. */
  const saved = (key: string) => (now: Shown): void => {
    setShown(now);
    const task = now.tasks.find((one) => keyOf(one, now.tasks) === key);
    if (task && isClosed(task)) { setOpen(next(now)); setMoved(true); }
  };
  const done = shown.tasks.filter(isClosed).length;
  const wrong = shown.tasks.filter((one) => one.verdict === "wrong").length;
  return (
    <Page title={t("commission.title")} back="/settings">
      <div class="far">
        <progress value={done} max={shown.tasks.length} aria-label={t("commission.progress", { done, all: shown.tasks.length })} />
        <p><b>{t("commission.progress", { done, all: shown.tasks.length })}</b>{wrong > 0 && <span class="bad"> · {t("commission.wrong", { count: wrong })}</span>}</p>
      </div>
      <p class={shown.ready ? "done" : "note"} role="status">{shown.ready ? t("commission.report-ready") : t(shown.may ? "commission.hint" : "commission.only-installer")}</p>
      {!lost && <Trouble problem={problem} />}
      {shown.test && <Running test={shown.test} may={shown.may} lost={lost} put={setShown} />}
      <ol class="steps tasks">
        {shown.tasks.map((task) => {
          const key = keyOf(task, shown.tasks);
          const isOpen = key === open;
          const findings = isOpen ? task.findings : task.findings.filter((one) => one.verdict === "wrong");
          return (
            <li key={key} class={task.verdict}>
              <b class="mark" role="img" aria-label={t(`verdicts.${task.verdict}`)}>{MARKS[task.verdict]}</b>
              <h2><button id={key} class="plain" aria-expanded={isOpen} onClick={() => setOpen(isOpen ? "" : key)}>{titleOf(task)}<span aria-hidden="true">›</span></button></h2>
              <div class="rest">
                {isOpen && <p class="how">{t(`commission.how-${task.code}`)}</p>}
                {findings.length > 0 && <ul class="found" role={isOpen ? "status" : undefined}>{findings.map((one) => <li key={one.code + JSON.stringify(one.params)} class={one.verdict}><span aria-hidden="true">{MARKS[one.verdict]}</span><span class="unseen">{t(`verdicts.${one.verdict}`)}: </span>{t(`commission.${one.code}`, one.params)}</li>)}</ul>}
                {task.done && <p><small>{t("commission.by", { by: task.done.by, at: moment(task.done.at_s) })}{isOpen && valuesOf(task.done.values, shown).map((one) => <span key={one}><br />{one}</span>)}</small></p>}
                {isOpen && <Body task={task} shown={shown} live={live?.chargers ?? []} name={who.account.name} lost={lost} saved={saved(key)} put={setShown} />}
              </div>
            </li>
          );
        })}
      </ol>
      <section class="feature" aria-label={t("commission.report")}>
        <h2>{t("commission.report")}</h2>
        <p>{t("commission.report-hint")}</p>
        <p class="does">{["html", "pdf"].map((form) => <a key={form} class="button" href={`/api/v1/commissioning/report?form=${form}`} download={`ampacity-commissioning.${form}`}>{t(`commission.report-${form}`)}</a>)}</p>
        <p><small>{t("commission.report-key")}: <code>{shown.key}</code></small></p>
      </section>
    </Page>
  );
}

/** A test that is under way, whoever began it. */
function Running({ test, may, lost, put: taken }: { test: Test; may: boolean; lost: boolean; put: (now: Shown) => void }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const since = useRef({ stage: "", ms: 0 });
  if (since.current.stage !== test.stage) since.current = { stage: test.stage, ms: Date.now() };
  const left = test.kind === "step" ? (1 - test.share) * STEP_S : (LEFT_S[test.stage] ?? 0) - (Date.now() - since.current.ms) / 1000;
  const words = `${t(`commission.task-${test.kind}`)}: ${test.charger}`;
  return (
    <section class="feature running" aria-label={words}>
      <h2>{words}</h2>
      <progress value={test.share} max={1} aria-label={words} />
      <p><b role="status">{t(`commission.stage-${test.stage}`)}</b>{test.stage !== "judging" && test.stage !== "ended" && <> <small>{t("commission.test-left", { time: about(left) })}</small></>}</p>
      <p><small>{t("commission.test-meanwhile")} {t(`commission.test-ground-${test.ground}`)}</small></p>
      <Trouble problem={problem} />
      {may && test.stage !== "judging" && <button class="danger" disabled={lost} onClick={() => void call<Shown>("DELETE", "/commissioning/tests").then((now) => { taken(now); setProblem(null); }, setProblem)}>{t("commission.test-stop")}</button>}
    </section>
  );
}

interface BodyProps { task: Task; shown: Shown; live: Charger[]; name: string; lost: boolean; saved: (now: Shown) => void; put: (now: Shown) => void }

/** What is done in a step, and what may be set by it. */
function Body(props: BodyProps): JSX.Element | null {
  const { task, shown, name, lost, saved } = props;
  const [problem, setProblem] = useState<unknown>(null);
  if (task.code === "worst") return <WorstLoads {...props} />;
  if (task.code === "disclaimer")
    return (
      <div class="body">
        <p>{t("disclaimer.1")}</p>
        <Trouble problem={problem} />
        {!task.done && <Switch name="accept" label={t("disclaimer.accept", { name })} on={false} disabled={lost} set={() => void get<{ version: number }>("/disclaimer").then((told) => post("/disclaimer", { version: told.version })).then(() => get<Shown>("/commissioning")).then(saved, setProblem)} />}
      </div>
    );
  if (!shown.may) return null;
  if (task.charger !== null) return <Tested {...props} />;
  return task.by_hand ? <ByHand {...props} /> : null;
}

/** Fields for what was measured or set; empty ones are not sent, but for the switch that there may not be. */
function ByHand({ task, shown, lost, saved, put: taken }: BodyProps): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const [over, setOver] = useState(task.done?.values["ohm"] === OVER_LIMIT_OHM);
  const before = (name: string): string | number => task.done?.values[name] ?? "";
  const chargers = [...new Map(shown.tasks.flatMap((one): [string, string][] => (one.charger === null ? [] : [[one.charger, one.name ?? one.charger]]))).entries()];
  const measured = (name: string, label: string, unit: string, more: JSX.IntrinsicElements["input"] & { hint?: string } = {}): JSX.Element => (
    <Field key={name} name={name} label={label} unit={unit} type="number" inputmode="decimal" step="any" min="0" value={before(name)} {...(more as object)} />
  );
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const values: Values = {};
    for (const input of (event.currentTarget as HTMLFormElement).querySelectorAll("input")) {
      if (input.type === "checkbox" || input.disabled || (input.value === "" && input.name !== "position")) continue;
      values[input.name] = input.type === "number" ? input.valueAsNumber : input.value.trim();
    }
    if (task.code === "bus" && over) values["ohm"] = OVER_LIMIT_OHM;
    void put<Shown>(`/commissioning/tasks/${task.code}`, { values }).then((now) => { setProblem(null); saved(now); }, setProblem);
  };
  return (
    <form class="body" onSubmit={save}>
      {task.code === "wiring" && <><Field name="cable" label={t("commission.label-cable")} hint={t("commission.cable-hint")} maxLength={100} value={before("cable")} />{measured("section_mm2", t("commission.label-section"), "mm²")}</>}
      {task.code === "bus" && (
        <>
          {measured("ohm", t("commission.label-ohm"), "Ω", { required: !over, disabled: over, value: over ? "" : before("ohm") })}
          <label class="tick"><input type="checkbox" checked={over} onChange={(event) => setOver(event.currentTarget.checked)} />{t("commission.over-limit")}</label>
        </>
      )}
      {task.code === "switches" && (
        <>
          <Field name="position" label={t("commission.label-position")} hint={t("commission.position-hint")} maxLength={20} value={before("position")} />
          {chargers.map(([id, words]) => (
            <fieldset class="pair" key={id}>
              <legend>{words}</legend>
              {measured(`rotary.${id}`, t("commission.label-rotary"), "", { step: 1, max: 15, hint: t("commission.rotary-hint") })}
              {measured(`means_a.${id}`, t("commission.label-means"), "A")}
            </fieldset>
          ))}
        </>
      )}
      {task.code === "reading" && shown.meters.map((meter) => (
        <fieldset key={meter.id}>
          <legend>{meter.name}</legend>
          {Array.from({ length: meter.lines }, (_, at) => measured(`${meter.id}.L${at + 1}`, `L${at + 1}`, "A", { required: true, hint: meter.amps ? t("commission.shows-now", { amps: meter.amps[at] ?? null }) : t("commission.shows-nothing") }))}
        </fieldset>
      ))}
      <Field name="note" label={t("commission.label-note")} maxLength={100} value={before("note")} />
      <Trouble problem={problem} />
      <div class="does">
        <button class="main" disabled={lost}>{t(task.code === "clamps" || task.code === "order" || task.code === "wiring" ? "commission.it-is-done" : "commission.judge")}</button>
        {task.done && <button type="button" disabled={lost} onClick={() => void call<Shown>("DELETE", `/commissioning/tasks/${task.code}`).then((now) => { setProblem(null); taken(now); }, setProblem)}>{t("commission.undo")}</button>}
      </div>
    </form>
  );
}

/** A charger's test, and what it learned. */
function Tested({ task, shown, live, lost, put: taken }: BodyProps): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const [set, setSet] = useState(false);
  const charger = live.find((one) => one.id === task.charger);
  const name = task.name ?? "";
  const state = t(`states.${!charger?.online ? "offline" : (charger.state ?? "unknown")}`);
  const hasCar = charger?.online === true && ["preparing", "charging", "suspended-ev", "suspended-evse"].includes(charger.state ?? "");
  const send = (path: string): void => void put<Shown>(path, { version: shown.version, charger: task.charger }).then((now) => { taken(now); setSet(true); setProblem(null); }, setProblem);
  return (
    <div class="body">
      <p class={hasCar ? "" : "note"}>{t(hasCar ? "commission.has-car" : "commission.needs-car", { charger: name, state })}</p>
      {shown.test && !isOf(shown.test, task) && <p><small>{t("commission.test-other", { charger: shown.test.charger })}</small></p>}
      {set && <p class="done" role="status">{t("commission.lines-set")}</p>}
      <Trouble problem={problem} />
      <div class="does">
        {task.learned !== null && <Sure words={t("commission.set-lines", { charger: name, lines: task.learned })} asked={t("commission.set-lines-sure", { lines: task.learned })} disabled={lost} act={() => send("/commissioning/wiring")} />}
        {typeof task.guarded === "boolean" && <Sure words={t(task.guarded ? "commission.set-guarded" : "commission.set-unguarded")} asked={t("commission.set-sure")} disabled={lost} act={() => send("/commissioning/guarded")} />}
        <button class={task.learned === null && task.verdict !== "fine" ? "main" : ""} disabled={lost || shown.test !== null} onClick={() => void post<Shown>("/commissioning/tests", { kind: task.code, charger: task.charger }).then((now) => { taken(now); setSet(false); setProblem(null); }, setProblem)}>{t(task.done ? "commission.test-again" : "commission.test-begin")}</button>
      </div>
    </div>
  );
}

/** What the building draws at worst, for every circuit with a meter. */
function WorstLoads({ shown, lost, saved }: BodyProps): JSX.Element {
  const [page, setPage] = useState<Worst | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => void get<Worst>("/worst-loads").then(setPage, setProblem), [shown.version]);
  const save = (circuit: string) => (event: SubmitEvent): void => {
    event.preventDefault();
    const worst_load_a = [...(event.currentTarget as HTMLFormElement).querySelectorAll("input")].map((one) => one.valueAsNumber);
    void put<Worst>("/worst-loads", { version: page?.version, circuit, worst_load_a }).then((got) => { setPage(got); setProblem(null); return get<Shown>("/commissioning"); }).then(saved).catch(setProblem);
  };
  return (
    <div class="body">
      <Trouble problem={problem} />
      {page && shown.may && page.circuits.map((one) => (
        <form key={one.circuit} onSubmit={save(one.circuit)}>
          <h3>{one.name}</h3>
          <div class="row">{one.limit_a.map((limit, at) => <Field key={at} name={`${one.circuit}.L${at + 1}`} label={`L${at + 1}`} hint={t("commission.of-limit", { limit: amps(limit) })} unit="A" type="number" inputmode="decimal" step="any" min="0" required value={one.worst_load_a?.[at] ?? ""} />)}</div>
          <div class="does"><button class="main" disabled={lost}>{t("app.save")}</button></div>
        </form>
      ))}
    </div>
  );
}

/** Two taps: the first asks. */
function Sure({ words, asked, act, disabled }: { words: ComponentChildren; asked: ComponentChildren; act: () => void; disabled: boolean }): JSX.Element {
  const [asks, setAsks] = useState(false);
  return <button type="button" class={asks ? "danger" : "main"} disabled={disabled} onBlur={() => setAsks(false)} onClick={() => { if (asks) act(); setAsks(!asks); }}>{asks ? asked : words}</button>;
}

/** What was typed in, in words. */
function valuesOf(values: Values, shown: Shown): string[] {
  const charger = (id: string): string => shown.tasks.find((one) => one.charger === id)?.name ?? id;
  const meter = (id: string): string => shown.meters.find((one) => one.id === id)?.name ?? id;
  return Object.entries(values).filter(([, value]) => value !== "").map(([key, given]) => {
    const value = typeof given === "number" ? number(given, 2) : given;
    const [, kind, of] = /^(rotary|means_a)\.(.+)$/.exec(key) ?? [];
    if (kind) return t(kind === "rotary" ? "commission.value-rotary" : "commission.value-means", { charger: charger(of ?? ""), value });
    const [, id, line, whose] = /^(.+)\.(L[1-3])(\.shown)?$/.exec(key) ?? [];
    if (id) return t(whose ? "commission.value-shown" : "commission.value-clamp", { meter: meter(id), line, value });
    if (key === "ohm" && given === OVER_LIMIT_OHM) return t("commission.value-ohm", { value: t("commission.value-open") });
    const words = `commission.value-${key === "section_mm2" ? "section" : key}`;
    return has(words) ? t(words, { value }) : `${key}: ${value}`;
  });
}
