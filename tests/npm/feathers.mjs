// Feathers with a service in memory: `?$limit=50&$skip=100`, with `total`, `limit`, `skip` and `data`.
//
//   node feathers.mjs DATA.json         { "name": [rows] } at /name
//
// Prints its port and serves on loopback until its stdin closes.

import { readFileSync } from "node:fs";
import express, { errorHandler, rest } from "@feathersjs/express";
import { feathers } from "@feathersjs/feathers";
import { memory } from "@feathersjs/memory";

const app = express.default(feathers());
app.configure(rest());
for (const [name, rows] of Object.entries(JSON.parse(readFileSync(process.argv[2], "utf8")))) {
  const store = Object.fromEntries(rows.map((row) => [row.id, row]));
  // `max` is what a page has at most, whatever is asked for.
  app.use(`/${name}`, memory({ store, startId: rows.length + 1, paginate: { default: 10, max: 100 } }));
}
app.use(errorHandler({ logger: false }));
const server = await app.listen(0, "127.0.0.1");
server.on("listening", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
