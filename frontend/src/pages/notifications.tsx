import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post, put } from "../api";
import type { PageProps } from "../main";
import { Choice, Field, Page, Switch, Trouble, useLoaded } from "../parts";
import { has, LANGUAGES, moment, t } from "../texts";

interface Mail { host: string; port: number; tls: string; user: string | null; password_set: boolean; from: string; to: string[] }
interface Failure { at_s: number; code: string; detail: string; remedy: string }
interface Told { mail: Mail | null; webhook: { url: string; secret_set: boolean } | null; kinds: string[]; language: string; mail_failure: Failure | null; webhook_failure: Failure | null }
interface Tried { sent: boolean; code: string | null; detail: string | null; remedy: string | null }
const KINDS = ["blind", "offline", "budget", "update"];

const why = (one: { code: string | null; detail: string | null; remedy: string | null }): string => (one.code && has(`errors.${one.code}`) ? t(`errors.${one.code}`) : `${one.detail ?? ""} ${one.remedy ?? ""}`);

/** Who is told of what without looking. */
export function Notifications(_: PageProps): JSX.Element {
  const [page, problem, setPage] = useLoaded(() => get<Told>("/notifications"));
  if (!page) return <Page title={t("notify.title")} back="/settings"><Trouble problem={problem} /></Page>;
  return <Form key={JSON.stringify(page)} page={page} set={setPage} />;
}

function Form({ page, set }: { page: Told; set: (page: Told) => void }): JSX.Element {
  const [mail, setMail] = useState(page.mail !== null);
  const [hook, setHook] = useState(page.webhook !== null);
  const [kinds, setKinds] = useState(page.kinds);
  const [trouble, setTrouble] = useState<unknown>(null);
  const [saved, setSaved] = useState(false);
  const [tried, setTried] = useState<{ mail: Tried | null; webhook: Tried | null } | "waits" | null>(null);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(given.get(name) ?? "").trim();
    const body = {
      mail: mail ? { host: text("host"), port: Number(text("port")), tls: text("tls"), user: text("user") || null, password: text("password") || null, from: text("from"), to: text("to").split(/[\s,;]+/).filter(Boolean) } : null,
      webhook: hook ? { url: text("url"), secret: text("secret") || null } : null,
      kinds, language: text("language"),
    };
    void put<Told>("/notifications", body).then((got) => { set(got); setSaved(true); setTrouble(null); }, (error: unknown) => { setTrouble(error); setSaved(false); });
  };
  const test = (): void => {
    setTried("waits");
    void post<{ mail: Tried | null; webhook: Tried | null }>("/notifications/test").then((got) => { setTried(got); setTrouble(null); }, (error: unknown) => { setTried(null); setTrouble(error); });
  };
  return (
    <Page title={t("notify.title")} back="/settings">
      <p>{t("notify.hint")}</p>
      <form onSubmit={save} onInput={() => setSaved(false)}>
        <fieldset><legend>{t("notify.kinds")}</legend>{KINDS.map((one) => <Switch key={one} name={one} label={t(`notify.${one}`)} on={kinds.includes(one)} set={(on) => setKinds(KINDS.filter((other) => (other === one ? on : kinds.includes(other))))} />)}</fieldset>
        <section class="feature" aria-label={t("notify.mail")}>
          <Switch name="mail" label={t("notify.mail")} on={mail} set={setMail} />
          {page.mail_failure && <p class="trouble">{t("notify.failed", { at: moment(page.mail_failure.at_s) })} {why(page.mail_failure)}</p>}
          {mail && (
            <>
              <Field name="host" label={t("notify.host")} required value={page.mail?.host ?? ""} autocomplete="off" spellcheck={false} />
              <div class="row">
                <Choice name="tls" label={t("notify.tls")} value={page.mail?.tls ?? "starttls"} options={[["tls", "TLS"], ["starttls", "STARTTLS"], ["none", t("notify.open")]]} />
                <Field name="port" label={t("notify.port")} type="number" min="1" max="65535" required value={page.mail?.port ?? 587} />
              </div>
              <Field name="user" label={t("notify.user")} value={page.mail?.user ?? ""} autocomplete="off" spellcheck={false} />
              <Field name="password" label={t("notify.password")} type="password" autocomplete="new-password" {...(page.mail?.password_set ? { hint: t("notify.kept") } : {})} />
              <Field name="from" label={t("notify.from")} type="email" required value={page.mail?.from ?? ""} />
              <Field name="to" label={t("notify.to")} required value={page.mail?.to.join(", ") ?? ""} hint={t("notify.to-hint")} />
            </>
          )}
        </section>
        <section class="feature" aria-label={t("notify.webhook")}>
          <Switch name="webhook" label={t("notify.webhook")} on={hook} set={setHook} />
          {page.webhook_failure && <p class="trouble">{t("notify.failed", { at: moment(page.webhook_failure.at_s) })} {why(page.webhook_failure)}</p>}
          {hook && (
            <>
              <Field name="url" label={t("notify.url")} type="url" required value={page.webhook?.url ?? ""} hint={t("notify.url-hint")} />
              <Field name="secret" label={t("notify.secret")} type="password" autocomplete="off" hint={t(page.webhook?.secret_set ? "notify.kept" : "notify.secret-hint")} />
            </>
          )}
        </section>
        <Choice name="language" label={t("enter.language")} value={page.language} options={Object.entries(LANGUAGES)} />
        <Trouble problem={trouble} />
        {saved && <p class="done" role="status">{t("security.saved")}</p>}
        <div class="does"><button class="main">{t("app.save")}</button><button type="button" disabled={tried === "waits" || (!page.mail && !page.webhook)} onClick={test}>{t("notify.test")}</button></div>
      </form>
      {tried === "waits" && <p class="note" role="status">{t("notify.trying")}</p>}
      {tried !== null && tried !== "waits" && (["mail", "webhook"] as const).map((way) => {
        const one = tried[way];
        return one && <p key={way} class={one.sent ? "done" : "trouble"} role="status">{t(`notify.${way}`)}: {one.sent ? t("notify.sent") : why(one)}</p>;
      })}
    </Page>
  );
}
