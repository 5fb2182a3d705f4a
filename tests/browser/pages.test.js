// The pages that people read, in a real browser: no console error, no overflow on a phone or a desk, no accessibility violation.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const root = resolve(import.meta.dirname, "../..");
const python = process.env.PYTHON ?? join(root, ".venv/bin/python");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = join(root, "reports/browser");
const folder = mkdtempSync(join(tmpdir(), "pages-"));
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
let browser, mock, mockUrl;
const pages = {};

// A run's exit code says its verdict; its page is what is looked at here.
function report(name, variables) {
  const reports = join(folder, name);
  try {
    execFileSync(python, ["-m", "tests.contract"], { cwd: root, env: { ...process.env, PROFILE: "quick", REPORTS: reports, ...variables }, stdio: "ignore" });
  } catch (ended) {
    assert.ok([1, 2].includes(ended.status), `the suite ended with ${ended.status}`);
  }
  pages[name] = pathToFileURL(join(reports, "index.html")).href;
  return join(reports, "results.json");
}

// Forty nights before this one, made of a night that really was: what is said of a clause changes as `changes` has it, by nights ago.
const CHANGES = {
  "pristo.update-answers-200": { from: 20, to: 17, result: "fail" },
  "pristo.create-answers-201": { from: 3, to: 1, result: "fail" },
  "pristo.key-required": { from: 1, to: 1, result: "fail" },
  "pristo.unknown-population": { from: 40, to: 1, result: "observed", observation: "returned 404" },
};
const DOWN = [9, 2];

function daysBefore(moment, days) {
  return new Date(Date.parse(moment) - days * 86_400_000).toISOString().replace(".000Z", "+00:00");
}

function longHistory(source, target) {
  const lines = readFileSync(source, "utf8").trim().split("\n").map(line => JSON.parse(line)).filter(line => line.api === "pristo");
  const nights = [];
  for (let ago = 40; ago >= 1; ago--) {
    const isDown = DOWN.includes(ago);
    for (const line of lines) {
      const { from, to, ...change } = CHANGES[line.clause] ?? { from: 40, to: 1 };
      const changed = ago <= from && ago >= to ? { ...change, since: daysBefore(line.finished, from) } : { since: daysBefore(line.finished, 40) };
      const silent = isDown ? { result: "not-exercised", observation: null, since: daysBefore(line.finished, ago) } : {};
      const night = { run: `night-${ago}`, finished: daysBefore(line.finished, ago), target: "live", service: "loopback" };
      nights.push({ ...line, ...night, verdict: isDown ? "could-not-run" : "violates", ...changed, ...silent });
    }
  }
  writeFileSync(target, nights.map(night => JSON.stringify(night) + "\n").join(""));
  return target;
}

const startMock = (...faults) => start("contact_apis", "mock", "--port", "0", "--env", ...faults);

async function start(...words) {
  const process_ = spawn(python, ["-m", ...words], { cwd: root });
  const env = {};
  for await (const chunk of process_.stdout) {
    for (const line of String(chunk).split("\n").filter(Boolean)) env[line.split("=")[0]] = line.slice(line.indexOf("=") + 1);
    if (env.RETAINFUL_LIST_ID) break;
  }
  return { process: process_, env };
}

before(async () => {
  assert.ok(executablePath, "no Chromium here; on Debian: apt-get install chromium");
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const earlier = report("conforms", { TARGET: "mock" });
  const faulty = await startMock("--fault", "malformed=0.02", "--retainful-email", "never");
  report("violates", { TARGET: "live", ...faulty.env, PREVIOUS: earlier });
  faulty.process.kill();
  const writer = await start("tests.mutants", "serve", "retainful.no-first-name-writes");
  report("sequence", { TARGET: "live", API: "retainful", FAILFAST: "1", ...writer.env });
  writer.process.kill();
  const swapping = await start("tests.mutants", "serve", "pristo.statuses-swapped");
  const history = longHistory(join(folder, "conforms/history.jsonl"), join(folder, "history.jsonl"));
  const clauses = "pristo.create-answers-201,pristo.update-answers-200,pristo.key-required,pristo.unknown-population";
  report("nights", { TARGET: "live", API: "pristo", ...swapping.env, HISTORY: history, CLAUSE: clauses });
  swapping.process.kill();
  report("could-not-run", { TARGET: "live", PRISTO_API_KEY: "" });
  mock = await startMock();
  mockUrl = mock.env.PRISTO_BASE_URL;
  pages.mock = `${mockUrl}/`;
  for (const number of [1, 2]) {
    await fetch(`${mockUrl}/v1/contacts/save/${mock.env.PRISTO_POPULATION_ID}`, {
      method: "POST",
      headers: { "X-API-Key": mock.env.PRISTO_API_KEY, "Content-Type": "application/json" },
      body: JSON.stringify({ contact: number === 1 ? { id: "a6d60792-18b0-5e4d-ad1e-9e0fcf43dabe", name: "שרה" } : { id: "x" } }),
    });
  }
  if (existsSync(join(root, "reports/mutants/index.html"))) pages.mutants = pathToFileURL(join(root, "reports/mutants/index.html")).href;
});

after(async () => {
  await browser?.close();
  mock?.process.kill();
});

