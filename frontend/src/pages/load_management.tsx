import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, post, Problem, put, type LoadManagement, type LoadManagementPage as Shown, type ProblemBody } from "../api";
import type { PageProps } from "../main";
import { Field, Link, Page, Switch, told, Trouble, useLoaded } from "../parts";
import { has, moment, t } from "../texts";

interface Preview { changes: { place: string; before: unknown; after: unknown }[]; warnings: { code: string | null; params: Record<string, string | number>; what: string }[]; refused: ProblemBody[]; changed_meanwhile: boolean }
const SUPPLIES: Record<string, string> = {
  "single-phase": "M10 6v28M26 6v28",
  "split-phase": "M10 6v28M20 6v28M30 6v28",
  "three-phase": "M8 6v28M16 6v28M24 6v28M32 6v28",
  "three-phase-line-to-line": "M20 6 8 32h24z",
};
const LINES: Record<string, number> = { "single-phase": 1, "split-phase": 2, "three-phase": 3, "three-phase-line-to-line": 3 };

/** As the guide walks through it: supply first, then the breaker, the chargers, the switch, what will change, Save. */
export function LoadManagementPage({ live, who, lost }: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [page, problem] = useLoaded(() => get<Shown>("/load-management"), again);
  const [form, setForm] = useState<LoadManagement | null>(null);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const [saved, setSaved] = useState(false);
  const [accepted, setAccepted] = useState(false);
  const [busy, setBusy] = useState(false);
  useEffect(() => { if (page) { setForm(page.form); setAccepted(page.disclaimer_accepted); setPreview(null); } }, [page]);
  if (!page || !form) return <Page title={t("lm.title")} back="/settings/energy"><Trouble problem={problem} /></Page>;
  const change = (part: Partial<LoadManagement>): void => { setForm({ ...form, ...part }); setPreview(null); setSaved(false); setTrouble(null); };
  const at = (place: string): unknown => {
    if (trouble instanceof Problem && trouble.body.place === place) return trouble;
    const found = preview?.refused.find((one) => one.place === place);
    return found ? new Problem(found, 422) : null;
  };
  const name = (id: string): string => live?.chargers.find((one) => one.id === id)?.name ?? id;
  const look = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try { setPreview(await post<Preview>("/load-management/preview", { version: page.version, form })); setTrouble(null); } catch (error) { setTrouble(error); } finally { setBusy(false); }
  };
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      if (form.dynamic && accepted && !page.disclaimer_accepted) await post("/disclaimer", { version: 1 });
      await put<Shown>("/load-management", { version: page.version, form });
      setSaved(true);
      setTrouble(null);
      setAgain(again + 1);
    } catch (error) { setTrouble(error); } finally { setBusy(false); }
  };
  const activating = form.dynamic && !page.form.dynamic;
  const blocked = preview?.refused.filter((one) => !(one.code === "disclaimer-needed" && accepted)) ?? [];
  const shownStatus = live && live.features.includes("dynamic") === page.status.active ? live.status : page.status;
  return (
    <Page title={t("lm.title")} back="/settings/energy">
      <p class={`status ${shownStatus.code}`} role="status">{t(`status.${shownStatus.code}`, { missing: shownStatus.missing.map(name).join(", "), linked: shownStatus.linked.length, count: shownStatus.count })}{shownStatus.since_s !== null && <small> {t("status.since", { since: moment(shownStatus.since_s) })}</small>}</p>
      {saved && <p class="done" role="status">{t("lm.saved")}</p>}
      <form onSubmit={(event) => void look(event)} noValidate>
        <fieldset>
          <legend>{t("lm.supply")}</legend>
          <div class="supplies">
            {Object.entries(SUPPLIES).map(([kind, picture]) => (
              <label key={kind} class={form.supply === kind ? "supply chosen" : "supply"}>
                <input type="radio" name="supply" value={kind} checked={form.supply === kind} disabled={!page.may.wiring && form.supply !== kind} onChange={() => change({ supply: kind, breaker_a: Array.from({ length: LINES[kind] ?? 3 }, (_, line) => form.breaker_a[line] ?? form.breaker_a[0] ?? 16) })} />
                <svg viewBox="0 0 40 40" aria-hidden="true"><path d={picture} /></svg>
                {t(`lm.${kind}`)}
              </label>
            ))}
          </div>
          {!page.may.wiring && <small>{t("lm.installer-only")}</small>}
          <Trouble problem={at("supply")} />
          <label class="field">{t("lm.factor")}
            <select name="continuous_factor" value={String(form.continuous_factor)} onChange={(event) => change({ continuous_factor: Number(event.currentTarget.value) })}>
              {[...new Set([0.8, 1, form.continuous_factor])].map((one) => <option key={one} value={String(one)}>{one * 100} %</option>)}
            </select>
          </label>
          <small>{t("lm.factor-hint")}</small>
          <Trouble problem={at("continuous_factor")} />
        </fieldset>
        <fieldset>
          <legend>{t("lm.breaker")}</legend>
          <small>{t("lm.breaker-hint")}</small>
          <div class="row">
            {form.breaker_a.map((value, line) => (
              <Field key={line} name={`breaker_a_${line}`} label={`L${line + 1}`} unit="A" type="number" inputmode="decimal" step="any" value={Number.isNaN(value) ? "" : value} problem={at("breaker_a")}
                onInput={(event) => change({ breaker_a: form.breaker_a.map((one, place) => (place === line ? event.currentTarget.valueAsNumber || 0 : one)) })} />
            ))}
          </div>
        </fieldset>
        <fieldset>
          <legend>{t("lm.chargers")}</legend>
          <Field name="charger_count" label={t("lm.count")} type="number" inputmode="numeric" min="1" value={form.charger_count} problem={at("charger_count")} onInput={(event) => change({ charger_count: Math.max(1, Math.round(event.currentTarget.valueAsNumber || 1)) })} />
          {form.charger_count === 1 && <p class="note">{t("lm.one")} <Link to="/settings/energy">{t("energy.title")}</Link></p>}
          <div class="field">
            <label for="primary">{t("lm.primary")}</label>
            <select id="primary" name="primary" value={form.primary ?? ""} onChange={(event) => change({ primary: event.currentTarget.value })}>
              {Object.keys(form.min_a).map((id) => <option key={id} value={id}>{name(id)}</option>)}
            </select>
          </div>
          {Object.entries(form.min_a).map(([id, value]) => (
            <Field key={id} name={`min_${id}`} label={t("lm.minimum", { charger: name(id) })} unit="A" type="number" inputmode="decimal" step="any" value={Number.isNaN(value) ? "" : value} problem={at(`min_a.${id}`)}
              onInput={(event) => change({ min_a: { ...form.min_a, [id]: event.currentTarget.valueAsNumber || 0 } })} />
          ))}
        </fieldset>
        <Switch name="dynamic" label={t("features.dynamic")} on={form.dynamic} set={(on) => change({ dynamic: on })} />
        <Trouble problem={at("dynamic")} />
        {activating && !page.disclaimer_accepted && (
          <section class="disclaimer">
            <h2>{t("disclaimer.title")}</h2>
            <p>{t("disclaimer.1")}</p>
            <Switch name="disclaimer" label={t("disclaimer.accept", { name: who.account.name })} on={accepted} set={setAccepted} />
          </section>
        )}
        {!preview && <button class="main" disabled={busy}>{t("lm.look")}</button>}
      </form>
      {trouble instanceof Problem && trouble.body.code === "changed-meanwhile" ? (
        <div class="trouble" role="alert">{told(trouble)} <button onClick={() => { setTrouble(null); setAgain(again + 1); }}>{t("app.load")}</button></div>
      ) : (!(trouble instanceof Problem) || !trouble.body.place || trouble.body.place === "dynamic") && <Trouble problem={trouble} />}
      {preview && (
        <section class="preview" aria-live="polite">
          <h2>{t("lm.changes")}</h2>
          {preview.changes.length === 0 && <p>{t("lm.no-changes")}</p>}
          <ul>{preview.changes.map((one) => <li key={one.place}><b>{placed(one.place, name)}</b>: {shown(one.before)} → {shown(one.after)}</li>)}</ul>
          {preview.warnings.map((one) => <p class="note" key={one.what}>{one.code && has(`cautions.${one.code}`) ? t(`cautions.${one.code}`, one.params) : one.what}</p>)}
          {blocked.map((one) => <Trouble key={one.code + String(one.place)} problem={new Problem(one, 422)} />)}
          {preview.changed_meanwhile && <p class="trouble" role="alert">{t("errors.changed-meanwhile", { by: "" })}</p>}
          {lost && <p class="trouble" role="alert">{t("lm.lost")}</p>}
          <button class="main" disabled={busy || lost || blocked.length > 0 || preview.changes.length === 0 || (activating && !accepted)} onClick={() => void save()}>{t("lm.save")}</button>
        </section>
      )}
    </Page>
  );
}

function placed(place: string, name: (id: string) => string): string {
  const [table = "", id = "", key = ""] = place.split(".");
  const last = key || id;
  const words = has(`places.${last}`) ? t(`places.${last}`) : place;
  return table === "chargers" ? `${name(id)}, ${words}` : words;
}
const shown = (value: unknown): string => value === null || value === undefined ? "–" : value === true ? t("app.on") : value === false ? t("app.off") : Array.isArray(value) ? value.join(" / ") : String(value);
