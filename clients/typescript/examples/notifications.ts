/** Follow your notifications with the client and with `EventSource`: `node examples/notifications.ts URL`. */
import { createClient, memoryStorage, type NeighborConnectClient } from "@neighborconnect/client";

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8000";

/** With `EventSource`, which sends no headers: a ticket opens the stream once, so each connection asks for one. */
async function subscribe(client: NeighborConnectClient, onNotification: (data: unknown) => boolean): Promise<void> {
  let after = "";
  for (let more = true; more; ) {
    const { ticket } = await client.notifications.createStreamTicket();
    const query = new URLSearchParams(after ? { ticket, after } : { ticket });
    const source = new EventSource(`${baseUrl}/api/v1/notifications/stream?${query}`);
    more = await new Promise<boolean>((closed) => {
      source.addEventListener("started", (event) => (after = event.lastEventId));
      source.addEventListener("notification", (event) => {
        after = event.lastEventId;
        if (!onNotification(JSON.parse(event.data))) closed(false);
      });
      source.addEventListener("error", () => closed(true));
    });
    source.close();
  }
}

async function follow(client: NeighborConnectClient, onNotification: (data: unknown) => boolean): Promise<void> {
  for await (const notification of client.notifications.live()) if (!onNotification(notification)) return;
}

async function register(name: string): Promise<NeighborConnectClient> {
  const client = createClient({ baseUrl, storage: memoryStorage() });
  const username = `ts-${crypto.randomUUID().slice(0, 18)}`;
  await client.users.register({
    email: `${username}@example.org`,
    username,
    password: "a long pass phrase",
    first_name: name,
    last_name: "Okafor",
  });
  return client;
}

const [ada, ben] = [await register("Ada"), await register("Ben")];
const connector = await ada.connectors.create({ name: "Gardeners", category: "gardening" });
await ben.connectors.join(connector.id);

const heard: Record<string, number> = { live: 0, EventSource: 0 };
const count = (way: string) => () => (heard[way] = (heard[way] ?? 0) + 1) < 1;
const following = Promise.all([follow(ada, count("live")), subscribe(ada, count("EventSource"))]);
let done = false;
void following.then(() => (done = true));
for (let number = 1; !done; number += 1) {
  const { id } = await ada.posts.create({ connector_id: connector.id, content: `Ready, for the ${number}. time` });
  await ben.posts.createComment(id, { content: "Lovely" });
  await new Promise((resume) => setTimeout(resume, 500));
}
console.log(JSON.stringify(heard));
