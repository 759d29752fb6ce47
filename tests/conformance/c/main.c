// W3bStream's ABI without an SDK, where every address and size can be given: what is asked in the
// right way, what is out of bounds, what WASI prints. A line of the log for each code.
#include "w3b.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ERROR = 2, WARN = 3, INFO = 4 };

__attribute__((export_name("alloc"))) void *alloc(uint32_t size) { return malloc(size); }

static void say(const char *what, int64_t value) {
  char line[80];
  ws_log(INFO, line, (uint32_t)snprintf(line, sizeof line, "%s %lld", what, (long long)value));
}

HANDLER(levels)(int32_t rid) {
  for (int32_t level = -1; level <= 8; level++)
    ws_log(level, "level", 5);
  say("unreadable", ws_log(ERROR, (void *)0xfffffff0u, 32));
  say("size of 4 GiB", ws_log(ERROR, "x", 0xffffffffu));
  return 0;
}

HANDLER(data)(int32_t rid) {
  void *at = NULL;
  uint32_t size = 77;
  say("payload", ws_get_data(rid, &at, &size));
  say("its size", size);
  ws_log(INFO, at, size); // with its NUL bytes
  say("of no resource", ws_get_data(rid ^ 1, &at, &size));
  say("stored", ws_set_data(rid ^ 1, "stored", 6));
  say("read again", ws_get_data(rid ^ 1, &at, &size));
  ws_log(WARN, at, size);
  say("in place of the payload", ws_set_data(rid, "", 0));
  say("read again", ws_get_data(rid, &at, &size));
  say("its size", size);
  say("from outside", ws_set_data(5, (void *)0xffff0000u, 0x10000));
  return 0;
}

HANDLER(keyed)(int32_t rid) {
  void *at = NULL;
  uint32_t size = 0;
  say("missing", ws_get_db("key", 3, &at, &size));
  say("set", ws_set_db("key", 3, "va\0lue", 6));
  say("found", ws_get_db("key", 3, &at, &size));
  say("its size", size);
  say("an empty key", ws_set_db("", 0, "of nothing", 10));
  say("an empty value", ws_set_db("empty", 5, "", 0));
  say("is there", ws_get_db("empty", 5, &at, &size));
  say("its size", size);
  say("key from outside", ws_set_db((void *)0xfffffffeu, 4, "v", 1));
  say("value from outside", ws_set_db("k", 1, (void *)0x7fffffffu, 2));
  say("get, from outside", ws_get_db((void *)0xfffffffeu, 4, &at, &size));
  return 0;
}

HANDLER(outside)(int32_t rid) {
  void *at = NULL;
  uint32_t size = 0;
  say("address to nowhere", ws_get_data(rid, (void **)0xfffffffcu, &size));
  say("size to nowhere", ws_get_data(rid, &at, (uint32_t *)0x7ffffffdu));
  say("across the end", ws_get_data(rid, (void **)(__builtin_wasm_memory_size(0) * 65536 - 2), &size));
  say("key of env", ws_get_env((void *)0xfffffff0u, 17, &at, &size));
  say("no such env", ws_get_env("NIX", 3, &at, &size));
  say("env", ws_get_env("KEY", 3, &at, &size));
  ws_log(INFO, at, size);
  return 0;
}

HANDLER(publish)(int32_t rid) {
  say("published", ws_send_mqtt_msg("a/topic", 7, "bin\xff\x00", 5));
  say("without a text", ws_send_mqtt_msg("a/topic", 7, "", 0));
  say("topic from outside", ws_send_mqtt_msg((void *)0xfffffff0u, 32, "x", 1));
  say("metrics", ws_submit_metrics("{\"a\":[1,2]}", 11));
  say("a number", ws_submit_metrics("12", 2));
  say("an array", ws_submit_metrics(" [1]", 4));
  say("no JSON", ws_submit_metrics("{a:1}", 5));
  say("nothing", ws_submit_metrics("", 0));
  return 0;
}

static const char tx[] = "{\"to\":\"0x00000000000000000000000000000000000000aa\",\"value\":\"1\","
                         "\"data\":\"0xabcd\",\"operatorName\":\"me\"}";

HANDLER(asking)(int32_t rid) {
  void *at = NULL, *topic = NULL;
  uint32_t size = 0, topic_size = 0;
  say("message", ws_get_mqtt_msg(rid, &topic, &topic_size, &at, &size));
  ws_log(INFO, topic, topic_size);
  ws_log(INFO, at, size);
  say("of no resource", ws_get_mqtt_msg(rid ^ 1, &topic, &topic_size, &at, &size));
  say("transaction", ws_send_tx_with_operator(4690, tx, sizeof tx - 1, &at, &size));
  say("its id", size);
  say("no JSON", ws_send_tx_with_operator(4690, "{", 1, &at, &size));
  say("a query without tables", ws_get_sql_db("{}", 2, &at, &size));
  say("a statement without tables", ws_set_sql_db("{}", 2));
  say("a request that is none", ws_api_call("{", 1, &at, &size));
  return 0;
}

HANDLER(keeping)(int32_t rid) {
  void *at = NULL;
  uint32_t size = 0;
  say("missing", w3b_file_get("a/file", 6, &at, &size));
  say("put", w3b_file_put("a/file", 6, "intermediate\0result", 19));
  say("got", w3b_file_get("a/file", 6, &at, &size));
  say("its size", size);
  say("empty", w3b_file_put("empty", 5, "", 0));
  say("from outside", w3b_file_put("x", 1, (void *)0xfffffff0u, 32));
  return 0;
}

HANDLER(printing)(int32_t rid) {
  printf("to stdout: %d\n", 42);
  fflush(stdout);
  fprintf(stderr, "to stderr\n");
  return 0;
}

HANDLER(wasi)(int32_t rid) {
  struct timespec now;
  say("clock", clock_gettime(CLOCK_REALTIME, &now));
  say("seconds", now.tv_sec); // the message's own
  unsigned char random[2][16];
  say("random", getentropy(random[0], 16) | getentropy(random[1], 16));
  say("drawn twice, the same", memcmp(random[0], random[1], 16) == 0);
  say("environment", getenv("KEY") != NULL);
  say("a file", fopen("/etc/passwd", "r") != NULL);
  return 0;
}

HANDLER(exiting)(int32_t rid) {
  ws_set_db("key", 3, "never", 5);
  exit(3);
}

HANDLER(reduce)(int32_t accumulated, int32_t rid) {
  say("accumulated", accumulated);
  void *at = NULL;
  uint32_t size = 0;
  say("payload", ws_get_data(rid, &at, &size));
  return (int32_t)size;
}
