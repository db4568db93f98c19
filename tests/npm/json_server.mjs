// json-server, page by page: `?_page=2&_limit=50`, with `Link` and `X-Total-Count`.
//
//   node json_server.mjs DATA.json      { "name": [rows] } at /name
//
// Prints its port and serves on loopback until its stdin closes.

import { readFileSync } from "node:fs";
import jsonServer from "json-server";

const server = jsonServer.create();
server.use(jsonServer.router(JSON.parse(readFileSync(process.argv[2], "utf8"))));
const listener = server.listen(0, "127.0.0.1", () => console.log(listener.address().port));
process.stdin.on("end", () => process.exit()).resume();
