// Take the pictures of the documentation from a running platform:
//   npm install && AWS_EXECUTION_ENV=AWS_Lambda_nodejs22.x node pictures.mjs http://127.0.0.1:8000 ../../../docs/pictures
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [url, folder] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(),
  args: ["--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
  headless: "shell",
});
const page = await browser.newPage();
await page.setViewport({ width: 390, height: 780 });
await page.goto(`${url}/app/`);
await page.locator(".demos .row").click();
await page.waitForSelector(".card.feed");

async function take(name, { path, scheme = "light", click, wait }) {
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(`${url}/app${path}`);
  if (click) await page.locator(click).click();
  await page.waitForSelector(wait);
  await page.waitForFunction(() => !document.querySelector(".skeleton"));
  await page.waitForNetworkIdle({ idleTime: 300, concurrency: 1 });
  await page.screenshot({ path: `${folder}/web-${name}.png` });
}

await take("feed", { path: "/", wait: ".card.feed" });
await take("why", { path: "/", scheme: "dark", click: ".card.feed .reason .link", wait: "dialog .facts" });
await take("market", { path: "/market", wait: ".card .pictures img" });
await browser.close();
