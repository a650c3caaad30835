// The orders of orders.py, read and obeyed by the Node.js baselines.
"use strict";

const net = require("node:net");

// Take orders on `port`. `count` says how many clients there are, `send` gives one message to all of them; it may return a promise.
exports.obeyed = (port, name, count, send) => {
  net
    .createServer((connection) => {
      let wanted = 0; // messages that are still to come
      let rest = "";
      let messages = [];
      const obey = async (line) => {
        const [word, ...words] = line.split(" ");
        if (wanted > 0) {
          messages.push(line);
          wanted -= 1;
        } else if (word === "gather") {
          while (count() !== Number(words[0])) await new Promise((resolve) => setTimeout(resolve, 5));
          connection.write(`ok ${name}\n`);
          return;
        } else {
          wanted = Number(words[2]);
        }
        if (wanted === 0) {
          for (const message of messages) await send(message);
          messages = [];
          connection.write("ok\n");
        }
      };
      let done = Promise.resolve();
      connection.on("data", (data) => {
        const lines = (rest + data).split("\n");
        rest = lines.pop();
        for (const line of lines) done = done.then(() => obey(line));
      });
      connection.on("error", () => {});
    })
    .listen(port, "127.0.0.1");
};
