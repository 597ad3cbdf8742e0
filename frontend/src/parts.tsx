import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { Problem, type Happened } from "./api";
import { clock, has, t } from "./texts";

/** What went wrong and what to do, in the reader's language where there is a text of it. */
export function told(problem: unknown): string {
  if (!(problem instanceof Problem)) return String(problem);
  const { code, detail, remedy, params, place } = problem.body;
  return has(`errors.${code}`) ? t(`errors.${code}`, { place: place ?? "site.toml", detail: `${detail} ${remedy}`.trim(), ...params }) : `${detail} ${remedy}`.trim();
}
export function Trouble({ problem }: { problem: unknown }): JSX.Element | null {
  if (!problem) return null;
  return <p class="trouble" role="alert">{told(problem)}</p>;
}
export function go(path: string): void {
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}
export function Link({ to, children, ...rest }: { to: string; children: ComponentChildren; class?: string; "aria-label"?: string; "aria-current"?: "page" | undefined }): JSX.Element {
  return <a href={to} {...rest} onClick={(event) => { if (!event.metaKey && !event.ctrlKey) { event.preventDefault(); go(to); } }}>{children}</a>;
}
/** Without `onInput` what is typed is the reader's: a page that is drawn anew by the live picture leaves it alone. */
export function Field({ label, hint, unit, problem, value, ...rest }: { label: string; hint?: string; unit?: string; problem?: unknown } & JSX.IntrinsicElements["input"]): JSX.Element {
  const id = useId();
  const wrong = Boolean(problem);
  const held = value === undefined ? {} : rest.onInput ? { value } : { defaultValue: value as string | number };
  return (
    <div class={wrong ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      <span class="entry"><input id={id} aria-invalid={wrong} aria-describedby={`${id}-hint`} {...held} {...(rest as object)} />{unit && <span class="unit">{unit}</span>}</span>
      <span id={`${id}-hint`}>{wrong ? <Trouble problem={problem} /> : hint && <small>{hint}</small>}</span>
    </div>
  );
}
export function Switch({ label, on, set, disabled, name }: { label: string; on: boolean; set: (on: boolean) => void; disabled?: boolean; name: string }): JSX.Element {
  return (
    <label class="switch">
      <span>{label}</span>
      <input type="checkbox" role="switch" name={name} checked={on} disabled={disabled ?? false} onChange={(event) => set(event.currentTarget.checked)} />
    </label>
  );
}
export function useLoaded<T>(load: () => Promise<T>, again: unknown = 0): [T | null, unknown, (value: T) => void] {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    let here = true;
    load().then((got) => { if (here) { setValue(got); setProblem(null); } }, (error: unknown) => { if (here) setProblem(error); });
    return () => { here = false; };
  }, [again]);
  return [value, problem, setValue];
}
export function Page({ title, back, children }: { title: string; back?: string; children: ComponentChildren }): JSX.Element {
  useEffect(() => { document.title = `${title} · Ampacity`; }, [title]);
  return <main id="main" tabIndex={-1}><header class="head">{back && <Link to={back} class="back" aria-label={t("app.back")}>‹</Link>}<h1>{title}</h1></header>{children}</main>;
}
/** Without `set` what is chosen is the reader's, as in a Field. */
export function Choice({ name, label, options, value, set, hidden }: { name: string; label: string; options: [string, string][]; value?: string; set?: (value: string) => void; hidden?: boolean }): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id} class={hidden ? "unseen" : undefined}>{label}</label>
      <select id={id} name={name} {...(set ? { value } : {})} onChange={(event) => set?.(event.currentTarget.value)}>{options.map(([one, words]) => <option key={one} value={one} {...(set ? {} : { selected: one === value })}>{words}</option>)}</select>
    </div>
  );
}
/** What shows an event, fetched when it is opened. */
function Evidence({ of, alt }: { of: number; alt: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  const picture = `/api/v1/events/${of}/evidence`;
  return (
    <details class="evidence" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("events.picture")}</summary>
      {open && <a href={picture} target="_blank" rel="noreferrer"><img src={picture} alt={alt} /></a>}
    </details>
  );
}
/** Events, in words; whether one matters is said as well as shown. */
export function Happenings({ events }: { events: Happened[] }): JSX.Element {
  return (
    <ol class="events">
      {events.map((one) => (
        <li key={one.id ?? `${one.at_s} ${one.code} ${JSON.stringify(one.params)}`} class={one.severity}>
          <time dateTime={new Date(one.at_s * 1000).toISOString()}>{clock(one.at_s)}</time>
          <div>
            {one.severity !== "info" && <b class="unseen">{t(`lately.${one.severity}`)}: </b>}{t(`events.${one.code}`, one.params)}
            {one.has_evidence && one.id !== null && <Evidence of={one.id} alt={t(`events.${one.code}`, one.params)} />}
          </div>
        </li>
      ))}
    </ol>
  );
}
/** Two taps: the first asks. */
export function Remove({ name, act }: { name: string; act: () => void }): JSX.Element {
  const [asks, setAsks] = useState(false);
  return <button type="button" class={asks ? "danger" : ""} aria-label={t(asks ? "app.remove-sure" : "app.remove", { name })} onBlur={() => setAsks(false)} onClick={() => { if (asks) act(); setAsks(!asks); }}>{asks ? t("app.sure") : "✕"}</button>;
}
/** What is to be given on, whole and easy to take; the clipboard is there only where the origin is trusted. */
export function Copied({ text }: { text: string }): JSX.Element {
  const [done, setDone] = useState(false);
  return <div class="entry"><code>{text}</code>{"clipboard" in navigator && <button type="button" onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}>{t(done ? "app.copied" : "app.copy")}</button>}</div>;
}
