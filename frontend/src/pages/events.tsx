import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, type Happened } from "../api";
import type { PageProps } from "../main";
import { Happenings, Page, Trouble } from "../parts";
import { day, t } from "../texts";

const PAGE = 50;

/** What happened, newest first; what happens meanwhile comes on top. */
export function Events(_: PageProps): JSX.Element {
  const [events, setEvents] = useState<Happened[]>([]);
  const [more, setMore] = useState(true);
  const [waits, setWaits] = useState(true);
  const [problem, setProblem] = useState<unknown>(null);
  const load = (before: number | null): void => {
    setWaits(true);
    void get<{ events: Happened[] }>(`/events?limit=${PAGE}${before === null ? "" : `&before=${before}`}`).then((got) => {
      setEvents((known) => (before === null ? got.events : [...known, ...got.events]));
      setMore(got.events.length === PAGE);
      setProblem(null);
    }, setProblem).finally(() => setWaits(false));
  };
  useEffect(() => load(null), []);
  useEffect(() => {
    const told = (event: Event): void => setEvents((known) => [(event as CustomEvent<Happened>).detail, ...known]);
    addEventListener("news", told);
    return () => removeEventListener("news", told);
  }, []);
  const last = events.at(-1)?.id ?? null;
  const days = [...new Set(events.map((one) => day(one.at_s)))];
  return (
    <Page title={t("app.events")}>
      <Trouble problem={problem} />
      {!waits && !problem && events.length === 0 && <p class="note">{t("lately.none")}</p>}
      {days.map((one) => (
        <section key={one} aria-label={one}>
          <h2>{one}</h2>
          <Happenings events={events.filter((event) => day(event.at_s) === one)} />
        </section>
      ))}
      {more && last !== null && <button disabled={waits} onClick={() => load(last)}>{t("lately.more")}</button>}
    </Page>
  );
}
