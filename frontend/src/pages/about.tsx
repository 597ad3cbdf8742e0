import type { JSX } from "preact";
import { get, type About as Told } from "../api";
import type { PageProps } from "../main";
import { Page, Trouble, useLoaded } from "../parts";
import { LANGUAGES, t } from "../texts";

/** What this is, and of which version. */
export function About(_: PageProps): JSX.Element {
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
    </Page>
  );
}
