import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post, put, type SignIn } from "../api";
import type { PageProps } from "../main";
import { Field, Link, Page, Trouble } from "../parts";
import { t } from "../texts";
import { Bars, ChargerCard, StatusLine } from "./live";
import { LoadManagementPage } from "./load_management";

/** For a tablet on the wall: live for everybody, settings behind the PIN. */
export function Kiosk(props: PageProps): JSX.Element {
  const { live, who, signedIn } = props;
  const [asks, setAsks] = useState(false);
  const [pin, setPin] = useState("");
  const [problem, setProblem] = useState<unknown>(null);
  const [settings, setSettings] = useState(false);
  const [pinSet, setPinSet] = useState(false);
  const enrolled = who.account.role === "kiosk";
  const open = !enrolled || (who.unlocked_until_s !== null && who.unlocked_until_s > Date.now() / 1000);
  const unlock = (): void => void post<SignIn>("/kiosk/unlock", { pin }).then((got) => { signedIn(got); setAsks(false); setPin(""); setProblem(null); }, (error: unknown) => { setProblem(error); setPin(""); });
  if (settings && open) return <div><button class="huge" onClick={() => setSettings(false)}>‹ {t("app.live")}</button><LoadManagementPage {...props} /></div>;
  return (
    <Page title={live?.site.name ?? "Ampacity"}>
      {live && <StatusLine live={live} />}
      <div class="wall">
        <div>{live?.circuits.map((one) => <Bars key={one.id} circuit={one} lines={live.site.lines} />)}</div>
        <div class="cards">{live?.chargers.map((one) => <ChargerCard key={one.id} one={one} steers={enrolled && open} large />)}</div>
      </div>
      {!enrolled && who.account.role === "owner" && (
        <form onSubmit={(event) => { event.preventDefault(); void put<undefined>("/kiosk/pin", { pin: new FormData(event.currentTarget).get("pin") }).then(() => { setPinSet(true); setProblem(null); }, (error: unknown) => { setProblem(error); setPinSet(false); }); }}>
          <Field name="pin" label={t("kiosk.set-pin")} hint={t("kiosk.pin-hint")} inputmode="numeric" autocomplete="off" required />
          <button>{t("app.save")}</button>
          {pinSet && <p class="done" role="status">{t("lm.saved")}</p>}
        </form>
      )}
      {!enrolled && who.account.role === "owner" && <p><button class="huge" onClick={() => void post<SignIn>("/kiosk/enrol", { name: t("kiosk.title") }).then(signedIn, setProblem)}>{t("kiosk.enrol")}</button> <Link to="/" class="onward">{t("app.back")}</Link></p>}
      {enrolled && !open && !asks && <button class="huge" onClick={() => setAsks(true)}>{t("kiosk.unlock")}</button>}
      {enrolled && open && <button class="huge" onClick={() => setSettings(true)}>{t("lm.title")}</button>}
      {enrolled && open && <button class="huge" onClick={() => void post<SignIn>("/kiosk/lock").then(signedIn, setProblem)}>{t("kiosk.lock")}</button>}
      {asks && (
        <section class="pin" aria-label={t("kiosk.pin")}>
          <output aria-label={t("kiosk.pin")}>{"•".repeat(pin.length) || t("kiosk.pin")}</output>
          <div class="pad">{[..."123456789"].map((one) => <button key={one} onClick={() => setPin(pin + one)}>{one}</button>)}<button onClick={() => setPin("")} aria-label={t("kiosk.clear")}>✕</button><button onClick={() => setPin(`${pin}0`)}>0</button><button class="main" onClick={unlock} aria-label={t("kiosk.unlock")}>✓</button></div>
        </section>
      )}
      <Trouble problem={problem} />
    </Page>
  );
}
