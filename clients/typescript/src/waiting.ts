/** Milliseconds before the next attempt: twice as long each time, up to `longest`, with jitter. */
export function backoff(attempt: number, longest = 30_000): number {
  return Math.min(500 * 2 ** attempt, longest) * (0.5 + Math.random() / 2);
}

/** Wait, until `signal` aborts; then throw its reason. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

const tails = new Map<string, Promise<unknown>>();

/** Run `work` while nothing else runs under this name: in this process, and in other tabs where Web Locks exist. */
export async function exclusively<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  const locks = globalThis.navigator?.locks;
  if (locks) return (await locks.request(name, work)) as Result;
  const previous = tails.get(name) ?? Promise.resolve();
  const running = previous.then(work, work);
  tails.set(name, running.catch(() => undefined));
  return running;
}

export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
