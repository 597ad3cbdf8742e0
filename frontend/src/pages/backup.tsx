import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, post, Problem, send } from "../api";
import type { PageProps } from "../main";
import { Page, Switch, Trouble, useLoaded } from "../parts";
import { moment, number, t } from "../texts";

interface Waiting { site: string; made_s: number; version: string; journal: boolean }

/** Everything in one file, and back. */
export function Backup(_: PageProps): JSX.Element {
  const [journal, setJournal] = useState(true);
  const [waiting, problem, setWaiting] = useLoaded(() => get<Waiting | null>("/restore"));
  const [trouble, setTrouble] = useState<unknown>(null);
  const [share, setShare] = useState<number | null>(null);
  const [restarts, setRestarts] = useState(false);
  const take = (event: Event): void => {
    const file = (event.currentTarget as HTMLInputElement).files?.[0];
    if (!file) return;
    setTrouble(null);
    setShare(0);
    void send<Waiting>("/restore", file, setShare).then(setWaiting, setTrouble).finally(() => setShare(null));
  };
  const restart = (): void => void post("/restart").then(() => { setRestarts(true); setTrouble(null); void back(); }, setTrouble);
  return (
    <Page title={t("backup.title")} back="/settings">
      <section class="feature">
        <h2>{t("backup.make")}</h2>
        <p>{t("backup.hint")}</p>
        <Switch name="journal" label={t("backup.journal")} on={journal} set={setJournal} />
        <p class="note">{t("backup.secret")}</p>
        <a class="button main" href={`/api/v1/backup?journal=${String(journal)}`} download>{t("backup.download")}</a>
      </section>
      <section class="feature">
        <h2>{t("backup.restore")}</h2>
        <p>{t("backup.restore-hint")}</p>
        <div class="field"><label for="f-backup">{t("backup.choose")}</label><input id="f-backup" type="file" accept=".zip,application/zip" disabled={share !== null} onChange={take} /></div>
        {share !== null && <p role="status">{t("backup.sending", { share: number(100 * share, 0) })}<progress max="1" value={share} aria-label={t("backup.choose")} /></p>}
        <Trouble problem={trouble ?? problem} />
        {restarts ? <p class="note" role="status">{t("backup.restarting")}</p> : waiting && (
          <>
            <p class="note" role="status">{t("backup.waiting", { site: waiting.site, made: moment(waiting.made_s), version: waiting.version })}</p>
            <p>{t("backup.restart-hint")}</p>
            <div class="does"><button class="main" onClick={restart}>{t("backup.restart")}</button><button onClick={() => void call("DELETE", "/restore").then(() => { setWaiting(null as unknown as Waiting); setTrouble(null); }, setTrouble)}>{t("backup.forget")}</button></div>
          </>
        )}
      </section>
    </Page>
  );
}

/** Loads the page again once the controller is there again: people may have to sign in anew. */
async function back(): Promise<void> {
  await new Promise((done) => setTimeout(done, 3000));
  for (;;) {
    try {
      await get("/about");
      location.assign("/");
      return;
    } catch (error) {
      if (error instanceof Problem && error.status > 0) { location.assign("/"); return; }
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}
