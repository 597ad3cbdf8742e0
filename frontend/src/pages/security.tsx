import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, post, put, type Account } from "../api";
import type { PageProps } from "../main";
import { Choice, Copied, Field, Page, Remove, Switch, Trouble, useLoaded } from "../parts";
import { LANGUAGES, moment, t } from "../texts";

/** One's own name, language and password; where one is signed in; tokens for machines. */
export function Security(props: PageProps): JSX.Element {
  return (
    <Page title={t("security.title")} back="/settings">
      <Own {...props} />
      <Password />
      <Devices {...props} />
      {props.who.account.role === "owner" && <Tokens />}
    </Page>
  );
}

function Own({ who, signedIn }: PageProps): JSX.Element {
  const [trouble, setTrouble] = useState<unknown>(null);
  const [saved, setSaved] = useState(false);
  const change = (part: { name?: string; language?: string }): void => void call<Account>("PATCH", "/account", part).then((account) => { signedIn({ ...who, account }); setSaved(true); setTrouble(null); }, (error: unknown) => { setTrouble(error); setSaved(false); });
  return (
    <form class="feature" onSubmit={(event) => { event.preventDefault(); change({ name: String(new FormData(event.currentTarget as HTMLFormElement).get("own")) }); }}>
      <h2>{t("security.own")}</h2>
      <Field name="own" label={t("enter.name")} required autocomplete="name" value={who.account.name} />
      <Choice name="language" label={t("enter.language")} value={who.account.language} options={Object.entries(LANGUAGES)} set={(language) => { localStorage.setItem("language", language); change({ language }); }} />
      <Trouble problem={trouble} />
      {saved && <p class="done" role="status">{t("security.saved")}</p>}
      <button>{t("app.save")}</button>
    </form>
  );
}

function Password(): JSX.Element {
  const [trouble, setTrouble] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const change = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    void put("/account/password", Object.fromEntries(new FormData(form))).then(() => { setDone(true); setTrouble(null); form.reset(); }, (error: unknown) => { setTrouble(error); setDone(false); });
  };
  return (
    <form class="feature" onSubmit={change}>
      <h2>{t("security.password")}</h2>
      <Field name="old" label={t("security.old")} type="password" required autocomplete="current-password" />
      <Field name="new" label={t("security.new")} type="password" required autocomplete="new-password" hint={t("enter.password-hint")} />
      <Trouble problem={trouble} />
      {done && <p class="done" role="status">{t("security.changed")}</p>}
      <button>{t("app.save")}</button>
    </form>
  );
}

interface Device { id: number; current: boolean; device: string; address: string; seen_s: number; kiosk: boolean; account_name: string | null }
function Devices({ who }: PageProps): JSX.Element {
  const [all, setAll] = useState(false);
  const [again, setAgain] = useState(0);
  const [devices, problem] = useLoaded(() => get<Device[]>(`/sign-ins?all=${String(all)}`), `${again} ${String(all)}`);
  const [trouble, setTrouble] = useState<unknown>(null);
  return (
    <section>
      <h2>{t("security.devices")}</h2>
      {who.account.role === "owner" && <Switch name="all" label={t("security.all")} on={all} set={setAll} />}
      <Trouble problem={problem ?? trouble} />
      <ul class="list">
        {(devices ?? []).map((one) => (
          <li key={one.id}>
            <div><b>{one.device}</b>{one.current && ` · ${t("security.this")}`}{all && ` · ${one.kiosk ? t("roles.kiosk") : (one.account_name ?? "")}`}<br /><small>{one.address} · {moment(one.seen_s)}</small></div>
            {!one.current && <button aria-label={`${t("security.end")}: ${one.device}`} onClick={() => void call("DELETE", `/sign-ins/${one.id}`).then(() => { setTrouble(null); setAgain(again + 1); }, setTrouble)}>{t("security.end")}</button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

interface Token { id: number; name: string; scopes: string[]; seen_s: number | null; until_s: number | null }
const SCOPES = ["read", "wish", "settings", "admin"];
const DAY_S = 86400;
function Tokens(): JSX.Element {
  const [again, setAgain] = useState(0);
  const [tokens, problem] = useLoaded(() => get<Token[]>("/tokens"), again);
  const [made, setMade] = useState<{ id: number; token: string } | null>(null);
  const [scopes, setScopes] = useState(["read"]);
  const [trouble, setTrouble] = useState<unknown>(null);
  const done = (): void => { setTrouble(null); setAgain(again + 1); };
  const make = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const given = new FormData(form);
    const days = Number(given.get("days"));
    void post<{ id: number; token: string }>("/tokens", { name: given.get("token"), scopes, until_s: days ? Date.now() / 1000 + days * DAY_S : null }).then((one) => { setMade(one); form.reset(); done(); }, setTrouble);
  };
  return (
    <section>
      <h2>{t("tokens.title")}</h2>
      <p>{t("tokens.hint")}</p>
      <Trouble problem={problem ?? trouble} />
      <ul class="list">
        {(tokens ?? []).map((one) => (
          <li key={one.id}>
            <div><b>{one.name}</b> · {one.scopes.map((scope) => t(`tokens.${scope}`)).join(", ")}<br /><small>{one.seen_s === null ? t("tokens.never") : t("tokens.seen", { seen: moment(one.seen_s) })}{one.until_s !== null && ` · ${t("people.until", { until: moment(one.until_s) })}`}</small></div>
            <Remove name={one.name} act={() => void call("DELETE", `/tokens/${one.id}`).then(() => { if (made?.id === one.id) setMade(null); done(); }, setTrouble)} />
          </li>
        ))}
      </ul>
      {made && <div class="done" role="status">{t("tokens.once")}<Copied text={made.token} /></div>}
      <form class="feature" onSubmit={make}>
        <h3>{t("tokens.new")}</h3>
        <Field name="token" label={t("tokens.name")} required autocomplete="off" />
        <fieldset><legend>{t("tokens.may")}</legend><div class="days">{SCOPES.map((one) => <label key={one}><input type="checkbox" checked={scopes.includes(one)} onChange={(event) => setScopes(SCOPES.filter((other) => (other === one ? event.currentTarget.checked : scopes.includes(other))))} />{t(`tokens.${one}`)}</label>)}</div></fieldset>
        <Choice name="days" label={t("tokens.ends")} options={[["365", t("tokens.year")], ["30", t("tokens.month")], ["0", t("tokens.removed")]]} />
        <button disabled={scopes.length === 0}>{t("tokens.make")}</button>
      </form>
    </section>
  );
}
