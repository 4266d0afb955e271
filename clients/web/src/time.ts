import type { Option } from "./ui.tsx";

const MINUTE = 60_000;

export function ownTimeZone(): string {
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && Intl.supportedValuesOf("timeZone").includes(zone) ? zone : "UTC";
}

/** Time zones as choices; `present` is among them. */
export function timeZones(present: string): Option[] {
  const names = new Set(["UTC", ...Intl.supportedValuesOf("timeZone"), ...(present && [present])]);
  return [...names].sort().map((name) => [name, name.replaceAll("_", " ")]);
}

/** Milliseconds by which a zone is ahead of UTC at a moment. */
function offset(moment: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" });
  const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute) - Math.floor(moment / MINUTE) * MINUTE;
}

/** The moment in a zone as the value of a field, such as `2026-03-03T18:00`. */
export function localTime(moment: string | null, timeZone: string): string {
  if (!moment) return "";
  const at = Date.parse(moment);
  return new Date(at + offset(at, timeZone)).toISOString().slice(0, 16);
}

/** The moment in UTC of a field's value in a zone, or null where it is empty. */
export function utcTime(local: string | undefined, timeZone: string): string | null {
  const wall = Date.parse(`${local}Z`);
  if (!local || Number.isNaN(wall)) return null;
  // The second step is right where the first lands on the other side of a change of the clock.
  const first = wall - offset(wall, timeZone);
  return new Date(wall - offset(first, timeZone)).toISOString();
}
