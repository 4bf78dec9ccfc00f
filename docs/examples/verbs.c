/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs on one item, from submit to complete, and what they answer. The clock is
 * manual, so that this prints the same every time: at_ns says when each event was.
 */
#include <inttypes.h>
#include <stdio.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1
#define SECOND INT64_C(1000000000)

static const char flow[] =
    "[flow]\n"
    "name = 'import'\n"
    "stages = ['parsed', 'stored']\n"
    "[[rule]]\n"
    "name = 'total'\n"
    "kind = 'total'\n"
    "within = '60s'\n";

/* [open] */
static warden_store* open_store(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_config* config = NULL;
  warden_store* store = NULL;
  if (warden_config_new(&config) < 0 || warden_config_set(config, "clock", "manual", &err) < 0 ||
      warden_open(NULL, config, &store, &err) < 0 ||
      warden_flow_define(store, TEXT(flow), NULL, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    warden_free(store);
    store = NULL;
  }
  warden_config_free(config); /* the store has copied what it needs; NULL is allowed */
  return store;
}
/* [end] */

static warden_item_options at(int64_t seconds) {
  warden_item_options options = WARDEN_ITEM_OPTIONS_INIT;
  options.at_ns = seconds * SECOND;
  return options;
}

static void tell(const char* verb, int32_t code, const warden_result* result) {
  printf("%-8s %s", verb, warden_code_name(code));
  if (result->deadline_ns != WARDEN_NO_TIME) {
    printf(", deadline %" PRId64 " s", result->deadline_ns / SECOND);
  }
  if (code == WARDEN_LATE) printf(" by %" PRId64 " s", result->late_ns / SECOND);
  printf("\n");
}

int main(void) {
  warden_store* store = open_store();
  warden_result result = WARDEN_RESULT_INIT;
  warden_item_options options;
  int32_t code;
  if (store == NULL) return 1;

  /* [life] */
  /* Known from now on, its deadlines rest: the work waits in some queue. */
  options = at(0);
  code = warden_submit(store, TEXT("import"), TEXT("a.csv"), TEXT("s3://in/a"), &options, &result);
  tell("submit", code, &result);

  /* The same again is harmless; another payload under this key is refused. */
  code = warden_submit(store, TEXT("import"), TEXT("a.csv"), TEXT("s3://in/b"), &options, &result);
  tell("submit", code, &result);

  options = at(10); /* a worker takes it: the 60 s of `total` begin */
  code = warden_exec(store, TEXT("import"), TEXT("a.csv"), &options, &result);
  tell("exec", code, &result);

  options = at(30);
  code = warden_mark(store, TEXT("import"), TEXT("a.csv"), TEXT("parsed"), &options, &result);
  tell("mark", code, &result);

  options = at(40); /* it is larger than usual: 20 s more, given once however often it is sent */
  options.seq = 1;
  code = warden_extend(store, TEXT("import"), TEXT("a.csv"), TEXT("total"), 20 * SECOND,
                       WARDEN_NO_TIME, &options, &result);
  tell("extend", code, &result);
  code = warden_extend(store, TEXT("import"), TEXT("a.csv"), TEXT("total"), 20 * SECOND,
                       WARDEN_NO_TIME, &options, &result);
  tell("extend", code, &result);

  options = at(95); /* 5 s past the deadline at 90 */
  code = warden_complete(store, TEXT("import"), TEXT("a.csv"), &options, &result);
  tell("complete", code, &result);
  code = warden_complete(store, TEXT("import"), TEXT("a.csv"), &options, &result);
  tell("complete", code, &result);
  /* [end] */

  /* [track] */
  /* submit and exec in one: for work that begins where it is made known. */
  options = at(100);
  code = warden_track(store, TEXT("import"), TEXT("b.csv"), NULL, 0, &options, &result);
  tell("track", code, &result);
  code = warden_cancel(store, TEXT("import"), TEXT("b.csv"), &options, &result);
  tell("cancel", code, &result);
  /* [end] */

  warden_free(store);
  return 0;
}
