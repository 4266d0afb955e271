import { isTemporary } from "./errors.ts";
import type { operations } from "./generated/operations.ts";
import type { Interaction, InteractionReceipt } from "./generated/schema.ts";
import { randomId } from "./waiting.ts";

/** An interaction; `occurred_at` is now unless you give it. */
export type NewInteraction = Omit<Interaction, "occurred_at"> & { occurred_at?: string };

export interface QueueOptions {
  /** Milliseconds until added interactions are sent. */
  delay?: number;
  /** Number of interactions that are sent at once. */
  batchSize?: number;
  /** Number of interactions that wait at most, as without a connection; the oldest are dropped. */
  capacity?: number;
  onReceipt?: (receipt: InteractionReceipt) => void;
  /** Called when a batch is given up. */
  onError?: (error: unknown) => void;
}

interface Batch {
  idempotencyKey: string;
  interactions: Interaction[];
}

/** Collects interactions and sends them in batches, the last ones when the page is hidden. */
export class InteractionQueue {
  readonly #send: ReturnType<typeof operations>["interactions"]["record"];
  readonly #options: Required<Pick<QueueOptions, "delay" | "batchSize" | "capacity">> & QueueOptions;
  /** Batches that failed, which keep their keys. */
  #failed: Batch[] = [];
  #waiting: Interaction[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #hide = () => {
    if (typeof document === "undefined" || document.visibilityState === "hidden") void this.flush({ keepalive: true });
  };

  constructor({ interactions }: Pick<ReturnType<typeof operations>, "interactions">, options: QueueOptions = {}) {
    this.#send = interactions.record;
    // 100 interactions fit into the 64 KiB of a request that outlives its page.
    this.#options = { delay: 5_000, batchSize: 100, capacity: 2_000, ...options };
    globalThis.addEventListener?.("pagehide", this.#hide);
    globalThis.document?.addEventListener("visibilitychange", this.#hide);
  }

  /** Number of interactions that are not sent. */
  get size(): number {
    return this.#failed.reduce((sum, { interactions }) => sum + interactions.length, this.#waiting.length);
  }

  add(...interactions: NewInteraction[]): void {
    const occurred_at = new Date().toISOString();
    this.#waiting.push(...interactions.map((one) => ({ ...one, occurred_at: one.occurred_at ?? occurred_at })));
    while (this.size > this.#options.capacity) if (!this.#failed.shift()) this.#waiting.shift();
    if (this.#waiting.length >= this.#options.batchSize) void this.flush();
    else this.#schedule();
  }

  /** Send all that waits. What fails for the moment is sent with the next flush. */
  async flush({ keepalive = false } = {}): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batches = this.#failed;
    this.#failed = [];
    while (this.#waiting.length) {
      batches.push({ idempotencyKey: randomId(), interactions: this.#waiting.splice(0, this.#options.batchSize) });
    }
    await Promise.all(batches.map((batch) => this.#sendBatch(batch, keepalive)));
  }

  /** Send all that waits, and end. */
  async close(): Promise<void> {
    globalThis.removeEventListener?.("pagehide", this.#hide);
    globalThis.document?.removeEventListener("visibilitychange", this.#hide);
    await this.flush();
    clearTimeout(this.#timer);
  }

  async #sendBatch(batch: Batch, keepalive: boolean): Promise<void> {
    const { interactions, idempotencyKey } = batch;
    try {
      const receipt = await this.#send({ interactions }, { idempotencyKey, keepalive });
      this.#options.onReceipt?.(receipt);
    } catch (error) {
      if (!isTemporary(error)) {
        this.#options.onError?.(error);
        return;
      }
      this.#failed.push(batch);
      this.#schedule();
    }
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.delay);
  }
}
