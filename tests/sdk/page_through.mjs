// Pages through a Memberstack API with the vendor's own client and prints what it got, as one JSON document:
//
//   { "ids": [...], "members": [{...}], "newest_first": [...], "checks": ["..."] }
//
// `ids` and `members` are in the order of the walk (oldest first, pages of 100), `newest_first` are the ids of a walk
// the other way in pages of the default size, `checks` name what else was tried and found to be as documented.
// Anything else ends with a message on stderr and exit code 1. It creates, changes and deletes a member and a record, so
// it is for a mock or a sandbox only; what it created is gone again afterwards.
//
//   npm ci --prefix tests/sdk && node tests/sdk/page_through.mjs http://127.0.0.1:PORT sk_sb_demo

import assert from "node:assert/strict";
import pkg from "@memberstack/admin";

const init = pkg.init ?? pkg.default.init;
const [baseUrl, key] = process.argv.slice(2);
if (!baseUrl || !key) {
  console.error("usage: node page_through.mjs BASE_URL KEY");
  process.exit(2);
}

const PAUSE_MS = 45; // below 25 requests a second; the client does not pace itself
const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
const client = init(key, { baseUrl });
const checks = [];

async function check(name, body) {
  await pause();
  await body();
  checks.push(name);
}

// The client throws the parsed body of an error, without its status.
async function refusal(promise) {
  await pause();
  try {
    await promise();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "the call should have been refused" });
}

async function walk(params) {
  const members = [];
  let after;
  do {
    await pause();
    const page = await client.members.list({ ...params, after });
    assert.equal(typeof page.endCursor, "number");
    assert.notEqual(page.endCursor, after, "the cursor must move");
    members.push(...page.data);
    after = page.hasNextPage ? page.endCursor : undefined;
  } while (after !== undefined);
  return members;
}

const members = await walk({ limit: 100 });
const ids = members.map((member) => member.id);
const newestFirst = (await walk({ order: "DESC" })).map((member) => member.id);

await check("every member once, and the other way round", () => {
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual([...newestFirst].reverse(), ids);
});

if (members.length > 0) {
  await check("retrieve by id and by e-mail", async () => {
    const { data } = await client.members.retrieve({ id: ids[0] });
    assert.equal(data.id, ids[0]);
    await pause();
    const byEmail = await client.members.retrieve({ email: data.auth.email });
    assert.equal(byEmail.data.id, ids[0]);
  });
}

await check("retrieve of an unknown member is null, not an error", async () => {
  assert.deepEqual(await client.members.retrieve({ id: "mem_nobody" }), { data: null });
});

await check("create, update, add and remove a free plan, delete", async () => {
  const email = "sdk+proof@example.test";
  const { data: created } = await client.members.create({ email, password: "correct horse", customFields: { a: "1" } });
  assert.equal(created.auth.email, email);
  await pause();
  const { data: updated } = await client.members.update({
    id: created.id,
    data: { customFields: { b: "2" }, json: { deep: [1] } },
  });
  assert.deepEqual(updated.customFields, { a: "1", b: "2" });
  assert.deepEqual(updated.json, { deep: [1] });
  const plan = { id: created.id, data: { planId: "pln_free-a1b2c3d4" } };
  await pause();
  assert.equal(await client.members.addFreePlan(plan), "OK");
  assert.equal((await refusal(() => client.members.addFreePlan(plan))).code, "already-have-plan");
  await pause();
  assert.equal(await client.members.removeFreePlan(plan), "OK");
  assert.equal(
    (await refusal(() => client.members.addFreePlan({ ...plan, data: { planId: "pln_none" } }))).code,
    "plan-not-found",
  );
  await pause();
  assert.deepEqual(await client.members.delete({ id: created.id }), { data: { id: created.id } });
});

