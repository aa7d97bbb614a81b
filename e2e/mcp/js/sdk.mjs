// The official TypeScript SDKs against the broker: version 1 (2025-11-25), and version 2 in both eras, before the real
// server-everything and a fixture of each era.
//
// Run by mcp_sdk_test.go, which gives the URL and the token by environment variables. Each check is a function; the script says
// which one failed and exits with 1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The SDKs are installed in .tools/mcp/js, away from this file.
const require = createRequire(process.env.YJ_SDK + "/");
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Client: Client1 } = await load("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport: HTTP1 } = await load("@modelcontextprotocol/sdk/client/streamableHttp.js");
const types = await load("@modelcontextprotocol/sdk/types.js");
const { Client: Client2, StreamableHTTPClientTransport: HTTP2 } = await load("@modelcontextprotocol/client");

const url = new URL(process.env.YJ_URL + "/mcp");
const requestInit = { headers: { authorization: "Bearer " + process.env.YJ_TOKEN } };
const capabilities = { elicitation: { form: {} }, sampling: {}, roots: {} };
const answers = {
  elicit: { action: "accept", content: { name: "Ann", username: "ann", email: "a@example.com", color: "blue" } },
  sample: { role: "assistant", model: "m", content: { type: "text", text: "Paris, of course" }, stopReason: "endTurn" },
  roots: { roots: [{ uri: "file:///work", name: "work" }] },
};

// Each way to connect: a client, the names of its handlers, and whether it listens by a request.
const ways = {
  "v1 2025-11-25": () => {
    const client = new Client1({ name: "e2e", version: "1" }, { capabilities });
    return {
      client, transport: new HTTP1(url, { requestInit }), listens: false,
      handle: { elicit: types.ElicitRequestSchema, sample: types.CreateMessageRequestSchema, roots: types.ListRootsRequestSchema },
      notes: { tools: types.ToolListChangedNotificationSchema, updated: types.ResourceUpdatedNotificationSchema, message: types.LoggingMessageNotificationSchema },
    };
  },
  "v2 2025-11-25": () => v2("legacy"),
  "v2 2026-07-28": () => v2({ pin: "2026-07-28" }),
};

function v2(mode) {
  const client = new Client2({ name: "e2e", version: "1" }, { capabilities, versionNegotiation: { mode } });
  return {
    client, transport: new HTTP2(url, { requestInit }), listens: mode !== "legacy",
    handle: { elicit: "elicitation/create", sample: "sampling/createMessage", roots: "roots/list" },
    notes: { tools: "notifications/tools/list_changed", updated: "notifications/resources/updated", message: "notifications/message" },
  };
}

const text = (result) => result.content.map((c) => c.text).join("\n");
const call = (w, name, args = {}, options) =>
  w.client.callTool({ name, arguments: args }, ...(w.client instanceof Client1 ? [undefined, options] : [options]));
const within = (promise, what) =>
  Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error("it never came: " + what)), 20_000).unref())]);

