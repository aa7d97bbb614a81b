// The real openai SDK against the gateway: an application that changes its base URL and nothing else.
//
// Run by sdk_test.go, which gives the URL and the tokens by environment variables. Each check is a function; the script
// says which one failed and exits with 1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The SDK is installed in .tools/js, away from this file.
const require = createRequire(process.env.YJ_SDK + "/");
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")).href);

const baseURL = process.env.YJ_URL + "/v1";
const { YJ_SARA: SARA, YJ_MONA: MONA, YJ_EXPIRED: EXPIRED } = process.env;
const model = "mock/small";

const tool = (name) => ({ type: "function", function: { name, description: name, parameters: { type: "object", properties: {} } } });
const tools = ["snowflake__query", "slack__post_message", "github__get_label"].map(tool);
const client = (apiKey = SARA, more = {}) => new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000, ...more });
const say = (content) => [{ role: "user", content }];

// fails checks that the call rejects with this kind of error, with our code and a text for people.
async function fails(kind, call, code, status) {
  const error = await call().then(
    () => assert.fail(`no ${kind.name}`),
    (e) => e,
  );
  assert.ok(error instanceof kind, `${error.constructor.name} is no ${kind.name}: ${error}`);
  assert.equal(error.code, code);
  assert.equal(error.status, status);
  assert.ok(error.message && error.type);
  return error;
}

// put reads a stream as applications put it together.
async function put(stream) {
  const out = { text: "", calls: [], reason: null, usage: null };
  for await (const chunk of stream) {
    out.usage = chunk.usage ?? out.usage;
    for (const choice of chunk.choices) {
      out.text += choice.delta.content ?? "";
      for (const t of choice.delta.tool_calls ?? []) {
        const call = (out.calls[t.index] ??= { name: "", args: "" });
        call.name += t.function.name ?? "";
        call.args += t.function.arguments ?? "";
      }
      out.reason = choice.finish_reason ?? out.reason;
    }
  }
  return out;
}

