/** The NeighborConnect API for browsers, React Native and Node. */
import { type Auth, CookieSessions, TokenSessions } from "./auth.ts";
import { type ChatOptions, ChatSocket } from "./chat.ts";
import { operations } from "./generated/operations.ts";
import type { Media, Notification } from "./generated/schema.ts";
import { type Call, createCall, type HttpOptions, segment } from "./http.ts";
import { InteractionQueue, type QueueOptions } from "./interactions.ts";
import { live, type LiveOptions } from "./notifications.ts";
import { defaultStorage, isLocalStorage, type Storage } from "./storage.ts";
import { uploadFile, type UploadOptions, type WaitOptions, waitUntilReady } from "./uploads.ts";

export type * from "./generated/schema.ts";
export type { Auth, AuthEvent, AuthListener, AuthSession } from "./auth.ts";
export type { ChatOptions, ChatSocket, ChatState, SentMessage } from "./chat.ts";
export * from "./errors.ts";
export { type ServerSentEvent, serverSentEvents } from "./events.ts";
export type { ApiRequest, CallOptions } from "./http.ts";
export type { InteractionQueue, NewInteraction, QueueOptions } from "./interactions.ts";
export type { LiveOptions } from "./notifications.ts";
export type { Paged } from "./pages.ts";
export { memoryStorage, type Storage } from "./storage.ts";
export type { UploadOptions, WaitOptions } from "./uploads.ts";

export interface ClientOptions extends HttpOptions {
  /** Where the API is, without `/api/v1`. */
  baseUrl: string;
  /**
   * How requests are authenticated: with tokens (the default), or with an httpOnly cookie, for pages of the API's own
   * site or of an origin that it allows.
   */
  session?: "tokens" | "cookie";
  /** Where tokens are stored: `localStorage` by default, or memory outside of browsers. */
  storage?: Storage;
  /** Used instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Used instead of the global `WebSocket`, which Node 20 lacks. */
  WebSocket?: typeof globalThis.WebSocket;
  /** Milliseconds for each attempt of a call; 30 seconds by default. */
  timeout?: number;
  /** Further attempts of reads and idempotent writes after a temporary error; 2 by default. */
  retries?: number;
  /** Headers of every request, such as `Accept-Language`. */
  headers?: Record<string, string>;
}

type Operations = ReturnType<typeof operations>;

export type NeighborConnectClient = Operations & {
  auth: Auth;
  /** Call a route that has no method. */
  request: Call;
  chat: {
    /** Open a conversation, to receive its events and to send. */
    connect(conversationId: string, options?: ChatOptions): ChatSocket;
  };
  interactions: {
    /** Make a queue that sends interactions in batches. */
    queue(options?: QueueOptions): InteractionQueue;
  };
  media: {
    /** Send a file, with progress, and wait until it is processed. */
    uploadFile(file: Blob, options?: UploadOptions): Promise<Media>;
    /** Wait until an upload is processed. */
    waitUntilReady(mediaId: string, options?: WaitOptions): Promise<Media>;
  };
  notifications: {
    /** Iterate over new notifications, until `signal` aborts. */
    live(options?: LiveOptions): AsyncGenerator<Notification, void, undefined>;
  };
};

/**
 * Connect to the API. Each operation is a method of the group of its tag, such as `client.posts.create(…)`; lists have
 * `all`, which iterates over every page.
 */
export function createClient(options: ClientOptions): NeighborConnectClient {
  const { storage = defaultStorage(), session = "tokens" } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  const name = `neighborconnect ${baseUrl}`;
  const sharedByTabs = options.storage !== undefined || isLocalStorage(storage);
  const sessions =
    session === "cookie"
      ? new CookieSessions(name, () => api)
      : new TokenSessions(name, storage, sharedByTabs, () => api);
  const request = createCall(options, () => sessions);
  const api = operations(request);
  const send: typeof fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));

  return {
    ...api,
    auth: sessions,
    request,
    chat: {
      ...api.chat,
      connect: (conversationId, own) =>
        new ChatSocket(
          `${baseUrl.replace(/^http/, "ws")}/ws/chat/${segment(conversationId)}`,
          "token" in sessions ? sessions.token : async () => undefined,
          { ...own, WebSocket: options.WebSocket ?? globalThis.WebSocket },
        ),
    },
    interactions: { ...api.interactions, queue: (own) => new InteractionQueue(api, own) },
    media: {
      ...api.media,
      uploadFile: (file, own) => uploadFile(api, file, { ...own, fetch: send }),
      waitUntilReady: (mediaId, own) => waitUntilReady(api, mediaId, own),
    },
    notifications: { ...api.notifications, live: (own) => live(api, own) },
  };
}
