const language = chosenLanguage();
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** The language of the browser; some name one that `Intl` refuses. */
function chosenLanguage(): string | undefined {
  try {
    return Intl.getCanonicalLocales(navigator.language)[0];
  } catch {
    return undefined;
  }
}

export function ago(moment: string): string {
  const seconds = (Date.parse(moment) - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return "now";
}

export function moment(value: string, options: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "short" }): string {
  return new Intl.DateTimeFormat(language, options).format(new Date(value));
}

export function price(amount: string, currency: string): string {
  if (Number(amount) === 0) return "Free";
  const digits = Number(amount) % 1 === 0 ? 0 : 2;
  const options = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: 2 } as const;
  return new Intl.NumberFormat(language, options).format(Number(amount));
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${new Intl.NumberFormat(language, { notation: number < 10_000 ? "standard" : "compact" }).format(number)} ${number === 1 ? one : many}`;
}

export function words(name: string): string {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