await check("changing or deleting an unknown member is refused", async () => {
  const message = "There is no member with this identifier.";
  const expected = { code: "generic-message", message };
  assert.deepEqual(await refusal(() => client.members.update({ id: "mem_nobody", data: {} })), expected);
  assert.deepEqual(await refusal(() => client.members.delete({ id: "mem_nobody" })), expected);
});

await check("keys: unknown and malformed", async () => {
  for (const wrong of ["sk_sb_unknown", "pk_public"]) {
    const error = await refusal(() => init(wrong, { baseUrl }).members.list());
    assert.equal(error.code, "validation/invalid-secret-key");
  }
});

await check("an unknown route answers text", async () => {
  const elsewhere = init(key, { baseUrl: `${baseUrl.replace(/\/$/, "")}/v9` });
  const error = await refusal(() => elsewhere.members.list({ limit: 1 }));
  assert.equal(error, "Cannot GET /v9/members");
});

await check("data tables: list, get, records by cursor, misses", async () => {
  const { data } = await client.dataTables.list();
  assert.deepEqual(data.tables.map((table) => table.key), ["orders", "customers"]);
  await pause();
  assert.equal((await client.dataTables.get({ table: "orders" })).data.id, data.tables[0].id);
  const records = [];
  let after;
  do {
    await pause();
    const findMany = { take: 50, orderBy: { internalOrder: "asc" }, ...(after === undefined ? {} : { after }) };
    const page = (await client.dataTables.queryRecords({ table: "orders", query: { findMany } })).data;
    records.push(...page.records);
    after = page.pagination.hasMore ? page.pagination.endCursor : undefined;
  } while (after !== undefined);
  await pause();
  const count = await client.dataTables.queryRecords({ table: "orders", query: { findMany: { _count: true } } });
  assert.equal(new Set(records.map((record) => record.id)).size, count.data._count);
  await pause();
  const one = await client.dataTables.getRecord({ table: "orders", recordId: records[0].id });
  assert.deepEqual(one.data.record, records[0]);
  const lost = await refusal(() => client.dataTables.getRecord({ table: "orders", recordId: "none" }));
  assert.equal(lost.message, "Record not found");
  assert.equal((await refusal(() => client.dataTables.get({ table: "none" }))).message, "Data table not found");
  const tooMany = { table: "orders", query: { findMany: { take: 101 } } };
  assert.equal(
    (await refusal(() => client.dataTables.queryRecords(tooMany))).message,
    "take must be between 1 and 100",
  );
});

await check("data tables: create, update and delete a record", async () => {
  const { data: created } = await client.dataTables.createRecord({ table: "orders", data: { total: 9.5, paid: false } });
  assert.equal(created.data.total, "9.5");
  const place = { table: "orders", recordId: created.id };
  await pause();
  const { data: updated } = await client.dataTables.updateRecord({ ...place, data: { paid: true } });
  assert.deepEqual(updated.data, { total: "9.5", paid: true });
  await pause();
  const { data: read } = await client.dataTables.getRecord(place);
  assert.deepEqual(read.record.data, { total: 9.5, paid: true });
  await pause();
  assert.deepEqual((await client.dataTables.deleteRecord(place)).data, updated);
  assert.equal((await refusal(() => client.dataTables.deleteRecord(place))).message, "Data record not found");
  const empty = await refusal(() => client.dataTables.createRecord({ table: "orders", data: {} }));
  assert.equal(empty.message, "data cannot be empty");
});

// The client never asks the API about tokens, so this route is called without it.
await check("verify-token", async () => {
  const response = await fetch(`${baseUrl.replace(/\/$/, "")}/members/verify-token`, {
    method: "POST",
    headers: { "X-API-KEY": key, "Content-Type": "application/json" },
    body: JSON.stringify({ token: "nonsense" }),
  });
  assert.equal(response.status, 400);
  assert.deepEqual(await response.json(), { code: "INVALID_TOKEN", message: "Invalid token" });
});

console.log(JSON.stringify({ ids, members, newest_first: newestFirst, checks }));
