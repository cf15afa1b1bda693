// The official SDK for JavaScript: its stream helper, and its complete answers.
import OpenAI from "openai";
import { VERSION } from "openai/version";

async function ask({ url, stream, body }) {
  const client = new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const { stream: _, ...request } = body;
  if (!stream) return view(await client.chat.completions.create(request));
  return view(await client.chat.completions.stream(request).finalChatCompletion());
}

function view({ choices, usage }) {
  return {
    choices: choices.map(({ message, finish_reason }) => ({
      calls: (message.tool_calls ?? []).map((call) => [
        call.function.name,
        call.function.arguments,
        call.id,
      ]),
      text: message.content,
      ending: finish_reason,
    })),
    usage: usage ? [usage.prompt_tokens, usage.completion_tokens] : null,
  };
}

export const WAYS = { [`openai-node ${VERSION}`]: ask };
