// Run one journey through the web app: node journey.mjs NAME BROWSER URL INPUT. Prints what it saw as JSON.
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const [name, endpoint, url, input] = process.argv.slice(2);
const given = JSON.parse(input);
const browser = await puppeteer.connect({ browserWSEndpoint: endpoint });
// Cookies and storage of one journey are of no other.
const contexts = [await browser.createBrowserContext()];
const complaints = [];
// A page without a session asks for one, and the browser logs the answer 401.
const expected = ["401"];

async function open(path = "/", { width = 390, height = 844, scheme = "light", context = contexts[0] } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected.some((one) => message.text().includes(one))) complaints.push(message.text());
  });
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(`${url}/app${path}`);
  return page;
}

async function signIn(page, { email, password } = given) {
  await page.locator('input[name="email"]').fill(email);
  await page.locator('input[name="password"]').fill(password);
  await page.locator('button[type="submit"]').click();
  await page.waitForSelector(".shell");
}

/** Open a page as another neighbor, who has a browser of their own. */
async function openAs(person, path) {
  const context = await browser.createBrowserContext();
  contexts.push(context);
  const page = await open(path, { context });
  await signIn(page, person);
  return page;
}

/** Click something that the bar of tabs may cover where it is. */
async function press(page, selector) {
  const found = await page.waitForSelector(selector);
  await found.evaluate((element) => element.scrollIntoView({ block: "center" }));
  await found.click();
}

/** Choose an entry of the menu with this label. */
async function choose(page, label, entry) {
  const menu = `.menu:has(> button[aria-label^="${label}"])`;
  await page.locator(`${menu} > button`).click();
  await page.locator(`${menu} ul:not([hidden]) button ::-p-text(${entry})`).click();
}

/** Fill fields by their name, and send their form. */
async function send(page, values, form = "form.form") {
  for (const [name, value] of Object.entries(values)) await page.locator(`${form} [name="${name}"]`).fill(value);
  await press(page, `${form} button[type="submit"]`);
}

/** Take a picture for the documentation, where a folder is given. */
async function take(page, name) {
  if (!process.env.PICTURES) return;
  await page.evaluate(() => document.activeElement?.blur());
  await page.screenshot({ path: `${process.env.PICTURES}/web-${name}.png` });
}

const visit = (page, path) => page.goto(`${url}/app${path}`);
const text = (page, selector) => page.$eval(selector, (found) => found.textContent.trim());
const cardOf = (id) => `.card.feed:has(a[href="/app/posts/${id}"])`;

/** Press Tab until the focused element has this name. */
async function tabTo(page, wanted) {
  for (let steps = 0; steps < 60; steps += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => {
      const { labels, ariaLabel, textContent } = document.activeElement;
      return labels?.[0]?.textContent ?? ariaLabel ?? textContent ?? "";
    });
    if (focused.startsWith(wanted)) return;
  }
  throw new Error(`The keyboard does not reach ${wanted}`);
}

