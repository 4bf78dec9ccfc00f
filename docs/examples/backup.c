/* SPDX-License-Identifier: Apache-2.0
 *
 * A copy of a store while it is used, and the copy opened to look at it before anything
 * fires. Makes ./store and ./copy.
 */
#include <stdio.h>
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

/* [take] */
static int take(warden_store* store) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_backup_info info = WARDEN_BACKUP_INFO_INIT;
  if (warden_backup(store, "copy", &info, &err) < 0) { /* others go on writing meanwhile */
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  printf("copied: %u file(s)\n", (unsigned)info.segments); /* and they are on stable storage */
  return 0;
}
/* [end] */

/* [look] */
static warden_store* open_held(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_config* config = NULL;
  warden_store* store = NULL;
  if (warden_config_new(&config) < 0) return NULL;
  if (warden_config_set(config, "hold", "true", &err) < 0 ||
      warden_open("copy", config, &store, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
  }
  warden_config_free(config);
  return store; /* nothing fires before warden_release_hold(store) */
}
/* [end] */

static int32_t track(warden_store* store, const char* key) {
  return warden_track(store, TEXT("copy"), key, 3, NULL, 0, NULL, NULL);
}

static int write_and_copy(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store = NULL;
  warden_stats stats = WARDEN_STATS_INIT;
  if (warden_open("store", NULL, &store, &err) < 0 ||
      warden_flow_define(store, TEXT(flow), NULL, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  if (track(store, "one") != WARDEN_NEW || track(store, "two") != WARDEN_NEW) return 1;
  if (take(store)) return 1;
  if (track(store, "six") != WARDEN_NEW) return 1; /* after the copy */
  if (warden_stats_get(store, &stats) < 0) return 1;
  printf("store: %u under way\n", (unsigned)stats.live);
  warden_free(store);
  return 0;
}

static int look_and_use(void) {
  warden_stats stats = WARDEN_STATS_INIT;
  warden_store* store = open_held();
  if (store == NULL) return 1;
  if (warden_stats_get(store, &stats) < 0) return 1;
  printf("copy: %u under way\n", (unsigned)stats.live);
  if (warden_release_hold(store) < 0) return 1;
  printf("one: %s\n",
         warden_code_name(warden_complete(store, TEXT("copy"), TEXT("one"), NULL, NULL)));
  printf("six: %s\n", warden_code_name(track(store, "six")));
  warden_free(store);
  return 0;
}

int main(void) {
  return write_and_copy() || look_and_use();
}
