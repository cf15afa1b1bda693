// Let a client read recordings: `node drive.mjs FOLDER`, with a job a line on stdin.
// What drive.py says of jobs and answers holds here too.
import process from "node:process";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const MILLISECONDS = 20_000;

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
console.log = console.info = console.warn = console.error;

// A promise of a client's own that nobody awaits is rejected too; the answer says so already.
process.on("unhandledRejection", () => {});

const path = join(import.meta.dirname, process.argv[2], "client.mjs");
const { WAYS } = await import(pathToFileURL(path).href);
say(Object.keys(WAYS));

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const answers = {};
  for (const [name, ask] of Object.entries(WAYS)) answers[name] = await answer(ask, job);
  say({ id: job.id, answers });
}
process.exit(0);

async function answer(ask, job) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ hangs: true }), MILLISECONDS);
  });
  const found = await Promise.race([Promise.resolve(job).then(ask).catch(raised), late]);
  clearTimeout(timer);
  return found;
}

function raised(problem) {
  const name = problem?.name === "Error" ? problem.constructor?.name : problem?.name;
  return { raises: name ?? "Error", message: String(problem?.message ?? problem) };
}
