/**
 * A client of the NeighborConnect API. Paths, bodies, answers and errors are typed by `schema.ts`, which is generated
 * from the API's own description.
 */
import createClient, { type Client, type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.ts";

export type { components, paths } from "./schema.ts";

export type Tokens = components["schemas"]["Tokens"];
export type Problem = components["schemas"]["Problem"];
export type NeighborConnect = Client<paths>;

export interface Options {
  /** Where the API is, without `/api/v1`. */
  baseUrl: string;
  /** The session to go on with, as it was kept by `onTokens`. */
  tokens?: Tokens;
  /** Called with each new pair of tokens, to be kept: a refresh token is good once. */
  onTokens?: (tokens: Tokens) => void;
}

const ENTRIES = ["/api/v1/users/register", "/api/v1/users/login", "/api/v1/users/refresh"];

/**
 * Connect to the API. Who registers or logs in is logged in from then on; an access token that has expired is
 * renewed, once for all requests that wait for it, and the request is sent again.
 */
export function connect({ baseUrl, tokens, onTokens }: Options): NeighborConnect {
  let present = tokens;
  let renewal: Promise<boolean> | undefined;

  const keep = (fresh: Tokens): void => {
    present = fresh;
    onTokens?.(fresh);
  };
  const renew = async (): Promise<boolean> => {
    const { data } = await client.POST("/api/v1/users/refresh", {
      body: { refresh_token: present?.refresh_token ?? "" },
    });
    if (data) keep(data);
    return data !== undefined;
  };
  const copies = new Map<string, Request>();
  const session: Middleware = {
    onRequest({ request, schemaPath, id }) {
      if (ENTRIES.includes(schemaPath)) return undefined;
      if (present) request.headers.set("Authorization", `Bearer ${present.access_token}`);
      copies.set(id, request.clone());
      return request;
    },
    async onResponse({ response, schemaPath, id }) {
      const copy = copies.get(id);
      copies.delete(id);
      if (ENTRIES.includes(schemaPath)) {
        if (response.ok && schemaPath !== "/api/v1/users/refresh") keep((await response.clone().json()) as Tokens);
        return undefined;
      }
      if (response.status !== 401 || !present || !copy) return undefined;
      renewal ??= renew().finally(() => (renewal = undefined));
      if (!(await renewal)) return undefined;
      copy.headers.set("Authorization", `Bearer ${present.access_token}`);
      return fetch(copy);
    },
    onError({ id }) {
      copies.delete(id);
    },
  };
  const client = createClient<paths>({ baseUrl });
  client.use(session);
  return client;
}

/** Return what the API answered, or throw an `Error` with the problem as its `cause`. */
export function orThrow<Data>(answer: { data?: Data; error?: unknown; response: Response }): Data {
  if (answer.error !== undefined || answer.data === undefined) {
    const problem = answer.error as Problem | undefined;
    throw new Error(problem?.detail ?? `The API answered ${answer.response.status}`, { cause: problem });
  }
  return answer.data;
}

/** Walk through every page of a list. */
export async function* pages<Item>(
  ask: (cursor: string | undefined) => Promise<{ items: Item[]; next_cursor: string | null }>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const page = await ask(cursor);
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
