import { render, type ComponentType, type JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./app.css";
import { get, Problem, setCsrf, watch, type About, type Live, type SignIn } from "./api";
import { LiveHome } from "./pages/live";
import { go, Link } from "./parts";
import { clock, preferred, speak, t, type Language } from "./texts";

export interface PageProps { live: Live | null; who: SignIn; path: string; lost: boolean; signedIn: (who: SignIn | null) => void }
type Load = () => Promise<ComponentType<PageProps>>;

const pages: [RegExp, Load][] = [
  [/^\/settings$/, async () => (await import("./pages/settings")).Settings],
  [/^\/settings\/energy$/, async () => (await import("./pages/settings")).Energy],
  [/^\/settings\/energy\/load-management$/, async () => (await import("./pages/load_management")).LoadManagementPage],
  [/^\/settings\/energy\/schedules$/, async () => (await import("./pages/settings")).Schedules],
  [/^\/settings\/people$/, async () => (await import("./pages/people")).People],
  [/^\/settings\/security$/, async () => (await import("./pages/security")).Security],
  [/^\/settings\/chargers$/, async () => (await import("./pages/settings")).Chargers],
  [/^\/settings\/tags$/, async () => (await import("./pages/tags")).Tags],
  [/^(\/settings\/chargers)?\/link$/, async () => (await import("./pages/tags")).Linking],
  [/^\/settings\/audit$/, async () => (await import("./pages/settings")).Audit],
  [/^\/settings\/notifications$/, async () => (await import("./pages/notifications")).Notifications],
  [/^\/settings\/commissioning$/, async () => (await import("./pages/commissioning")).Commissioning],
  [/^\/settings\/check$/, async () => (await import("./pages/selfcheck")).SelfCheck],
  [/^\/settings\/backup$/, async () => (await import("./pages/backup")).Backup],
  [/^\/events$/, async () => (await import("./pages/events")).Events],
  [/^\/charger\/[^/]+$/, async () => (await import("./pages/charger")).ChargerPage],
  [/^\/about$/, async () => (await import("./pages/about")).About],
  [/^\/sessions$/, async () => (await import("./pages/sessions")).Sessions],
  [/^\/kiosk$/, async () => (await import("./pages/kiosk")).Kiosk],
];

function App({ about, begun }: { about: About; begun: SignIn | null }): JSX.Element {
  const [who, setWho] = useState<SignIn | null>(begun);
  const [path, setPath] = useState(location.pathname);
  const [live, setLive] = useState<Live | null>(null);
  const [lost, setLost] = useState<number | null>(null);
  const [Shown, setShown] = useState<ComponentType<PageProps> | null>(null);
  const signedIn = (one: SignIn | null): void => {
    setCsrf(one?.csrf ?? "");
    setWho(one);
    if (one && one.account.language) void speak(one.account.language as Language).then(() => setPath(location.pathname));
  };
  useEffect(() => {
    const moved = (): void => setPath(location.pathname);
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  useEffect(() => (who ? watch(setLive, setLost) : undefined), [who?.csrf]);
  const entering = !who || /^\/(start|join|reset|login)$/.test(path);
  useEffect(() => {
    const found = entering ? (async () => (await import("./pages/enter")).Enter as unknown as ComponentType<PageProps>) : pages.find(([pattern]) => pattern.test(path))?.[1];
    if (!found) { setShown(() => LiveHome); return; }
    let here = true;
    void found().then((one) => { if (here) setShown(() => one); });
    return () => { here = false; };
  }, [path, entering]);
  if (!Shown) return <p class="wait">…</p>;
  const shown = <Shown {...{ live, path, signedIn, about }} who={who as SignIn} lost={lost !== null} />;
  if (entering) return shown;
  const kiosk = path === "/kiosk";
  return (
    <div class={kiosk ? "kiosk" : "frame"}>
      <a class="skip" href="#main">{t("app.skip")}</a>
      {lost !== null && <p class="lost" role="alert">{t("app.lost", { since: clock(lost / 1000) })}</p>}
      {shown}
      {!kiosk && <Tabs path={path} />}
    </div>
  );
}

function Tabs({ path }: { path: string }): JSX.Element {
  const tabs: [string, string, string][] = [["/", "live", "M4 18V9m6 9V4m6 14v-6"], ["/sessions", "sessions", "M11 2 5 12h5l-1 8 7-11h-5z"], ["/events", "events", "M5 9a6 6 0 0 1 12 0c0 5 2 6 2 6H3s2-1 2-6m4 9a2 2 0 0 0 4 0"], ["/settings", "settings", "M3 6h16M3 12h16M3 18h16"]];
  return (
    <nav class="tabs" aria-label={t("app.menu")}>
      {tabs.map(([to, name, icon]) => (
        <Link to={to} key={to} aria-current={(to === "/" ? path === "/" || path.startsWith("/charger/") : path.startsWith(to) || (to === "/settings" && path === "/about")) ? "page" : undefined}>
          <svg viewBox="0 0 22 22" aria-hidden="true"><path d={icon} /></svg>
          {t(`app.${name}`)}
        </Link>
      ))}
    </nav>
  );
}

async function begin(): Promise<void> {
  const root = document.getElementById("app");
  if (!root) return;
  const asked = preferred();
  const [, about, who] = await Promise.all([
    speak(asked),
    get<About>("/about").catch((error: unknown) => error),
    get<SignIn>("/sign-in").catch((error: unknown) => (error instanceof Problem && error.status === 401 ? null : null)),
  ]);
  if (!about || about instanceof Error) {
    render(<main class="enter"><h1>Ampacity</h1><p class="trouble" role="alert">{t("errors.no-link")}</p><button onClick={() => location.reload()}>{t("app.again")}</button></main>, root);
    return;
  }
  if (who) {
    setCsrf(who.csrf);
    await speak(who.account.language as Language);
    if (who.account.role === "kiosk" && location.pathname !== "/kiosk") go("/kiosk");
  }
  render(<App about={about as About} begun={who} />, root);
  if ("serviceWorker" in navigator && isSecureContext && import.meta.env.PROD) void navigator.serviceWorker.register("/worker.js").catch(() => undefined);
}
void begin();
