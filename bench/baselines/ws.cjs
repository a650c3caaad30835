// Node.js with ws: `send` to each client, without compression as its default is.
//
// Run as `node ws.cjs PORT ORDERS_PORT`, until it is ended.
"use strict";

const { WebSocketServer } = require("ws");
const { obeyed } = require("./orders.cjs");

const [port, ordersPort] = process.argv.slice(2).map(Number);
const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 2048 });

obeyed(
  ordersPort,
  `ws ${require("ws/package.json").version} on Node.js ${process.versions.node}`,
  () => server.clients.size,
  (message) => {
    for (const client of server.clients) client.send(message);
  },
);
