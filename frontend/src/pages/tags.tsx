import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call, get, post, put } from "../api";
import type { PageProps } from "../main";
import { Field, Page, Remove, Switch, Trouble, useLoaded } from "../parts";
import { moment, t } from "../texts";

interface Tag { tag: string; name: string; seen_s: number | null; blocked: boolean }
interface Learning { until_s: number | null; tag: string | null }
interface Options { tags_required: boolean }

export function Tags(_: PageProps): JSX.Element {
  const [again, setAgain] = useState(0);
  const [tags, problem] = useLoaded(() => get<Tag[]>("/tags"), again);
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
        {(tags ?? []).map((one) => <li key={one.tag}><div><b>{one.name || one.tag}</b><br /><small>{one.tag}{one.seen_s !== null && ` · ${t("tags.seen", { seen: moment(one.seen_s) })}`}</small></div><Remove name={one.name || one.tag} act={() => void call("DELETE", `/tags/${encodeURIComponent(one.tag)}`).then(() => setAgain(again + 1), setTrouble)} /></li>)}
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
        <button class="main">{t("linking.link")}</button>
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
