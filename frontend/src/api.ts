// Talks to the controller. Every refusal is a Problem, whose code the texts translate.

export interface Account { id: number | null; name: string; email: string | null; role: Role; language: string }
export type Role = "owner" | "installer" | "driver" | "kiosk";
export interface SignIn { account: Account; csrf: string; until_s: number | null; kiosk: boolean; unlocked_until_s: number | null }
export interface About { product: string; version: string; site: string | null; first_start: boolean; languages: string[]; signed_in: boolean }
export interface Status { active: boolean; since_s: number | null; code: "paired" | "missing" | "off" | "one-charger"; primary: string | null; linked: string[]; missing: string[]; online: string[]; count: number }
export interface Circuit { id: string; name: string; parent: string | null; spans: boolean; rating_a: number[]; limit_a: number[]; measured_a: number[] | null; building_a: number[] | null; cars_a: number[]; offered_a: number[]; headroom_a: number[]; budget: number; blind: string | null }
export interface Cause { rule: string; circuit: string | null; circuit_name: string | null; line: string | null; building_a: number | null; cars_a: number | null; offered_a: number | null; limit_a: number | null }
export interface Charger { id: string; name: string; circuit: string; primary: boolean; online: boolean; state: string | null; session: { id: string; begun_s: number | null; energy_wh?: number | null; account?: number | null } | null; lines: string[] | null; setpoint_a: number; min_a: number; max_a: number; safe_a: number; current_a: number[] | null; power_w: number | null; energy_wh: number | null; soc_pct: number | null; cause: Cause | null; place: { number: number; wait_s: number | null } | null; flag: string | null; wish: { paused: boolean; first: boolean; until_s: number | null }; vendor: string | null; model: string | null; firmware: string | null; firmware_old: boolean; ocpp?: string | null; car?: { min_a: number | null; max_a: number | null; energy_wh: number | null; departure: string | null; mode: string } | null; own_limit?: { source: string; limit_a: number | null } | null }
export interface Live { at_s: number | null; site: { name: string; supply: string; lines: string[]; time_zone: string; line_v: number }; status: Status; features: string[]; circuits: Circuit[]; chargers: Charger[] }
export interface Happened { id: number | null; at_s: number; code: string; params: Record<string, string | number | null>; severity: "info" | "warning" | "alarm"; has_evidence: boolean }
export interface LoadManagement { supply: string; continuous_factor: number; breaker_a: number[]; charger_count: number; min_a: Record<string, number>; primary: string | null; dynamic: boolean }
export interface LoadManagementPage { version: string; form: LoadManagement; status: Status; may: { raise_limit: boolean; wiring: boolean }; disclaimer_accepted: boolean }
export interface ProblemBody { code: string; detail: string; remedy: string; place: string | null; params: Record<string, string | number | null> }

export class Problem extends Error {
  constructor(readonly body: ProblemBody, readonly status: number) {
    super(body.detail);
  }
}

let csrf = "";
export const setCsrf = (value: string): void => { csrf = value; };

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...(csrf ? { "x-csrf": csrf } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new Problem({ code: "no-link", detail: "", remedy: "", place: null, params: {} }, 0);
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json()) as T;
  let told: ProblemBody;
  try {
    told = (await answer.json()) as ProblemBody;
  } catch {
    told = { code: "fault", detail: answer.statusText, remedy: "", place: null, params: {} };
  }
  throw new Problem(told, answer.status);
}
export const get = <T,>(path: string): Promise<T> => call<T>("GET", path);
export const post = <T,>(path: string, body: unknown = {}): Promise<T> => call<T>("POST", path, body);
export const put = <T,>(path: string, body: unknown): Promise<T> => call<T>("PUT", path, body);

/** A file as it is; `share` is told how much of it has gone, from 0 to 1. */
export function send<T>(path: string, file: File, share: (gone: number) => void): Promise<T> {
  return new Promise((done, failed) => {
    const asked = new XMLHttpRequest();
    asked.open("POST", `/api/v1${path}`);
    asked.setRequestHeader("x-csrf", csrf);
    asked.setRequestHeader("content-type", "application/zip");
    asked.upload.onprogress = (event) => { if (event.lengthComputable) share(event.loaded / event.total); };
    const nothing: ProblemBody = { code: "no-link", detail: "", remedy: "", place: null, params: {} };
    asked.onerror = () => failed(new Problem(nothing, 0));
    asked.onload = () => {
      let told: unknown;
      try { told = JSON.parse(asked.responseText); } catch { told = { ...nothing, code: "fault", detail: asked.statusText }; }
      if (asked.status < 300) done(told as T);
      else failed(new Problem(told as ProblemBody, asked.status));
    };
    asked.send(file);
  });
}

/** Live pictures; events go to all who listen for "news"; `lost` is told the time since which there are none, or null. */
export function watch(live: (picture: Live) => void, lost: (since_ms: number | null) => void): () => void {
  let source: EventSource | null = null;
  let newest = Date.now();
  let gone: number | null = null;
  const tell = (since: number | null): void => { if (since !== gone) { gone = since; lost(since); } };
  const open = (): void => {
    source?.close();
    source = new EventSource("/api/v1/live/stream");
    source.addEventListener("live", (event) => {
      newest = Date.now();
      tell(null);
      live(JSON.parse((event as MessageEvent<string>).data) as Live);
    });
    source.addEventListener("news", (event) => dispatchEvent(new CustomEvent("news", { detail: JSON.parse((event as MessageEvent<string>).data) as Happened })));
    source.onerror = () => { tell(newest); if (source?.readyState === EventSource.CLOSED) setTimeout(open, 3000); };
  };
  open();
  const timer = setInterval(() => { if (Date.now() - newest > 5000) tell(newest); }, 1000);
  return () => { clearInterval(timer); source?.close(); };
}
