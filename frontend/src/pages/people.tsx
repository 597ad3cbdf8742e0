import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { call, get, post, put } from "../api";
import type { PageProps } from "../main";
import { Choice, Copied, Field, Page, Remove, Switch, Trouble, useLoaded } from "../parts";
import { moment, t } from "../texts";

interface Person { id: number; name: string; email: string; role: string; disabled: boolean }
interface Invitation { id: number; role: string; name: string; until_s: number }
interface Options { drivers_may_wish: boolean }
interface Made { id: number; link: string; until_s: number }
const ROLES = ["driver", "installer", "owner"];

/** Accounts, and the links that make new ones. */
export function People({ who }: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [people, problem] = useLoaded(() => get<Person[]>("/accounts"), again);
  const [open] = useLoaded(() => get<Invitation[]>("/invitations"), again);
  const [options, , setOptions] = useLoaded(() => get<Options>("/options"));
  const [made, setMade] = useState<Made | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  const done = (): void => { setTrouble(null); setAgain(again + 1); };
  const invite = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    void post<Made>("/invitations", Object.fromEntries(new FormData(form))).then((one) => { setMade(one); form.reset(); done(); }, setTrouble);
  };
  const change = (one: Person, part: Partial<Person>): void => void call("PATCH", `/accounts/${one.id}`, part).then(done, (error: unknown) => { setTrouble(error); setAgain(again + 1); });
  return (
    <Page title={t("people.title")} back="/settings">
      <Trouble problem={problem ?? trouble} />
      <ul class="list">
        {(people ?? []).map((one) => (
          <li key={one.id} class="wide">
            <div><b>{one.name}</b>{one.id === who.account.id && ` · ${t(`roles.${one.role}`)}`}<br /><small>{one.email}</small></div>
            {one.id !== who.account.id && (
              <div class="does">
                <Choice name={`role-${one.id}`} label={t("people.role-of", { name: one.name })} hidden value={one.role} options={ROLES.map((role) => [role, t(`roles.${role}`)])} set={(role) => change(one, { role })} />
                <Switch name={`on-${one.id}`} label={t("people.may-sign-in")} on={!one.disabled} set={(on) => change(one, { disabled: !on })} />
                <Remove name={one.name} act={() => void call("DELETE", `/accounts/${one.id}`).then(done, setTrouble)} />
              </div>
            )}
          </li>
        ))}
      </ul>
      <form onSubmit={invite}>
        <h2>{t("people.invite")}</h2>
        <Field name="name" label={t("enter.name")} required />
        <Choice name="role" label={t("people.role")} options={ROLES.map((role) => [role, t(`roles.${role}`)])} />
        <button class="main">{t("people.make-link")}</button>
      </form>
      {made && <div class="done" role="status">{t("people.link", { until: moment(made.until_s) })}<Copied text={made.link} /></div>}
      {options && <section class="feature"><Switch name="may-wish" label={t("people.may-wish")} on={options.drivers_may_wish} set={(on) => void put<Options>("/options", { drivers_may_wish: on }).then(setOptions, setTrouble)} /><p>{t("people.may-wish-hint")}</p></section>}
      {open !== null && open.length > 0 && (
        <section>
          <h2>{t("people.open")}</h2>
          <ul class="list">
            {open.map((one) => (
              <li key={one.id}>
                <div><b>{one.name}</b> · {t(`roles.${one.role}`)}<br /><small>{t("people.until", { until: moment(one.until_s) })}</small></div>
                <Remove name={one.name} act={() => void call("DELETE", `/invitations/${one.id}`).then(() => { if (made?.id === one.id) setMade(null); done(); }, setTrouble)} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </Page>
  );
}
