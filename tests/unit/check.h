/* What unit tests share: cmocka's includes in their order, a scratch folder, and expectations on errors. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"

/* Assert that a call went well, and say why not. */
#define check_ok(call) \
    do { if (!(call)) fail_msg("%s: %s", #call, err.message); } while (0)
/* Assert that it failed with this code and that the message holds `part`. */
#define check_fails(call, code_, part) \
    do { \
        if (call) fail_msg("%s succeeded", #call); \
        if (err.code != (code_)) fail_msg("%s: code %s: %s", #call, su_code_name(err.code), err.message); \
        if (!strstr(err.message, (part))) fail_msg("%s: message \"%s\" lacks \"%s\"", #call, err.message, (part)); \
    } while (0)

static inline int scratch_make(void **state)
{
    char template[] = "/tmp/suricate-unit-XXXXXX";
    *state = su_strdup(mkdtemp(template));
    return 0;
}

static inline int scratch_remove(void **state)
{
    struct su_err err;
    bool is_done = su_dir_remove(*state, &err);
    free(*state);
    return is_done ? 0 : -1;
}
