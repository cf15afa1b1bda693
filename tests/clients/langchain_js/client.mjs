// LangChain for JavaScript: what `stream` adds up to, and what `invoke` gives.
import { readFileSync } from "node:fs";
import { concat } from "@langchain/core/utils/stream";
import { ChatOpenAI } from "@langchain/openai";

const { dependencies } = JSON.parse(
  readFileSync(new URL("package.json", import.meta.url), "utf-8"),
);

async function ask({ url, stream, body }) {
  const model = new ChatOpenAI({
    model: body.model,
    apiKey: "none",
    maxRetries: 0,
    useResponsesApi: false,
    configuration: { baseURL: url },
  }).bindTools(body.tools);
  if (!stream) return view(await model.invoke("Hi"));
  let whole;
  for await (const chunk of await model.stream("Hi")) {
    whole = whole === undefined ? chunk : concat(whole, chunk);
  }
  return view(whole);
}

function view(message) {
  const { tool_calls, content, response_metadata, usage_metadata: usage } = message;
  const calls = (tool_calls ?? []).map(({ name, args, id }) => [name, args, id]);
  const ending = response_metadata?.finish_reason ?? null;
  return {
    choices: [{ calls, text: content, ending }],
    usage: usage ? [usage.input_tokens, usage.output_tokens] : null,
  };
}

export const WAYS = { [`langchain-js ${dependencies["@langchain/openai"]}`]: ask };