const checks = {
  async lists(w) {
    const names = [];
    for (let cursor; ; ) {
      const page = await w.client.listTools(cursor ? { cursor } : {});
      names.push(...page.tools.map((t) => t.name));
      if (!(cursor = page.nextCursor)) break;
    }
    for (const name of ["everything__echo", "everything__trigger-elicitation-request", "both__test_simple_text", "sessions__test_simple_text"]) {
      assert.ok(names.includes(name), `${name} is not among ${names}`);
    }
    const prompts = (await w.client.listPrompts()).prompts.map((p) => p.name);
    assert.ok(prompts.includes("everything__args-prompt") && prompts.includes("both__test_simple_prompt"), prompts.join(" "));
    const uris = (await w.client.listResources()).resources.map((r) => r.uri);
    assert.ok(uris.includes("both+test://static-text"), uris.join(" "));
    assert.ok((await w.client.listResourceTemplates()).resourceTemplates.length > 0);
  },
  async calls(w) {
    assert.equal(text(await call(w, "everything__echo", { message: "hello" })), "Echo: hello");
    assert.match(text(await call(w, "everything__get-sum", { a: 2, b: 40 })), /42/);
    const weather = await call(w, "everything__get-structured-content", { location: "Chicago" });
    assert.equal(typeof weather.structuredContent.temperature, "number");
    const failed = await call(w, "both__test_error_handling");
    assert.equal(failed.isError, true);
    await assert.rejects(call(w, "everything__no-such-tool"), /Unknown tool/);
  },
  async reads(w) {
    const r = await w.client.readResource({ uri: "both+test://template/7/data" });
    assert.equal(r.contents[0].uri, "both+test://template/7/data");
    assert.match(r.contents[0].text, /"id":"7"/);
    await assert.rejects(w.client.readResource({ uri: "both+test://none" }), /not found/i);
    const p = await w.client.getPrompt({ name: "everything__args-prompt", arguments: { city: "Bern" } });
    assert.match(JSON.stringify(p.messages), /Bern/);
    const c = await w.client.complete({ ref: { type: "ref/prompt", name: "both__test_prompt_with_arguments" }, argument: { name: "arg1", value: "par" } });
    assert.deepEqual(c.completion.values, ["paris", "park", "party"]);
  },
  async progress(w) {
    const seen = [];
    const done = await call(w, "everything__trigger-long-running-operation", { duration: 0.4, steps: 4 }, { onprogress: (p) => seen.push(p.progress) });
    assert.match(text(done), /completed/);
    assert.deepEqual(seen, [1, 2, 3, 4]);
  },
  async cancels(w) {
    for (const server of ["both", "sessions"]) {
      const stop = new AbortController();
      const running = call(w, server + "__test_waits", {}, { signal: stop.signal, onprogress: () => stop.abort("enough"), timeout: 60_000 });
      await assert.rejects(running);
    }
    assert.equal(text(await call(w, "everything__echo", { message: "after" })), "Echo: after");
  },
  async elicits(w) {
    assert.match(text(await call(w, "everything__trigger-elicitation-request")), /Name: Ann/);
    for (const server of ["both", "sessions"]) {
      assert.match(text(await call(w, server + "__test_elicitation", { message: "who?" })), /accept.*ann/);
    }
    assert.equal(text(await call(w, "both__test_input_required_result_multi_round")), "Ann likes blue");
  },
  async samples(w) {
    assert.match(text(await call(w, "everything__trigger-sampling-request", { prompt: "capital of France?" })), /Paris, of course/);
    for (const server of ["both", "sessions"]) {
      assert.equal(text(await call(w, server + "__test_sampling", { prompt: "capital?" })), "LLM response: Paris, of course");
      assert.match(text(await call(w, server + "__test_input_required_result_list_roots")), /file:\/\/\/work/);
    }
  },
  async changes(w) {
    for (const server of ["both", "sessions"]) {
      const told = new Promise((yes) => w.client.setNotificationHandler(w.notes.tools, () => yes()));
      const updated = new Promise((yes) => w.client.setNotificationHandler(w.notes.updated, (n) => yes(n.params.uri)));
      const uri = server + "+test://watched-resource";
      const sub = w.listens ? await w.client.listen({ toolsListChanged: true, resourceSubscriptions: [uri] }) : await w.client.subscribeResource({ uri });
      // The server hears of us a moment after we are told that we are heard.
      const poke = setInterval(() => {
        call(w, server + "__test_trigger_tool_change").catch(() => {});
        call(w, server + "__test_update").catch(() => {});
      }, 500);
      try {
        await within(told, server + " changes its tools");
        assert.equal(await within(updated, server + " changes a resource"), uri);
      } finally {
        clearInterval(poke);
      }
      await (w.listens ? sub.close() : w.client.unsubscribeResource({ uri }));
    }
    // The real server tells the session that asked it to: it has to be the one that subscribed.
    const uri = "everything+demo://resource/dynamic/text/1";
    const updated = new Promise((yes) => w.client.setNotificationHandler(w.notes.updated, (n) => n.params.uri === uri && yes()));
    const sub = w.listens ? await w.client.listen({ resourceSubscriptions: [uri] }) : await w.client.subscribeResource({ uri });
    await call(w, "everything__toggle-subscriber-updates");
    await within(updated, "the real server changes a resource");
    await call(w, "everything__toggle-subscriber-updates");
    await (w.listens ? sub.close() : w.client.unsubscribeResource({ uri }));
  },
};

let ran = 0;
let failed = 0;
for (const [way, make] of Object.entries(ways)) {
  const w = make();
  w.client.setRequestHandler(w.handle.elicit, async () => answers.elicit);
  w.client.setRequestHandler(w.handle.sample, async () => answers.sample);
  w.client.setRequestHandler(w.handle.roots, async () => answers.roots);
  await w.client.connect(w.transport);
  for (const [name, check] of Object.entries(checks)) {
    ran++;
    try {
      await check(w);
    } catch (e) {
      failed++;
      console.error(`${way}: ${name}: ${e.stack ?? e}`);
    }
  }
  if (way.endsWith("2025-11-25")) await w.transport.terminateSession();
  await w.client.close();
}
console.log(`javascript: ${ran} checks in ${Object.keys(ways).length} ways, ${failed} failed`);
process.exit(failed ? 1 : 0);
