// The TypeScript client as the conformance suite drives it: orders come as JSON lines on standard input, what the client says goes as JSON lines to
// standard output, each with the number of the client that `open` gave it.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Client, EventStreamReader, eventStream, TokenUnavailable } = await import(pathToFileURL(`${process.argv[2]}/index.js`).href);
const clients = new Map();

function say(number, message) {
  process.stdout.write(`${JSON.stringify({ client: number, ...message })}\n`);
}

/** Gives the tokens in order, the last for ever; `null` stands for there being none now. */
function source(tokens) {
  if (typeof tokens === "string") return tokens;
  let asked = 0;
  return async () => {
    const token = tokens[Math.min(asked++, tokens.length - 1)];
    if (token === null) throw new TokenUnavailable("ask again");
    return token;
  };
}

/** What a reader makes of bytes that come in these pieces. */
function read(pieces) {
  const reader = new EventStreamReader();
  const events = pieces.flatMap((piece) => reader.receiveData(piece));
  return { events, last_id: reader.lastId, retry: reader.retryMilliseconds ?? null };
}

/** The different things that a reader makes of bytes, split at each place, and of single bytes. */
function readings(numbers) {
  const bytes = Uint8Array.from(numbers);
  const splits = numbers.map((_, at) => [bytes.slice(0, at), bytes.slice(at)]);
  const all = [...splits, numbers.map((_, at) => bytes.slice(at, at + 1))];
  return [...new Set(all.map((pieces) => JSON.stringify(read(pieces))))].map((text) => JSON.parse(text));
}

/** The names of a stream's events up to one, and the cursor then. */
async function follow({ url, token, last_id, until }) {
  const reader = new EventStreamReader({ lastId: last_id });
  const names = [];
  for await (const event of eventStream(url, { token, reader })) {
    names.push(event.name);
    if (event.name === until) return { names, last_id: reader.lastId };
  }
  return { names, last_id: null };
}

class Driven {
  constructor(number, { url, tokens, rooms, timings, queue_size, held_characters }) {
    this.number = number;
    this.reading = true;
    this.client = new Client(url, { token: source(tokens), rooms, timings, queueSize: queue_size, heldCharacters: held_characters });
    void this.read();
  }

  async read() {
    try {
      for await (const { raw, ...event } of this.client) {
        say(this.number, { event });
        while (!this.reading) await new Promise((resolve) => (this.resume = resolve));
      }
      say(this.number, { ended: null });
    } catch (error) {
      say(this.number, { ended: error.name, code: error.code });
    }
  }

  async ask(kind, fields) {
    try {
      say(this.number, { answer: await this.client.ask(kind, fields) });
    } catch (error) {
      say(this.number, { refused: error.name, code: error.code });
    }
  }

  order({ do: what, ...rest }) {
    switch (what) {
      case "subscribe":
        return this.client.subscribe(...rest.rooms);
      case "unsubscribe":
        return this.client.unsubscribe(...rest.rooms);
      case "ask":
        return void this.ask(rest.type, rest.fields);
      case "activity":
        return this.client.activity(rest.status);
      case "stop_reading":
        this.reading = false;
        return undefined;
      case "start_reading":
        this.reading = true;
        return this.resume?.();
      case "read":
        return say(this.number, { answer: readings(rest.bytes) });
      case "follow":
        return void follow(rest).then((answer) => say(this.number, { answer }));
      case "close":
        clients.delete(this.number);
        return this.client.close();
      default:
        throw new Error(`no order ${what}`);
    }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { client: number, ...order } = JSON.parse(line);
  if (order.do === "open") clients.set(number, new Driven(number, order));
  else clients.get(number)?.order(order);
  say(number, { done: order.do });
}
process.exit(0);
