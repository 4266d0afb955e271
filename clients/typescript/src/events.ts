import { NetworkError } from "./errors.ts";

/** One server-sent event; `data` is the JSON that came with it. */
export interface ServerSentEvent {
  event: string;
  data: unknown;
  /** The id to resume after, as `Last-Event-ID`. */
  id: string | undefined;
}

/** Read the server-sent events of a response until it ends, or throw if nothing arrives for `silence` milliseconds. */
export async function* serverSentEvents(
  body: ReadableStream<Uint8Array>,
  silence = Infinity,
): AsyncGenerator<ServerSentEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let id: string | undefined;
  try {
    for (;;) {
      const { done, value } = await within(silence, reader.read());
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = new Map<string, string>();
        for (const line of block.split("\n")) {
          const [, name = "", text = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
          fields.set(name, name === "data" && fields.has(name) ? `${fields.get(name)}\n${text}` : text);
        }
        id = fields.get("id") ?? id;
        const data = fields.get("data");
        if (data !== undefined) yield { event: fields.get("event") ?? "message", data: JSON.parse(data), id };
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function within<Result>(milliseconds: number, work: Promise<Result>): Promise<Result> {
  if (milliseconds === Infinity) return work;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NetworkError("The stream is silent")), milliseconds);
  });
  return Promise.race([work, silence]).finally(() => clearTimeout(timer));
}
