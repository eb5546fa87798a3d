/* What a server is made of, and what it was told.  Layer cli; main thread. */
#pragma once
#include "api/limits.h"
#include "api/services.h"
#include "base/err.h"

enum { SERVE_LIST_MAX = 64 };

struct options {
    const char *data, *listen, *config, *environment, *share, *keeper, *public_host, *log, *runtime;
    uint64_t warm, kernel_uid;
    bool unsafe_no_sandbox, insecure_listen, print_limits;
    const char *allow_fetch[SERVE_LIST_MAX + 1];
    size_t allow_fetch_count;
    const char *commands[SERVE_LIST_MAX + 1];
    size_t command_count;
    struct limits limits;
};

struct serving {
    struct options options;
    struct services services;
    char *data, *share, *environment;
};

/* In order; what was opened before a fault is closed again. */
bool serve_open_parts(struct serving *serving, struct su_err *err);
/* The same list backwards. */
void serve_close_parts(struct serving *serving);