async function violations(page) {
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const { violations: found } = await page.evaluate(() => globalThis.axe.run());
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`);
}

const journeys = {
  async like_and_why() {
    const page = await open();
    await signIn(page);
    await page.waitForSelector(cardOf(given.post));
    const reason = await text(page, `${cardOf(given.post)} .reason .link`);
    await page.click(`${cardOf(given.post)} .reason .link`);
    await page.waitForSelector("dialog .facts");
    const shares = await page.$$eval("dialog .shares li", (rows) => rows.map((row) => row.textContent));
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { hidden: true });
    await page.click(`${cardOf(given.post)} .action.like`);
    await page.waitForSelector(`${cardOf(given.post)} .action.like[aria-pressed="true"]`);
    await page.click(`${cardOf(given.post)} a.body`);
    await page.waitForSelector("article.whole");
    await page.reload();
    await page.waitForSelector('article.whole .action.like[aria-pressed="true"]');
    await page.locator("textarea").fill("A comment from the app");
    await press(page, '.composer button[type="submit"]');
    await page.waitForSelector(".comment");
    return { reason, shares, likes: await text(page, "article.whole .action.like"), comment: await text(page, ".comment .content") };
  },

  async hide_and_undo() {
    const page = await open();
    await signIn(page);
    const hide = async () => {
      await page.waitForSelector(cardOf(given.post));
      await page.click(`${cardOf(given.post)} .menu > button`);
      const entries = await page.$$(`${cardOf(given.post)} .menu li button`);
      for (const entry of entries) if ((await entry.evaluate((one) => one.textContent)).startsWith("Hide")) await entry.click();
      await page.waitForSelector(".card.left");
    };
    const reload = async () => {
      const answered = page.waitForResponse((response) => response.url().endsWith("/recommendations/home"));
      await page.click('button[aria-label="Load a new feed"]');
      await answered;
      await page.waitForSelector(".card.feed");
    };
    await hide();
    await page.click(".card.left button");
    await page.waitForSelector(cardOf(given.post));
    await hide();
    await reload();
    const after = await page.$$eval(".card.feed", (cards) => cards.length);
    return { after, isGone: (await page.$(cardOf(given.post))) === null };
  },

  async two_tabs() {
    const first = await open();
    await signIn(first);
    const second = await open();
    await second.waitForSelector(".shell");
    await first.goto(`${url}/app/you`);
    await first.locator("button ::-p-text(Sign out)").click();
    await second.waitForSelector(".sign-in");
    const third = await open("/tune");
    await third.waitForSelector(".sign-in");
    return { cookie: await first.evaluate(() => document.cookie), stored: await first.evaluate(() => localStorage.length) };
  },

  async keyboard() {
    const page = await open();
    await page.waitForSelector(".sign-in");
    await tabTo(page, "Email");
    await page.keyboard.type(given.email);
    await tabTo(page, "Password");
    await page.keyboard.type("wrong pass phrase");
    await page.keyboard.press("Enter");
    await page.waitForSelector('[role="alert"]');
    const refusal = await text(page, '[role="alert"]');
    await page.keyboard.down("Control");
    await page.keyboard.press("a");
    await page.keyboard.up("Control");
    await page.keyboard.type(given.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".card.feed .action.like");
    await tabTo(page, "Skip to content");
    await page.keyboard.press("Enter");
    await tabTo(page, "Feedback on");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".menu > ul button:focus");
    await page.keyboard.press("ArrowDown");
    const entry = await page.evaluate(() => document.activeElement.textContent);
    await page.keyboard.press("Escape");
    await page.waitForSelector(".menu ul:not([hidden])", { hidden: true });
    await tabTo(page, "Like, ");
    await page.keyboard.press("Space");
    await page.waitForSelector('.action.like[aria-pressed="true"]');
    return { refusal, entry };
  },

  async join_answer_and_buy() {
    const page = await open(`/connectors/${given.other}`);
    await signIn(page);
    await page.locator('button[aria-label^="Join "]').click();
    await page.waitForSelector('button[aria-label^="Joined: "]');
    await page.locator(".composer textarea").fill("Hello from the app");
    await press(page, '.composer button[type="submit"]');
    await page.waitForSelector(".cards .card a.body");
    const post = await text(page, ".cards .card a.body");
    await page.goto(`${url}/app/events/${given.event}`);
    await page.locator("article .buttons button ::-p-text(Going)").click();
    await page.waitForSelector('article .buttons button[aria-pressed="true"]');
    await page.waitForSelector("ul[aria-label=Going] li");
    await page.goto(`${url}/app/market/${given.item}`);
    await page.locator("article .button.primary").click();
    await page.locator("dialog .button.primary").click();
    await page.waitForSelector("article .notice");
    await page.goto(`${url}/app/market?part=purchases`);
    await page.waitForSelector(".rows .name");
    return { post, bought: await text(page, ".rows .name") };
  },

  async post_with_picture() {
    const page = await open("/new/post");
    await signIn(page, given.ada);
    const input = await page.waitForSelector('input[type="file"]');
    await input.uploadFile(given.picture);
    await page.waitForSelector(".uploads li.ready");
    await page.locator('[name="title"]').fill("Tomatoes");
    await page.locator('[name="content"]').fill("The first of the year");
    await take(page, "post");
    await send(page, { title: "Tomatoes", content: "The first of the year" });
    const width = async (one, selector) => {
      const picture = await one.waitForSelector(`${selector} .pictures img`);
      await one.waitForFunction((image) => image.naturalWidth > 0, {}, picture);
      return picture.evaluate((image) => image.naturalWidth);
    };
    const own = await width(page, "article.whole");
    const other = await openAs(given.ben, `/connectors/${given.group}`);
    const card = ".cards .card:has(.pictures)";
    const seen = { own, other: await width(other, card), title: await text(other, `${card} .title`) };
    await visit(other, `/people/${given.ada.id}`);
    await width(other, card);
    await take(other, "profile");
    return seen;
  },

  async chat() {
    const ada = await open(`/people/${given.ben.id}`);
    await signIn(ada, given.ada);
    const ben = await openAs(given.ben, "/chat");
    const streaming = ben.waitForResponse((response) => response.url().includes("/notifications/stream"));
    await ben.reload();
    await streaming;
    const say = async (page, content) => {
      await page.locator('input[name="content"]').fill(content);
      await page.keyboard.press("Enter");
    };
    const messages = (page) => page.$$eval(".messages li:not(.outgoing) .content", (found) => found.map((one) => one.textContent));
    const has = (page, content) => page.waitForSelector(`.messages li:not(.outgoing) ::-p-text(${content})`);
    await ada.locator("button ::-p-text(Write)").click();
    await ada.waitForSelector(".messages");
    await say(ada, "Is the barrow free?");
    await has(ada, "Is the barrow free?");
    const unread = await ben.waitForSelector(".rows .unread .badge").then((badge) => badge.evaluate((one) => one.textContent));
    await ben.locator(".rows .unread a").click();
    await has(ben, "Is the barrow free?");
    await say(ben, "Yes, take it");
    await has(ada, "Yes, take it");
    await has(ben, "Yes, take it");
    const seen = await messages(ben);
    await take(ada, "chat");
    const own = "Actions on the message “Is the";
    await choose(ada, own, "Edit");
    await ada.locator('form[aria-label="Edit your message"] textarea').fill("Is the wheelbarrow free?");
    await press(ada, 'form[aria-label="Edit your message"] button[type="submit"]');
    await has(ben, "Is the wheelbarrow free?");
    const [edited] = await messages(ben);
    await choose(ada, own, "Delete");
    await ada.locator("dialog .button.danger").click();
    await has(ben, "Deleted");
    const [deleted] = await messages(ben);
    return { unread, ben: seen, edited, deleted };
  },

  async block() {
    expected.push("404");
    const page = await open(`/posts/${given.unwanted}`);
    await signIn(page, given.ada);
    const shown = async (path, wanted) => {
      await visit(page, path);
      await page.waitForSelector("main :is(.card, .rows, .empty, .notice.error):not(.skeleton)");
      await page.waitForFunction(() => !document.querySelector(".skeleton"));
      const lists = await page.$$eval("main :is(.rows, .cards, article)", (found) => found.map((one) => one.textContent));
      return lists.some((one) => one.includes(wanted));
    };
    const watches = `Buy my watches ${given.mark}`;
    const everywhere = async () => ({
      group: await shown(`/connectors/${given.group}`, watches),
      search: await shown(`/search?q=${encodeURIComponent(watches)}`, watches),
      post: await shown(`/posts/${given.unwanted}`, watches),
    });
    const before = await everywhere();
    await page.locator("article.whole .person").click();
    await choose(page, "Actions on Cleo", "Block");
    await page.locator("dialog .button.danger").click();
    await page.waitForSelector('button[aria-label^="Unblock Cleo"]');
    const blocked = await everywhere();
    const cleo = await openAs(given.cleo, `/people/${given.ada.id}`);
    const profile = await cleo.waitForSelector(".notice.error strong").then((one) => one.evaluate(({ textContent }) => textContent));
    await visit(page, "/you?part=hidden");
    await press(page, 'button[aria-label^="Unblock Cleo"]');
    await page.waitForSelector('button[aria-label^="Unblock Cleo"]', { hidden: true });
    return { before, blocked, profile, unblocked: await everywhere() };
  },

  async search() {
    const page = await open();
    await signIn(page, given.ben);
    await page.locator('a[aria-label="Search"]').click();
    await page.locator('main input[type="search"]').fill(given.mark);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".rows .row");
    await page.waitForFunction(() => !document.querySelector(".skeleton"));
    const kinds = await page.$$eval(".rows .row", (rows) => rows.map((row) => row.getAttribute("href").split("/")[2]));
    await page.locator(".segments button ::-p-text(Offers)").click();
    await page.waitForFunction(() => new URLSearchParams(location.search).get("kind") === "item" && document.querySelectorAll(".rows .row").length === 1);
    await page.locator(".rows .row").click();
    await page.waitForSelector("article h1");
    return { kinds, offer: await text(page, "article h1") };
  },

  async offline() {
    expected.push("ERR_INTERNET_DISCONNECTED");
    const page = await open(`/posts/${given.post}`);
    await signIn(page, given.ben);
    await page.waitForSelector(".composer textarea");
    // What still loads would fail, and show the page anew.
    await page.waitForFunction(() => !document.querySelector(".skeleton"));
    await page.waitForNetworkIdle({ concurrency: 2 });
    await page.setOfflineMode(true);
    await page.waitForSelector(".offline:not([hidden])");
    const banner = await text(page, ".offline");
    await page.locator(".composer textarea").fill("Written offline");
    await press(page, '.composer button[type="submit"]');
    await page.waitForSelector(".notice.waiting");
    await page.setOfflineMode(false);
    await page.waitForSelector(".comment");
    await page.waitForSelector(".offline", { hidden: true });
    await press(page, 'button[aria-label="Reply to Ben Okafor"]');
    await page.locator(".comment form textarea").fill("A reply");
    await press(page, '.comment form button[type="submit"]');
    await page.waitForSelector(".comment.reply");
    await page.reload();
    await page.waitForSelector(".comment.reply");
    const comments = await page.$$eval(".comment .content", (found) => found.map((one) => one.textContent));
    await visit(page, `/new/post?group=${given.group}`);
    await page.locator('textarea[name="content"]').fill("Half a thought");
    await page.reload();
    const draft = await page.waitForSelector('textarea[name="content"]').then((one) => one.evaluate(({ value }) => value));
    return { banner, comments, draft };
  },

  async account() {
    expected.push("422");
    const email = `web-dora-${Date.now()}@example.org`;
    const page = await open();
    const linkOf = async (path) => {
      for (let tries = 0; tries < 300; tries += 1) {
        for (const file of await readdir(given.mail).catch(() => [])) {
          const letter = await readFile(`${given.mail}/${file}`, "utf8");
          const [link] = letter.replaceAll("=\r\n", "").replaceAll("=3D", "=").match(new RegExp(`http\\S+/${path}\\S+`)) ?? [];
          if (link && letter.includes(email)) return link;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`No letter has a link to ${path}`);
    };
    await page.locator("button ::-p-text(Create an account)").click();
    const register = { first_name: "Dora", last_name: "Berg", username: email.split("@")[0], email, password: "short" };
    await page.waitForSelector('input[name="username"]');
    await send(page, register, "form.card");
    await page.waitForSelector('input[name="password"][aria-invalid]');
    const refusal = await text(page, 'input[name="password"] ~ .wrong');
    await send(page, { password: given.password }, "form.card");
    await page.waitForSelector(".shell");
    await visit(page, "/you");
    await page.waitForSelector(".profile .notice");
    await page.goto(await linkOf("verify-email"));
    await page.waitForSelector(".sign-in .notice");
    const confirmed = await text(page, ".sign-in .notice");
    const address = page.url();
    await visit(page, "/you");
    await page.locator("button ::-p-text(Sign out)").click();
    await page.locator("a ::-p-text(Forgot your password?)").click();
    await send(page, { email });
    await page.waitForSelector(".sign-in .notice");
    await page.goto(await linkOf("reset-password"));
    await send(page, { password: "an even longer pass phrase" });
    await page.waitForSelector(".sign-in .notice");
    await page.locator("a ::-p-text(Go to NeighborConnect)").click();
    await page.waitForSelector('input[name="email"]');
    await signIn(page, { email, password: "an even longer pass phrase" });
    return { refusal, confirmed, address };
  },

  async edit_conflict() {
    expected.push("412");
    const first = await open(`/market/${given.item}/edit`);
    await signIn(first, given.ada);
    await first.waitForSelector('form.form [name="price"]');
    const second = await open(`/market/${given.item}/edit`);
    await second.waitForSelector('form.form [name="price"]');
    await send(second, { price: "18.00", description: "With a new tire" });
    await second.waitForSelector("article h1");
    await send(first, { title: `Wheelbarrow ${given.mark}, red`, price: "15" });
    await first.waitForSelector(".notice.changed");
    const notice = await text(first, ".notice.changed");
    await send(first, {});
    await first.waitForSelector("article h1");
    const item = { title: await text(first, "article h1"), price: await text(first, "article .price"), description: await text(first, "article .content") };
    return { notice, item };
  },

  async group_and_event() {
    const page = await open("/new/group");
    await signIn(page, given.cleo);
    await page.locator('input[name="is_public"]').click();
    await page.reload();
    const isPublic = await page.waitForSelector('input[name="is_public"]').then((one) => one.evaluate(({ checked }) => checked));
    await page.locator('input[name="is_public"]').click();
    await send(page, { name: "Bakers", category: "food", description: "Bread of the street" });
    await page.waitForSelector("main h1 ::-p-text(Bakers)");
    await page.locator(".segments button ::-p-text(Events)").click();
    await page.locator("a ::-p-text(Plan an event)").click();
    await page.waitForSelector('select[name="time_zone"]');
    await page.select('select[name="time_zone"]', "America/New_York");
    await send(page, { title: "Sourdough", start_date: "2099-03-04T18:30", location: "Mill Lane 3", max_attendees: "8" });
    await page.waitForSelector("article h1");
    const planned = await text(page, "article .byline > div small");
    const places = await text(page, "article > .fine");
    await choose(page, "Actions on this event", "Edit");
    await page.waitForSelector('select[name="time_zone"]');
    await send(page, { start_date: "2099-03-04T19:30" });
    await page.waitForSelector("article h1");
    const moved = await text(page, "article .byline > div small");
    await choose(page, "Actions on this event", "Cancel the event");
    await page.locator("dialog .button.danger").click();
    await page.waitForSelector("article .badge");
    const canceled = await text(page, "article .badge");
    await visit(page, "/groups");
    await page.waitForSelector(".cards .name");
    const groups = await page.$$eval(".cards .name", (found) => found.map((one) => one.textContent));
    return { isPublic, planned, places, moved, canceled, groups: groups.filter((one) => one === "Bakers") };
  },

  async accessibility() {
    const found = {};
    const page = await open();
    await page.waitForSelector(".sign-in");
    found["sign in"] = await violations(page);
    await signIn(page);
    for (const path of given.paths) {
      await visit(page, path);
      await page.waitForSelector("main :is(.card, .rows, .empty):not(.skeleton)");
      await page.waitForFunction(() => !document.querySelector(".skeleton"));
      for (const scheme of ["light", "dark"]) {
        await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        found[`${path} ${scheme}`] = await violations(page);
      }
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      if (width > 390) found[`${path} dark`].push(`wider than the screen: ${width}`);
    }
    return found;
  },
};

try {
  console.log(JSON.stringify({ seen: await journeys[name](), complaints }));
} finally {
  // Open pages keep their streams, and the API with them.
  for (const context of contexts) await context.close();
  await browser.disconnect();
}
