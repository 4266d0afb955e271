/** An API that answers as a test tells it. */
import type { ClientOptions } from "../src/index.ts";
import { createClient, memoryStorage, type NeighborConnectClient, type Storage } from "../src/index.ts";

export type Answer = (request: Request, body: string) => Response | Promise<Response>;

export const BASE = "https://api.example.org";
export const ID = "7be7a4b5-3d5b-4f0e-9a90-0f5de20b22b8";

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
}

export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Response {
  const body = { type: `urn:neighborconnect:problem:${code}`, title: code, status, detail: code, code, request_id: "r1", ...more };
  return json(body, status, { ...headers, "Content-Type": "application/problem+json" });
}

export function session(number: number): object {
  const tokens = { access_token: `access-${number}`, refresh_token: `refresh-${number}`, token_type: "bearer", expires_in: 900 };
  return { ...tokens, device_token: "device", user: { id: ID } };
}

export interface Fake {
  client: NeighborConnectClient;
  /** `METHOD /path` of each request. */
  requests: string[];
  sent: Request[];
}

export function fake(answer: Answer, options: Partial<ClientOptions> = {}): Fake {
  const requests: string[] = [];
  const sent: Request[] = [];
  const client = createClient({
    baseUrl: BASE,
    storage: memoryStorage(),
    fetch: async (url, init) => {
      const request = new Request(url as string, init);
      requests.push(`${request.method} ${new URL(request.url).pathname}`);
      sent.push(request);
      init?.signal?.throwIfAborted();
      return answer(request, await request.clone().text());
    },
    ...options,
  });
  return { client, requests, sent };
}

export function bearer(request: Request): string | null {
  return request.headers.get("Authorization");
}

/** A storage with the session of `session(1)`. */
export async function loggedIn(): Promise<Storage> {
  const storage = memoryStorage();
  await fake(() => json(session(1)), { storage }).client.auth.login({ email: "ada@example.org", password: "x" });
  return storage;
}
