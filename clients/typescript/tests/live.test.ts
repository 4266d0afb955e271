/** Streams, chat sockets, uploads and the queue of interactions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChatEvent, type ChatState, type NewInteraction, serverSentEvents, UploadError } from "../src/index.ts";
import { bearer, fake, ID, json, loggedIn, problem, session } from "./fake.ts";

function stream(...parts: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
}

test("server-sent events are read across the parts that they come in", async () => {
  const body = stream("event: started\nid: 1\ndata: {}\n", "\n: ping\n\nevent: notification\r\nid: 2\r\nda", 'ta: {"a":\n', "data: 1}\n\n");
  const got = [];
  for await (const one of serverSentEvents(body)) got.push(one);
  assert.deepEqual(got, [
    { event: "started", data: {}, id: "1" },
    { event: "notification", data: { a: 1 }, id: "2" },
  ]);
});

test("live notifications go on after the last one when the stream ends or breaks", async (t) => {
  t.mock.method(Math, "random", () => -0.98);
  const answers = [
    () => new Response(stream('event: started\nid: p0\ndata: {}\n\nevent: notification\nid: p1\ndata: {"id":"1"}\n\n')),
    () => Promise.reject(new TypeError("fetch failed")),
    () => problem(503, "service_unavailable"),
    () => new Response(stream('event: notification\nid: p2\ndata: {"id":"2"}\n\n')),
  ];
  const { client, sent } = fake(async () => {
    const response = await (answers.shift() ?? (() => problem(401, "unauthenticated")))();
    if (response.ok) response.headers.set("Content-Type", "text/event-stream");
    return response;
  });
  const positions: string[] = [];
  const read: string[] = [];
  for await (const { id } of client.notifications.live({ onPosition: (one) => positions.push(one) })) {
    if (read.push(id) === 2) break;
  }
  assert.deepEqual([read, positions], [["1", "2"], ["p0", "p1"]]);
  assert.deepEqual(sent.map((one) => one.headers.get("Last-Event-ID")), [null, "p1", "p1", "p1"]);
  await assert.rejects(client.notifications.live().next(), { status: 401 });
});

class FakeSocket {
  static opened: FakeSocket[] = [];
  readyState = 1;
  sent: Record<string, unknown>[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number }) => void;
  readonly url: string;
  constructor(url: string) {
    this.url = url;
    FakeSocket.opened.push(this);
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }
  give(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

async function opened(number: number): Promise<FakeSocket> {
  while (FakeSocket.opened.length < number) await new Promise((resume) => setTimeout(resume, 1));
  const socket = FakeSocket.opened[number - 1] as FakeSocket;
  socket.onopen?.();
  return socket;
}

test("a chat socket reconnects after its last event, with a new token, and sends what is unsent", async (t) => {
  t.mock.method(Math, "random", () => -0.98);
  FakeSocket.opened = [];
  const { client } = fake(() => json(session(2)), {
    storage: await loggedIn(),
    WebSocket: FakeSocket as unknown as typeof WebSocket,
  });
  const events: ChatEvent[] = [];
  const states: ChatState[] = [];
  const socket = client.chat.connect(ID, {
    onEvent: (event) => events.push(event),
    onStateChange: (state) => states.push(state),
  });
  const first = await opened(1);
  first.give({ type: "event", event_id: 1, kind: "message.created" });
  first.give({ type: "ready", last_event_id: 1 });
  const sending = socket.send("Are you coming?");
  first.onclose?.({ code: 1006 });
  const second = await opened(2);
  second.give({ type: "ready", last_event_id: 1 });
  const [, repeated] = second.sent;
  assert.deepEqual(repeated, first.sent[1]);
  second.give({ type: "ack", client_id: repeated?.client_id, message_id: "m", event_id: 2 });
  assert.deepEqual(await sending, { messageId: "m", eventId: 2 });
  second.onclose?.({ code: 4401 });
  const third = await opened(3);
  assert.deepEqual([second, third].map(({ sent }) => sent[0]?.token), ["access-1", "access-2"]);
  assert.ok(third.url.endsWith(`/ws/chat/${ID}?last_event_id=1`));
  const refused = socket.send("Hello?");
  third.onclose?.({ code: 4404 });
  await assert.rejects(refused, { code: "not_found" });
  assert.deepEqual(states, ["ready", "reconnecting", "ready", "reconnecting", "closed"]);
  assert.deepEqual(events, [{ event_id: 1, kind: "message.created" }]);
});

test("a file is sent to its link, completed, and waited for", async () => {
  const states = ["pending", "ready"];
  const { client, requests } = fake(
    (request) => {
      if (request.url.startsWith("https://store.")) return new Response(null, { status: bearer(request) ? 400 : 200 });
      if (request.url.endsWith("/uploads")) return json({ media: { id: ID }, upload_url: "https://store.example.org/a" }, 201);
      return json({ id: ID, state: request.method === "POST" ? "pending" : states.shift() });
    },
    { storage: await loggedIn() },
  );
  const progress: number[] = [];
  const media = await client.media.uploadFile(new Blob(["picture"]), { onProgress: ({ sent }) => progress.push(sent) });
  assert.deepEqual([media.state, progress], ["ready", [0, 7]]);
  assert.deepEqual(requests.slice(0, 3), ["POST /api/v1/media/uploads", "PUT /a", `POST /api/v1/media/uploads/${ID}/complete`]);
  states.push("failed");
  await assert.rejects(client.media.waitUntilReady(ID), UploadError);
});

test("interactions are sent in batches, which keep their key until they arrive", async () => {
  let failing = true;
  const { client, sent } = fake(() => (failing ? problem(503, "service_unavailable") : json({ accepted_count: 2, rejected: [] }, 202)), {
    retries: 0,
  });
  const queue = client.interactions.queue({ batchSize: 2, delay: 60_000 });
  const click: NewInteraction = { kind: "click", item_kind: "post", item_id: ID, request_id: ID };
  queue.add(click, click, click);
  await queue.flush();
  while (queue.size < 3) await new Promise((resume) => setTimeout(resume, 1));
  failing = false;
  await queue.close();
  assert.equal(queue.size, 0);
  const batches = await Promise.all(sent.map(async (one) => ({ key: one.headers.get("Idempotency-Key"), size: (await one.json()).interactions.length })));
  assert.deepEqual(batches.map(({ size }) => size), [2, 1, 2, 1]);
  assert.deepEqual([batches[0]?.key, batches[1]?.key], [batches[2]?.key, batches[3]?.key]);
});

test("interactions are sent when the page is hidden", async (t) => {
  const page = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  Object.assign(globalThis, { document: page });
  t.after(() => Reflect.deleteProperty(globalThis, "document"));
  const { client, sent } = fake(() => json({ accepted_count: 1, rejected: [] }, 202));
  const queue = client.interactions.queue();
  queue.add({ kind: "click", item_kind: "post", item_id: ID, request_id: ID });
  page.dispatchEvent(new Event("visibilitychange"));
  while (queue.size || !sent.length) await new Promise((resume) => setTimeout(resume, 1));
  assert.deepEqual(sent.map(({ keepalive }) => keepalive), [true]);
  await queue.close();
});
