// Makes all six calls, then many tracks, with one Node library: `send.cjs LIBRARY URL KEY`.
// Ends with 0 when nothing failed.

const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const TRACKS = 120;
const PATIENCE_MS = 60_000;
const [library, url, writeKey] = process.argv.slice(2);
const load = createRequire(path.join(process.cwd(), "package.json"));
const problems = [];

const LIBRARIES = {
  "@segment/analytics-node": current,
  "@customerio/cdp-analytics-node": current,
  "analytics-node": () => older({ host: url }),
  "@rudderstack/rudder-sdk-node": () => older({ dataPlaneUrl: url }),
};

function current() {
  const { Analytics } = load(library);
  const client = new Analytics({ writeKey, host: url });
  client.on("error", (error) => problems.push(error));
  return {
    make: (type, call) => client[type](call),
    finish: () => client.closeAndFlush({ timeout: PATIENCE_MS }),
  };
}

// The older ones say for each call what became of it.
function older(options) {
  const Analytics = load(library);
  const client = new Analytics(writeKey, options);
  const outcomes = [];
  const make = (type, call) =>
    outcomes.push(new Promise((tell) => client[type](call, (error) => tell(error))));
  const finish = async () => {
    while (client.queue.length > 0) await client.flush().catch(() => {});
    problems.push(...(await Promise.all(outcomes)).filter(Boolean));
  };
  return { make, finish };
}

async function main() {
  const { make, finish } = LIBRARIES[library]();
  const calls = JSON.parse(readFileSync(path.join(__dirname, "calls.json")));
  for (const { type, ...call } of calls) make(type, call);
  for (let n = 0; n < TRACKS; n++) {
    make("track", { userId: "alice", event: "Counted", properties: { n } });
  }
  await finish();
  for (const problem of problems) console.error(problem);
  process.exit(problems.length);
}

main();
