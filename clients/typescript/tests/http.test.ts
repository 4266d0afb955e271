/** Operations, answers of every shape, errors, timeouts, retries and pages. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ApiError, NetworkError, TimeoutError } from "../src/index.ts";
import { fake, ID, json, problem, session } from "./fake.ts";

const description = JSON.parse(
  readFileSync(new URL("../../../transactional_api/openapi.json", import.meta.url), "utf8"),
) as { paths: Record<string, Record<string, unknown>> };

test("every operation of the description has a method", async () => {
  const { client, requests } = fake(() => json(session(1)));
  const { auth, request, ...groups } = client;
  const own = ["connect", "queue", "uploadFile", "waitUntilReady", "live"];
  for (const group of Object.values(groups)) {
    const methods = typeof group === "function" ? { group } : group;
    for (const [name, method] of Object.entries(methods)) {
      if (!own.includes(name)) await (method as (...args: string[]) => Promise<unknown>)(ID, ID, ID, ID);
    }
  }
  const described = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, ID)}`),
  );
  assert.deepEqual(requests.sort(), described.sort());
});

test("paths, queries, bodies and headers are sent", async () => {
  const { client, sent } = fake(() => json({}), { headers: { "Accept-Language": "de" } });
  await client.posts.createComment("a/b", { content: "Lovely" }, { idempotencyKey: "k1", ifMatch: '"2"' });
  await client.connectors.search({ q: "a b", limit: 5 });
  const [comment, search] = sent as [Request, Request];
  assert.equal(comment.url, "https://api.example.org/api/v1/posts/a%2Fb/comments");
  assert.deepEqual(await comment.json(), { content: "Lovely" });
  const names = ["Idempotency-Key", "If-Match", "Accept-Language", "Content-Type"];
  assert.deepEqual(names.map((name) => comment.headers.get(name)), ["k1", '"2"', "de", "application/json"]);
  assert.equal(new URL(search.url).search, "?q=a+b&limit=5");
});

const JSON_TYPE = "application/json";
const cases: [string, number, Record<string, string>, BodyInit | null, unknown][] = [
  ["a 204", 204, {}, null, undefined],
  ["an empty 200", 200, { "Content-Length": "0" }, new Uint8Array(), undefined],
  ["an empty 200 that says it is JSON", 200, { "Content-Type": JSON_TYPE }, "", undefined],
  ["a 201", 201, { "Content-Type": JSON_TYPE }, '{"id":1}', { id: 1 }],
  ["a 202 without a body", 202, {}, new Uint8Array(), undefined],
  ["a JSON null", 200, { "Content-Type": JSON_TYPE }, "null", null],
  ["JSON with a character set", 200, { "Content-Type": "application/json; charset=utf-8" }, "[]", []],
  ["JSON of another kind", 200, { "Content-Type": "application/ld+json" }, "{}", {}],
  ["a 304", 304, { ETag: '"1"' }, null, undefined],
  ["a calendar", 200, { "Content-Type": "text/calendar; charset=utf-8" }, "BEGIN:VCALENDAR", "BEGIN:VCALENDAR"],
  ["a playlist", 200, { "Content-Type": "application/vnd.apple.mpegurl" }, "#EXTM3U", "#EXTM3U"],
];
for (const [name, status, headers, body, expected] of cases) {
  test(`${name} is read`, async () => {
    const { client } = fake(() => new Response(body, { status, headers }));
    assert.deepEqual(await client.users.getProfile(), expected);
  });
}

test("a picture is a Blob", async () => {
  const picture = new Uint8Array([0xff, 0xd8, 0xff, 0xe0]);
  const { client } = fake(() => new Response(picture, { headers: { "Content-Type": "image/jpeg" } }));
  const got = (await client.media.getAvatar(ID)) as Blob;
  assert.deepEqual(new Uint8Array(await got.arrayBuffer()), picture);
});

test("a refusal is an ApiError with its code and the messages of fields", async () => {
  const errors = [{ field: "body.title", message: "too long" }, { field: "body.title", message: "no" }];
  const { client, requests } = fake(() => problem(422, "invalid_request", { errors }));
  const error = await client.posts.get(ID).catch((caught: unknown) => caught);
  assert.ok(error instanceof ApiError);
  const { status, code, requestId } = error;
  assert.deepEqual({ status, code, requestId }, { status: 422, code: "invalid_request", requestId: "r1" });
  assert.deepEqual(error.errors, { title: ["too long", "no"] });
  assert.equal(requests.length, 1);
});

test("an error page of a proxy is an ApiError without a code", async () => {
  const { client } = fake(() => new Response("<html>", { status: 404, headers: { "Content-Type": "text/html" } }));
  await assert.rejects(client.posts.get(ID), { name: "ApiError", status: 404, code: undefined });
});

test("no connection is a NetworkError, silence a TimeoutError, an abort the reason", async () => {
  const { client } = fake(() => Promise.reject(new TypeError("fetch failed")), { retries: 0 });
  await assert.rejects(client.posts.get(ID), NetworkError);
  const silent = fake(() => json({}), {
    fetch: (_, init) => new Promise((_resolve, reject) => (init!.signal!.onabort = () => reject(new Error("aborted")))),
  }).client;
  await assert.rejects(silent.posts.get(ID, { timeout: 5, retries: 0 }), TimeoutError);
  const aborting = new AbortController();
  const call = silent.posts.get(ID, { signal: aborting.signal });
  aborting.abort(new Error("gone"));
  await assert.rejects(call, /gone/);
});

test("reads and writes with a key are repeated with the same key, after Retry-After", async () => {
  let failures = 1;
  const { client, sent } = fake(() =>
    failures-- > 0 ? problem(503, "service_unavailable", {}, { "Retry-After": "0" }) : json({}, 201),
  );
  await client.posts.create({ connector_id: ID, content: "Ready" });
  const keys = sent.map((request) => request.headers.get("Idempotency-Key"));
  assert.equal(keys.length, 2);
  assert.ok(keys[0]);
  assert.equal(keys[0], keys[1]);
  failures = 1;
  await client.posts.get(ID);
  assert.equal(sent.length, 4);
});

test("what must not be repeated, or only much later, is not", async () => {
  const { client, requests } = fake(() => problem(429, "rate_limited", {}, { "Retry-After": "3600" }));
  await assert.rejects(client.posts.get(ID), { status: 429, retryAfter: 3_600_000 });
  await assert.rejects(client.analysis.detectSpam({ text: "x" }), { status: 429 });
  assert.equal(requests.length, 2);
});

test("all pages of a list are read, by query or body, when they are needed", async () => {
  const { client, sent } = fake(async (request, body) => {
    const cursor = request.method === "POST" ? JSON.parse(body).cursor : new URL(request.url).searchParams.get("cursor");
    return json(cursor ? { items: [3], next_cursor: null } : { items: [1, 2], next_cursor: "c" });
  });
  const read: unknown[] = [];
  for await (const post of client.posts.listConnectorPosts.all(ID, { limit: 2 })) read.push(post);
  for await (const item of client.recommendations.recommendContent.all({ limit: 2 })) read.push(item);
  assert.deepEqual(read, [1, 2, 3, 1, 2, 3]);
  assert.equal(new URL(sent[1]!.url).search, "?limit=2&cursor=c");
  assert.equal(sent.length, 4);
  for await (const _ of client.posts.listConnectorPosts.all(ID)) break;
  assert.equal(sent.length, 5);
});
