import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get, post, type About, type SignIn } from "../api";
import { Field, go, Trouble } from "../parts";
import { language, LANGUAGES, speak, t, type Language } from "../texts";

/** First start, invitation, forgotten password, and signing in: whatever the link says. */
export function Enter({ about, path, signedIn }: { about: About; path: string; signedIn: (who: SignIn) => void }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [spoken, setSpoken] = useState<Language>(language);
  const key = location.hash.slice(1);
  const kind = key && path === "/start" ? "start" : key && path === "/join" ? "join" : key && path === "/reset" ? "reset" : "login";
  const [invited, setInvited] = useState<{ role: string; name: string; site: string } | null>(null);
  useEffect(() => { if (kind === "join") void get<{ role: string; name: string; site: string }>(`/invitations/${encodeURIComponent(key)}`).then(setInvited, setProblem); }, [kind, key]);
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.currentTarget as HTMLFormElement)) as Record<string, string>;
    setBusy(true);
    try {
      const who = kind === "start" ? await post<SignIn>("/first-start", { key, ...given, language: spoken })
        : kind === "join" ? await post<SignIn>(`/invitations/${encodeURIComponent(key)}`, { ...given, language: spoken })
        : kind === "reset" ? await post<SignIn>("/password-reset", { key, password: given["password"] })
        : await post<SignIn>("/sign-in", given);
      signedIn(who);
      go(who.account.role === "kiosk" ? "/kiosk" : path === "/kiosk" ? path : kind === "login" && path !== "/login" ? path : "/");
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const makes = kind === "start" || kind === "join";
  return (
    <main class="enter" id="main">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>{t(`enter.${kind}`)}</h1>
      <p>{invited ? t("enter.invited", { site: invited.site, role: t(`roles.${invited.role}`) }) : (about.site ?? "")}</p>
      {about.first_start && kind === "login" && <p class="note">{t("enter.no-owner")}</p>}
      <form onSubmit={(event) => void send(event)}>
        {makes && <Field name="name" label={t("enter.name")} required autocomplete="name" {...(invited ? { value: invited.name } : {})} />}
        {kind !== "reset" && <Field name="email" label={t("enter.email")} type="email" required autocomplete="username" />}
        <Field name="password" label={t("enter.password")} type="password" required autocomplete={kind === "login" ? "current-password" : "new-password"} {...(kind === "login" ? {} : { hint: t("enter.password-hint") })} />
        <Trouble problem={problem} />
        <button class="main" disabled={busy}>{t(`enter.${kind}-do`)}</button>
      </form>
      <div class="field">
        <label for="language">{t("enter.language")}</label>
        <select id="language" value={spoken} onChange={(event) => { const wanted = event.currentTarget.value as Language; localStorage.setItem("language", wanted); void speak(wanted).then(() => setSpoken(wanted)); }}>
          {Object.entries(LANGUAGES).map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
        </select>
      </div>
    </main>
  );
}
