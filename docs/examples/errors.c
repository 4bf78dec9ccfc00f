/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes wrong says so: a flow's text with line and column, a verb by its code.
 */
#include <stdio.h>
#include <warden/warden.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static const char misspelt[] =
    "[flow]\n"
    "name = 'upload'\n"
    "stages = ['uploaded', 'copied']\n"
    "[[rule]]\n"
    "name = 'total'\n"
    "kind = 'total'\n"
    "withn = '1h'\n";

int main(void) {
  warden_error err = WARDEN_ERROR_INIT;
  warden_store* store = NULL;
  int32_t code;

  /* [abi] */
  /* The library that runs may be another than the one that was compiled against. */
  if (warden_abi_check(WARDEN_ABI, 0) != WARDEN_OK) {
    fprintf(stderr, "libwarden %s is not what this was built for\n", warden_version_string());
    return 1;
  }
  /* [end] */
  if (warden_open(NULL, NULL, &store, &err) < 0) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }

  /* [flow] */
  code = warden_flow_define(store, TEXT(misspelt), NULL, &err);
  printf("%s at %u:%u: %s\n", warden_code_name(code), (unsigned)err.line, (unsigned)err.column,
         err.message);
  /* [end] */

  /* [verb] */
  code = warden_mark(store, TEXT("upload"), TEXT("file-1"), TEXT("copied"), NULL, NULL);
  printf(
      "%s: %s, %s\n", warden_code_name(code),
      (warden_code_flags(code) & WARDEN_CODE_ERROR) ? "an error" : "an answer",
      (warden_code_flags(code) & WARDEN_CODE_RETRYABLE) ? "try again" : "trying again is no use");
  /* [end] */

  warden_close(store, 0);
  code = warden_complete(store, TEXT("upload"), TEXT("file-1"), NULL, NULL);
  printf("%s\n", warden_code_name(code));
  warden_free(store);
  return 0;
}
