/* The crowd's own part: connections, and the benchmark's commands on standard input, answered on standard output.

     rooms COUNT, then a name a line   whose subscriptions must hold; without any, offsets begin at 1
     connect KIND PORT SILENT BYTES    then BYTES bytes: for each client its request, and what it sends when the connection is open, each
                                       behind its length (32 bits, little-endian); `ok` when all subscriptions hold. The first SILENT
                                       clients never read after that
     wait COUNT NAP                    `ok DELIVERIES` when there were so many since the beginning. Clients look every NAP microseconds,
                                       as through a network card that gathers its interrupts; with 0 they are woken by every message
     dump                              `ok COUNT`, then each message: `ROOM LENGTH`, a line, its bytes
     latency                           `ok`, then count, median, 99th percentile and maximum in microseconds since publication, and
                                       the same since measurement, both since the last such command

   Whatever a client must not receive ends the program: `error TEXT`. */
#define _GNU_SOURCE
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTING 50 /* handshakes at a time: a listener's backlog is no queue */
#define SILENCE_SECONDS 15
#define RECEIVE_BYTES (1 << 18)
#define EVENTS_AT_ONCE 256
/* Of silent clients, so that the kernel keeps little for them at either end: on loopback it would be megabytes. */
#define SILENT_RECEIVE_BYTES 4096
#define SILENT_SEGMENT_BYTES 536

static const char *const KINDS[] = {"websocket", "deflated", "socket_io", "raw_websocket", "events", "raw_events"};

static int epoll;
static struct bytes commands, requests;
static size_t requested; /* bytes of `requests` that are connected */
static int client_count, standing_count, port, silent_count;
static enum kind kind;
static bool connecting, waiting;
static uint64_t awaited;
static unsigned nap;
static time_t heard;

_Noreturn void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("error ");
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
  fflush(stdout);
  exit(1);
}

static time_t seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

void send_all(int fd, const char *data, size_t length) {
  while (length) {
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
    if (sent < 0)
      fail("a client can't send: %s", strerror(errno));
    data += sent, length -= sent;
  }
}

void answer_frame(struct client *client, unsigned char opcode, const char *payload, size_t length) {
  char frame[6 + 125] = {0x80 | opcode, 0x80 | length}; /* masked with zeros */
  if (length > 125)
    fail("a control frame of %zu bytes", length);
  memcpy(frame + 6, payload, length);
  send_all(client->fd, frame, 6 + length);
}

static int connected_socket(bool silent) {
  struct sockaddr_in address = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  int size = SILENT_RECEIVE_BYTES, segment = SILENT_SEGMENT_BYTES;
  if (silent) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  }
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
    fail("a client can't connect: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void arrived(struct client *client) {
  standing_count++;
  if (client->silent)
    epoll_ctl(epoll, EPOLL_CTL_DEL, client->fd, NULL);
}

/* The next of the requests, or of the greetings. */
static void next_part(struct bytes *to) {
  uint32_t length;
  memcpy(&length, requests.start + requested, sizeof length);
  append(to, requests.start + requested + sizeof length, length);
  requested += sizeof length + length;
}

static void connect_next(void) {
  struct client *client = calloc(1, sizeof *client);
  struct bytes request = {0};
  next_part(&request);
  next_part(&client->greeting);
  client->kind = kind;
  client->at = calloc(room_count ? room_count : 1, sizeof *client->at);
  client->silent = silent_count-- > 0;
  client->fd = connected_socket(client->silent);
  client->in_head = kind != RAW_WEBSOCKET && kind != RAW_EVENTS;
  client->stands = !client->in_head;
  client_count++;
  send_all(client->fd, request.start, request.length);
  free(request.start);
  struct epoll_event event = {EPOLLIN, {client}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event))
    fail("epoll: %s", strerror(errno));
  if (client->stands)
    arrived(client);
}

static void read_client(struct client *client) {
  static char data[RECEIVE_BYTES];
  ssize_t length = recv(client->fd, data, sizeof data, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length <= 0)
    fail("the server closed a client's connection%s%s", length ? ": " : "", length ? strerror(errno) : "");
  bool stood = client->stands;
  receive(client, data, length);
  if (client->stands && !stood)
    arrived(client);
  heard = seconds();
}

static char *line_end(void) { return memchr(commands.start, '\n', commands.length); }

/* The rooms of a `rooms` command, once all their lines are there. */
static bool take_rooms(int count, size_t used) {
  size_t end = used;
  for (int room = 0; room < count; room++) {
    char *stop = memchr(commands.start + end, '\n', commands.length - end);
    if (!stop)
      return false;
    end = stop + 1 - commands.start;
  }
  for (size_t at = used; at < end; at += strlen(commands.start + at) + 1) {
    *(char *)memchr(commands.start + at, '\n', end - at) = 0;
    name_room(commands.start + at);
  }
  drop(&commands, end);
  printf("ok\n");
  return true;
}

static bool take_requests(const char *name, size_t bytes, size_t used) {
  if (commands.length < used + bytes)
    return false;
  for (kind = 0; strcmp(KINDS[kind], name);)
    if (++kind == sizeof KINDS / sizeof *KINDS)
      fail("no kind %s", name);
  requests.length = requested = 0;
  append(&requests, commands.start + used, bytes);
  drop(&commands, used + bytes);
  connecting = true;
  return true;
}

/* Obey the first command; false where it is not whole yet. */
static bool obey(void) {
  char line[128] = "", name[32];
  size_t bytes, used = line_end() + 1 - commands.start;
  int count;
  memcpy(line, commands.start, used <= sizeof line ? used - 1 : 0);
  if (sscanf(line, "rooms %d", &count) == 1)
    return take_rooms(count, used);
  if (sscanf(line, "connect %31s %d %d %zu", name, &port, &silent_count, &bytes) == 4)
    return take_requests(name, bytes, used);
  if (sscanf(line, "wait %" SCNu64 " %u", &awaited, &nap) == 2)
    waiting = true, heard = seconds();
  else if (!strcmp(line, "dump"))
    dump();
  else if (!strcmp(line, "latency"))
    print_latency();
  else
    fail("no command '%s'", line);
  drop(&commands, used);
  return true;
}

static void proceed(void) {
  while (connecting && requested < requests.length && client_count - standing_count < CONNECTING)
    connect_next();
  if (connecting && requested == requests.length && standing_count == client_count) {
    connecting = false;
    printf("ok\n");
  }
  if (waiting && delivered >= awaited) {
    waiting = false;
    printf("ok %" PRIu64 "\n", delivered);
  }
}

static void read_commands(void) {
  char data[65536];
  ssize_t length = read(0, data, sizeof data);
  if (length <= 0)
    exit(0);
  append(&commands, data, length);
  heard = seconds();
}

int main(void) {
  static char out[1 << 16];
  setvbuf(stdout, out, _IOFBF, sizeof out);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event ready[EVENTS_AT_ONCE], input = {EPOLLIN, {NULL}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
  for (;;) {
    if (waiting && nap)
      usleep(nap);
    int count = epoll_wait(epoll, ready, EVENTS_AT_ONCE, 1000);
    for (int place = 0; place < count; place++)
      ready[place].data.ptr ? read_client(ready[place].data.ptr) : read_commands();
    if ((connecting || waiting) && seconds() - heard > SILENCE_SECONDS)
      fail("no client received anything for %d s", SILENCE_SECONDS);
    do
      proceed();
    while (!connecting && !waiting && commands.length && line_end() && obey());
    fflush(stdout);
  }
}
