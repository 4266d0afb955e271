import { ApiError, isTemporary } from "./errors.ts";
import type { operations } from "./generated/operations.ts";
import type { Credentials, Session, Tokens, WebSession } from "./generated/schema.ts";
import type { ApiRequest, Authentication } from "./http.ts";
import type { Storage } from "./storage.ts";
import { exclusively } from "./waiting.ts";

type Operations = ReturnType<typeof operations>;

export interface AuthSession {
  userId: string;
  /** End of the access token, or of the session by cookie; both are renewed. */
  expiresAt: Date;
}

/**
 * What happened to the session: `initial` is the state when the listener was added, `logged_out` your own logout, and
 * `session_ended` a session that the API does not continue, as after a password change on another device.
 */
export type AuthEvent = "initial" | "logged_in" | "refreshed" | "logged_out" | "session_ended";
export type AuthListener = (event: AuthEvent, session: AuthSession | null) => void;

/** The session of this client, shared by all tabs that use the same storage or cookie. */
export interface Auth {
  login(credentials: Credentials): Promise<AuthSession>;
  /** End the session; tokens are removed here even if the API cannot be reached. */
  logout(): Promise<void>;
  /** The present session, or null. */
  session(): Promise<AuthSession | null>;
  /** Renew the session now; usually it is renewed when it is needed. */
  refresh(): Promise<AuthSession | null>;
  /** Listen to changes, those of other tabs included; returns a function that ends it. */
  onAuthStateChange(listener: AuthListener): () => void;
}

/** An access token for what cannot send headers; undefined without a session, or with a session by cookie. */
export type TokenSource = (refused?: string) => Promise<string | undefined>;

interface StoredSession {
  user_id: string;
  access_token: string;
  refresh_token: string;
  /** By the clock of this device, in milliseconds. */
  expires_at: number;
}

const EARLY = 30_000;
/** Within the ten seconds in which the API repeats an exchange. */
const REFRESH_TIMEOUT = 8_000;
const COOKIE_EARLY = 3 * 24 * 3600 * 1000;

abstract class Sessions implements Auth {
  protected readonly name: string;
  readonly #listeners = new Set<AuthListener>();
  readonly #channel: BroadcastChannel | undefined;

