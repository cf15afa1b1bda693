// The AI SDK, with its provider for servers that speak OpenAI's API, and with that for OpenAI.
import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";

const { dependencies } = JSON.parse(
  readFileSync(new URL("package.json", import.meta.url), "utf-8"),
);

async function ask({ url, stream, body }) {
  const provider = createOpenAICompatible({ name: "server", baseURL: url, includeUsage: true });
  return asked(provider.chatModel(body.model), stream, body);
}

async function askOpenAI({ url, stream, body }) {
  return asked(createOpenAI({ baseURL: url, apiKey: "none" }).chat(body.model), stream, body);
}

async function asked(model, stream, body) {
  const tools = Object.fromEntries(body.tools.map(offered));
  const request = { model, prompt: "Hi", tools, maxRetries: 0 };
  if (!stream) return complete(await generateText(request));
  return streamed(streamText({ ...request, onError() {} }));
}

function offered({ function: { name, parameters } }) {
  return [name, tool({ inputSchema: jsonSchema(parameters) })];
}

async function streamed(result) {
  const found = { calls: [], text: "", ending: null };
  let usage = null;
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "text-delta") found.text += part.text;
    // The SDK runs no tool for a call that it finds invalid.
    if (part.type === "tool-call" && !part.invalid) found.calls.push(call(part));
    if (part.type === "finish") {
      found.ending = part.finishReason;
      usage = tokens(part.totalUsage);
    }
  }
  return { choices: [found], usage };
}

function complete({ toolCalls, text, finishReason, usage }) {
  const calls = toolCalls.filter((one) => !one.invalid).map(call);
  return { choices: [{ calls, text, ending: finishReason }], usage: tokens(usage) };
}

const call = ({ toolName, input, toolCallId }) => [toolName, input, toolCallId];
const tokens = (usage) => [usage?.inputTokens ?? null, usage?.outputTokens ?? null];

export const WAYS = {
  [`ai-sdk ${dependencies.ai}`]: ask,
  [`ai-sdk-openai ${dependencies.ai}`]: askOpenAI,
};
