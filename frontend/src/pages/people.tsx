import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, post, put } from "../api";
import type { PageProps } from "../main";
import { Field, Page, Switch, Trouble, useLoaded } from "../parts";
import { moment, t } from "../texts";

interface Person { id: number; name: string; email: string; role: string; disabled: boolean }
interface Made { link: string; until_s: number }

export function People({ who }: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [people, problem] = useLoaded(() => get<Person[]>("/accounts"), again);
  const [made, setMade] = useState<Made | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const invite = (event: SubmitEvent): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    void post<Made>("/invitations", { role: given.get("role"), name: given.get("name") }).then((one) => { setMade(one); setTrouble(null); }, setTrouble);
  };
  const disable = (one: Person, disabled: boolean): void => void call("PATCH", `/accounts/${one.id}`, { disabled }).then(() => setAgain(again + 1), setTrouble);
  return (
    <Page title={t("people.title")} back="/settings">
      <Trouble problem={problem ?? trouble} />
      <ul class="list">
        {(people ?? []).map((one) => <li key={one.id}><div><b>{one.name}</b> · {t(`roles.${one.role}`)}<br /><small>{one.email}</small></div>{one.id !== who.account.id && <Switch name={`on-${one.id}`} label={t("people.may-sign-in")} on={!one.disabled} set={(on) => disable(one, !on)} />}</li>)}
      </ul>
      <form onSubmit={invite}>
        <h2>{t("people.invite")}</h2>
        <Field name="name" label={t("enter.name")} required />
        <div class="field"><label for="role">{t("people.role")}</label><select id="role" name="role">{["driver", "installer", "owner"].map((one) => <option key={one} value={one}>{t(`roles.${one}`)}</option>)}</select></div>
        <button class="main">{t("people.make-link")}</button>
      </form>
      {made && <p class="done" role="status">{t("people.link", { until: moment(made.until_s) })}<br /><code>{made.link}</code></p>}
    </Page>
  );
}

interface Device { id: number; current: boolean; device: string; address: string; seen_s: number; account_name: string | null }
export function Security(_: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [devices, problem] = useLoaded(() => get<Device[]>("/sign-ins"), again);
  const [trouble, setTrouble] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const change = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    void put("/account/password", Object.fromEntries(new FormData(form))).then(() => { setDone(true); setTrouble(null); form.reset(); }, setTrouble);
  };
  return (
    <Page title={t("security.title")} back="/settings">
      <h2>{t("security.devices")}</h2>
      <Trouble problem={problem} />
      <ul class="list">
        {(devices ?? []).map((one) => <li key={one.id}><div><b>{one.device}</b>{one.current && ` · ${t("security.this")}`}<br /><small>{one.address} · {moment(one.seen_s)}</small></div>{!one.current && <button onClick={() => void call("DELETE", `/sign-ins/${one.id}`).then(() => setAgain(again + 1), setTrouble)}>{t("security.end")}</button>}</li>)}
      </ul>
      <form onSubmit={change}>
        <h2>{t("security.password")}</h2>
        <Field name="old" label={t("security.old")} type="password" required autocomplete="current-password" />
        <Field name="new" label={t("security.new")} type="password" required autocomplete="new-password" hint={t("enter.password-hint")} />
        <Trouble problem={trouble} />
        {done && <p class="done" role="status">{t("lm.saved")}</p>}
        <button class="main">{t("app.save")}</button>
      </form>
    </Page>
  );
}
