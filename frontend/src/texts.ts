// Every text of the app, in one file a language; each is loaded when it is needed.

export const LANGUAGES = { en: "English", es: "Español", de: "Deutsch", fr: "Français", ca: "Català", nl: "Nederlands" } as const;
export type Language = keyof typeof LANGUAGES;
type Group = Record<string, string>;
type Texts = Record<string, Group>;

const files = import.meta.glob<{ default: Texts }>("../../src/ampacity/web/texts/*.json");
let texts: Texts = {};
export let language: Language = "en";
/** With the reader's own country, which says how dates are written. */
let locale = "en";

export function preferred(): Language {
  const wanted = [localStorage.getItem("language") ?? "", ...navigator.languages].map((one) => one.slice(0, 2));
  return (wanted.find((one) => one in LANGUAGES) as Language | undefined) ?? "en";
}

export async function speak(wanted: Language): Promise<void> {
  const load = files[`../../src/ampacity/web/texts/${wanted}.json`];
  if (!load) return;
  texts = (await load()).default;
  language = wanted;
  locale = navigator.languages.find((one) => one.startsWith(wanted)) ?? wanted;
  document.documentElement.lang = wanted;
}

export type Params = Record<string, string | number | null | undefined>;

/** The text, with `{param}` filled in; numbers in the way of the language. */
export function t(key: string, params: Params = {}): string {
  const [group = "", name = ""] = key.split(/\.(.*)/s);
  const found = texts[group]?.[name];
  return found === undefined ? key : filled(found, params);
}
export const has = (key: string): boolean => { const [group = "", name = ""] = key.split(/\.(.*)/s); return texts[group]?.[name] !== undefined; };

function filled(text: string, params: Params): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    return typeof value === "number" ? number(value) : String(value ?? "?");
  });
}

export const number = (value: number, digits = 1): string => new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
export const amps = (value: number): string => `${number(value)} A`;
export const moment = (at_s: number): string => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(at_s * 1000);
export const clock = (at_s: number): string => new Intl.DateTimeFormat(locale, { timeStyle: "medium" }).format(at_s * 1000);
export const day = (at_s: number): string => new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" }).format(at_s * 1000);
export const minutes = (seconds: number): string => new Intl.NumberFormat(locale, { style: "unit", unit: "minute" }).format(Math.max(1, Math.ceil(seconds / 60)));
/** About so long: in minutes, or in tens of seconds. */
export const about = (seconds: number): string => (seconds > 100 ? minutes(seconds - 30) : new Intl.NumberFormat(locale, { style: "unit", unit: "second" }).format(Math.max(10, 10 * Math.round(seconds / 10))));
/** For the foot of a chart that shows so many seconds. */
export const tick = (at_s: number, shown_s: number): string => new Intl.DateTimeFormat(locale, shown_s > 86400 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" }).format(at_s * 1000);
