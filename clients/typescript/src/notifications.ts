import { isTemporary, NeighborConnectError, NetworkError } from "./errors.ts";
import { serverSentEvents } from "./events.ts";
import type { operations } from "./generated/operations.ts";
import type { Notification } from "./generated/schema.ts";
import { backoff, pause } from "./waiting.ts";

export interface LiveOptions {
  /** Ends the iteration. */
  signal?: AbortSignal;
  /** Begin after this position, which `onPosition` gave; without it, with what is new from now on. */
  after?: string;
  /** Called with each new position, to store it. */
  onPosition?: (position: string) => void;
}

/** The API sends a comment every 15 seconds. */
const SILENCE = 60_000;
const LASTED = 10_000;

/** Iterate over new notifications; a stream that ends or breaks is opened again where it was. */
export async function* live(
  { notifications }: Pick<ReturnType<typeof operations>, "notifications">,
  { signal, after, onPosition }: LiveOptions = {},
): AsyncGenerator<Notification, void, undefined> {
  let position = after;
  for (let failures = 0; !signal?.aborted; failures += 1) {
    const opened = Date.now();
    try {
      const headers: Record<string, string> = position === undefined ? {} : { "Last-Event-ID": position };
      const body = await notifications.stream({}, { headers, retries: 0, ...(signal && { signal }) });
      for await (const { event, data, id } of serverSentEvents(body, SILENCE)) {
        failures = 0;
        if (event === "notification") yield data as Notification;
        if (id === undefined || id === position) continue;
        position = id;
        onPosition?.(id);
      }
    } catch (error) {
      if (signal?.aborted) return;
      // A stream that breaks while it is read throws an error of `fetch`.
      if (error instanceof NeighborConnectError ? !isTemporary(error) : !isBroken(error)) throw error;
    }
    if (Date.now() - opened > LASTED) failures = 0;
    await pause(backoff(failures), signal).catch(() => undefined);
  }
}

function isBroken(error: unknown): boolean {
  return error instanceof TypeError || error instanceof NetworkError;
}