async function visit(name, { width, scheme, picture = true }, look) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", message => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", error => complaints.push(String(error)));
  page.on("request", request => {
    const local = request.url().startsWith("file:") || request.url().startsWith(mockUrl) || request.url().startsWith("data:");
    if (!local) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(pages[name]);
  if (name === "mock") await page.waitForSelector("#requests tr");
  await look(page);
  if (picture) await page.screenshot({ path: join(shots, `${name}-${width}-${scheme}.png`), fullPage: true, timeout: 120_000 });
  assert.deepEqual(complaints.filter(each => !each.includes("favicon")), []);
  await context.close();
}

const PHONE_AT_NIGHT = { width: 360, scheme: "dark" };
for (const name of ["conforms", "violates", "sequence", "nights", "could-not-run", "mock", "mutants"]) {
  const views = [{ width: 360, scheme: "light" }, { width: 1440, scheme: "light" }, { width: 1440, scheme: "dark" }];
  if (name === "nights") views.push(PHONE_AT_NIGHT);
  for (const view of views) {
    test(`${name}, ${view.width} px, ${view.scheme}: quiet, within its width, accessible`, async t => {
      if (!pages[name]) return t.skip("make mutants has not been run here, so there is no matrix to look at");
      await visit(name, view, async page => {
        const unfold = async () => {
          for (const each of await page.$$("details:not([open]) > summary")) await each.click();
        };
        // The two thousand cells of the folded strip are made like those of the open one, and would take axe a minute.
        if (name !== "nights") await unfold();
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        assert.deepEqual(violations.map(each => `${each.id}: ${each.nodes.map(node => node.target).join(" ")}`), []);
        await unfold();
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(overflow, 0, "the page is wider than the window");
        const narrowest = await page.$$eval("table.strip td", cells => Math.min(...cells.map(cell => cell.getBoundingClientRect().width)));
        assert.ok(narrowest >= 8, `a night of a strip is ${narrowest} pixels wide`);
      });
    });
  }
}

test("a report says its verdict first, and what is broken with its reproducers", async () => {
  await visit("violates", { width: 1440, scheme: "light" }, async page => {
    assert.equal(await page.textContent("h1"), "The service violates its contract");
    assert.match(await page.textContent("header"), /answers-are-json/);
    assert.match(await page.textContent("#curl-1"), /^#!\/usr\/bin\/env bash\n[^]*^ *request POST \/v1\/contacts/m);
    assert.match(await page.textContent("#python-1"), /^ *Request\('POST', '\/v1\/contacts/m);
    assert.match(await page.textContent("table[aria-labelledby=drift]"), /changed; was: to-create/);
  });
});

test("a failure that needs several requests shows those before, and sends them all again", async () => {
  await visit("sequence", { width: 1440, scheme: "light" }, async page => {
    const [, others] = (await page.textContent("article")).match(/It shows after (\d+) other requests?;/);
    assert.ok(Number(others) >= 1);
    assert.ok((await page.textContent("#curl-1")).match(/^ *request POST /gm).length > Number(others));
    assert.equal((await page.textContent("#python-1")).match(/^ *Request\('POST', /gm).length, Number(others) + 1);
  });
});

test("the morning after forty nights: what is new, what stands since when, what is mended, and a strip of the last thirty", async () => {
  await visit("nights", { width: 1440, scheme: "light" }, async page => {
    const day = ago => daysBefore(new Date().toISOString(), ago).slice(0, 10);
    const said = Object.fromEntries(
      await page.$$eval(".morning dt", titles => titles.map(title => [title.textContent, title.nextElementSibling.textContent.replace(/\s+/g, " ").trim()]))
    );
    assert.match(said["new tonight"], /^pristo\.update-answers-200 ?.*201/);
    assert.match(said["still broken since"], new RegExp(`^pristo\\.create-answers-201 · since ${day(3)}`));
    assert.match(said.mended, new RegExp(`^pristo\\.key-required · was broken since ${day(1)}`));
    assert.match(said["changed observations"], /^pristo\.unknown-population · returned 404 -> returned 400/);
    const rows = await page.$$eval("table.strip:not(details table) tbody tr", found =>
      found.map(row => [row.querySelector("th").textContent, [...row.querySelectorAll("td > [aria-hidden]")].map(cell => cell.textContent).join("")])
    );
    const strips = Object.fromEntries(rows);
    const holds = nights => "·".repeat(nights);
    assert.equal(strips["pristo.create-answers-201"], `${holds(20)}?${holds(5)}✗?✗✗`);
    assert.equal(strips["pristo.update-answers-200"], `${holds(9)}✗✗✗✗${holds(7)}?${holds(6)}?·✗`);
    await page.click("a[href='#failure-1']");
    assert.match(await page.evaluate(() => document.querySelector(":target").textContent), /^pristo\./);
  });
});

test("everything that can be operated is reached by the keyboard, with a visible focus", async () => {
  await visit("violates", { width: 1440, scheme: "light", picture: false }, async page => {
    const wanted = await page.$$eval("a[href], summary, button, pre[tabindex]", found => found.filter(each => each.checkVisibility()).length);
    const seen = new Set();
    for (let step = 0; step < wanted + 5; step++) {
      await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => {
        const all = [...document.querySelectorAll("a[href], summary, button, pre[tabindex]")];
        return { number: all.indexOf(document.activeElement), outline: getComputedStyle(document.activeElement).outlineStyle };
      });
      if (focus.number >= 0) {
        seen.add(focus.number);
        assert.notEqual(focus.outline, "none");
      }
    }
    assert.equal(seen.size, wanted);
  });
});

test("the mock's page shows what arrived and why it was refused", async () => {
  await visit("mock", { width: 1440, scheme: "light" }, async page => {
    assert.match(await page.textContent("#requests"), /contact\.id must have the format uuid/);
    assert.match(await page.textContent("#summary"), /2 requests received/);
  });
});
