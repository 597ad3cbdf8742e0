import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, put, type About as Told } from "../api";
import type { PageProps } from "../main";
import { Page, Switch, Trouble, useLoaded } from "../parts";
import { LANGUAGES, moment, t } from "../texts";

/** What this is, and of which version. */
export function About({ who }: PageProps): JSX.Element {
  const [told, problem] = useLoaded(() => get<Told>("/about"));
  return (
    <Page title={t("about.title")} back="/settings">
      <Trouble problem={problem} />
      {told && (
        <section class="feature">
          <img src="/icon.svg" alt="" width="56" height="56" />
          <h2>{told.product} {told.version}</h2>
          <p>{t("about.what")}</p>
          <dl>
            <dt>{t("about.site")}</dt><dd>{told.site}</dd>
            <dt>{t("about.licence")}</dt><dd>Apache-2.0</dd>
            <dt>{t("about.languages")}</dt><dd>{Object.values(LANGUAGES).join(", ")}</dd>
          </dl>
          <p>{t("about.here")}</p>
        </section>
      )}
      {(who.account.role === "owner" || who.account.role === "installer") && <Updates owner={who.account.role === "owner"} />}
    </Page>
  );
}

interface Known { version: string; newest: string | null; newer: boolean; checked_s: number | null; check: boolean }
function Updates({ owner }: { owner: boolean }): JSX.Element {
  const [known, problem, setKnown] = useLoaded(() => get<Known>("/updates"));
  const [trouble, setTrouble] = useState<unknown>(null);
  return (
    <section class="feature" aria-label={t("updates.title")}>
      <h2>{t("updates.title")}</h2>
      <Trouble problem={problem ?? trouble} />
      {known && (
        <>
          <p class={known.newer ? "note" : undefined}>{known.newer ? t("updates.newer", { version: known.newest }) : t(known.newest ? "updates.newest" : "updates.not-known")}{known.checked_s !== null && <> <small>{t("updates.checked", { when: moment(known.checked_s) })}</small></>}</p>
          {known.newer && <p>{t("updates.how")}</p>}
          <Switch name="check" label={t("updates.check")} on={known.check} disabled={!owner} set={(check) => void put<Known>("/updates", { check }).then((got) => { setKnown(got); setTrouble(null); }, setTrouble)} />
          <p><small>{t("updates.hint")}</small></p>
        </>
      )}
    </section>
  );
}
