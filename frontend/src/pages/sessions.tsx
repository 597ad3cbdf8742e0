import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, type Charger } from "../api";
import type { PageProps } from "../main";
import { Choice, Page, Trouble, useLoaded } from "../parts";
import { moment, number, t } from "../texts";

interface Session { charger: string; charger_name: string; session: string; begun_s: number | null; ended_s: number | null; energy_wh: number | null; average_w: number | null; driver: string | null; tag: string | null }
const DAY_S = 86400;
const TIMES = { week: 7, month: 31, year: 366, all: 0 } as const;

/** What cars got, newest first. */
export function Sessions({ live, who }: PageProps): JSX.Element {
  const [time, setTime] = useState<keyof typeof TIMES>("month");
  const [charger, setCharger] = useState("");
  const from = TIMES[time] ? Math.floor(Date.now() / 1000 / DAY_S - TIMES[time]) * DAY_S : 0;
  const asked = `from_s=${from}${charger && `&charger=${encodeURIComponent(charger)}`}`;
  const [lines, problem] = useLoaded(() => get<Session[]>(`/sessions?${asked}`), asked);
  const together = (lines ?? []).reduce((sum, one) => sum + (one.energy_wh ?? 0), 0);
  return (
    <Page title={t("app.sessions")}>
      <div class="row">
        <Choice name="time" label={t("sessions.time")} value={time} set={(one) => setTime(one as keyof typeof TIMES)} options={(Object.keys(TIMES) as (keyof typeof TIMES)[]).map((one) => [one, t(`sessions.${one}`)])} />
        <Choice name="charger" label={t("sessions.charger")} value={charger} set={setCharger} options={[["", t("schedules.all")], ...(live?.chargers ?? []).map((one: Charger): [string, string] => [one.id, one.name])]} />
      </div>
      <Trouble problem={problem} />
      {lines?.length === 0 && <p class="note">{t(who.account.role === "driver" ? "sessions.none-own" : "sessions.none")}</p>}
      {lines !== null && lines.length > 0 && <p class="total"><strong>{number(together / 1000, 1)}</strong> kWh <small>{t("sessions.count", { count: lines.length })}</small></p>}
      <ul class="list">
        {(lines ?? []).map((one) => (
          <li key={`${one.charger} ${one.session}`}>
            <div><b>{one.charger_name}</b><br /><small>{one.begun_s === null ? "–" : moment(one.begun_s)} · {one.ended_s === null ? t("sessions.goes-on") : t("sessions.until", { end: moment(one.ended_s) })}{who.account.role !== "driver" && (one.driver ?? one.tag) && <><br />{one.driver ?? one.tag}</>}</small></div>
            <span class="sum"><strong>{one.energy_wh === null ? "–" : number(one.energy_wh / 1000, 2)}</strong> kWh{one.average_w !== null && <><br /><small>{t("sessions.average", { kw: number(one.average_w / 1000) })}</small></>}</span>
          </li>
        ))}
      </ul>
      {lines !== null && lines.length > 0 && <p class="does"><a class="onward" href={`/api/v1/sessions/export?format=csv&${asked}`} download>CSV</a><a class="onward" href={`/api/v1/sessions/export?format=parquet&${asked}`} download>Parquet</a></p>}
    </Page>
  );
}