  constructor(name: string, sharedByTabs: boolean) {
    this.name = name;
    if (!sharedByTabs || typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<AuthEvent>) => {
      this.forget();
      void this.session().then((session) => this.#tell(data, session), () => undefined);
    };
    // In Node, a channel keeps the process alive.
    (this.#channel as { unref?: () => void }).unref?.();
  }

  abstract login(credentials: Credentials): Promise<AuthSession>;
  abstract logout(): Promise<void>;
  abstract session(): Promise<AuthSession | null>;
  abstract refresh(): Promise<AuthSession | null>;
  /** Read the session again when it is needed next. */
  protected abstract forget(): void;

  onAuthStateChange(listener: AuthListener): () => void {
    this.#listeners.add(listener);
    void this.session().then(
      (session) => this.#listeners.has(listener) && listener("initial", session),
      () => undefined,
    );
    return () => void this.#listeners.delete(listener);
  }

  protected announce(event: AuthEvent, session: AuthSession | null): void {
    this.#channel?.postMessage(event);
    this.#tell(event, session);
  }

  #tell(event: AuthEvent, session: AuthSession | null): void {
    for (const listener of [...this.#listeners]) listener(event, session);
  }
}

/** A session of access and refresh tokens in a storage. */
export class TokenSessions extends Sessions implements Authentication {
  readonly credentials = undefined;
  readonly #operations: () => Operations;
  readonly #storage: Storage;
  #present: StoredSession | null = null;
  #reading: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;

  constructor(name: string, storage: Storage, sharedByTabs: boolean, operations: () => Operations) {
    super(name, sharedByTabs);
    this.#storage = storage;
    this.#operations = operations;
  }

  async login(credentials: Credentials): Promise<AuthSession> {
    await this.#operations().users.login(credentials);
    return described(this.#present) as AuthSession;
  }

  async logout(): Promise<void> {
    await this.#readAgain();
    const ended = this.#present;
    if (!ended) return;
    await this.#keep("logged_out", null);
    await this.#operations().users.logout({ refresh_token: ended.refresh_token });
  }

  async session(): Promise<AuthSession | null> {
    await this.#read();
    return described(this.#present);
  }

  async refresh(): Promise<AuthSession | null> {
    await this.#read();
    if (this.#present) await this.#renew(this.#present.access_token);
    return described(this.#present);
  }

  readonly token: TokenSource = async (refused) => {
    await this.#read();
    const { access_token, expires_at } = this.#present ?? {};
    if (!access_token || expires_at === undefined) return undefined;
    if (access_token === refused || expires_at - Date.now() < EARLY) await this.#renew(access_token);
    return this.#present?.access_token;
  };

  async headers({ open, device }: ApiRequest): Promise<Record<string, string>> {
    const token = open ? undefined : await this.token();
    const deviceToken = device ? await this.#storage.getItem(`${this.name} device`) : undefined;
    return {
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(deviceToken && { "X-Device-Token": deviceToken }),
    };
  }

  async recover(sent: Headers, error: ApiError): Promise<boolean> {
    const refused = sent.get("Authorization")?.slice("Bearer ".length);
    if (error.status !== 401 || !refused) return false;
    const token = await this.token(refused);
    return token !== undefined && token !== refused;
  }

  async begin(answer: unknown): Promise<void> {
    const session = answer as Session;
    await this.#storage.setItem(`${this.name} device`, session.device_token);
    await this.#keep("logged_in", stored(session, session.user.id));
  }

  protected forget(): void {
    this.#reading = undefined;
  }

  #read(): Promise<void> {
    return (this.#reading ??= this.#readAgain());
  }

  async #readAgain(): Promise<void> {
    const text = await this.#storage.getItem(this.name);
    try {
      this.#present = JSON.parse(text ?? "null") as StoredSession | null;
    } catch {
      this.#present = null;
    }
  }

  async #keep(event: AuthEvent, session: StoredSession | null): Promise<void> {
    this.#present = session;
    this.#reading = Promise.resolve();
    if (session) await this.#storage.setItem(this.name, JSON.stringify(session));
    else await this.#storage.removeItem(this.name);
    this.announce(event, described(session));
  }

  #renew(refused: string): Promise<void> {
    return (this.#refreshing ??= exclusively(`${this.name} refresh`, () => this.#exchange(refused)).finally(
      () => (this.#refreshing = undefined),
    ));
  }

  async #exchange(refused: string): Promise<void> {
    // Another tab may have renewed the session, or ended it.
    await this.#readAgain();
    const before = this.#present;
    if (before?.access_token !== refused) return;
    try {
      const exchange = () =>
        this.#operations().users.refresh({ refresh_token: before.refresh_token }, { timeout: REFRESH_TIMEOUT });
      // The API repeats the exchange of a token for a few seconds, so that a lost response does no harm.
      const tokens = await exchange().catch((error: unknown) => {
        if (isTemporary(error)) return exchange();
        throw error;
      });
      // Unless somebody logged out or in meanwhile.
      if (this.#has(before)) await this.#keep("refreshed", stored(tokens, before.user_id));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
      if (this.#has(before)) await this.#keep("session_ended", null);
    }
  }

  #has({ refresh_token }: StoredSession): boolean {
    return this.#present?.refresh_token === refresh_token;
  }
}

/** A session in an httpOnly cookie, with a CSRF token for writes. */
export class CookieSessions extends Sessions implements Authentication {
  readonly credentials = "include";
  readonly #operations: () => Operations;
  #present: WebSession | null = null;
  #reading: Promise<void> | undefined;

  constructor(name: string, operations: () => Operations) {
    super(name, true);
    this.#operations = operations;
  }

  async login(credentials: Credentials): Promise<AuthSession> {
    return this.#keep("logged_in", await this.#operations().account.createWebSession(credentials)) as AuthSession;
  }

  async logout(): Promise<void> {
    await this.#read();
    if (!this.#present) return;
    await this.#operations().account.endWebSession();
    this.#keep("logged_out", null);
  }

  async session(): Promise<AuthSession | null> {
    await this.#read();
    return describedCookie(this.#present);
  }

  async refresh(): Promise<AuthSession | null> {
    await this.#read();
    if (!this.#present) return null;
    return this.#keep("refreshed", await this.#operations().account.renewWebSession());
  }

  async headers({ method, open }: ApiRequest): Promise<Record<string, string>> {
    if (open || method === "GET") return {};
    await this.#read();
    return this.#present ? { "X-CSRF-Token": this.#present.csrf_token } : {};
  }

  async recover(sent: Headers, error: ApiError): Promise<boolean> {
    if (error.status === 401) {
      if (this.#present) this.#keep("session_ended", null);
      return false;
    }
    if (error.code !== "csrf_token_invalid") return false;
    // Another tab may have logged in.
    this.forget();
    await this.#read();
    return this.#present !== null && this.#present.csrf_token !== sent.get("X-CSRF-Token");
  }

  /** Continue by cookie what began with tokens: a registration, or a login with another service. */
  async begin(answer: unknown): Promise<void> {
    const { refresh_token } = answer as Session;
    this.#keep("logged_in", await this.#operations().account.exchangeForWebSession({ refresh_token }));
  }

  protected forget(): void {
    this.#reading = undefined;
  }

  #read(): Promise<void> {
    return (this.#reading ??= this.#readAgain().catch((error: unknown) => {
      this.forget();
      throw error;
    }));
  }

  async #readAgain(): Promise<void> {
    this.#present = null;
    try {
      this.#present = await this.#operations().account.getWebSession();
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
    }
    const present = this.#present as WebSession | null;
    // Not awaited: the renewal itself asks for the session.
    if (present && Date.parse(present.expires_at) - Date.now() < COOKIE_EARLY) void this.refresh().catch(() => undefined);
  }

  #keep(event: AuthEvent, session: WebSession | null): AuthSession | null {
    this.#present = session;
    this.#reading = Promise.resolve();
    this.announce(event, describedCookie(session));
    return describedCookie(session);
  }
}

function stored({ access_token, refresh_token, expires_in }: Tokens, user_id: string): StoredSession {
  return { user_id, access_token, refresh_token, expires_at: Date.now() + expires_in * 1000 };
}

function described(session: StoredSession | null): AuthSession | null {
  return session && { userId: session.user_id, expiresAt: new Date(session.expires_at) };
}

function describedCookie(session: WebSession | null): AuthSession | null {
  return session && { userId: session.user.id, expiresAt: new Date(session.expires_at) };
}
