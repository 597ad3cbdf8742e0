import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { get, type Live } from "../api";
import { Trouble } from "../parts";
import { number, t, tick } from "../texts";

interface Spread { least: (number | null)[]; mean: (number | null)[]; most: (number | null)[] }
interface Told { to_s: number; span_s: number; start_s: number[]; series: Record<string, Spread> }
const TIMES = { hour: [3600, 1], day: [86400, 60], week: [604800, 900], month: [2592000, 900] } as const;

/** What went through the main breaker: line by line with its limit, or as power. */
export function History({ live }: { live: Live }): JSX.Element {
  const [time, setTime] = useState<keyof typeof TIMES>("hour");
  const [power, setPower] = useState(false);
  const [told, setTold] = useState<Told | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const place = useRef<HTMLDivElement>(null);
  const main = live.circuits.find((one) => one.parent === null && !one.spans);
  const names = live.site.lines.map((_, line) => `${main?.id ?? "main"}.l${line + 1}.measured_a`);
  const limit = `${main?.id ?? "main"}.l1.limit_a`;
  useEffect(() => {
    const load = (): void => {
      const [long, span] = TIMES[time];
      const now = Math.floor(Date.now() / 1000);
      void get<Told>(`/history?from_s=${now - long}&to_s=${now}&span_s=${span}&series=${[...names, limit].join(",")}`).then((got) => { setTold({ ...got, to_s: now }); setProblem(null); }, setProblem);
    };
    load();
    const timer = setInterval(load, 60000);
    return () => clearInterval(timer);
  }, [time]);
  useEffect(() => {
    const box = place.current;
    if (!box || !told || told.start_s.length === 0) return;
    const style = getComputedStyle(box);
    const ink = style.color;
    const long = TIMES[time][0];
    const axis = { stroke: ink, grid: { stroke: "#8884", width: 1 }, ticks: { stroke: "#8884", width: 1 } };
    const none = told.start_s.map(() => null);
    const shown = power ? [kilowatts(told, names, live.site.line_v)] : [...names.map((one) => told.series[one]?.most ?? none), told.series[limit]?.mean ?? none];
    const data = [told.start_s, ...shown] as uPlot.AlignedData;
    const chart = new uPlot(
      {
        width: box.clientWidth, height: 220, legend: { show: false }, scales: { x: { range: () => [told.to_s - long, told.to_s] } }, axes: [{ ...axis, space: 70, values: (_, ticks) => ticks.map((one) => tick(one, long)) }, { ...axis, size: power ? 62 : 48, values: (_, ticks) => ticks.map((one) => power ? `${number(one)} kW` : `${number(one, 0)} A`) }],
        series: power ? [{}, { label: "kW", stroke: style.getPropertyValue("--line2") || ink, width: 2, points: { show: false } }] : [{}, ...live.site.lines.map((label, line) => ({ label, stroke: style.getPropertyValue(`--line${line % 3}`) || ink, width: 2, points: { show: false } })), { label: "max", stroke: ink, dash: [6, 4], width: 1.5, points: { show: false } }],
      },
      data, box,
    );
    const fit = new ResizeObserver(() => chart.setSize({ width: box.clientWidth, height: 220 }));
    fit.observe(box);
    return () => { fit.disconnect(); chart.destroy(); };
  }, [told, power]);
  const most = (name: string): number => Math.max(0, ...(told?.series[name]?.most ?? []).filter((one): one is number => one !== null));
  return (
    <section class="history" aria-label={t("history.title")}>
      <h2>{t("history.title")}</h2>
      <div class="choice even" role="group" aria-label={t("history.title")}>
        {(Object.keys(TIMES) as (keyof typeof TIMES)[]).map((one) => <button key={one} aria-pressed={one === time} onClick={() => setTime(one)}>{t(`history.${one}`)}</button>)}
      </div>
      <div class="choice even" role="group" aria-label={t("history.unit")}>
        {[false, true].map((one) => <button key={String(one)} aria-pressed={one === power} onClick={() => setPower(one)}>{t(one ? "history.power" : "history.current")}</button>)}
      </div>
      <Trouble problem={problem} />
      {told && told.start_s.length === 0 && <p>{t("history.none")}</p>}
      <div ref={place} class="chart" aria-hidden="true" />
      {told && told.start_s.length > 0 && <p class="key">{power ? t("history.at-volts", { volts: live.site.line_v, most: Math.max(0, ...kilowatts(told, names, live.site.line_v).filter((one): one is number => one !== null)) }) : live.site.lines.map((line, at) => <span key={line}><i class={`line${at}`} />{t("history.most", { line, most: most(names[at] ?? "") })}</span>)}</p>}
    </section>
  );
}

/** The mean of each span, all lines together; null where a line was not measured. */
function kilowatts(told: Told, names: string[], volts: number): (number | null)[] {
  return told.start_s.map((_, at) => names.reduce<number | null>((sum, name) => { const amps = told.series[name]?.mean[at] ?? null; return sum === null || amps === null ? null : sum + (amps * volts) / 1000; }, 0));
}
