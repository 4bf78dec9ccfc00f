/* SPDX-License-Identifier: Apache-2.0
 *
 * A store in a directory: what was answered survives the process. Opens ./store twice.
 */
#include <stdio.h>
#include <string.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static const char flow[] =
    "[flow]\n"
    "name = 'copy'\n"
    "stages = []\n"
    "[[rule]]\n"
    "name = 'total'\n"
    "kind = 'total'\n"
    "within = '1h'\n";

/* [open] */
static warden_store* open_store(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store = NULL;
  if (warden_open("store", NULL, &store, &err) < 0) fprintf(stderr, "%s\n", err.message);
  return store;
}
/* [end] */

static int track(warden_store* store, const char* key) {
  /* [buffered] */
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  warden_result result = WARDEN_RESULT_INIT;
  options.durability = WARDEN_DURABILITY_BUFFERED; /* answered at once; waited for below */
  if (warden_track(store, TEXT("copy"), key, strlen(key), NULL, 0, &options, &result) < 0) return 1;
  /* [end] */
  return result.durability != WARDEN_DURABILITY_BUFFERED || result.lsn == 0;
}

static int first_run(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store = open_store();
  if (store == NULL) return 1;
  if (warden_flow_define(store, TEXT(flow), NULL, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  /* [sync] */
  if (track(store, "one") || track(store, "two")) return 1;
  if (warden_sync(store, -1) != WARDEN_OK) return 1; /* both are on stable storage */
  /* [end] */
  /* [durable] */
  /* Without options: the answer comes once its record is on stable storage. */
  if (warden_complete(store, TEXT("copy"), TEXT("one"), NULL, NULL) != WARDEN_ON_TIME) return 1;
  /* [end] */
  warden_free(store);
  return 0;
}

static int second_run(void) {
  warden_stats stats = WARDEN_STATS_INIT;
  warden_store* store = open_store();
  int32_t code;
  if (store == NULL) return 1;
  if (warden_stats_get(store, &stats) < 0) return 1;
  printf("under way: %u\n", (unsigned)stats.live);
  code = warden_complete(store, TEXT("copy"), TEXT("one"), NULL, NULL);
  printf("one: %s\n", warden_code_name(code));
  code = warden_complete(store, TEXT("copy"), TEXT("two"), NULL, NULL);
  printf("two: %s\n", warden_code_name(code));
  warden_free(store);
  return 0;
}

int main(void) {
  return first_run() || second_run();
}
