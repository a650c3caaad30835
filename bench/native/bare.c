/* Bare send(): one send() of a prebuilt frame or chunk a client and message, in a loop, and nothing else.

     bare PORT ORDERS_PORT

   Orders come a line each on a connection of their own, one connection a measurement: `gather N` is answered when N clients are there;
   `send KIND MODE COUNT`, with COUNT messages behind it a line each, when that is done. KIND is `websocket` or `events`, MODE `single`
   or `joined`: all the messages of an order in one send() a client. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_CLIENTS 20000
#define MOST_MESSAGES 64
#define BACKLOG 4096

static int clients[MOST_CLIENTS], client_count;
static char *packets[MOST_MESSAGES];
static size_t lengths[MOST_MESSAGES];

static void must(bool holds, const char *what) {
  if (!holds) {
    perror(what);
    exit(1);
  }
}

static int listener(int port) {
  struct sockaddr_in address = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof address) && !listen(fd, BACKLOG), "listen");
  return fd;
}

static int accepted(int from) {
  int fd = accept(from, NULL, NULL), on = 1;
  must(fd >= 0, "accept");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void gather(int from, int count) {
  must(count <= MOST_CLIENTS, "too many clients");
  while (client_count < count)
    clients[client_count++] = accepted(from);
}

/* The message as one text frame (RFC 6455, section 5.2). */
static size_t text_frame(char *to, const char *message, size_t length) {
  size_t head = length < 126 ? 2 : 4;
  to[0] = (char)0x81;
  to[1] = length < 126 ? (char)length : 126;
  if (head == 4)
    to[2] = (char)(length >> 8), to[3] = (char)length;
  memcpy(to + head, message, length);
  return head + length;
}

/* The message as one server-sent event in one HTTP chunk. */
static size_t chunk(char *to, const char *message, size_t length) {
  static const char name[] = "event: patient.vitals.update\ndata: ";
  size_t event = sizeof name - 1 + length + 2;
  return sprintf(to, "%zx\r\n%s%.*s\n\n\r\n", event, name, (int)length, message);
}

/* Read an order's messages and prepare what is sent. */
static void prepare(FILE *orders, bool events, int count) {
  char *line = NULL;
  size_t capacity = 0;
  must(count <= MOST_MESSAGES, "too many messages");
  for (int place = 0; place < count; place++) {
    ssize_t length = getline(&line, &capacity, orders) - 1;
    must(length > 0 && length < 65536, "a message");
    packets[place] = realloc(packets[place], length + 100);
    lengths[place] = (events ? chunk : text_frame)(packets[place], line, length);
  }
  free(line);
}

static void join(int count) {
  for (int place = 1; place < count; place++) {
    packets[0] = realloc(packets[0], lengths[0] + lengths[place]);
    memcpy(packets[0] + lengths[0], packets[place], lengths[place]);
    lengths[0] += lengths[place];
  }
}

static void send_all(int count) {
  for (int place = 0; place < count; place++)
    for (int client = 0; client < client_count; client++)
      must(send(clients[client], packets[place], lengths[place], MSG_NOSIGNAL) == (ssize_t)lengths[place], "send");
}

static void obey(int from, FILE *orders) {
  char line[100], kind[16], mode[16];
  int count;
  while (fgets(line, sizeof line, orders)) {
    if (sscanf(line, "gather %d", &count) == 1) {
      gather(from, count);
    } else {
      must(sscanf(line, "send %15s %15s %d", kind, mode, &count) == 3, "an order");
      prepare(orders, !strcmp(kind, "events"), count);
      bool joined = !strcmp(mode, "joined");
      if (joined)
        join(count);
      send_all(joined ? 1 : count);
    }
    must(write(fileno(orders), "ok\n", 3) == 3, "answer");
  }
}

int main(int argc, char **argv) {
  must(argc == 3, "usage: bare PORT ORDERS_PORT");
  int from = listener(atoi(argv[1])), orders_from = listener(atoi(argv[2]));
  for (;;) {
    FILE *orders = fdopen(accepted(orders_from), "r+");
    obey(from, orders);
    fclose(orders);
    while (client_count)
      close(clients[--client_count]);
  }
}
