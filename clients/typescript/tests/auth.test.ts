/** Sessions of tokens and by cookie, in one tab and in several. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuthEvent, memoryStorage, NetworkError } from "../src/index.ts";
import { type Answer, bearer, fake, ID, json, loggedIn, problem, session } from "./fake.ts";

/** Refuse the first access token, and renew it. */
const renewing: Answer = (request) => {
  if (request.url.endsWith("/refresh")) return json(session(2));
  return bearer(request) === "Bearer access-2" ? json([]) : problem(401, "unauthenticated");
};

const refreshes = (requests: string[]) => requests.filter((one) => one.endsWith("/refresh")).length;

test("a login starts the session, in the storage and for listeners", async () => {
  const storage = memoryStorage();
  const { client, sent } = fake(() => json(session(1)), { storage });
  const events: AuthEvent[] = [];
  client.auth.onAuthStateChange((event) => events.push(event));
  const { userId } = await client.auth.login({ email: "ada@example.org", password: "x" });
  await client.users.getProfile();
  const later = fake(() => json({}), { storage });
  await later.client.users.getProfile();
  await later.client.users.login({ email: "ada@example.org", password: "x" }).catch(() => undefined);
  assert.deepEqual(
    [userId, sent[0] && bearer(sent[0]), sent[1] && bearer(sent[1]), later.sent[0] && bearer(later.sent[0])],
    [ID, null, "Bearer access-1", "Bearer access-1"],
  );
  assert.equal(later.sent[1]?.headers.get("X-Device-Token"), "device");
  assert.ok(events.includes("logged_in"));
});

test("requests that are refused at once renew the tokens once", async () => {
  const { client, requests } = fake(renewing, { storage: await loggedIn() });
  await Promise.all(Array.from({ length: 10 }, () => client.users.getProfile()));
  assert.equal(refreshes(requests), 1);
});

test("an access token is renewed before it expires", async () => {
  const storage = memoryStorage();
  await fake(() => json({ ...session(1), expires_in: 10 }), { storage }).client.auth.login({ email: "a@b.org", password: "x" });
  const { client, requests } = fake(renewing, { storage });
  await client.users.getProfile();
  assert.deepEqual(requests, ["POST /api/v1/users/refresh", "GET /api/v1/users/profile"]);
});

for (const locks of ["with", "without"]) {
  test(`two tabs that share a storage renew it once, ${locks} Web Locks`, async (t) => {
    if (locks === "without") t.mock.getter(globalThis, "navigator", () => undefined);
    const storage = await loggedIn();
    const tabs = [fake(renewing, { storage }), fake(renewing, { storage })];
    await Promise.all(tabs.map(({ client }) => client.users.getProfile()));
    assert.equal(refreshes(tabs.flatMap(({ requests }) => requests)), 1);
  });
}

test("a message of another tab during a renewal loses no tokens", async () => {
  const storage = await loggedIn();
  const { client } = fake(async (request, body) => {
    if (request.url.endsWith("/refresh")) {
      const told = new Promise((resolve) => client.auth.onAuthStateChange((event) => event === "refreshed" && resolve(0)));
      const tab = new BroadcastChannel("neighborconnect https://api.example.org");
      tab.postMessage("refreshed");
      await told;
      tab.close();
    }
    return renewing(request, body);
  }, { storage });
  await client.users.getProfile();
  assert.match((await storage.getItem("neighborconnect https://api.example.org")) ?? "", /access-2/);
});

test("other tabs learn of a logout", async () => {
  const storage = await loggedIn();
  const [here, there] = [fake(() => new Response(null, { status: 204 }), { storage }), fake(renewing, { storage })];
  assert.ok(await there.client.auth.session());
  const learned = new Promise((resolve) =>
    there.client.auth.onAuthStateChange((event, now) => event === "logged_out" && resolve(now)),
  );
  await here.client.auth.logout();
  assert.equal(await learned, null);
  assert.deepEqual(here.requests, ["POST /api/v1/users/logout"]);
});

test("a session that the API ended is forgotten, and listeners learn of it", async () => {
  const storage = await loggedIn();
  const { client } = fake(() => problem(401, "refresh_token_reused"), { storage });
  const events: AuthEvent[] = [];
  client.auth.onAuthStateChange((event) => events.push(event));
  await assert.rejects(client.users.getProfile(), { status: 401 });
  assert.equal(await client.auth.session(), null);
  assert.equal(events.at(-1), "session_ended");
});

test("a renewal whose response is lost is asked for again with the same token", async () => {
  const asked: string[] = [];
  const { client } = fake(
    (request, body) => {
      if (!request.url.endsWith("/refresh") || asked.push(body) > 1) return renewing(request, body);
      return Promise.reject(new TypeError("fetch failed"));
    },
    { storage: await loggedIn() },
  );
  await client.users.getProfile();
  assert.deepEqual(asked, Array(2).fill(JSON.stringify({ refresh_token: "refresh-1" })));
});

test("a renewal without a connection keeps the session", async () => {
  const { client } = fake(
    (request) => (request.url.endsWith("/refresh") ? Promise.reject(new TypeError()) : problem(401, "unauthenticated")),
    { storage: await loggedIn() },
  );
  await assert.rejects(client.users.getProfile(), NetworkError);
  assert.ok(await client.auth.session());
});

const webSession = (csrf_token: string) => json({ csrf_token, expires_at: "2999-01-01T00:00:00Z", user: { id: ID }, device_token: "d" });

test("writes of a session by cookie have its CSRF token, which is read again after another login", async () => {
  let valid = "c1";
  const { client, sent, requests } = fake(
    (request) => {
      if (request.url.endsWith("/web-session")) return webSession(valid);
      if (request.method === "GET") return json({});
      return request.headers.get("X-CSRF-Token") === valid ? json({}) : problem(403, "csrf_token_invalid");
    },
    { session: "cookie" },
  );
  await client.posts.get(ID);
  assert.equal(requests.length, 1);
  await client.posts.like(ID);
  valid = "c2";
  await client.posts.like(ID);
  assert.deepEqual(
    requests.filter((one) => one.includes("web-session")).length,
    2,
  );
  assert.deepEqual([...new Set(sent.map(({ credentials }) => credentials))], ["include"]);
  assert.equal(sent.at(-1)?.headers.get("X-CSRF-Token"), "c2");
});

test("a registration goes on by cookie, and a logout ends it", async () => {
  const { client, requests } = fake(
    (request) => {
      if (request.url.endsWith("/register")) return json(session(1), 201);
      if (request.method === "DELETE") return new Response(null, { status: 204 });
      return request.url.endsWith("/exchange") ? webSession("c1") : problem(401, "unauthenticated");
    },
    { session: "cookie" },
  );
  await client.users.register({ email: "a@b.org", username: "a", password: "x", first_name: "A", last_name: "B" });
  assert.equal((await client.auth.session())?.userId, ID);
  await client.auth.logout();
  assert.equal(await client.auth.session(), null);
  assert.equal(requests.at(-1), "DELETE /api/v1/users/web-session");
});
