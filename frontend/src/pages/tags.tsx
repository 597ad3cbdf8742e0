import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, get, post, put } from "../api";
import type { PageProps } from "../main";
import { Choice, Field, Page, Remove, Switch, Trouble, useLoaded } from "../parts";
import { moment, t } from "../texts";

interface Tag { tag: string; name: string; account: number | null; seen_s: number | null; blocked: boolean }
interface Learning { until_s: number | null; tag: string | null }
interface Options { tags_required: boolean }

export function Tags(_: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [tags, problem] = useLoaded(() => get<Tag[]>("/tags"), again);
  const [people] = useLoaded(() => get<{ id: number; name: string }[]>("/accounts"));
  const [options, , setOptions] = useLoaded(() => get<Options>("/options"));
  const [learning, setLearning] = useState<Learning | null>(null);
  const [trouble, setTrouble] = useState<unknown>(null);
  useEffect(() => {
    if (!learning?.until_s || learning.tag) return undefined;
    const timer = setInterval(() => void get<Learning>("/tags/learn").then((one) => { setLearning(one); if (one.tag) setAgain(again + 1); }, setTrouble), 1000);
    return () => clearInterval(timer);
  }, [learning]);
  const add = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    void post("/tags", Object.fromEntries(new FormData(form))).then(() => { setAgain(again + 1); setTrouble(null); form.reset(); }, setTrouble);
  };
  return (
    <Page title={t("tags.title")} back="/settings">
      <Trouble problem={problem ?? trouble} />
      {options && <section class="feature"><Switch name="required" label={t("tags.required")} on={options.tags_required} set={(on) => void put<Options>("/options", { tags_required: on }).then(setOptions, setTrouble)} /><p>{t("tags.hint")}</p></section>}
      <ul class="list">
        {(tags ?? []).map((one) => <li key={one.tag} class="wide"><div><b>{one.name || one.tag}</b><br /><small>{one.tag}{one.seen_s !== null && ` · ${t("tags.seen", { seen: moment(one.seen_s) })}`}</small></div><div class="does"><Choice name={`of-${one.tag}`} label={t("tags.whose", { name: one.name || one.tag })} hidden value={String(one.account ?? "")} options={[["", t("tags.nobody")], ...(people ?? []).map((person): [string, string] => [String(person.id), person.name])]} set={(account) => void call("PATCH", `/tags/${encodeURIComponent(one.tag)}`, { account: account ? Number(account) : null }).then(() => setAgain(again + 1), setTrouble)} /><Remove name={one.name || one.tag} act={() => void call("DELETE", `/tags/${encodeURIComponent(one.tag)}`).then(() => setAgain(again + 1), setTrouble)} /></div></li>)}
      </ul>
      <button onClick={() => void post<Learning>("/tags/learn").then(setLearning, setTrouble)}>{t("tags.learn")}</button>
      {learning && (learning.tag || learning.until_s) && <p class="note" role="status">{learning.tag ? t("tags.learned", { tag: learning.tag }) : t("tags.learning")}</p>}
      <form onSubmit={add}>
        <Field name="tag" label={t("tags.number")} required autocomplete="off" />
        <Field name="name" label={t("tags.name")} required />
        <button class="main">{t("tags.add")}</button>
      </form>
    </Page>
  );
}

interface Detector { detect: (image: HTMLVideoElement) => Promise<{ rawValue: string }[]> }

/** The camera, where the browser reads codes itself; elsewhere the phone's own camera opens the link on the label. */
function Scan({ found }: { found: (read: string) => void }): JSX.Element | null {
  const [on, setOn] = useState(false);
  const [problem, setProblem] = useState(false);
  const video = useRef<HTMLVideoElement>(null);
  const Reader = (globalThis as { BarcodeDetector?: new (given: object) => Detector }).BarcodeDetector;
  useEffect(() => {
    if (!on || !Reader) return undefined;
    let stream: MediaStream | null = null;
    let timer = 0;
    const reader = new Reader({ formats: ["qr_code"] });
    void navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }).then((got) => {
      stream = got;
      const shown = video.current;
      if (!shown) { got.getTracks().forEach((one) => one.stop()); return; }
      shown.srcObject = got;
      void shown.play();
      timer = setInterval(() => void reader.detect(shown).then(([first]) => { if (first) { found(first.rawValue); setOn(false); } }, () => undefined), 300) as unknown as number;
    }, () => { setProblem(true); setOn(false); });
    return () => { clearInterval(timer); stream?.getTracks().forEach((one) => one.stop()); };
  }, [on]);
  if (!Reader || !isSecureContext) return <small>{t("linking.camera-app")}</small>;
  return (
    <>
      <button type="button" aria-pressed={on} onClick={() => { setProblem(false); setOn(!on); }}>{t("linking.scan")}</button>
      {problem && <p class="trouble" role="alert">{t("linking.no-camera")}</p>}
      {on && <video ref={video} class="camera" muted playsInline aria-label={t("linking.scan")} />}
    </>
  );
}

interface Knock { ocpp_id: string; address: string; last_s: number; why: string }

/** New chargers, by the list of those that knock or by the code on a label. */
export function Linking({ path }: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [knocks, problem] = useLoaded(() => get<Knock[]>("/chargers/knocking"), again);
  const [code, setCode] = useState(path === "/link" ? decodeURIComponent(location.hash.slice(1)) : "");
  const [linked, setLinked] = useState("");
  const [trouble, setTrouble] = useState<unknown>(null);
  const link = (given: string): void => void post<{ charger: string }>("/chargers/link", { code: given }).then((one) => { setLinked(one.charger); setTrouble(null); setCode(""); setAgain(again + 1); }, (error: unknown) => { setTrouble(error); setLinked(""); });
  return (
    <Page title={t("linking.title")} back="/settings/chargers">
      <Trouble problem={problem ?? trouble} />
      {linked && <p class="done" role="status">{t("linking.linked", { charger: linked })}</p>}
      <form onSubmit={(event) => { event.preventDefault(); link(code); }}>
        <Field name="code" label={t("linking.code")} required value={code} autocomplete="off" onInput={(event) => setCode(event.currentTarget.value)} />
        <div class="does"><button class="main">{t("linking.link")}</button><Scan found={(read) => setCode(read.includes("#") ? decodeURIComponent(read.split("#")[1] ?? "") : read)} /></div>
      </form>
      <h2>{t("linking.knocking")}</h2>
      {knocks?.length === 0 && <p>{t("linking.none")}</p>}
      <ul class="list">
        {(knocks ?? []).map((one) => <li key={one.ocpp_id}><div><b>{one.ocpp_id}</b><br /><small>{one.address} · {moment(one.last_s)}</small></div><span><button onClick={() => link(one.ocpp_id)}>{t("linking.link")}</button> <button onClick={() => void post("/chargers/refuse", { ocpp_id: one.ocpp_id }).then(() => setAgain(again + 1), setTrouble)}>{t("linking.refuse")}</button></span></li>)}
      </ul>
      <p><a class="onward" href="/api/v1/chargers/labels" target="_blank" rel="noreferrer">{t("linking.labels")}</a></p>
    </Page>
  );
}
