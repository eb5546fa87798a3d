/* The service's inside.  Layer compute, private.
 *
 * One thread, "compute", keeps the pools filled; the rest happens on its callers' threads.
 * `lock` guards the pools and the check's result; no process is started under it. */
#pragma once
#include "base/thread.h"
#include "compute/places.h"

enum { POOLS_MAX = 16, WARM_MAX = 32, NAME_SIZE = 20 };

struct warm { char name[NAME_SIZE]; int fd; };

/* A tenant's zygote and the kernels forked ahead. */
struct pool {
    char tenant[64], key[20];
    int claim_fd;                   /* holds the zygote's lease; -1: not up */
    int64_t asked_at, claimed_at;   /* when the zygote was last started, a kernel last taken */
    struct warm list[WARM_MAX];
    uint32_t count;
};

enum verdict { VERDICT_UNKNOWN, VERDICT_HOLDS, VERDICT_FAILS };

struct compute {
    struct places places;
    struct kernel_limits limits;
    uint32_t warm, lease_s;
    bool is_unsafe, is_stopping;
    json_t *groups;
    char *api_dir;
    struct su_lock lock;
    struct su_thread thread;
    struct pool pools[POOLS_MAX];
    uint32_t pool_count;
    enum verdict verdict;
};

/* pool.c: the thread's work, and what a starting kernel takes. */
void pool_run(void *compute);
struct pool *pool_of(struct compute *compute, const char *tenant);      /* under lock; NULL when there are too many */
/* Take the oldest waiting kernel; false when there is none. */
bool pool_take(struct compute *compute, const char *tenant, struct warm *ret);
bool pool_zygote_socket(struct compute *compute, const char *tenant, char **ret);
void pool_close(struct compute *compute);
/* start.c */
bool start_keeper(struct compute *compute, const char *tenant, const struct kernel_limits *limits, bool network,
                  const char *zygote, struct warm *ret, struct su_err *err);
