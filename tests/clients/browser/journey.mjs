// Run one journey through the web app: node journey.mjs NAME BROWSER URL INPUT. Prints what it saw as JSON.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const [name, endpoint, url, input] = process.argv.slice(2);
const given = JSON.parse(input);
const browser = await puppeteer.connect({ browserWSEndpoint: endpoint });
// Cookies and storage of one journey are of no other.
const context = await browser.createBrowserContext();
const complaints = [];

async function open(path = "/", { width = 390, height = 844, scheme = "light", scale = 1 } = {}) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A page without a session asks for one, and the browser logs the answer 401.
    if (message.type() === "error" && !message.text().includes("401")) complaints.push(message.text());
  });
  await page.setViewport({ width, height, deviceScaleFactor: scale });
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
    await page.locator('.composer button[type="submit"]').click();
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
    await page.locator('.composer button[type="submit"]').click();
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

  async accessibility() {
    const found = {};
    for (const scheme of ["light", "dark"]) {
      const page = await open("/", { scheme });
      if (scheme === "light") {
        await page.waitForSelector(".sign-in");
        found["sign in"] = await violations(page);
        await signIn(page);
      }
      for (const path of given.paths) {
        await page.goto(`${url}/app${path}`);
        await page.waitForSelector("main :is(.card, .rows, .empty):not(.skeleton)");
        await page.waitForFunction(() => !document.querySelector(".skeleton"));
        found[`${path} ${scheme}`] = await violations(page);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        if (width > 390) found[`${path} ${scheme}`].push(`wider than the screen: ${width}`);
      }
      await page.close();
    }
    return found;
  },
};

const seen = await journeys[name]();
console.log(JSON.stringify({ seen, complaints }));
await context.close();
await browser.disconnect();
