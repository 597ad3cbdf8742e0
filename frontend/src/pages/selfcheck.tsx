import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import type { PageProps } from "../main";
import { Field, Link, Page, Trouble } from "../parts";
import { number, t, type Params } from "../texts";

interface Finding { code: string; verdict: "fine" | "note" | "wrong" | "unknown"; params: Params }
interface Step { code: string; verdict: Finding["verdict"]; findings: Finding[] }
interface Link { kind: string; name: string; requests: number; answers: number; timeouts: number; garbled: number; exceptions: number; connections: number; received_bytes: number; sent_bytes: number; age_s: number | null; median_s: number | null }
interface Told { likely: Finding | null; steps: Step[]; links: Link[] }
const MARKS = { fine: "✓", note: "!", wrong: "✕", unknown: "?" } as const;
const EVERY_MS = 2000;

/** The questions of the guide, answered from what is measured, again and again. */
export function SelfCheck(_: PageProps): JSX.Element {
  const [told, setTold] = useState<Told | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    const load = (): void => void get<Told>("/diagnosis").then((got) => { setTold(got); setProblem(null); }, setProblem);
    load();
    const timer = setInterval(load, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const words = (one: Finding): string => t(`selfcheck.${one.code}`, one.params);
  return (
    <Page title={t("selfcheck.title")} back="/settings">
      <Trouble problem={problem} />
      {told && (told.likely ? <p class={told.likely.verdict === "wrong" ? "trouble" : "note"} role="status"><b>{t("selfcheck.begin")}</b> {words(told.likely)}</p> : <p class="done" role="status">{t("selfcheck.well")}</p>)}
      <ol class="steps">
        {(told?.steps ?? []).map((step) => (
          <li key={step.code} class={step.verdict}>
            <b class="mark" role="img" aria-label={t(`verdicts.${step.verdict}`)}>{MARKS[step.verdict]}</b>
            <div><h2>{t(`selfcheck.${step.code}`)}</h2>{step.findings.map((one) => <p key={one.code + JSON.stringify(one.params)}>{words(one)}</p>)}</div>
          </li>
        ))}
      </ol>
      <Bus />
      {told !== null && told.links.length > 0 && (
        <section class="feature" aria-label={t("selfcheck.links")}>
          <h2>{t("selfcheck.links")}</h2>
          <ul class="links">
            {told.links.map((one) => (
              <li key={`${one.kind} ${one.name}`}>
                <b>{one.name}</b> <span class="lights">Tx {light(one.sent_bytes)} Rx {light(one.received_bytes)}</span>
                <small>{[["asked", one.requests], ["answered", one.answers], ["missed", one.timeouts], ["garbled", one.garbled], ["refused", one.exceptions], ["came-about", one.connections]].map(([name, count]) => `${number(count as number)} ${t(`selfcheck.${name}`)}`).join(" · ")} · {t("selfcheck.median")} {seconds(one.median_s)} · {t("selfcheck.age")} {seconds(one.age_s)}</small>
              </li>
            ))}
          </ul>
        </section>
      )}
      <Link to="/settings/commissioning" class="onward">{t("commission.title")} ›</Link>
    </Page>
  );
}

/** What only a meter in somebody's hand can tell. */
function Bus(): JSX.Element {
  const [found, setFound] = useState<Finding | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  return (
    <form class="feature" onSubmit={(event) => { event.preventDefault(); const ohm = Number(new FormData(event.currentTarget).get("ohm")); void get<Finding>(`/diagnosis/bus?ohm=${ohm}`).then((got) => { setFound(got); setProblem(null); }, setProblem); }}>
      <h2>{t("selfcheck.bus")}</h2>
      <Field name="ohm" label={t("selfcheck.bus-measured")} hint={t("selfcheck.bus-hint")} unit="Ω" type="number" inputmode="decimal" step="any" min="0" required />
      <Trouble problem={problem} />
      {found && <p class={found.verdict === "fine" ? "done" : "trouble"} role="status">{t(`selfcheck.${found.code}`, found.params)}</p>}
      <button>{t("selfcheck.bus-judge")}</button>
    </form>
  );
}

const light = (bytes: number): JSX.Element => <span class={bytes > 0 ? "light lit" : "light"} role="img" aria-label={t(bytes > 0 ? "app.on" : "app.off")} />;
const seconds = (value: number | null): string => (value === null ? "–" : value < 1 ? `${number(1000 * value, 0)} ms` : `${number(value, 0)} s`);
