// A batch job: every four minutes it loads big arrays bit by bit, sorts them, sums them up and drops them. How much there
// is to do differs from run to run.
'use strict';
const { setTimeout: sleep } = require('node:timers/promises');

async function run(megabytes) {
  const parts = [];
  for (let part = 0; part < megabytes / 4; part++) {
    parts.push(Array.from({ length: 500_000 }, () => Math.random()));
    await sleep(500);
  }
  for (const part of parts) { part.sort((a, b) => a - b); await sleep(500); }
  return parts.reduce((sum, part) => sum + part[0], 0);
}

(async () => {
  for (let turn = 0; ; turn++) {
    await sleep(60_000);
    await run([80, 50, 100, 65, 90][turn % 5]);
    await sleep(120_000);
  }
})();
