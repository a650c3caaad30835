// The TypeScript client as the conformance suite drives it: orders come as JSON lines on standard input, what the client says goes as JSON lines to
// standard output, each with the number of the client that `open` gave it.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { Client, TokenUnavailable } = await import(pathToFileURL(`${process.argv[2]}/index.js`).href);
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

class Driven {
  constructor(number, { url, tokens, rooms, timings, queue_size }) {
    this.number = number;
    this.reading = true;
    this.client = new Client(url, { token: source(tokens), rooms, timings, queueSize: queue_size });
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