const checks = {
  async create() {
    const c = await client().chat.completions.create({ model, messages: say("say Hello there.") });
    assert.equal(c.choices[0].message.content, "Hello there.");
    assert.equal(c.choices[0].finish_reason, "stop");
    assert.ok(c.usage.prompt_tokens > 0);
  },

  async toolsAreHidden() {
    const c = await client().chat.completions.create({ model, messages: say("What do you see?"), tools });
    assert.equal(c.choices[0].message.content, "The tools that I see: snowflake__query, github__get_label.");
  },

  async agentLoop() {
    const messages = say('call snowflake__query {"sql":"select 1"}');
    const first = (await client().chat.completions.create({ model, messages, tools })).choices[0];
    assert.equal(first.finish_reason, "tool_calls");
    assert.equal(first.message.tool_calls[0].function.arguments, '{"sql":"select 1"}');
    messages.push(first.message, { role: "tool", tool_call_id: first.message.tool_calls[0].id, content: "42 rows" });
    const second = (await client().chat.completions.create({ model, messages, tools })).choices[0];
    assert.equal(second.message.content, "The tool answered: 42 rows");
  },

  async refusedCall() {
    const text = 'call slack__post_message {"text":"x"}\ncall snowflake__query {"sql":"y"}';
    const { message } = (await client().chat.completions.create({ model, messages: say(text), tools })).choices[0];
    assert.deepEqual(message.tool_calls.map((c) => c.function.name), ["snowflake__query"]);
    assert.match(message.content, /slack__post_message/);
  },

  async stream() {
    const text = 'say One two.\ncall snowflake__query {"sql":"select 1"}\nfragment 3';
    const out = await put(await client().chat.completions.create({ model, messages: say(text), tools, stream: true }));
    assert.equal(out.text, "One two.");
    assert.deepEqual(out.calls, [{ name: "snowflake__query", args: '{"sql":"select 1"}' }]);
    assert.equal(out.reason, "tool_calls");
    assert.ok(out.usage.prompt_tokens > 0);
  },

  async streamRefusedCall() {
    const text = 'say One.\ncall slack__post_message {"text":"x"}\nfragment 2\ncall snowflake__query {"sql":"y"}';
    const out = await put(await client().chat.completions.create({ model, messages: say(text), tools, stream: true }));
    assert.deepEqual(out.calls, [{ name: "snowflake__query", args: '{"sql":"y"}' }]);
    assert.match(out.text, /^One\..*slack__post_message/s);
    assert.equal(out.reason, "tool_calls");
  },

  // The SDK's own accumulator and its loop that runs tools: stricter than an application.
  async runTools() {
    const ran = [];
    const mine = (name) => ({
      type: "function",
      function: { name, description: name, parse: JSON.parse, parameters: { type: "object", properties: {} }, function: (args) => (ran.push([name, args]), "42 rows") },
    });
    const text = 'call slack__post_message {"text":"x"}\ncall snowflake__query {"sql":"select 1"}\nfragment 4';
    const runner = client().chat.completions.runTools({ model, messages: say(text), stream: true, tools: [mine("snowflake__query"), mine("slack__post_message")] });
    assert.equal(await runner.finalContent(), "The tool answered: 42 rows");
    assert.deepEqual(ran, [["snowflake__query", { sql: "select 1" }]]);
  },

  async choices() {
    const text = 'call@0 slack__post_message {}\ncall@1 snowflake__query {"sql":"x"}';
    const c = await client().chat.completions.create({ model, messages: say(text), tools, n: 2 });
    assert.deepEqual(c.choices.map((x) => x.finish_reason), ["stop", "tool_calls"]);
  },

  async errors() {
    for (const stream of [false, true]) {
      const ask = (who, more) => () => who.chat.completions.create({ model, messages: say("hi"), stream, ...more });
      const e = await fails(OpenAI.AuthenticationError, ask(client(EXPIRED)), "expired_token", 401);
      assert.equal(e.headers.get("x-yellowjack-decision-id"), e.error.decision_id);
      await fails(OpenAI.AuthenticationError, ask(client("nonsense")), "bad_credential", 401);
      await fails(OpenAI.PermissionDeniedError, ask(client(), { model: "strict/large" }), "model_denied", 403);
      const tool_choice = { type: "function", function: { name: "slack__post_message" } };
      await fails(OpenAI.PermissionDeniedError, ask(client(), { tools, tool_choice }), "tool_choice_denied", 403);
      await fails(OpenAI.NotFoundError, ask(client(), { model: "nothing" }), "model_unknown", 404);
      await fails(OpenAI.InternalServerError, ask(client(), { messages: say("redirect http://127.0.0.1:1/") }), "upstream_invalid", 502);
    }
  },

  async providerErrors() {
    const e = await client().chat.completions.create({ model, messages: say("status 429 retry-after 7 slow down") }).catch((e) => e);
    assert.ok(e instanceof OpenAI.RateLimitError, `${e}`);
    assert.equal(e.headers.get("retry-after"), "7");
    assert.match(JSON.stringify(e.error), /slow down/);
  },

  async errorsInStream() {
    for (const [text, want] of [
      ["say One.\nerror 502 Overloaded", /Overloaded/],
      ["say One.\ncall snowflake__query {}\ntruncate call", /stream/],
    ]) {
      let seen = "";
      const e = await (async () => {
        for await (const chunk of await client().chat.completions.create({ model, messages: say(text), tools, stream: true })) {
          seen += chunk.choices[0]?.delta.content ?? "";
        }
      })().catch((e) => e);
      assert.ok(e instanceof OpenAI.APIError, `no error: ${e}`);
      assert.match(e.message, want);
      assert.equal(seen, "One.");
    }
  },

  // Somebody else's token, given by a function on each request, as applications do that renew theirs.
  async customTransport() {
    let used = 0;
    const c = client("unused", {
      fetch: (url, init) => {
        used++;
        const headers = new Headers(init.headers);
        headers.delete("authorization");
        headers.set("x-api-key", MONA);
        return fetch(url, { ...init, headers });
      },
    });
    const out = await c.chat.completions.create({ model, messages: say('call slack__post_message {"text":"x"}'), tools });
    assert.equal(out.choices[0].message.tool_calls[0].function.name, "slack__post_message");
    assert.equal(used, 1);
  },

  async models() {
    const names = [];
    for await (const m of client().models.list()) names.push(m.id);
    assert.ok(names.includes("fast") && names.includes("strict/small") && !names.includes("strict/large"), `${names}`);
  },

  // The application goes away in mid-stream; sdk_test.go sees that the provider notices.
  async abort() {
    const stream = await client().chat.completions.create({ model, messages: say("say marked-abort\nhang mid"), stream: true });
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) break;
    }
    stream.controller.abort();
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log("ok", name);
  } catch (e) {
    failed++;
    console.log("FAILED", name, e);
  }
}
console.log(Object.keys(checks).length, "checks on node", process.version);
process.exit(failed ? 1 : 0);
