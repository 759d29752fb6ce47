// A program without `alloc`: legal, but the node has no room to hand bytes over, and says so.
#include "../c/w3b.h"

HANDLER(start)(int32_t rid) {
  void *at = 0;
  uint32_t size = 0;
  int32_t code = ws_get_data(rid, &at, &size);
  ws_set_db("code", 4, &code, 4); // what needs no room works
  ws_log(4, "still here", 10);
  return ws_get_db("nothing", 7, &at, &size);
}
