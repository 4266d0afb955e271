import type { TokenSource } from "./auth.ts";
import { ChatError } from "./errors.ts";
import type { ChatEvent } from "./generated/schema.ts";
import { backoff, randomId } from "./waiting.ts";

/** `ready` when all earlier events have arrived; `closed` by you, or for good by the API. */
export type ChatState = "connecting" | "ready" | "reconnecting" | "closed";

export interface ChatOptions {
  /** Number of the last event that you have; the events after it come first. Without it, all. */
  lastEventId?: number;
  /** Called with each event, in order: none is left out and none comes twice. */
  onEvent?: (event: ChatEvent) => void;
  onTyping?: (userId: string) => void;
  onRead?: (receipt: { userId: string; eventId: number }) => void;
  /** Called with each new state, and with the reason where the socket broke or was closed by the API. */
  onStateChange?: (state: ChatState, error?: ChatError) => void;
}

/** The API has committed a message. */
export interface SentMessage {
  messageId: string;
  eventId: number;
}

interface Unsent {
  frame: object;
  resolve: (sent: SentMessage) => void;
  reject: (error: ChatError) => void;
}

interface Frame {
  type: string;
  client_id: string | null;
  message_id: string;
  event_id: number;
  last_event_id: number;
  user_id: string;
  code: string;
  detail: string;
}

const UNAUTHENTICATED = 4401;
const GONE = 4404;
const FLOOD = 4429;
const FLOOD_WAIT = 10_000;
const HEARTBEAT = 20_000;
const OPEN = 1;

/** A conversation, live. It reconnects by itself and goes on after the last event; unsent messages are sent then. */
export class ChatSocket {
  /** Number of the last event that arrived. */
  lastEventId: number;
  state: ChatState = "connecting";
  readonly #url: string;
  readonly #WebSocket: typeof WebSocket;
  readonly #token: TokenSource;
  readonly #options: ChatOptions;
  readonly #unsent = new Map<string, Unsent>();
  #socket: WebSocket | undefined;
  #usedToken: string | undefined;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #heard = 0;

  constructor(url: string, token: TokenSource, options: ChatOptions & { WebSocket: typeof WebSocket }) {
    this.#url = url;
    this.#token = token;
    this.#options = options;
    this.#WebSocket = options.WebSocket;
    this.lastEventId = options.lastEventId ?? 0;
    void this.#open();
  }

  /** Send a message, perhaps as a reply to another; resolves when the API has committed it, which may be after a reconnection. */
  send(content: string, { mediaIds, replyTo }: { mediaIds?: string[]; replyTo?: string } = {}): Promise<SentMessage> {
    if (this.state === "closed") return Promise.reject(new ChatError("The chat socket is closed"));
    const client_id = randomId();
    const media = mediaIds && { media_ids: mediaIds };
    const frame = { type: "message", content, client_id, ...media, ...(replyTo && { reply_to_id: replyTo }) };
    const sent = new Promise<SentMessage>((resolve, reject) => this.#unsent.set(client_id, { frame, resolve, reject }));
    if (this.state === "ready") this.#transmit(frame);
    return sent;
  }

  /** Show others that you are typing; has no effect while the socket is not connected. */
  typing(): void {
    this.#transmit({ type: "typing" });
  }

  /** Mark the conversation as read up to an event; has no effect while the socket is not connected. */
  markRead(eventId = this.lastEventId): void {
    this.#transmit({ type: "read", event_id: eventId });
  }

  close(): void {
    this.#end(new ChatError("The chat socket was closed"), null);
  }

  #transmit(frame: object): void {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(frame));
  }

  async #open(refused?: string): Promise<void> {
    let token: string | undefined;
    try {
      token = await this.#token(refused);
    } catch {
      this.#reconnect(new ChatError("The session cannot be renewed for the moment"));
      return;
    }
    if (this.state === "closed") return;
    if (refused && (!token || token === refused)) {
      this.#end(new ChatError("The session has ended", "unauthenticated"));
      return;
    }
    this.#usedToken = token;
    const socket = new this.#WebSocket(`${this.#url}?last_event_id=${this.lastEventId}`);
    this.#socket = socket;
    this.#heard = Date.now();
    socket.onopen = () => {
      if (token) this.#transmit({ type: "auth", token });
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#heard = Date.now();
      this.#receive(JSON.parse(String(data)) as Frame & ChatEvent);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#closed(code);
    };
    this.#heartbeat = setInterval(() => {
      if (Date.now() - this.#heard > 2 * HEARTBEAT) this.#closed(0);
      else if (this.state === "ready") this.#transmit({ type: "ping" });
    }, HEARTBEAT);
  }

  #receive(frame: Frame & ChatEvent): void {
    const { onEvent, onTyping, onRead } = this.#options;
    const unsent = frame.client_id ? this.#unsent.get(frame.client_id) : undefined;
    if (frame.type === "event") {
      this.lastEventId = frame.event_id;
      const { type, ...event } = frame;
      onEvent?.(event);
    } else if (frame.type === "ready") {
      this.#failures = 0;
      this.#enter("ready");
      for (const { frame: message } of this.#unsent.values()) this.#transmit(message);
    } else if (frame.type === "ack" && frame.client_id) {
      this.#unsent.delete(frame.client_id);
      unsent?.resolve({ messageId: frame.message_id, eventId: frame.event_id });
    } else if (frame.type === "problem" && frame.client_id) {
      this.#unsent.delete(frame.client_id);
      unsent?.reject(new ChatError(frame.detail, frame.code));
    } else if (frame.type === "typing") onTyping?.(frame.user_id);
    else if (frame.type === "read") onRead?.({ userId: frame.user_id, eventId: frame.event_id });
  }

  #closed(code: number): void {
    this.#drop();
    if (code === GONE) this.#end(new ChatError("You are not a member of this conversation", "not_found"));
    else if (code === UNAUTHENTICATED && !this.#usedToken) {
      this.#end(new ChatError("The session has ended", "unauthenticated"));
    } else if (code === UNAUTHENTICATED) {
      this.#enter("reconnecting", new ChatError("The access token has expired", "unauthenticated"));
      void this.#open(this.#usedToken);
    } else this.#reconnect(new ChatError(`The chat socket broke (${code})`), code === FLOOD ? FLOOD_WAIT : 0);
  }

  #reconnect(error: ChatError, wait = 0): void {
    if (this.state === "closed") return;
    this.#enter("reconnecting", error);
    this.#retry = setTimeout(() => void this.#open(), wait + backoff(this.#failures++));
  }

  /** Let go of the present socket. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    clearInterval(this.#heartbeat);
    socket?.close();
  }

  #end(error: ChatError, reason: ChatError | null = error): void {
    if (this.state === "closed") return;
    clearTimeout(this.#retry);
    this.#drop();
    this.#enter("closed", reason ?? undefined);
    for (const { reject } of this.#unsent.values()) reject(error);
    this.#unsent.clear();
  }

  #enter(state: ChatState, error?: ChatError): void {
    this.state = state;
    this.#options.onStateChange?.(state, error);
  }
}
